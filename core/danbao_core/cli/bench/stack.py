"""What runs under a bench: servers, the echo server, load generators and pgbench, on a prepared database."""

import signal
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg

from danbao_core.cli.bench import ground as grounds
from danbao_core.cli.bench import jobs, processes
from danbao_core.cli.bench.databases import a_database
from danbao_core.cli.bench.figures import OF_STORED
from danbao_core.cli.bench.filling import PAYMENTS_OF_AN_ACCOUNT, fill
from danbao_core.cli.bench.ground import Ground
from danbao_core.cli.bench.pgbench import Pgbench, a_pgbench
from danbao_core.cli.bench.processes import Load
from danbao_core.cli.output import CommandFailed, Output
from danbao_core.embedded import Child, StartError
from danbao_core.supervisor import ListenAddress, Role
from danbao_core.supervisor.files import KEYRING_FILE
from danbao_core.supervisor.listen import HeldPort
from danbao_core.supervisor.process import RoleProgram

_STOP_STEPS: Final = ((signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0))
_WARMING_STREAMS: Final = 2
_MODELS: Final = 256
"""Payments that the engine makes before one of them is copied."""


class ServerProcess(NamedTuple):
    """A `danbao serve` that serves."""

    address: str
    child: Child
    log: Path


class Pair(NamedTuple):
    """Two databases with the same accounts, one of which has payments stored in it; a server on each."""

    empty: ServerProcess
    stored: ServerProcess
    stored_url: str
    load: Load


class Wanted(NamedTuple):
    """What the contenders need."""

    pgbench: bool
    echo: bool
    servers: int
    stored: int
    """Payments that are stored before; 0 for no such databases."""

    @classmethod
    def by(cls, names: Collection[str], stored: int) -> "Wanted":
        """What these contenders need."""
        pgbench = any(name.startswith("pgbench") for name in names)
        return cls(pgbench, "echo" in names, 2 if "bulk_two" in names else 1, 0 if OF_STORED.isdisjoint(names) else stored)


class Stack:
    """What the contenders are run on. Made by `a_stack`."""

    def __init__(self, ground: Ground, closing: AsyncExitStack) -> None:
        self.ground = ground
        self.key = ground.operator_key
        self.folder = ground.folder
        self.database_url = ground.database_url
        self.servers: list[ServerProcess] = []
        self.echo_address = ""
        self.pair: Pair | None = None
        self._closing = closing
        self._load: Load | None = None
        self._echo_pid: int | None = None
        self._pgbench: Pgbench | None = None

    async def start(self, output: Output, accounts: int, wanted: Wanted) -> None:
        """Starts everything, and makes the accounts and what else is wanted."""
        enter = self._closing.enter_async_context
        if wanted.pgbench:
            self._pgbench = await enter(a_pgbench(output, self.ground))
        if wanted.stored:
            self.pair = await enter(
                self._a_pair(output, max(accounts, wanted.stored // PAYMENTS_OF_AN_ACCOUNT * 2), wanted.stored)
            )
        self.servers = [await enter(self.a_server()) for _ in range(wanted.servers)]
        if wanted.echo:
            echo = await enter(processes.a_module("echo", self.folder / "logs"))
            assert echo.stdout is not None
            self.echo_address, self._echo_pid = (await echo.stdout.readline()).decode().strip(), echo.pid
        self._load = await enter(processes.a_load(self.folder / "logs"))
        with output.progress.status(f"Making {accounts:,} accounts ..."):
            await self.load.ask(jobs.Prepare(self.servers[0].address, self.key, accounts), jobs.Measured)

    @property
    def load(self) -> Load:
        """The load generator, which knows the accounts of the first database."""
        assert self._load is not None, "call start() first"
        return self._load

    @property
    def pgbench(self) -> Pgbench:
        assert self._pgbench is not None, "it was not wanted"
        return self._pgbench

    @asynccontextmanager
    async def a_server(self, *module: str, database_url: str = "") -> AsyncIterator[ServerProcess]:
        """A `danbao serve` on a port of its own; another module than `danbao_core` may run it, on another database."""
        with HeldPort(ListenAddress.parse("127.0.0.1:0")) as port:
            environment = {
                "DANBAO_MODE": "sandbox",
                "DANBAO_DATABASE_URL": database_url or self.database_url,
                "DANBAO_LISTEN": str(port.address),
                "DANBAO_REUSE_PORT": "true",
                "DANBAO_HASH_KEY": (self.folder / grounds.HASH_KEY_FILE).read_text().strip(),
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
        async with processes.a_module("receiver", self.folder / "logs") as process:
            assert process.stdout is not None
            yield (await process.stdout.readline()).decode().strip()

    @asynccontextmanager
    async def _a_pair(self, output: Output, accounts: int, count: int) -> AsyncIterator[Pair]:
        async with AsyncExitStack() as closing:
            enter = closing.enter_async_context
            empty_url = await enter(self.ground.a_prepared_database(output, "empty"))
            load = await enter(processes.a_load(self.folder / "logs"))
            async with self.a_server(database_url=empty_url) as server:
                with output.progress.status(f"Making {accounts:,} accounts ..."):
                    await load.ask(jobs.Prepare(server.address, self.key, accounts), jobs.Measured)
                await load.ask(jobs.Bulk([server.address], 1, count=_MODELS), jobs.Measured)
            stored_url = await enter(a_database(self.database_url, "stored", empty_url))
            with output.progress.status("") as status:
                await fill(stored_url, count, lambda done: status.update(f"Storing payments: {done:,} of {count:,} ..."))
            empty, stored = [await enter(self.a_server(database_url=url)) for url in (empty_url, stored_url)]
            with output.progress.status("Warming up both databases ..."):
                # Nearly every account pays or is paid, so that its pages were written since the last checkpoint, as they are
                # most of the time: the first change of a page after one goes into the WAL with the whole page.
                for server in (empty, stored):
                    await load.ask(jobs.Bulk([server.address], _WARMING_STREAMS, count=accounts), jobs.Measured)
            yield Pair(empty, stored, stored_url, load)

    async def postgres_version(self) -> str:
        """As in "18.1"."""
        connection = await asyncpg.connect(self.database_url)
        try:
            version: str = await connection.fetchval("SHOW server_version")
        finally:
            await connection.close()
        return version.partition(" ")[0]

    def cpu_seconds(self) -> dict[str, float]:
        """What the servers, the echo server and, where it is ours, Postgres have taken of the processor so far."""
        servers = [*self.servers, *(self.pair[:2] if self.pair else ())]
        taken = {
            "server": sum(processes.cpu_seconds(server.child.pid) for server in servers),
            "echo": processes.cpu_seconds(self._echo_pid) if self._echo_pid is not None else 0.0,
        }
        if self.ground.postgres_pids is not None:
            taken["postgres"] = sum(map(processes.cpu_seconds_of_family, self.ground.postgres_pids))
        return taken


@asynccontextmanager
async def a_stack(output: Output, ground: Ground, accounts: int, wanted: Wanted) -> AsyncIterator[Stack]:
    """Everything that a bench needs, for as long as it is used. Raises CommandFailed."""
    async with AsyncExitStack() as closing:
        stack = Stack(ground, closing)
        await stack.start(output, accounts, wanted)
        yield stack
