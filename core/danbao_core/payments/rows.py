"""A payment, and what an event makes of it."""

from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from danbao_core.dispute_errors import DisputeOpen
from danbao_core.engine import Json, Row, table
from danbao_core.errors import (
    AlreadyCorrected,
    AlreadyExtended,
    CaptureExceedsAuthorization,
)
from danbao_core.ids import uuid_of
from danbao_core.money import Money, fee_minor
from danbao_core.payments.lifecycle import Actor, CloseReason, Event, Mode, State, close_reason, state_after
from danbao_core.policy import Policy
from danbao_core.refund_errors import (
    RefundInProgress,
)

# Names of the module for what every payment asks: Python 3.11 takes far longer for an enum's member.
_PAY: Final = Event.PAY
_FINISH: Final = Event.FINISH
_SUCCEEDED: Final = State.SUCCEEDED


class ShipmentMethod(IntEnum):
    """What kind of delivery; the numbers are those of the contract."""

    NONE = 0
    EXPRESS = 1
    VIRTUAL = 2
    PICK_UP = 3


@table("payment", rank=40, key=("id",))
class Payment(Row, frozen=True):
    """One purchase or transfer. Amounts are minor units of `currency`; times are business time."""

    id: UUID
    payer_id: UUID
    payee_id: UUID
    mode: Mode
    state: State
    currency: str
    amount_minor: int
    fee_bps: int
    fee_minor: int
    """What the platform keeps at release: of all of the amount until then, and of what was released afterwards."""
    held_minor: int
    """What of it is set aside now: in escrow or, of an authorization, among what the payer's account holds."""
    released_minor: int
    """What left for the payee, the fee included."""
    returned_minor: int
    """What went back to the payer before it was released; what the payee gave back later is `refunded_minor`'s alone."""
    order_no: str
    subject: str
    metadata: Json
    shipment_method: ShipmentMethod
    carrier: str
    tracking_no: str
    close_reason: CloseReason
    due_event: Event | None
    due_at: datetime | None
    created_at: datetime
    updated_at: datetime
    paid_at: datetime | None
    shipped_at: datetime | None
    succeeded_at: datetime | None
    closed_at: datetime | None
    version: int
    shipment_corrected_at: datetime | None = None
    confirmation_extended_at: datetime | None = None
    refund_reserved_minor: int = 0
    """What refunds that are open are to give back."""
    refunded_minor: int = 0
    """What refunds gave back, before the release and after it."""
    refund_taken_minor: int = 0
    """What of refunds after the release the payee's part was taken for, so that nothing of them can be lacking; with what
    disputes took back then."""
    fee_returned_minor: int = 0
    """What of the fee goes back with these."""
    refund_count: int = 0
    """How many refunds were made, those that failed among them."""
    open_refunds: str = ""
    """The ids of the refunds that are open, separated by blanks, in the order in which they were made."""
    dispute_id: UUID | None = None
    """The dispute that is open: until it ends nothing is due, and what was due next stays in `due_event`."""
    disputes_had: int = 0
    """Which disputes it had: 1 an ordinary one, 2 one because nobody authorized it, 3 both."""
    awarded_minor: int = 0
    """What disputes gave back, before the release and after it."""

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"payments/{self.id}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def paid_minor(self) -> int:
        """What refunds can give back in all, once it is paid: the amount or, of an authorization, what was captured."""
        return self.released_minor if self.mode is Mode.AUTHORIZATION else self.amount_minor

    @property
    def refundable_minor(self) -> int:
        """What no refund gives back yet, and no dispute gave back."""
        return self.paid_minor - self.refund_reserved_minor - self.given_back_minor

    @property
    def given_back_minor(self) -> int:
        """What refunds and disputes gave back."""
        return self.refunded_minor + self.awarded_minor

    @property
    def releasable_minor(self) -> int:
        """What is held and no refund is to give back: before the release, every open refund is of what is held."""
        return self.held_minor - self.refund_reserved_minor

    @property
    def open_refund_ids(self) -> list[UUID]:
        """The refunds that are open, in the order in which they were made."""
        return [uuid_of(each) for each in self.open_refunds.split()]

    def must_not_be_disputed(self) -> None:
        """Raises DisputeOpen."""
        if self.dispute_id is not None:
            raise DisputeOpen(dispute=f"disputes/{self.dispute_id}")

    def is_overdue(self, now: datetime) -> bool:
        """Whether its due event's time has come."""
        return self.due_at is not None and self.due_at <= now

    def is_due(self, now: datetime) -> bool:
        """Whether time has brought its due event about. Open refunds put two events off: the end of the time in which refunds
        are possible, and a release for which they leave nothing."""
        match self.due_event:
            case Event.FINISH if self.refund_reserved_minor > 0:
                return False
            case Event.AUTO_CONFIRM if self.releasable_minor == 0:
                return False
            case _:
                return self.is_overdue(now)

    def after(self, event: Event, actor: Actor, at: datetime, policy: Policy) -> "Payment":
        """Itself after an event, with what is due next.

        Raises InvalidTransition, ActorNotAllowed, DisputeOpen, CaptureExceedsAuthorization, AlreadyCorrected, AlreadyExtended
        or RefundInProgress. What disputes do to it is in `awards`.
        """
        state = state_after(self.mode, self.state, event, actor)
        if event is not _PAY:
            self._must_allow(event)
        due_event, due_at = self._next_due(event, state, at, policy)
        facts = self._succeeded(event, at) if state is _SUCCEEDED else self._facts_of(state, event, actor, at)
        return self.replace(state=state, due_event=due_event, due_at=due_at, updated_at=at, version=self.version + 1, **facts)

    def _succeeded(self, event: Event, at: datetime) -> dict[str, Any]:
        """What changes, beside the state, where an event releases the money."""
        released_minor = self._released_minor(event)
        return {
            "paid_at": self.paid_at or at,
            "succeeded_at": at,
            "held_minor": self.refund_reserved_minor,
            "released_minor": released_minor,
            "returned_minor": self.amount_minor - released_minor - self.refund_reserved_minor,
            "fee_minor": fee_minor(released_minor, self.fee_bps),
        }

    def _facts_of(self, state: State, event: Event, actor: Actor, at: datetime) -> dict[str, Any]:
        """What changes, beside the state, where an event leads to another one."""
        match state:
            case State.PAID | State.AUTHORIZED:
                return {"paid_at": at, "held_minor": self.amount_minor}
            case State.SHIPPED:
                return {_SHIPMENT_FACTS[event]: at}
            case State.CLOSED:
                return {
                    "closed_at": at,
                    "close_reason": close_reason(event, actor),
                    "held_minor": self.held_minor - self.releasable_minor,
                    "returned_minor": self.returned_minor + self.releasable_minor,
                }
            case _:
                return {}

    def to_capture(self, amount_minor: int) -> "Payment":
        """Itself with what of the authorization is to be captured; the rest is to return."""
        return self.replace(released_minor=amount_minor)

    def _released_minor(self, event: Event) -> int:
        """What an event releases to the payee."""
        if event is _PAY:
            return self.amount_minor
        return self.released_minor if event is Event.CAPTURE else self.releasable_minor

    def _must_allow(self, event: Event) -> None:
        """What an event asks for beyond the table of transitions."""
        if event is not Event.RETURN:
            self.must_not_be_disputed()
        match event:
            case Event.CAPTURE if self.released_minor > self.held_minor:
                raise CaptureExceedsAuthorization(authorized_minor=self.held_minor, currency=self.currency)
            case Event.CORRECT if self.shipment_corrected_at is not None:
                raise AlreadyCorrected
            case Event.EXTEND if self.confirmation_extended_at is not None:
                raise AlreadyExtended
            case Event.SHIP | Event.CONFIRM if self.releasable_minor == 0:
                raise RefundInProgress(payment=self.name)

    def _next_due(self, event: Event, state: State, at: datetime, policy: Policy) -> tuple[Event | None, datetime | None]:
        """What time brings about next in a state that an event at `at` led to; nothing in a terminal one."""
        if state is _SUCCEEDED:
            return _FINISH, at + timedelta(seconds=policy.refund_window_seconds)
        match state:
            case State.AWAITING_PAYMENT:
                return Event.EXPIRE, at + timedelta(seconds=policy.expire_seconds)
            case State.PAID:
                return Event.SHIP_BY, at + timedelta(seconds=policy.ship_by_seconds)
            case State.SHIPPED:
                return Event.AUTO_CONFIRM, self._confirm_by(event, at, policy)
            case State.AUTHORIZED:
                return Event.HOLD_EXPIRY, at + timedelta(seconds=policy.hold_seconds)
        return None, None

    def _confirm_by(self, event: Event, at: datetime, policy: Policy) -> datetime:
        """When time confirms. A correction counts anew, and keeps the extension that the payer took before."""
        extension = timedelta(seconds=policy.extend_confirmation_seconds)
        if event is Event.EXTEND and self.due_at is not None:
            return self.due_at + extension
        confirm_by = at + timedelta(seconds=_confirm_seconds(self.shipment_method, policy))
        return confirm_by if self.confirmation_extended_at is None else confirm_by + extension


_SHIPMENT_FACTS: Final = {
    Event.SHIP: "shipped_at",
    Event.CORRECT: "shipment_corrected_at",
    Event.EXTEND: "confirmation_extended_at",
}
"""Where the time of each event that leads to SHIPPED is kept."""


def _confirm_seconds(method: ShipmentMethod, policy: Policy) -> int:
    return {
        ShipmentMethod.EXPRESS: policy.confirm_express_seconds,
        ShipmentMethod.VIRTUAL: policy.confirm_virtual_seconds,
        ShipmentMethod.PICK_UP: policy.confirm_pick_up_seconds,
    }[method]


@table("order_ref", rank=35, key=("payee_id", "order_no"))
class OrderRef(Row, frozen=True):
    """Which payment has a payee's order number; it keeps it for ever."""

    payee_id: UUID
    order_no: str
    payment_id: UUID
