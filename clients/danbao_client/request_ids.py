"""Ids of requests."""

import os
import time
from typing import Final
from uuid import UUID

_VERSION: Final = 7 << 76
_VARIANT: Final = 0b10 << 62
_RANDOM: Final = (1 << 80) - 1 - (0b1111 << 76) - (0b11 << 62)


def fresh_request_id() -> str:
    """A UUIDv7 (RFC 9562), which nobody else has. Later ones sort after earlier ones, so where the core remembers requests it
    writes at one place, however many it remembers.
    """
    random = int.from_bytes(os.urandom(10), "big") & _RANDOM
    return str(UUID(int=time.time_ns() // 1_000_000 << 80 | _VERSION | _VARIANT | random))
