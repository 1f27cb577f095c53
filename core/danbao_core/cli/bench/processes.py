"""Processes of a bench's own, which end with it, and what the system knows of a process."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil

from danbao_core.cli.bench import jobs
from danbao_core.cli.output import CommandFailed

A = TypeVar("A", jobs.Measured, jobs.Timed)

_MEBIBYTE = 2**20


@asynccontextmanager
async def a_module(name: str, logs: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of `danbao_core.cli.bench`, which ends with its stdin, and so with us, whatever becomes of us."""
    with (logs / f"bench-{name}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"danbao_core.cli.bench.{name}"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


class Load:
    """A load generator. Made by `a_load`."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    async def ask(self, job: jobs.Job, answer_type: type[A]) -> A:
        """Has it do a job. Raises CommandFailed where it cannot."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(job) + b"\n")
        line = await self._process.stdout.readline()
        answer: jobs.JobAnswer = msgspec.json.decode(line, type=jobs.JobAnswer) if line else jobs.Failed(self._last_words())
        if not isinstance(answer, answer_type):
            raise CommandFailed("LOAD_FAILED", f"The load generator failed: {getattr(answer, 'message', answer)}")
        return answer

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])


@asynccontextmanager
async def a_load(logs: Path) -> AsyncIterator[Load]:
    """A load generator that knows no accounts yet."""
    async with a_module("load", logs) as process:
        yield Load(process, logs / "bench-load.log")


def resident_mebibytes(pid: int) -> float:
    """How much memory a process has now."""
    return float(psutil.Process(pid).memory_info().rss) / _MEBIBYTE


def cpu_seconds(pid: int) -> float:
    """What a process has taken of the processor so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def cpu_seconds_of_family(pid: int) -> float:
    """Of a process, its children, and those of them that have ended."""
    process = psutil.Process(pid)
    while True:
        ended = _with_ended_children(process)
        living = 0.0
        for child in process.children():
            try:
                living += cpu_seconds(child.pid)
            except psutil.NoSuchProcess:
                continue
        # A child that ended meanwhile, such as pgbench's, is in neither sum, and would be taken for the next contender's.
        if _with_ended_children(process) == ended:
            return ended + living


def _with_ended_children(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)
