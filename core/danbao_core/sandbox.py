"""The installation itself: live or sandbox, for good; and the sandbox's clock and bank."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final

import msgspec

from danbao_core import trail
from danbao_core.accounts import PLATFORM_ID
from danbao_core.engine import Book, Command, Decision, Draft, Key, Row, table
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
    clock_moved_at: datetime | None = None
    """When somebody last moved the clock (wall time)."""


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
        moved = installation.replace(
            clock_offset_seconds=offset_seconds, clock_moved_at=book.database_time, version=installation.version + 1
        )
        trace = trail.audit_event(self.ids(), self.origin, Installation, PLATFORM_ID, book.now)
        return Decision(ClockReading(moved_to, offset_seconds), [moved, trace])


class BankBehaviour(IntEnum):
    """How the sandbox's bank answers; the numbers are those of the contract."""

    ACCEPT = 1
    """Yes, at once."""
    DECLINE = 2
    """No, at once."""
    NO_ANSWER = 3
    """Not at all: what becomes of the money is not known until somebody answers for the bank."""


@table("bank", rank=16, key=("id",))
class Bank(Row, frozen=True):
    """The one row (id 1) that says how the sandbox's bank answers; without it the bank accepts."""

    id: int
    behaviour: BankBehaviour
    version: int


def bank_behaviour(book: Book | Draft) -> BankBehaviour:
    """How the sandbox's bank answers now; for commands that name the row `Bank` 1."""
    bank = book.get(Bank, 1)
    return BankBehaviour.ACCEPT if bank is None else bank.behaviour


class SetBankBehaviour(Command[Bank], frozen=True):
    """Says how the sandbox's bank answers what it is asked from now on; what it has left open stays so. Never refused."""

    result_type = Bank
    behaviour: BankBehaviour

    def keys(self, book: Book) -> Iterable[Key]:
        yield Bank.key(1)

    def decide(self, book: Book) -> Decision[Bank]:
        before = book.get(Bank, 1)
        bank = Bank(id=1, behaviour=self.behaviour, version=1 if before is None else before.version + 1)
        return Decision(bank, [bank, trail.audit_event(self.ids(), self.origin, Installation, PLATFORM_ID, book.now)])
