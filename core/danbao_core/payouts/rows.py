"""When a merchant is paid out, and each payout."""

import hashlib
from datetime import datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from uuid import UUID

from danbao_core.clock import shanghai_day, shanghai_midnight
from danbao_core.engine import Row, table
from danbao_core.ids import uuid_of


class Cadence(IntEnum):
    """When payouts are due; the numbers are those of the contract."""

    NEVER = 1
    DAILY = 2
    """When a day begins in Asia/Shanghai."""
    WEEKLY = 3
    """When one day of the week begins there."""
    THRESHOLD = 4
    """At every full hour at which enough is there."""


class Skip(IntEnum):
    """Why nothing was paid out when it was due; the numbers are those of the contract."""

    NONE = 0
    TOO_LITTLE = 1
    """Less than the least was there; it is paid out with what comes."""
    ACCOUNT_FROZEN = 2
    ACCOUNT_CLOSED = 3
    REFUNDS_WAITING = 4
    """Refunds wait for the money."""
    INSTRUMENT_MISSING = 5
    """The card is no longer bound."""
    PAYOUT_UNDER_WAY = 6
    """No bank has answered to the one before."""
    BANK_MISSING = 7
    """No card is named, and only a sandbox pays out without one."""


@table("payout_schedule", rank=38, key=("id",))
class PayoutSchedule(Row, frozen=True):
    """When what a merchant can spend in one currency is paid out. Amounts are minor units; times are business time."""

    id: UUID
    """Follows from account and currency."""
    account_id: UUID
    currency: str
    cadence: Cadence
    weekday: int
    """Of WEEKLY, 1 for Monday to 7; else 0."""
    least_minor: int
    """What must be there for a payout: a threshold, or the least that is worth one."""
    instrument_id: UUID | None
    """The card; None where a sandbox's till pays out."""
    due_at: datetime | None
    """When the next payout is due; None where none ever is."""
    covered_version: int
    """The number of the wallet's last entry that belongs to a payout, or was there before the schedule was."""
    covered_minor: int
    """What the wallet held after that entry: the next payout begins with it."""
    open_payout_id: UUID | None
    """The payout to which no bank has answered."""
    skip: Skip
    """Why nothing was paid out when it was last due."""
    skipped_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"payoutSchedules/{self.id}"

    def due_after(self, now: datetime) -> datetime | None:
        """When a payout is due next. What was missed is not made up for: one payout takes all that is there."""
        match self.cadence:
            case Cadence.NEVER:
                return None
            case Cadence.DAILY:
                return shanghai_midnight(shanghai_day(now) + 1)
            case Cadence.WEEKLY:
                today = shanghai_day(now)
                weekday = (today + 3) % 7 + 1  # 1970-01-01 was a Thursday
                return shanghai_midnight(today + ((self.weekday - weekday - 1) % 7) + 1)
            case Cadence.THRESHOLD:
                return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)

    def is_due(self, now: datetime) -> bool:
        """Whether time has brought a payout about."""
        return self.due_at is not None and self.due_at <= now


class PayoutState(IntEnum):
    """How far a payout is; the numbers are those of the contract."""

    PENDING = 1
    SUCCEEDED = 2
    FAILED = 3


@table("payout", rank=39, key=("id",))
class Payout(Row, frozen=True):
    """What was paid out when it was due: the entries of the wallet between two numbers. Amounts are minor units."""

    id: UUID
    schedule_id: UUID
    account_id: UUID
    currency: str
    state: PayoutState
    amount_minor: int
    carried_minor: int
    """What was there already before the first of its entries."""
    after_version: int
    """The number of the entry before its first one."""
    until_version: int
    """The number of its last one; the next entry is the withdrawal itself."""
    funding_id: UUID
    """The withdrawal, by which it succeeds or fails."""
    due_at: datetime
    """For which it was made."""
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"payouts/{self.id}"


@lru_cache(maxsize=4_096)
def schedule_id(account_id: UUID, currency: str) -> UUID:
    """The id of an account's schedule in a currency (a UUIDv8): there is one, whoever sets it."""
    digest = bytearray(
        hashlib.blake2b(account_id.bytes + currency.encode(), digest_size=16, person=b"payout schedule").digest()
    )
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return uuid_of(bytes(digest))
