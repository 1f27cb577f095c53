"""A refund: its row, and the life of it as a table. Pure; every other combination is refused."""

from datetime import datetime
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from danbao_core import trail
from danbao_core.engine import Row, table
from danbao_core.errors import InvalidTransition
from danbao_core.ids import IdSequence


class RefundState(IntEnum):
    """Where a refund stands; the numbers are those of the contract."""

    PENDING = 1
    """Its money is set aside; a worker carries it out."""
    AWAITING_FUNDS = 2
    """The payee lacks the money."""
    SUCCEEDED = 3
    FAILED = 4


class RefundEvent(IntEnum):
    """What happens to a refund."""

    WAIT = 1
    """The payee lacks the money."""
    TAKE = 2
    """The payee's part is set aside."""
    FALL_BACK = 3
    """The money goes to the wallet after all."""
    SUCCEED = 4
    FAIL = 5


class Source(IntEnum):
    """Whose money is given back; the numbers are those of the contract."""

    ESCROW = 1
    """What the platform holds: of a payment that is not released."""
    PAYEE = 2
    """What the payee has got."""


class Destination(IntEnum):
    """Where the money goes; the numbers are those of the contract."""

    WALLET = 1
    INSTRUMENT = 2
    """A card of the payer's, through the bank."""


class RefundFailure(IntEnum):
    """Why a refund failed; the numbers are those of the contract."""

    NOT_FAILED = 0
    SUPERSEDED = 1
    """The payment was called off, by which everything went back."""
    FUNDS_MISSING = 2
    """The payee lacked the money for too long."""
    WALLET_FULL = 3
    """The payer's wallet cannot hold as much."""


class Fallback(IntEnum):
    """Why the money goes to the wallet although a card was asked for; the numbers are those of the contract."""

    NONE = 0
    INSTRUMENT_UNBOUND = 1
    BANK_DECLINED = 2


TRANSITIONS: Final[dict[tuple[RefundState, RefundEvent], RefundState]] = {
    (RefundState.PENDING, RefundEvent.WAIT): RefundState.AWAITING_FUNDS,
    (RefundState.PENDING, RefundEvent.TAKE): RefundState.PENDING,
    (RefundState.PENDING, RefundEvent.FALL_BACK): RefundState.PENDING,
    (RefundState.PENDING, RefundEvent.SUCCEED): RefundState.SUCCEEDED,
    (RefundState.PENDING, RefundEvent.FAIL): RefundState.FAILED,
    (RefundState.AWAITING_FUNDS, RefundEvent.TAKE): RefundState.PENDING,
    (RefundState.AWAITING_FUNDS, RefundEvent.FAIL): RefundState.FAILED,
}

OPEN: Final = frozenset({RefundState.PENDING, RefundState.AWAITING_FUNDS})
"""States that something leaves; a refund in one of them is due at some time."""


@table("refund", rank=49, key=("id",))
class Refund(Row, frozen=True):
    """Some or all of a payment on its way back. Amounts are minor units of `currency`; times are business time."""

    id: UUID
    payment_id: UUID
    payer_id: UUID
    payee_id: UUID
    state: RefundState
    source: Source
    """Fixed when the refund is made, whatever becomes of the payment."""
    destination: Destination
    instrument_id: UUID | None
    """The card that was asked for."""
    currency: str
    amount_minor: int
    fee_share_minor: int
    """What of it the platform gives back of its fee; known when the payee's part is taken, and 0 where the refund failed."""
    reason: str
    """Why, in the words of who asked for it."""
    failure: RefundFailure
    fallback: Fallback
    due_at: datetime | None
    """When something is to happen: to a pending one at once, one that awaits funds fails then."""
    attempts: int
    """How often somebody set out to ask the bank."""
    next_attempt_at: datetime | None
    """When the bank is asked next, by wall time; None where it is not to be asked."""
    sent_at: datetime | None
    """When the bank was first to be asked: from then on the money may have moved, so nothing supersedes the refund."""
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    version: int
    fee_kept_minor: int = 0
    """What of it the platform kept as its fee where it was of escrow, failed after the release, and so went to the payee."""

    @property
    def open(self) -> bool:
        """Whether the money is still on its way."""
        return self.state in OPEN

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"payments/{self.payment_id}/refunds/{self.id}"

    @property
    def payees_part_minor(self) -> int:
        """What of it is taken from the payee, where that is whose money it is."""
        return self.amount_minor - self.fee_share_minor

    @property
    def at_bank(self) -> bool:
        """Whether the bank may have it."""
        return self.open and self.destination is Destination.INSTRUMENT and self.sent_at is not None

    def after(self, event: RefundEvent, at: datetime, **facts: Any) -> "Refund":
        """Itself after an event, with these facts. Raises InvalidTransition."""
        state = TRANSITIONS.get((self.state, event))
        if state is None:
            raise InvalidTransition(state=self.state.name, event=event.name)
        ended = {} if state in OPEN else {"due_at": None, "next_attempt_at": None, "ended_at": at}
        return self.replace(state=state, updated_at=at, version=self.version + 1, **(facts | ended))

    def to_wallet(self, fallback: Fallback, at: datetime) -> "Refund":
        """Itself when the money cannot go to the card. Raises InvalidTransition."""
        facts = {"destination": Destination.WALLET, "fallback": fallback, "due_at": at, "next_attempt_at": None}
        return self.after(RefundEvent.FALL_BACK, at, **facts)

    def failed(self, failure: RefundFailure, at: datetime, fee_kept_minor: int = 0) -> "Refund":
        """Itself after it failed. Raises InvalidTransition."""
        return self.after(RefundEvent.FAIL, at, failure=failure, fee_share_minor=0, fee_kept_minor=fee_kept_minor)


def event(ids: IdSequence, what: str, refund: Refund, at: datetime) -> trail.Outbox:
    """The event that something happened to a refund, told in order with those of its payment."""
    return trail.event(ids, f"refund.{what}", refund.id, refund.version, refund, at, refund.payment_id)
