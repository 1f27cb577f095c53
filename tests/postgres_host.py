"""The process that runs the Postgres of a test session; see `shared_postgres.py`.

python postgres_host.py FOLDER LISTENING_FD         (until stdin ends)
"""

import asyncio
import shutil
import socket
import sys
from pathlib import Path

import asyncpg

from danbao_core.embedded import PostgresServer
from danbao_core.migrations import migrate
from tests.shared_postgres import TEMPLATE

# What tests leave behind need not outlast the machine: less is written for each of their databases.
_SETTINGS = {"fsync": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": "0"}


class _Host:
    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._starting: asyncio.Task[str] | None = None

    async def answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Tells a client the URL of the server. Where it does not start, the client reads nothing and the log says why."""
        try:
            if self._starting is None:
                self._starting = asyncio.create_task(self._start())
            writer.write((await asyncio.shield(self._starting)).encode())
        finally:
            writer.close()

    async def _start(self) -> str:
        await self._server.start()
        connection = await asyncpg.connect(self._server.url_of("postgres"))
        try:
            await connection.execute(f"CREATE DATABASE {TEMPLATE}")
        finally:
            await connection.close()
        await migrate(self._server.url_of(TEMPLATE), "sandbox")
        return self._server.url_of("postgres")

    async def stop(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        await self._server.stop()
        self._server.discard()


async def _main() -> None:
    folder, listener_fd = sys.argv[1:]
    host = _Host(PostgresServer(Path(folder, "postgres"), settings=_SETTINGS))
    listener = socket.socket(fileno=int(listener_fd))
    async with await asyncio.start_unix_server(host.answer, sock=listener):
        await asyncio.to_thread(sys.stdin.read)
    await host.stop()
    shutil.rmtree(folder)  # the controller may have been killed


if __name__ == "__main__":
    asyncio.run(_main())
