"""The two clocks.

*Business* time drives due dates and limits; it is the database's clock plus, in a sandbox, an offset, and reaches decisions as
`book.now`. *Wall* time drives keys, leases and deadlines; it is injected wherever it is needed.
"""

from collections.abc import Callable
from datetime import UTC, datetime

WallClock = Callable[[], datetime]


def system_wall_clock() -> datetime:
    """The machine's clock, in UTC."""
    return datetime.now(UTC)
