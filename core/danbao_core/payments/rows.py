"""A payment, and what an event makes of it."""

from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any
from uuid import UUID

from danbao_core.engine import Json, Row, table
from danbao_core.money import Money
from danbao_core.payments.lifecycle import Actor, CloseReason, Event, Mode, State, close_reason, state_after
from danbao_core.policy import Policy


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
    """What the platform keeps at release; fixed when the payment is made."""
    held_minor: int
    """What of it is in escrow now."""
    released_minor: int
    """What left for the payee, the fee included."""
    returned_minor: int
    """What went back to the payer."""
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

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"payments/{self.id}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    def is_due(self, now: datetime) -> bool:
        """Whether time has brought its due event about."""
        return self.due_at is not None and self.due_at <= now

    def after(self, event: Event, actor: Actor, at: datetime, policy: Policy) -> "Payment":
        """Itself after an event, with what is due next. Raises InvalidTransition or ActorNotAllowed."""
        state = state_after(self.mode, self.state, event, actor)
        due_event, due_at = self._next_due(state, at, policy)
        facts: dict[str, Any] = {}
        match state:
            case State.PAID:
                facts = {"paid_at": at, "held_minor": self.amount_minor}
            case State.SHIPPED:
                facts = {"shipped_at": at}
            case State.SUCCEEDED:
                facts = {
                    "paid_at": self.paid_at or at,
                    "succeeded_at": at,
                    "held_minor": 0,
                    "released_minor": self.amount_minor,
                }
            case State.CLOSED:
                facts = {
                    "closed_at": at,
                    "close_reason": close_reason(event, actor),
                    "held_minor": 0,
                    "returned_minor": self.held_minor,
                }
        return self.replace(state=state, due_event=due_event, due_at=due_at, updated_at=at, version=self.version + 1, **facts)

    def _next_due(self, state: State, at: datetime, policy: Policy) -> tuple[Event | None, datetime | None]:
        """What time brings about next in a state that began at `at`; nothing in a terminal one."""
        match state:
            case State.AWAITING_PAYMENT:
                return Event.EXPIRE, at + timedelta(seconds=policy.expire_seconds)
            case State.PAID:
                return Event.SHIP_BY, at + timedelta(seconds=policy.ship_by_seconds)
            case State.SHIPPED:
                return Event.AUTO_CONFIRM, at + timedelta(seconds=_confirm_seconds(self.shipment_method, policy))
            case State.SUCCEEDED:
                return Event.FINISH, at + timedelta(seconds=policy.refund_window_seconds)
            case State.FINISHED | State.CLOSED:
                return None, None


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
