"""The whole stack as processes, with a `Link` between each two parts that speak to each other over a socket.

async with a_stack() as stack:
    async with stack.client() as danbao: ...
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import psutil
from redis.asyncio import Redis

from danbao_client import Danbao
from danbao_core.embedded.account import postgres_account
from danbao_core.supervisor import Endpoint, ListenAddress, Role, Supervisor
from danbao_core.supervisor.operator_keys import OperatorKeys
from danbao_core.supervisor.supervisor import prepare_database
from tests.faults.harness.link import Link, to_address, to_socket
from tests.integration.sandboxes import a_folder, eventually, give_data
from tests.receiver import Receiver, a_receiver

Connection: TypeAlias = "asyncpg.Connection[Any]"

_START_SECONDS: Final = 90.0
_AGAIN_SECONDS: Final = 90.0
_DISK_BYTES: Final = 4 * 1024**3
_SPARE_BYTES: Final = 64 * 1024
COUNTS: Final = {"server": 2, "worker": 2, "bank": 1, "postgres": 1, "valkey": 1}


class _Report:
    """What the supervisor tells."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.endpoint: asyncio.Future[Endpoint] = asyncio.get_running_loop().create_future()

    def step(self, text: str) -> None:
        self.lines.append(text)

    def say(self, text: str) -> None:
        self.lines.append(text)

    def ready(self, endpoint: Endpoint) -> None:
        self.endpoint.set_result(endpoint)


