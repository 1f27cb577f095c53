"""What runs under a bench: a sandbox of its own, servers, the echo server, the load generator and pgbench."""

import asyncio
import os
import re
import signal
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import asyncpg
import msgspec
import psutil

from danbao_core.cli.bench import jobs
from danbao_core.cli.locate import Core
from danbao_core.cli.output import CommandFailed, Output
from danbao_core.cli.passing_sandbox import passing_sandbox
from danbao_core.embedded import Child, StartError
from danbao_core.embedded.account import postgres_account
from danbao_core.embedded.binaries import postgres_bin
from danbao_core.supervisor import ListenAddress, Role, read_endpoint
from danbao_core.supervisor.files import KEYRING_FILE
from danbao_core.supervisor.listen import HeldPort
from danbao_core.supervisor.process import RoleProgram

_STOP_STEPS: Final = ((signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0))
_PGBENCH_SCALE: Final = 10
_PGBENCH_DATABASE: Final = "pgbench"

A = TypeVar("A", jobs.Measured, jobs.Timed)


class ServerProcess(NamedTuple):
    """A `danbao serve` that serves."""

    address: str
    child: Child
    log: Path


class Stack:
    """What the contenders are run on. Made by `a_stack`."""

    def __init__(self, core: Core, closing: AsyncExitStack) -> None:
        assert core.folder is not None, "a sandbox has a folder"
        assert core.database_url is not None, "and a database"
        self.key = core.key
        self.folder = core.folder
        self.database_url = core.database_url
        self.servers: list[ServerProcess] = []
        self.echo_address = ""
        self._closing = closing
        self._load: asyncio.subprocess.Process | None = None
        self._echo: asyncio.subprocess.Process | None = None
        self._pgbench_url = ""

    async def start(self, output: Output, accounts: int, *, with_pgbench: bool) -> None:
        """Starts everything, and makes the accounts and, where they are wanted, pgbench's tables."""
        self.servers = [await self._closing.enter_async_context(self.a_server()) for _ in range(2)]
        self._echo = await self._closing.enter_async_context(_a_module("echo", self.folder / "logs"))
        assert self._echo.stdout is not None
        self.echo_address = (await self._echo.stdout.readline()).decode().strip()
        self._load = await self._closing.enter_async_context(_a_module("load", self.folder / "logs"))
        with output.progress.status(f"Making {accounts:,} accounts ..."):
            await self.ask(jobs.Prepare(self.servers[0].address, self.key, accounts), jobs.Measured)
        if with_pgbench:
            with output.progress.status("Filling pgbench's tables ..."):
                await self._make_pgbench_database()

    @asynccontextmanager
    async def a_server(self, *module: str) -> AsyncIterator[ServerProcess]:
        """A `danbao serve` on the sandbox's database, on a port of its own; another module than `danbao_core` may run it."""
        with HeldPort(ListenAddress.parse("127.0.0.1:0")) as port:
            environment = {
                "DANBAO_MODE": "sandbox",
                "DANBAO_DATABASE_URL": self.database_url,
                "DANBAO_LISTEN": str(port.address),
                "DANBAO_REUSE_PORT": "true",
                "DANBAO_HASH_KEY": (self.folder / "hash.key").read_text().strip(),
                "DANBAO_KEYRING_FILE": str(self.folder / KEYRING_FILE),
            }
            log = self.folder / "logs" / f"bench-{port.address.port}.log"
            command = (sys.executable, "-m", *(module or ("danbao_core",)), "serve")
            program = RoleProgram(Role("server", command), environment, log)
            child = await program.launch()
            try:
                try:
                    await program.wait_until_ready(child)
                except StartError as error:
                    raise CommandFailed("START_FAILED", str(error)) from None
                yield ServerProcess(str(port.address), child, log)
            finally:
                await child.stop(_STOP_STEPS)

    @asynccontextmanager
    async def a_receiver(self) -> AsyncIterator[str]:
        """A receiver of webhooks, and its URL."""
        async with _a_module("receiver", self.folder / "logs") as process:
            assert process.stdout is not None
            yield (await process.stdout.readline()).decode().strip()

    async def ask(self, job: jobs.Job, answer_type: type[A]) -> A:
        """Has the load generator do a job. Raises CommandFailed where it cannot."""
        assert self._load is not None, "call start() first"
        assert self._load.stdin is not None
        assert self._load.stdout is not None
        self._load.stdin.write(msgspec.json.encode(job) + b"\n")
        line = await self._load.stdout.readline()
        answer: jobs.JobAnswer = msgspec.json.decode(line, type=jobs.JobAnswer) if line else jobs.Failed(self._last_words())
        if not isinstance(answer, answer_type):
            raise CommandFailed("LOAD_FAILED", f"The load generator failed: {getattr(answer, 'message', answer)}")
        return answer

    def _last_words(self) -> str:
        return "\n".join((self.folder / "logs" / "bench-load.log").read_text(errors="replace").splitlines()[-5:])

    async def pgbench(self, clients: int, seconds: int) -> tuple[float, float]:
        """Runs TPC-B with prepared statements: transactions per second, and the median milliseconds of one.

        The median is that of pgbench's own log, which has a line for every transaction.
        """
        prefix = self.folder / "logs" / "pgbench"
        told = await self._run_pgbench(
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

    async def postgres_version(self) -> str:
        """As in "18.1"."""
        connection = await asyncpg.connect(self.database_url)
        try:
            version: str = await connection.fetchval("SHOW server_version")
        finally:
            await connection.close()
        return version.partition(" ")[0]

    async def _make_pgbench_database(self) -> None:
        connection = await asyncpg.connect(self.database_url)
        try:
            await connection.execute(f"CREATE DATABASE {_PGBENCH_DATABASE}")
        finally:
            await connection.close()
        self._pgbench_url = urlsplit(self.database_url)._replace(path=f"/{_PGBENCH_DATABASE}").geturl()
        await self._run_pgbench("--initialize", "--quiet", f"--scale={_PGBENCH_SCALE}")

    async def _run_pgbench(self, *arguments: str) -> str:
        program = postgres_bin(postgres_account()) / "pgbench"
        process = await asyncio.create_subprocess_exec(
            *(str(program), *arguments, self._pgbench_url),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.defpath, "LC_ALL": "C"},
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

    def cpu_seconds(self) -> dict[str, float]:
        """What the servers, the echo server and Postgres have taken of the processor so far."""
        postgres = read_endpoint(self.folder).pids["postgres"]
        assert self._echo is not None, "call start() first"
        return {
            "server": sum(_cpu_seconds(server.child.pid) for server in self.servers),
            "echo": _cpu_seconds(self._echo.pid),
            "postgres": sum(_cpu_seconds_of_family(pid) for pid in postgres),
        }


@asynccontextmanager
async def a_stack(
    output: Output, accounts: int, *, with_pgbench: bool = True, with_worker: bool = False
) -> AsyncIterator[Stack]:
    """A sandbox, and everything else that a bench needs, for as long as it is used. Raises CommandFailed."""
    async with passing_sandbox(output, "bench", "--workers", str(int(with_worker))) as core, AsyncExitStack() as closing:
        stack = Stack(core, closing)
        await stack.start(output, accounts, with_pgbench=with_pgbench)
        yield stack


@asynccontextmanager
async def _a_module(name: str, logs: Path) -> AsyncIterator[asyncio.subprocess.Process]:
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


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _cpu_seconds_of_family(pid: int) -> float:
    """Of a process, its children, and those of them that have ended."""
    process = psutil.Process(pid)
    while True:
        ended = _with_ended_children(process)
        living = 0.0
        for child in process.children():
            try:
                living += _cpu_seconds(child.pid)
            except psutil.NoSuchProcess:
                continue
        # A child that ended meanwhile, such as pgbench's, is in neither sum, and would be taken for the next contender's.
        if _with_ended_children(process) == ended:
            return ended + living


def _with_ended_children(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)
