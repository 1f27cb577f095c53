"""The way into a server, which closes when it stops.

gRPC's own stop answers calls that it has received and not yet handed over CANCELLED, which no caller takes for "try another
server". So before it is asked to stop, the gate closes: calls inside end as ever, new ones are told to go elsewhere.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from danbao_core.errors import ShuttingDown

_QUIET_SECONDS: Final = 0.2
"""Nobody has knocked for so long: those who know of this server have heard that it is closed."""

_MOST_QUIET_SECONDS: Final = 2.0
"""Some never stop knocking."""

_LOOK_SECONDS: Final = 0.01


class Gate:
    """Each call enters it, as a context. One event loop only."""

    def __init__(self) -> None:
        self._inside = 0
        self._closed = False
        self._knocked_at = 0.0
        self._told: set[Callable[[], None]] = set()

    def must_be_open(self) -> None:
        """Raises ShuttingDown once it is closed."""
        if self._closed:
            raise ShuttingDown

    def __enter__(self) -> None:
        """Raises ShuttingDown once it is closed."""
        if self._closed:
            self._knocked_at = time.monotonic()
            raise ShuttingDown
        self._inside += 1

    def __exit__(self, *_: object) -> None:
        self._inside -= 1

    @contextlib.contextmanager
    def telling(self, callback: Callable[[], None]) -> Iterator[None]:
        """Calls back when the gate closes while the block lasts: for a call inside that would not end by itself.

        Where it closed since the call entered, at once.
        """
        self._told.add(callback)
        if self._closed:
            callback()
        try:
            yield
        finally:
            self._told.discard(callback)

    async def close(self, patience_seconds: float) -> None:
        """Lets nobody in any more, and returns when all are out and nobody knocks, or after `patience_seconds`."""
        self._closed = True
        for callback in tuple(self._told):
            callback()
        closed_at = self._knocked_at = time.monotonic()
        while (now := time.monotonic()) < closed_at + patience_seconds:
            knocking = now < min(self._knocked_at + _QUIET_SECONDS, closed_at + _MOST_QUIET_SECONDS)
            if not self._inside and not knocking:
                return
            await asyncio.sleep(_LOOK_SECONDS)
