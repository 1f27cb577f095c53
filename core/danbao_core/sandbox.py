"""The installation itself: live or sandbox, for good; and the sandbox's clock."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from danbao_core import trail
from danbao_core.accounts import PLATFORM_ID
from danbao_core.engine import Book, Command, Decision, Key, Row, table
from danbao_core.errors import ClockOutOfRange

LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Business time ends here, so that every due date still fits the contract's Timestamp (year 9999)."""


@table("installation", rank=15, key=("id",))
class Installation(Row, frozen=True):
    """The one row (id 1) that says what this database is."""

    id: int
    mode: str
    clock_offset_seconds: int
    created_at: datetime
    version: int


class ClockReading(msgspec.Struct, frozen=True):
    """What the sandbox's clock shows."""

    time: datetime
    offset_seconds: int


class AdvanceClock(Command[ClockReading], frozen=True):
    """Moves business time forward. Refused: ClockOutOfRange."""

    result_type = ClockReading
    by_seconds: int

    def keys(self, book: Book) -> Iterable[Key]:
        yield Installation.key(1)

    def decide(self, book: Book) -> Decision[ClockReading]:
        installation: Installation = book[Installation, 1]
        if self.by_seconds <= 0:
            raise ValueError("the clock does not go back")
        offset_seconds = installation.clock_offset_seconds + self.by_seconds
        if timedelta(seconds=offset_seconds) > LATEST - book.database_time:
            raise ClockOutOfRange(time=book.now.isoformat())
        moved_to = book.database_time + timedelta(seconds=offset_seconds)
        moved = installation.replace(clock_offset_seconds=offset_seconds, version=installation.version + 1)
        trace = trail.audit_event(self.ids(), self.origin, Installation, PLATFORM_ID, book.now)
        return Decision(ClockReading(moved_to, offset_seconds), [moved, trace])
