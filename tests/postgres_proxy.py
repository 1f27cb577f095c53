"""A proxy between an engine and Postgres that loses connections at the worst moment."""

import asyncio
import contextlib
from enum import Enum, auto
from pathlib import Path
from typing import Final

from tests.proxy import Proxy

_COMMITS: Final = (b"COMMIT\0", b"COMMIT AND CHAIN\0")


class Loss(Enum):
    """When the connection is lost."""

    NEVER = auto()
    BEFORE_COMMIT = auto()
    """The server never sees the COMMIT."""
    AFTER_COMMIT = auto()
    """The server carries it out, and its answer is lost."""
    AT_ONCE = auto()
    """New connections are dropped as well."""


class PostgresProxy(Proxy):
    """Passes on what an engine and the server say, through a Unix socket in `folder`, until `loss` strikes; it strikes once."""

    def __init__(self, folder: Path, server_socket: Path) -> None:
        super().__init__()
        self.folder = folder
        self.loss = Loss.NEVER
        self.struck = asyncio.Event()
        self._server_socket = server_socket

    async def __aenter__(self) -> "PostgresProxy":
        self._listener = await asyncio.start_unix_server(self._accept, self.folder / ".s.PGSQL.5432")
        return self

    async def _serve(self, from_caller: asyncio.StreamReader, to_caller: asyncio.StreamWriter) -> None:
        if self.loss is Loss.AT_ONCE:
            to_caller.close()
            return
        from_server, to_server = await asyncio.open_unix_connection(self._server_socket)
        back = asyncio.create_task(_pass_on(from_server, to_caller))
        try:
            await self._pass_on_until_loss(from_caller, to_server, back)
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            for each in (to_caller, to_server):
                each.close()

    async def _pass_on_until_loss(
        self, reader: asyncio.StreamReader, to_server: asyncio.StreamWriter, back: "asyncio.Task[None]"
    ) -> None:
        while data := await reader.read(65_536):
            committing = any(commit in data for commit in _COMMITS)
            if committing and self.loss is Loss.BEFORE_COMMIT:
                self._strike()
                return
            if committing and self.loss is Loss.AFTER_COMMIT:
                back.cancel()  # the answer stays here
                to_server.write(data)
                await to_server.drain()
                self._strike()
                return
            to_server.write(data)
            await to_server.drain()

    def _strike(self) -> None:
        self.loss = Loss.NEVER
        self.struck.set()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
