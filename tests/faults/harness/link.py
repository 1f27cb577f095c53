"""A connection between two parts of a stack, in the middle of which a test sits."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from tests.proxy import Proxy

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_COMMITS: Final = (b"COMMIT\0", b"COMMIT AND CHAIN\0")


class Link(Proxy):
    """Passes on what both sides say, as long as it is let."""

    def __init__(self, name: str, connect: Callable[[], Awaitable[Ends]]) -> None:
        super().__init__()
        self.name = name
        self.on_commit: Callable[[], None] | None = None
        """Called once, when a COMMIT comes by."""
        self.after_passing_on = False
        """Whether it is called after the COMMIT was passed on, or before."""
        self._connect = connect
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def listen(self, socket: Path) -> None:
        """Listens on a Unix socket."""
        self._listener = await asyncio.start_unix_server(self._accept, socket)

    async def listen_on_loopback(self) -> str:
        """Listens on a free port; answers its address."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        await self.__aexit__()

    def cut(self) -> None:
        """Ends every connection that there is; new ones are served."""
        for writer in list(self._writers):
            writer.transport.abort()

    def hold_up(self) -> None:
        """Passes on nothing more, and tells nobody."""
        self._open.clear()

    def let_go(self) -> None:
        """Passes on what was held up, and all that comes."""
        self._open.set()

    async def _serve(self, from_caller: asyncio.StreamReader, to_caller: asyncio.StreamWriter) -> None:
        self._writers.add(to_caller)
        to_server: asyncio.StreamWriter | None = None
        try:
            from_server, to_server = await self._connect()
            self._writers.add(to_server)
            there = asyncio.create_task(self._pass_on(from_caller, to_server, watched=True))
            back = asyncio.create_task(self._pass_on(from_server, to_caller, watched=False))
            try:
                await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                there.cancel()
                back.cancel()
                await asyncio.gather(there, back, return_exceptions=True)
        except OSError:
            pass  # nobody listens there now, which the caller is to see
        finally:
            for writer in (to_caller, to_server):
                if writer is not None:
                    self._writers.discard(writer)
                    writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, watched: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                await self._open.wait()
                strike = self.on_commit if watched and any(commit in data for commit in _COMMITS) else None
                if strike is not None:
                    self.on_commit = None
                    if not self.after_passing_on:
                        strike()
                writer.write(data)
                await writer.drain()
                if strike is not None and self.after_passing_on:
                    strike()


async def to_socket(path: Path) -> Ends:
    """A connection to a Unix socket. Raises OSError."""
    return await asyncio.open_unix_connection(path)


async def to_address(address: str) -> Ends:
    """A connection to HOST:PORT. Raises OSError."""
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))
