"""How long `danbao up` takes in a folder that is not there yet, until a first payment is made."""

import time

from danbao_core.cli.bench import jobs
from danbao_core.cli.bench.processes import Load
from danbao_core.cli.output import Output
from danbao_core.cli.passing_sandbox import passing_sandbox


async def seconds(load: Load) -> float:
    """From the start of the command to the answer to the payment. Raises CommandFailed."""
    from rich.console import Console

    quiet = Output(as_json=True)
    quiet.progress = Console(quiet=True)  # the rounds show theirs
    began_at = time.perf_counter()
    async with passing_sandbox(quiet, "bench") as core:
        await load.ask(jobs.First(core.address, core.key), jobs.Measured)
        return time.perf_counter() - began_at
