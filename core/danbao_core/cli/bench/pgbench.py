"""pgbench's TPC-B, on a database of its own on the Postgres of the bench."""

import asyncio
import os
import re
import shutil
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from danbao_core.cli.bench.databases import a_database
from danbao_core.cli.bench.ground import Ground
from danbao_core.cli.output import CommandFailed, Output
from danbao_core.embedded import StartError
from danbao_core.embedded.binaries import postgres_bin

_SCALE: Final = 10


class Pgbench:
    """Tables that are filled, and the program. Made by `a_pgbench`."""

    def __init__(self, program: Path, url: str, logs: Path) -> None:
        parts = urlsplit(url)
        # The password goes by the environment: what stands on a command line everybody on the machine can read.
        login = parts.netloc.rpartition("@")[0]
        host = parts.netloc.removeprefix(f"{login}@")
        user, _, password = login.partition(":")
        self.url = parts._replace(netloc=f"{user}@{host}" if login else host).geturl()
        self.environment = {"PATH": os.defpath, "LC_ALL": "C"} | ({"PGPASSWORD": unquote(password)} if password else {})
        self._program = program
        self._logs = logs

    async def fill(self) -> None:
        """Makes its tables. Raises CommandFailed."""
        await self._run("--initialize", "--quiet", f"--scale={_SCALE}")

    async def run(self, clients: int, seconds: int) -> tuple[float, float]:
        """Runs TPC-B with prepared statements: transactions per second, and the median milliseconds of one.

        The median is that of pgbench's own log, which has a line for every transaction. Raises CommandFailed.
        """
        prefix = self._logs / "pgbench"
        told = await self._run(
            *("--protocol=prepared", "--no-vacuum", f"--client={clients}", f"--jobs={min(clients, os.cpu_count() or 1)}"),
            *(f"--time={seconds}", "--log", f"--log-prefix={prefix}"),
        )
        microseconds: list[int] = []
        for file in prefix.parent.glob(f"{prefix.name}.*"):
            microseconds += [int(line.split()[2]) for line in file.read_text().splitlines()]
            file.unlink()
        rate = re.search(r"^tps = ([\d.]+)", told, re.MULTILINE)
        if rate is None or not microseconds:
            raise CommandFailed("PGBENCH_FAILED", f"pgbench told no figures: {told}")
        return float(rate[1]), statistics.median(microseconds) / 1e3

    async def _run(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(str(self._program), *arguments, self.url),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment,
            start_new_session=True,
        )
        try:
            told, complaints = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise CommandFailed("PGBENCH_FAILED", f"pgbench failed: {complaints.decode(errors='replace').strip()}")
        return told.decode()


def find_program(*, is_embedded: bool) -> Path:
    """The program that comes with the embedded Postgres; for an outside one rather what is installed, which can do TLS.

    Raises CommandFailed where there is none.
    """
    if not is_embedded and (found := shutil.which("pgbench")):
        return Path(found)
    with suppress(StartError):
        return postgres_bin(None) / "pgbench"
    raise CommandFailed(
        "PGBENCH_MISSING",
        "There is no pgbench here: install danbao[embedded], or PostgreSQL's own, or choose what is measured with --only.",
    )


@asynccontextmanager
async def a_pgbench(output: Output, ground: Ground) -> AsyncIterator[Pgbench]:
    """pgbench with its tables filled. Raises CommandFailed."""
    program = find_program(is_embedded=ground.is_embedded)
    async with a_database(ground.database_url, "pgbench") as url:
        pgbench = Pgbench(program, url, ground.folder / "logs")
        with output.progress.status("Filling pgbench's tables ..."):
            await pgbench.fill()
        yield pgbench
