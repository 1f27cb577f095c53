"""A sandbox in a temporary folder, for as long as it is used."""

import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from danbao_core.cli.locate import Core, find_core
from danbao_core.cli.output import CommandFailed, Output
from danbao_core.embedded import Child, PostgresServer

_START_SECONDS: Final = 120.0
_STOP_STEPS: Final = ((signal.SIGTERM, 60.0), (signal.SIGKILL, 5.0))


@asynccontextmanager
async def passing_sandbox(output: Output, command_name: str, *options: str) -> AsyncIterator[Core]:
    """Runs `danbao up` with these options as a child process for the command of that name, which ends with us. Raises
    CommandFailed where it does not start."""
    with temporary_folder(command_name) as parent:
        folder = parent / "sandbox"
        command = [sys.executable, "-m", "danbao_core", "up", "--data", str(folder), "--listen", "127.0.0.1:0", *options]
        child = Child.launch(command, log=parent / "up.log", death_signal=signal.SIGTERM)
        try:
            with output.progress.status(f"Starting a sandbox for the {command_name} ..."):
                core = await _ready(child, folder)
            yield core
        finally:
            with output.progress.status("Stopping the sandbox ..."):
                await child.stop(_STOP_STEPS)
            PostgresServer(folder / "postgres").discard()  # as root its data may lie elsewhere


async def _ready(child: Child, folder: Path) -> Core:
    give_up_at = time.monotonic() + _START_SECONDS
    while child.exit_code is None and time.monotonic() < give_up_at:
        try:
            return find_core(folder)
        except CommandFailed:
            await asyncio.sleep(0.05)
    raise CommandFailed("START_FAILED", f"The sandbox did not start: {child.log_tail()}")


@contextmanager
def temporary_folder(command_name: str) -> Iterator[Path]:
    """A folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f"danbao-{command_name}-"))
    folder.chmod(0o711)  # as root Postgres runs as another user, who has to walk through
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
