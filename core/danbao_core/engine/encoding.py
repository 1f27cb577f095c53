"""How a row is stored within another: as the answer of a remembered request, and as what an event tells."""

from typing import Final

import msgspec

_newest: Final[list[tuple[msgspec.Struct | None, bytes]]] = [(None, b"")]
"""The struct that was encoded last, and its bytes: one item, taken and put whole, so that threads do not mix up theirs."""


def encoded(struct: msgspec.Struct) -> bytes:
    """A frozen struct in MessagePack. Of the newest one it is kept: what a command's event tells is mostly its answer, too, and
    700 bytes that two rows share are made once, and take their place in the cache once."""
    kept, data = _newest[0]
    if kept is not struct:
        data = msgspec.msgpack.encode(struct)
        _newest[0] = (struct, data)
    return data
