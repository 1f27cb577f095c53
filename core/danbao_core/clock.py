"""The two clocks.

*Business* time drives due dates and limits; it is the database's clock plus, in a sandbox, an offset, and reaches decisions as
`book.now`. *Wall* time drives keys, leases and deadlines; it is injected wherever it is needed.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

WallClock = Callable[[], datetime]


def system_wall_clock() -> datetime:
    """The machine's clock, in UTC."""
    return datetime.now(UTC)


SHANGHAI: Final = timezone(timedelta(hours=8))
"""Asia/Shanghai, which has had no summer time since 1991."""


def shanghai_day(at: datetime) -> int:
    """The day of a moment in Asia/Shanghai, as days since 1970-01-01."""
    return at.astimezone(SHANGHAI).toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()


def shanghai_midnight(day: int) -> datetime:
    """When a day in Asia/Shanghai, counted as by `shanghai_day`, begins."""
    return datetime(1970, 1, 1, tzinfo=SHANGHAI).astimezone(UTC) + timedelta(days=day)


def shanghai_year(at: datetime) -> int:
    """The year of a moment in Asia/Shanghai."""
    return at.astimezone(SHANGHAI).year
