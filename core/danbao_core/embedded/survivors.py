"""Servers that outlived the process that started them: found by what they are, never by a pid
alone.

A pid file may be stale and its pid may belong to somebody else's process by now. So a process
counts as a survivor only when it runs the right program in the right folder; both Postgres and
Valkey work inside their data folder.
"""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from danbao_core.embedded.child import StopSteps
from danbao_core.embedded.errors import StartError

_POLL_SECONDS = 0.02


def find(program: str, folder: Path) -> list[psutil.Process]:
    """The processes named `program` that work inside `folder`."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name() == program and os.path.samefile(process.cwd(), folder):  # noqa: PTH121 - cwd is a string
                found.append(process)
    return found


async def stop(processes: Sequence[psutil.Process], steps: StopSteps) -> None:
    """Stops them by the first signal that works, one `StopSteps` after the other. Raises StartError
    when one withstands all.
    """
    for number, seconds in steps:
        for process in filter(_runs, processes):
            _send(process, number)
        deadline = time.monotonic() + seconds
        while any(map(_runs, processes)) and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
    if left := [str(process.pid) for process in processes if _runs(process)]:
        raise StartError(f"A server of an earlier start still runs and cannot be stopped: pid {', '.join(left)}.")


def _runs(process: psutil.Process) -> bool:
    """False as well for a zombie, which holds nothing any more, and for a pid that was given to
    another process.
    """
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied:
        raise StartError(
            f"A server of an earlier start still runs as another user: pid {process.pid}. "
            f"Start danbao as that user, or as root."
        ) from None
