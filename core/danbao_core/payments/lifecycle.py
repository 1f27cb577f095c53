"""The life of a payment as tables: which step leads where, and whose step it is. Pure; every other combination is refused."""

from enum import IntEnum
from typing import Final

from danbao_core.errors import ActorNotAllowed, InvalidTransition


class Mode(IntEnum):
    """The way the money takes; the numbers are those of the contract."""

    ESCROW = 1
    INSTANT = 2
    AUTHORIZATION = 3


class State(IntEnum):
    """Where a payment stands; the numbers are those of the contract."""

    AWAITING_PAYMENT = 1
    PAID = 2
    SHIPPED = 3
    SUCCEEDED = 4
    FINISHED = 5
    CLOSED = 6
    AUTHORIZED = 7


class Event(IntEnum):
    """What happens to a payment; the numbers under 10 are the contract's due events, which time brings about."""

    EXPIRE = 1
    SHIP_BY = 2
    AUTO_CONFIRM = 3
    FINISH = 4
    HOLD_EXPIRY = 5
    PAY = 11
    SHIP = 12
    CONFIRM = 13
    CANCEL = 14
    CAPTURE = 15
    VOID = 16
    CORRECT = 17
    """The payee corrects the shipment."""
    EXTEND = 18
    """The payer takes longer to confirm."""
    REFUND = 19
    """Some or all of it is to go back to the payer."""
    RETURN = 20
    """The last of it went back, by refunds."""
    DISPUTE = 21
    """A dispute was opened: nothing else happens to it until that ends."""
    RESUME = 22
    """The dispute was closed, and nothing of it awarded."""
    AWARD = 23
    """The dispute was settled, and something is the payee's."""
    AWARD_ALL = 24
    """The dispute was settled, and nothing is left for the payee."""


class Actor(IntEnum):
    """Who brings an event about."""

    PAYER = 1
    PAYEE = 2
    SERVICE = 3
    """A service key that is bound to no account: it acts for both sides."""
    OPERATOR = 4
    TIMER = 5
    """The core itself: what time brings about, and what it carries out after it was asked for."""


class CloseReason(IntEnum):
    """Why a payment was closed; the numbers are those of the contract."""

    NOT_CLOSED = 0
    CANCELLED_BY_PAYER = 1
    CANCELLED_BY_PAYEE = 2
    CANCELLED_BY_PLATFORM = 3
    EXPIRED = 4
    NOT_SHIPPED = 5
    VOIDED = 6
    HOLD_EXPIRED = 7
    REFUNDED = 8
    AWARDED = 9


TRANSITIONS: Final[dict[tuple[Mode, State, Event], State]] = {
    (Mode.ESCROW, State.AWAITING_PAYMENT, Event.PAY): State.PAID,
    (Mode.ESCROW, State.AWAITING_PAYMENT, Event.CANCEL): State.CLOSED,
    (Mode.ESCROW, State.AWAITING_PAYMENT, Event.EXPIRE): State.CLOSED,
    (Mode.ESCROW, State.PAID, Event.SHIP): State.SHIPPED,
    (Mode.ESCROW, State.PAID, Event.CANCEL): State.CLOSED,
    (Mode.ESCROW, State.PAID, Event.SHIP_BY): State.CLOSED,
    (Mode.ESCROW, State.PAID, Event.REFUND): State.PAID,
    (Mode.ESCROW, State.PAID, Event.RETURN): State.CLOSED,
    (Mode.ESCROW, State.PAID, Event.DISPUTE): State.PAID,
    (Mode.ESCROW, State.PAID, Event.RESUME): State.PAID,
    (Mode.ESCROW, State.PAID, Event.AWARD): State.SUCCEEDED,
    (Mode.ESCROW, State.PAID, Event.AWARD_ALL): State.CLOSED,
    (Mode.ESCROW, State.SHIPPED, Event.CORRECT): State.SHIPPED,
    (Mode.ESCROW, State.SHIPPED, Event.EXTEND): State.SHIPPED,
    (Mode.ESCROW, State.SHIPPED, Event.CONFIRM): State.SUCCEEDED,
    (Mode.ESCROW, State.SHIPPED, Event.AUTO_CONFIRM): State.SUCCEEDED,
    (Mode.ESCROW, State.SHIPPED, Event.REFUND): State.SHIPPED,
    (Mode.ESCROW, State.SHIPPED, Event.RETURN): State.CLOSED,
    (Mode.ESCROW, State.SHIPPED, Event.DISPUTE): State.SHIPPED,
    (Mode.ESCROW, State.SHIPPED, Event.RESUME): State.SHIPPED,
    (Mode.ESCROW, State.SHIPPED, Event.AWARD): State.SUCCEEDED,
    (Mode.ESCROW, State.SHIPPED, Event.AWARD_ALL): State.CLOSED,
    (Mode.ESCROW, State.SUCCEEDED, Event.FINISH): State.FINISHED,
    (Mode.ESCROW, State.SUCCEEDED, Event.REFUND): State.SUCCEEDED,
    (Mode.ESCROW, State.SUCCEEDED, Event.RETURN): State.CLOSED,
    (Mode.ESCROW, State.SUCCEEDED, Event.DISPUTE): State.SUCCEEDED,
    (Mode.ESCROW, State.SUCCEEDED, Event.RESUME): State.SUCCEEDED,
    (Mode.ESCROW, State.SUCCEEDED, Event.AWARD): State.SUCCEEDED,
    (Mode.ESCROW, State.SUCCEEDED, Event.AWARD_ALL): State.CLOSED,
    (Mode.INSTANT, State.AWAITING_PAYMENT, Event.PAY): State.SUCCEEDED,
    (Mode.INSTANT, State.AWAITING_PAYMENT, Event.CANCEL): State.CLOSED,
    (Mode.INSTANT, State.AWAITING_PAYMENT, Event.EXPIRE): State.CLOSED,
    (Mode.INSTANT, State.SUCCEEDED, Event.FINISH): State.FINISHED,
    (Mode.INSTANT, State.SUCCEEDED, Event.REFUND): State.SUCCEEDED,
    (Mode.INSTANT, State.SUCCEEDED, Event.RETURN): State.CLOSED,
    (Mode.INSTANT, State.SUCCEEDED, Event.DISPUTE): State.SUCCEEDED,
    (Mode.INSTANT, State.SUCCEEDED, Event.RESUME): State.SUCCEEDED,
    (Mode.INSTANT, State.SUCCEEDED, Event.AWARD): State.SUCCEEDED,
    (Mode.INSTANT, State.SUCCEEDED, Event.AWARD_ALL): State.CLOSED,
    (Mode.AUTHORIZATION, State.AWAITING_PAYMENT, Event.PAY): State.AUTHORIZED,
    (Mode.AUTHORIZATION, State.AWAITING_PAYMENT, Event.CANCEL): State.CLOSED,
    (Mode.AUTHORIZATION, State.AWAITING_PAYMENT, Event.EXPIRE): State.CLOSED,
    (Mode.AUTHORIZATION, State.AUTHORIZED, Event.CAPTURE): State.SUCCEEDED,
    (Mode.AUTHORIZATION, State.AUTHORIZED, Event.VOID): State.CLOSED,
    (Mode.AUTHORIZATION, State.AUTHORIZED, Event.HOLD_EXPIRY): State.CLOSED,
    (Mode.AUTHORIZATION, State.SUCCEEDED, Event.FINISH): State.FINISHED,
    (Mode.AUTHORIZATION, State.SUCCEEDED, Event.REFUND): State.SUCCEEDED,
    (Mode.AUTHORIZATION, State.SUCCEEDED, Event.RETURN): State.CLOSED,
    (Mode.AUTHORIZATION, State.SUCCEEDED, Event.DISPUTE): State.SUCCEEDED,
    (Mode.AUTHORIZATION, State.SUCCEEDED, Event.RESUME): State.SUCCEEDED,
    (Mode.AUTHORIZATION, State.SUCCEEDED, Event.AWARD): State.SUCCEEDED,
    (Mode.AUTHORIZATION, State.SUCCEEDED, Event.AWARD_ALL): State.CLOSED,
}

