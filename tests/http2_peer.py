"""Somebody who speaks HTTP/2 frame by frame, and keeps no rule that they do not want to keep.

    async with a_peer(address) as peer:
        stream = peer.ask("/danbao.v1.AccountService/GetAccount")  # headers, and never a message
        peer.send(frame(RST_STREAM, stream, bytes(4)))
        await peer.flushed()

A library for sound peers would refuse to send most of what is sent here, and be slower than the server that it is to trouble.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Final

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
"""Types of frames (RFC 9113)."""

END_STREAM: Final = 1
END_HEADERS: Final = 4
INITIAL_WINDOW_SIZE: Final = 4
"""The setting: how many bytes of a stream the other side may send at first."""

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_BYTES: Final = 16 * 1024
"""Most that a frame may hold where nothing else was agreed."""

_HEAD_BYTES: Final = 9

Headers = Iterable[tuple[str, str]]


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """A frame, legal or not."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def settings(values: dict[int, int]) -> bytes:
    """A frame of settings."""
    return frame(SETTINGS, 0, b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in values.items()))


def packed(headers: Headers) -> bytes:
    """Headers as HPACK literals without indexing (RFC 7541, 6.2.2): the same bytes mean the same on every stream."""
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in headers)


def message(data: bytes, *, compressed: bool = False) -> bytes:
    """A message as gRPC frames it."""
    return bytes([compressed]) + len(data).to_bytes(4, "big") + data


def headers_of(path: str, more: Headers = ()) -> bytes:
    """The headers of a call, packed."""
    usual = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "danbao"), ("te", "trailers")]
    return packed([*usual, ("content-type", "application/grpc"), *more])


def _text(text: str) -> bytes:
    """A string behind its length, an integer with a prefix of seven bits (RFC 7541, 5.1)."""
    length, head = len(text), bytearray()
    if length < 127:
        return bytes([length]) + text.encode("ascii")
    head.append(127)
    length -= 127
    while length >= 128:
        head.append(length % 128 + 128)
        length //= 128
    return bytes([*head, length]) + text.encode("ascii")


class Peer:
    """One connection. What comes over it is counted."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen: Counter[int] = Counter()
        """How many frames of each type came."""
        self.gone = False
        """Whether the server has hung up, as far as has been read."""
        self._reader = reader
        self._writer = writer
        self._next_stream = 1

    def send(self, data: bytes) -> None:
        """Sends bytes, whatever they are. Once the server has hung up, nothing is sent any more."""
        if not self._writer.is_closing():
            self._writer.write(data)

    def ask(self, path: str, more: Headers = (), *, end: bool = False) -> int:
        """Opens a stream with the headers of a call; with `end`, nothing follows them. Returns the stream's id."""
        return self.open(headers_of(path, more), end=end)

    def open(self, block: bytes, *, end: bool = False) -> int:
        """As `ask`, with headers that are packed already."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        parts = [block[at : at + FRAME_BYTES] for at in range(0, len(block), FRAME_BYTES)]
        for number, part in enumerate(parts):
            flags = (END_HEADERS if number == len(parts) - 1 else 0) | (END_STREAM if end and not number else 0)
            self.send(frame(CONTINUATION if number else HEADERS, stream, part, flags))
        return stream

    def tell(self, stream: int, data: bytes, *, end: bool = True) -> None:
        """Sends bytes over a stream."""
        parts = [data[at : at + FRAME_BYTES] for at in range(0, len(data), FRAME_BYTES)]
        for number, part in enumerate(parts):
            self.send(frame(DATA, stream, part, END_STREAM if end and number == len(parts) - 1 else 0))

    async def flushed(self) -> None:
        """Returns when what was sent is on its way, when the server has hung up, or when it takes nothing for a second."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.drain()

    async def hung_up(self) -> None:
        """Reads what comes, until the server hangs up."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await self._reader.readexactly(_HEAD_BYTES)
                await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                self.seen[head[3]] += 1
        self.gone = True

    def hang_up(self) -> None:
        """Ends the connection in the middle of whatever it is."""
        self._writer.transport.abort()


@contextlib.asynccontextmanager
async def a_peer(address: str, *, hello: bytes = PREFACE + settings({}), deaf: bool = False) -> AsyncIterator[Peer]:
    """A connection that begins with these bytes. A `deaf` peer never reads what it is answered."""
    host, _, port = address.rpartition(":")
    peer = Peer(*await asyncio.open_connection(host, int(port)))
    peer.send(hello)
    reading = None if deaf else asyncio.create_task(peer.hung_up())
    try:
        yield peer
    finally:
        peer.hang_up()
        if reading is not None:
            await reading