class Stack:
    """A stack that runs. Made by `a_stack`."""

    def __init__(self, folder: Path, receiver: Receiver, disk: "Disk") -> None:
        self.folder = folder
        self.receiver = receiver
        self.disk = disk
        self.links: dict[str, Link] = {}
        self.report = _Report()
        self.address = ""
        """Of the servers, through the link "clients"."""
        self.baseline: dict[str, int] = {}
        """How many files each process had open when all was new, by what it is and its number."""
        self._supervisor = Supervisor(
            folder, ListenAddress.parse("127.0.0.1:0"), tuple(self._roles()), self.report, prepare=self._prepare
        )

    @property
    def database_url(self) -> str:
        """Of the database itself, past all links."""
        return self._supervisor._postgres.database_url

    @property
    def endpoint(self) -> Endpoint:
        return self.report.endpoint.result()

    def client(self, patience_seconds: float = 60.0, deadline_seconds: float = 10.0) -> Danbao:
        """An operator, over connections of its own, who waits for long."""
        return Danbao.connect(
            self.address,
            key=self.endpoint.operator_key,
            channels=4,
            deadline_seconds=deadline_seconds,
            patience_seconds=patience_seconds,
        )

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """A connection to the database, past all links and as its owner."""
        connection = await asyncpg.connect(self.database_url, timeout=10)
        try:
            yield connection
        finally:
            connection.terminate()

    # --- Processes ---

    def pids(self, what: str) -> list[int]:
        """Of "worker 1", say: its process, and of "postgres" those of its sessions, too. Empty while it is being started."""
        role, _, number = what.partition(" ")
        pid = self._supervisor._processes[role][int(number or 0)].pid
        if pid is None:
            return []
        with suppress(psutil.NoSuchProcess):
            return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        return []

    def signal(self, what: str, number: signal.Signals) -> None:
        """Sends a signal to a process; SIGSTOP and SIGCONT to its children, too. Does nothing where there is none."""
        with_children = number in (signal.SIGSTOP, signal.SIGCONT)
        for pid in self.pids(what)[: None if with_children else 1]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    async def whole_again(self) -> None:
        """Returns when every process does its work. Raises AssertionError, with what the supervisor said last."""
        keepers = [each for processes in self._supervisor._processes.values() for each in processes]
        try:
            await eventually(lambda: all(each.pid is not None for each in keepers), _AGAIN_SECONDS)
        except AssertionError:
            raise AssertionError(f"not all processes came back: {self.report.lines[-5:]}") from None

    def processes(self) -> Counter[str]:
        """How many processes there are of each kind, whoever started them last; Postgres's sessions are not counted."""
        found: Counter[str] = Counter()
        for process in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):
                command = " ".join(process.cmdline())
                kinds = {"danbao_core serve": "server", "danbao_workers": "worker", str(self.folder / "bank"): "bank"}
                kinds |= {str(self._supervisor._postgres.data_folder): "postgres", str(self.folder / "valkey"): "valkey"}
                found.update(kind for text, kind in kinds.items() if text in command)
        return found

    def open_files(self) -> dict[str, int]:
        """How many files, sockets included, each server and worker has open."""
        names = [f"{role} {number}" for role in ("server", "worker") for number in range(COUNTS[role])]
        return {name: psutil.Process(self.pids(name)[0]).num_fds() for name in names}

    async def wipe_valkey(self) -> None:
        """Takes all that it holds. Raises RedisError or OSError where it does not run."""
        async with Redis.from_url(self._supervisor._valkey.valkey_url) as client:
            await client.flushall()

    async def forget_jobs(self) -> None:
        """Has the leader believe that the jobs which it gave out are lost, so it gives out again what is due."""
        async with Redis.from_url(self._supervisor._valkey.valkey_url) as client:
            if markers := await client.keys("danbao:leader:*"):
                await client.delete(*markers)

    # --- Starting ---

    def _roles(self) -> list[Role]:
        """Each server and worker as a role, because each has links of its own."""
        roles = []
        for role, command in (("server", ("-m", "danbao_core", "serve")), ("worker", ("-m", "danbao_workers"))):
            for number in range(COUNTS[role]):
                sockets = self._socket_folder(role, number)
                variables = [
                    f"DANBAO_DATABASE_URL=postgresql://danbao@/danbao?host={quote(str(sockets), safe='')}",
                    f"PYTHONPATH={os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))}",
                ]
                if role == "worker":
                    variables.append(f"DANBAO_VALKEY_URL=unix://{sockets / 'valkey.sock'}")
                roles.append(Role(role, ("env", *variables, sys.executable, *command)))
        bank = ("-m", "danbao_core", "sandbox-bank", "--data", str(self.folder / "bank"))
        return [*roles, Role("bank", (sys.executable, *bank))]

    def _socket_folder(self, role: str, number: int) -> Path:
        return self.folder.parent / f"{role[0]}{number}"

    async def _prepare(self, database_url: str, operator_keys: OperatorKeys) -> None:
        """Before the processes start, their links are there."""
        await prepare_database(database_url, operator_keys)
        database = Path(parse_qs(urlsplit(database_url).query)["host"][0]) / ".s.PGSQL.5432"
        for role in ("server", "worker"):
            for number in range(COUNTS[role]):
                folder = self._socket_folder(role, number)
                folder.mkdir()
                await self._link(f"{role} {number} to postgres", database, folder / ".s.PGSQL.5432")
                if role == "worker":
                    valkey = self._supervisor._valkey._socket_path
                    await self._link(f"{role} {number} to valkey", valkey, folder / "valkey.sock")

    async def _link(self, name: str, server: Path, socket: Path) -> None:
        self.links[name] = Link(name, partial(to_socket, server))
        await self.links[name].listen(socket)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Starts everything, and stops it at the end."""
        running = asyncio.create_task(self._supervisor.run(), name="supervisor")
        try:
            await eventually(lambda: running.done() or self.report.endpoint.done(), _START_SECONDS)
            if running.done():
                await running
            self.links["clients"] = Link("clients", partial(to_address, self.endpoint.address))
            self.address = await self.links["clients"].listen_on_loopback()
            self.baseline = self.open_files()
            yield
        finally:
            self._supervisor.request_stop()
            for link in self.links.values():
                link.let_go()
            await running
            for link in self.links.values():
                await link.close()


class Disk:
    """The place where Postgres keeps its data: a file system of its own, where we may mount one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.can_be_full = False
        """Whether it is one; mounting takes root."""

    async def mount(self) -> None:
        account = postgres_account()
        if account is None:
            return
        options = f"size={_DISK_BYTES},mode=0700,uid={account.uid},gid={account.gid}"
        self._folder.mkdir()
        self.can_be_full = await _succeeds("mount", "-t", "tmpfs", "-o", options, "danbao-faults", str(self._folder))
        if not self.can_be_full:
            self._folder.rmdir()

    async def fill(self) -> None:
        """Leaves next to no space."""
        found = os.statvfs(self._folder)
        used_bytes = (found.f_blocks - found.f_bfree) * found.f_frsize
        await self._resize(used_bytes + _SPARE_BYTES)

    async def make_room(self) -> None:
        await self._resize(_DISK_BYTES)

    async def _resize(self, size_bytes: int) -> None:
        await _succeeds("mount", "-o", f"remount,size={size_bytes}", str(self._folder))

    async def unmount(self) -> None:
        if self.can_be_full:
            assert await _succeeds("umount", str(self._folder)), f"{self._folder} stays mounted"


async def _succeeds(*command: str) -> bool:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait() == 0


@asynccontextmanager
async def a_stack() -> AsyncIterator[Stack]:
    """A new stack in a temporary folder, and a receiver of webhooks beside it."""
    with a_folder("s") as folder:
        account = postgres_account()
        folder.mkdir(mode=0o700 if account is None else 0o710)
        if account is not None:
            os.chown(folder, 0, account.gid)
        disk = Disk(folder / "postgres")
        await disk.mount()
        try:
            await give_data(folder / "postgres")
            async with a_receiver() as receiver:
                stack = Stack(folder, receiver, disk)
                async with stack.running():
                    yield stack
        finally:
            await disk.unmount()
