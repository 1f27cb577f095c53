"""Every command on a payment, in every mode and state, by everybody: what `test_lifecycle.py` promises, commands keep."""

from typing import Any

import pytest

from danbao_core.engine import Command
from danbao_core.errors import (
    ActorNotAllowed,
    InvalidTransition,
    PaymentNotFound,
)
from danbao_core.ids import uuid7
from danbao_core.payments import (
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    CorrectShipment,
    CreateRefund,
    Event,
    ExtendConfirmation,
    Mode,
    Payment,
    PayPayment,
    ShipPayment,
    State,
    VoidPayment,
)
from danbao_core.payments.lifecycle import ACTORS, Actor
from danbao_core.refund_errors import (
    RefundWindowClosed,
)
from tests.builders import EXPRESS, origin
from tests.shop import Shop, bound
from tests.unit.test_lifecycle import ALLOWED, DECLARED

DAY = 24 * 60 * 60
STEPS: dict[Event, tuple[type[Command[Any]], dict[str, Any]]] = {
    Event.PAY: (PayPayment, {}),
    Event.SHIP: (ShipPayment, {"shipment": EXPRESS}),
    Event.CORRECT: (CorrectShipment, {"shipment": EXPRESS}),
    Event.EXTEND: (ExtendConfirmation, {}),
    Event.CONFIRM: (ConfirmPayment, {}),
    Event.CAPTURE: (CapturePayment, {}),
    Event.VOID: (VoidPayment, {}),
    Event.CANCEL: (CancelPayment, {}),
    Event.REFUND: (CreateRefund, {}),
}
WAYS = {
    (Mode.ESCROW, State.AWAITING_PAYMENT): (),
    (Mode.ESCROW, State.PAID): (Event.PAY,),
    (Mode.ESCROW, State.SHIPPED): (Event.PAY, Event.SHIP),
    (Mode.ESCROW, State.SUCCEEDED): (Event.PAY, Event.SHIP, Event.CONFIRM),
    (Mode.ESCROW, State.FINISHED): (Event.PAY, Event.SHIP, Event.CONFIRM, Event.FINISH),
    (Mode.ESCROW, State.CLOSED): (Event.CANCEL,),
    (Mode.INSTANT, State.AWAITING_PAYMENT): (),
    (Mode.INSTANT, State.SUCCEEDED): (Event.PAY,),
    (Mode.INSTANT, State.FINISHED): (Event.PAY, Event.FINISH),
    (Mode.INSTANT, State.CLOSED): (Event.CANCEL,),
    (Mode.AUTHORIZATION, State.AWAITING_PAYMENT): (),
    (Mode.AUTHORIZATION, State.AUTHORIZED): (Event.PAY,),
    (Mode.AUTHORIZATION, State.SUCCEEDED): (Event.PAY, Event.CAPTURE),
    (Mode.AUTHORIZATION, State.FINISHED): (Event.PAY, Event.CAPTURE, Event.FINISH),
    (Mode.AUTHORIZATION, State.CLOSED): (Event.PAY, Event.VOID),
}
"""How a payment comes into each state that its mode has."""


def step(shop: Shop, payment: Payment, event: Event, by: Any) -> Payment:
    command, facts = STEPS[event]
    shop.core.carry_out(command(origin=by, payment_id=payment.id, **facts))  # type: ignore[call-arg]
    return stored(shop, payment)


def in_state(shop: Shop, mode: Mode, state: State) -> Payment:
    """A payment that came into the state as payments do."""
    payment = shop.order(100, mode)
    for event in WAYS[mode, state]:
        if event is Event.FINISH:
            shop.core.advance(365 * DAY)
            with pytest.raises(InvalidTransition):  # too late, which brings about what time has
                step(shop, payment, Event.CANCEL, origin())
        else:
            step(shop, payment, event, origin())
    payment = stored(shop, payment)
    assert (payment.mode, payment.state) == (mode, state)
    return payment


def stored(shop: Shop, payment: Payment) -> Payment:
    return next(each for each in shop.core.all(Payment) if each.id == payment.id)


def caller(shop: Shop, actor: Actor) -> Any:
    """Somebody who has every scope that the actor can have."""
    match actor:
        case Actor.PAYER:
            return bound(shop.buyer, "payments.pay", "payments.write")
        case Actor.PAYEE:
            return bound(shop.seller, "payments.pay", "payments.write")
        case Actor.SERVICE:
            return origin(key_id=uuid7(), scopes=frozenset({"payments.pay_any", "payments.write"}))
        case _:
            return origin(key_id=uuid7(), scopes=frozenset({"payments.pay_any", "payments.write", "operations"}))


def test_every_step_and_every_state_that_a_mode_has_is_among_them() -> None:
    of_others = {event for event, actors in ACTORS.items() if actors != {Actor.TIMER}}
    assert set(STEPS) == of_others, "all but those that the core brings about"
    reached = {(mode, after) for (mode, _, _, _), after in ALLOWED.items()}
    assert set(WAYS) == reached | {(mode, State.AWAITING_PAYMENT) for mode in Mode}


@pytest.mark.parametrize("actor", [actor for actor in Actor if actor is not Actor.TIMER], ids=lambda actor: actor.name)
@pytest.mark.parametrize("event", STEPS, ids=lambda event: event.name)
@pytest.mark.parametrize(("mode", "state"), WAYS, ids=lambda value: value.name)
def test_every_step_by_everybody(mode: Mode, state: State, event: Event, actor: Actor) -> None:
    shop = Shop()
    payment = in_state(shop, mode, state)
    after = ALLOWED.get((mode, state, event, actor))
    if after is not None:
        assert step(shop, payment, event, caller(shop, actor)).state is after
        return
    # A payee that wants to pay is told that it may not, whatever the state.
    theirs = (mode, state, event) in DECLARED or (event, actor) == (Event.PAY, Actor.PAYEE)
    too_late = (state, event) == (State.FINISHED, Event.REFUND) and actor is not Actor.PAYER
    with pytest.raises(RefundWindowClosed if too_late else ActorNotAllowed if theirs else InvalidTransition):
        step(shop, payment, event, caller(shop, actor))
    assert stored(shop, payment) == payment


@pytest.mark.parametrize("event", STEPS, ids=lambda event: event.name)
@pytest.mark.parametrize(("mode", "state"), WAYS, ids=lambda value: value.name)
def test_a_stranger_is_told_that_there_is_no_such_payment(mode: Mode, state: State, event: Event) -> None:
    shop = Shop()
    payment = in_state(shop, mode, state)
    stranger = bound(shop.open(shop.buyer.kind), "payments.pay", "payments.write")
    with pytest.raises(PaymentNotFound):
        step(shop, payment, event, stranger)
    assert stored(shop, payment) == payment
