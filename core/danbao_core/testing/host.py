"""The host of a test run: one Postgres, and a sandbox for each connection that asks for one.

A sandbox is what `danbao up` runs, but for its database, which is a copy of one that was migrated before. What a connection was
given ends with it. With the last one everything ends; nothing is worth a clean stop, because nothing is kept.
"""

import asyncio
import json
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

import asyncpg

from danbao_core.embedded import PostgresServer, ValkeyServer
from danbao_core.migrations import migrate
from danbao_core.supervisor import Endpoint, ListenAddress, Supervisor, default_roles
from danbao_core.testing import lease
from danbao_core.testing.temporary import a_temporary_folder

TEMPLATE: Final = "danbao_template"
"""The migrated database that others are copies of; nobody connects to it."""

# Nothing outlasts the run, so less is written for each database.
_SETTINGS: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "300",
}
_WORD_BYTES: Final = 64

Answer = dict[str, str]


class Host:
    """Serves the connections of a run. `folder` is where they meet, `data` is for files and ends with the host."""

    def __init__(self, folder: Path, listener: socket.socket, data: Path) -> None:
        self._folder = folder
        self._listener = listener
        self._data = data
        self._postgres = PostgresServer(data / "postgres", settings=_SETTINGS)
        self._starting: asyncio.Task[None] | None = None
        self._numbers = count(1)
        self._connections = set[asyncio.Task[None]]()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Returns when the last connection has ended and everything is removed."""
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener, self._accept)
        await self._ended.wait()
        await asyncio.gather(*self._connections)

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.add(asyncio.create_task(self._serve(connection)))

    async def _serve(self, connection: socket.socket) -> None:
        """Gives what is asked for, until the connection ends."""
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=_WORD_BYTES)
        try:
            wanted = (await reader.readline()).decode().strip()
            if wanted:
                left = asyncio.create_task(_end_of(reader))
                await self._give(self._core() if wanted == "core" else self._database(), writer, left)
        except OSError as error:
            _say(f"a connection broke: {error}")
        finally:
            await self._end_if_last()
            writer.close()

    async def _give(
        self, giving: AbstractAsyncContextManager[Answer], writer: asyncio.StreamWriter, left: "asyncio.Task[None]"
    ) -> None:
        """Has it from beginning to end in a task of its own, which is cancelled when the other side leaves."""

        async def given() -> None:
            try:
                async with giving as answer:
                    writer.write(f"{json.dumps(answer)}\n".encode())
                    await asyncio.Event().wait()
            except Exception as error:  # whatever it is, the other side waits to be told
                writer.write(f"{json.dumps({'error': str(error)})}\n".encode())

        task = asyncio.create_task(given())
        await left
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()):
            _say(repr(error))

    async def _end_if_last(self) -> None:
        """Looks, alone with the meeting point, whether anybody else is there or has come, and ends everything if not."""
        me = asyncio.current_task()
        assert me is not None
        with lease.locked(self._folder):
            self._accept()
            if self._connections != {me}:
                self._connections.discard(me)
                return
            asyncio.get_running_loop().remove_reader(self._listener)
            if self._starting is not None:
                self._starting.cancel()
                await asyncio.wait({self._starting})
            await self._postgres.stop()
            self._postgres.discard()
            lease.remove(self._folder)
        self._ended.set()

    @asynccontextmanager
    async def _database(self) -> AsyncIterator[Answer]:
        """The Postgres itself, for tests of the core."""
        await self._started()
        yield {"url": self._postgres.url_of("postgres")}

    async def _started(self) -> None:
        """Returns when Postgres runs and has what is to be copied; the first who asks has it started."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        await self._postgres.start()
        await self._execute(f"CREATE DATABASE {TEMPLATE}")
        await migrate(self._postgres.url_of(TEMPLATE), "sandbox")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._postgres.url_of("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    @asynccontextmanager
    async def _core(self) -> AsyncIterator[Answer]:
        """A sandbox on a database of its own."""
        await self._started()
        name = f"core_{next(self._numbers)}"
        folder = self._data / name
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        try:
            async with _running(folder, self._postgres.url_of(name)):
                yield {"folder": str(folder)}
        finally:
            ValkeyServer(folder / "valkey").discard()
            shutil.rmtree(folder, ignore_errors=True)
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def _running(folder: Path, database_url: str) -> AsyncIterator[None]:
    """A sandbox that is ready, on this database. Raises StartError."""
    ready = asyncio.Event()
    listen = ListenAddress.parse("127.0.0.1:0")
    supervisor = Supervisor(folder, listen, default_roles(1, 1, folder), _Report(ready.set), database_url=database_url)
    running = asyncio.create_task(supervisor.run())
    waiting = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
        yield
    finally:
        waiting.cancel()
        supervisor.request_stop()
        supervisor.request_stop()  # hastened: nobody needs what its processes would still write
        await asyncio.wait({running})


class _Report:
    """Tells the log, and once that everything is ready."""

    def __init__(self, ready: Callable[[], None]) -> None:
        self._ready = ready

    def step(self, text: str) -> None:
        _say(text)

    def say(self, text: str) -> None:
        _say(text)

    def ready(self, endpoint: Endpoint) -> None:
        _say(f"ready: {endpoint.address}")
        self._ready()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


async def _end_of(reader: asyncio.StreamReader) -> None:
    """Returns when the other side is gone, however."""
    with suppress(OSError):
        while await reader.read(_WORD_BYTES):
            pass


def main(folder: str, listening_fd: int) -> None:
    """Runs a host until the last connection has ended."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal of the tests may be closed; their connections tell us
    data = a_temporary_folder("danbao-run-")
    (Path(folder) / lease.DATA).symlink_to(data)
    asyncio.run(Host(Path(folder), socket.socket(fileno=listening_fd), data).run())