_PLATFORM: Final = frozenset({Actor.SERVICE, Actor.OPERATOR})

ACTORS: Final[dict[Event, frozenset[Actor]]] = {
    Event.PAY: _PLATFORM | {Actor.PAYER},
    Event.SHIP: _PLATFORM | {Actor.PAYEE},
    Event.CONFIRM: _PLATFORM | {Actor.PAYER},
    Event.CANCEL: _PLATFORM | {Actor.PAYER, Actor.PAYEE},
    Event.CAPTURE: _PLATFORM | {Actor.PAYEE},
    Event.VOID: _PLATFORM | {Actor.PAYEE},
    Event.CORRECT: _PLATFORM | {Actor.PAYEE},
    Event.EXTEND: _PLATFORM | {Actor.PAYER},
    Event.REFUND: _PLATFORM | {Actor.PAYEE},
    Event.RETURN: frozenset({Actor.TIMER}),
    Event.DISPUTE: frozenset({Actor.TIMER}),
    Event.RESUME: frozenset({Actor.TIMER}),
    Event.AWARD: frozenset({Actor.TIMER}),
    Event.AWARD_ALL: frozenset({Actor.TIMER}),
    Event.EXPIRE: frozenset({Actor.TIMER}),
    Event.SHIP_BY: frozenset({Actor.TIMER}),
    Event.AUTO_CONFIRM: frozenset({Actor.TIMER}),
    Event.FINISH: frozenset({Actor.TIMER}),
    Event.HOLD_EXPIRY: frozenset({Actor.TIMER}),
}

TERMINAL: Final = frozenset({State.FINISHED, State.CLOSED})
"""States that no event leaves; every other state has a due event."""


def state_after(mode: Mode, state: State, event: Event, actor: Actor) -> State:
    """The state to which an event leads. Raises InvalidTransition or, where the step is another's, ActorNotAllowed."""
    after = TRANSITIONS.get((mode, state, event))
    if after is None:
        raise InvalidTransition(state=state.name, event=event.name)
    if actor not in ACTORS[event]:
        raise ActorNotAllowed(actor=actor.name, event=event.name)
    return after


_REASONS: Final = {
    Event.EXPIRE: CloseReason.EXPIRED,
    Event.SHIP_BY: CloseReason.NOT_SHIPPED,
    Event.HOLD_EXPIRY: CloseReason.HOLD_EXPIRED,
    Event.VOID: CloseReason.VOIDED,
    Event.RETURN: CloseReason.REFUNDED,
    Event.AWARD_ALL: CloseReason.AWARDED,
}


def close_reason(event: Event, actor: Actor) -> CloseReason:
    """Why a payment that the event closes is closed."""
    if event in _REASONS:
        return _REASONS[event]
    match actor:
        case Actor.PAYER:
            return CloseReason.CANCELLED_BY_PAYER
        case Actor.PAYEE:
            return CloseReason.CANCELLED_BY_PAYEE
        case _:
            return CloseReason.CANCELLED_BY_PLATFORM
