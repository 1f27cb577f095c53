"""Days that are reconciled, and what was found."""

import hashlib
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

from danbao_core.bank.port import LineKind
from danbao_core.engine import Row, table
from danbao_core.ids import uuid_of


class ReconciliationState(IntEnum):
    """How far a day is; the numbers are those of the contract."""

    PENDING = 1
    DONE = 2


@table("reconciliation", rank=17, key=("id",))
class Reconciliation(Row, frozen=True):
    """A day whose bank statement is matched with the books. The counts are those of the last time."""

    id: UUID
    """Follows from the day; see `reconciliation_id`."""
    day: int
    """Since 1970-01-01, in Asia/Shanghai."""
    state: ReconciliationState
    lines: int
    """Movements on the bank's statement."""
    entries: int
    """Movements that were booked here on that day."""
    differences: int
    """Movements on one side that had no equal on the other, on that day."""
    created_at: datetime
    finished_at: datetime | None
    version: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"reconciliations/{self.id}"


class DifferenceKind(IntEnum):
    """In what the sides differ, or did first; the numbers are those of the contract."""

    MISSING_HERE = 1
    MISSING_THERE = 2
    AMOUNT_DIFFERS = 3


class DifferenceState(IntEnum):
    """Whether it is seen to; the numbers are those of the contract."""

    OPEN = 1
    EXPLAINED = 2


class Movement(NamedTuple):
    """What both sides tell of: one transfer, one way, one currency."""

    transfer_id: UUID
    kind: LineKind
    currency: str


@table("difference", rank=18, key=("id",))
class Difference(Row, frozen=True):
    """A movement that one side had on a day, and the other had not, or with another amount."""

    id: UUID
    """Follows from the movement, so that the side that comes later meets this row; see `difference_id`."""
    kind: DifferenceKind
    state: DifferenceState
    day: int
    """On which it was found first."""
    transfer_id: UUID
    movement: LineKind
    currency: str
    here_minor: int | None
    """What is booked; None where nothing is known to be."""
    there_minor: int | None
    """What the bank's statements have; None where nothing."""
    created_at: datetime
    explained_at: datetime | None
    explained_by: str
    """The caller who explained it; "worker" where both sides turned up."""
    note: str
    version: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"differences/{self.id}"


def reconciliation_id(day: int) -> UUID:
    """The id of a day; later days sort after earlier ones."""
    return UUID(f"00000000-0000-8000-8000-{day:012x}")


def difference_id(movement: Movement) -> UUID:
    """The id of a movement's difference. It begins as the transfer's, so that later transfers sort after earlier ones."""
    digest = hashlib.sha256(f"{movement.transfer_id}:{movement.kind.value}:{movement.currency}".encode()).digest()
    variant = bytes([digest[0] & 0x3F | 0x80])
    return uuid_of(movement.transfer_id.bytes[:8] + variant + digest[1:8])
