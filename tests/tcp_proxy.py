"""A proxy between a caller and a server that cuts connections in the middle, by the bytes that went over them."""

import asyncio
import contextlib
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from tests.proxy import Proxy


class Way(Enum):
    """The way that bytes go."""

    TO_SERVER = "to the server"
    TO_CALLER = "to the caller"


class Cut(NamedTuple):
    """Cuts a connection once so many bytes went over it one way; the rest of what was on its way is lost."""

    way: Way
    after_bytes: int


class TcpProxy(Proxy):
    """Passes on what both sides say. The first connection meets the first of `cuts` and so on; later ones are left alone."""

    def __init__(self, server_address: str, cuts: Sequence[Cut]) -> None:
        super().__init__()
        self.address = ""
        self.cuts = list(cuts)
        """Those that have not struck yet."""
        self._host, _, self._port = server_address.rpartition(":")

    async def __aenter__(self) -> "TcpProxy":
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def _serve(self, from_caller: asyncio.StreamReader, to_caller: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(self._host, self._port)
        cut = self.cuts[0] if self.cuts else None
        ways = {Way.TO_SERVER: (from_caller, to_server), Way.TO_CALLER: (from_server, to_caller)}
        passing = [
            asyncio.create_task(_pass_on(*ends, cut.after_bytes if cut and cut.way is way else None))
            for way, ends in ways.items()
        ]
        try:
            done, _ = await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            if cut and any(each.result() for each in done):
                self.cuts.remove(cut)
        finally:
            for each in passing:
                each.cancel()
            for writer in (to_caller, to_server):
                writer.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most_bytes: int | None) -> bool:
    """Passes bytes on until one side ends; True where so many had gone over that the connection is to be cut."""
    left = most_bytes
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            if left is not None and len(data) > left:
                writer.write(data[:left])
                await writer.drain()
                return True
            left = None if left is None else left - len(data)
            writer.write(data)
            await writer.drain()
    return False
