"""Capture, void and the hold's expiry from two engines at once: exactly one of them has it."""

import random
from collections import Counter
from typing import Any

from danbao_core.engine import Answer, Command, Engine
from danbao_core.errors import AlreadyCorrected, AlreadyExtended, InvalidTransition
from danbao_core.money import Money
from danbao_core.payments import (
    CapturePayment,
    CloseReason,
    CorrectShipment,
    ExtendConfirmation,
    Payment,
    State,
    VoidPayment,
)
from danbao_core.sandbox import AdvanceClock
from tests.builders import (
    EXPRESS,
    a_merchant,
    a_shipped_payment,
    an_account,
    an_authorized_payment,
    origin,
    stored,
)
from tests.engines import breaches, money, outcomes_of

ROUNDS = 12
WEEK = 7 * 86_400


def capture(payment: Payment, amount_minor: int) -> CapturePayment:
    return CapturePayment(origin=origin(), payment_id=payment.id, amount=Money(amount_minor, "CNY"))


def void(payment: Payment) -> VoidPayment:
    return VoidPayment(origin=origin(), payment_id=payment.id)


async def test_captures_and_voids_from_two_engines_have_one_outcome(
    engine: Engine, second_engine: Engine, database_url: str
) -> None:
    payer, payee = await an_account(engine, funds_minor=100 * ROUNDS), await a_merchant(engine)
    taken = 0
    for number in range(ROUNDS):
        payment = await an_authorized_payment(engine, payer=payer, payee=payee, amount_minor=100)
        one, two = (engine, second_engine) if number % 2 else (second_engine, engine)
        outcomes = await outcomes_of(
            (one, capture(payment, 60)), (two, void(payment)), (two, capture(payment, 70)), (one, void(payment))
        )
        (won,) = (outcome.result for outcome in outcomes if isinstance(outcome, Answer))
        assert sum(isinstance(outcome, InvalidTransition) for outcome in outcomes) == 3, outcomes
        assert await stored(engine, Payment, payment.id) == won
        assert won.released_minor + won.returned_minor == 100
        taken += won.released_minor
    assert await money(engine, payer) == (100 * ROUNDS - taken, 0)
    assert await breaches(database_url) == []


async def test_a_capture_against_a_void_against_the_end_of_the_hold(
    engine: Engine, second_engine: Engine, database_url: str
) -> None:
    dice = random.Random(3)
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    ends: Counter[tuple[State, CloseReason]] = Counter()
    for _ in range(ROUNDS):
        available, _ = await money(engine, payer)
        payment = await an_authorized_payment(engine, payer=payer, payee=payee, amount_minor=available)
        racing: list[tuple[Engine, Command[Any]]] = [
            (engine, capture(payment, 1)),
            (second_engine, void(payment)),
            (dice.choice((engine, second_engine)), AdvanceClock(origin=origin(), by_seconds=WEEK)),
        ]
        dice.shuffle(racing)
        outcomes = await outcomes_of(*racing)
        won = [each.result for each in outcomes if isinstance(each, Answer) and isinstance(each.result, Payment)]
        late = [outcome for outcome in outcomes if isinstance(outcome, InvalidTransition)]
        assert (len(won), len(late)) in ((1, 1), (0, 2)), outcomes
        ended = await stored(engine, Payment, payment.id)
        assert [ended] == won or (not won and ended.close_reason is CloseReason.HOLD_EXPIRED)
        assert ended.held_minor == 0
        assert await money(engine, payer) == (available - ended.released_minor, 0)
        ends[ended.state, ended.close_reason] += 1
    assert sum(ends.values()) == ROUNDS
    assert await breaches(database_url) == []


async def test_an_expired_hold_is_ended_once_by_whoever_comes(engine: Engine, second_engine: Engine, database_url: str) -> None:
    payer, payee = await an_account(engine, funds_minor=100 * ROUNDS), await a_merchant(engine)
    payments = [await an_authorized_payment(engine, payer=payer, payee=payee, amount_minor=100) for _ in range(ROUNDS)]
    await engine.submit(AdvanceClock(origin=origin(), by_seconds=WEEK))
    commands: list[tuple[Engine, Command[Any]]] = []
    for one in (engine, second_engine):
        for payment in payments:
            commands += [(one, capture(payment, 100)), (one, void(payment))]
    outcomes = await outcomes_of(*commands)
    assert {type(outcome) for outcome in outcomes} == {InvalidTransition}
    reasons = {(await stored(engine, Payment, payment.id)).close_reason for payment in payments}
    assert reasons == {CloseReason.HOLD_EXPIRED}
    assert await money(engine, payer) == (100 * ROUNDS, 0)
    assert await breaches(database_url) == []


async def test_what_can_be_done_once_is_done_once(engine: Engine, second_engine: Engine, database_url: str) -> None:
    payer, payee = await an_account(engine, funds_minor=ROUNDS), await a_merchant(engine)
    for _ in range(ROUNDS):
        payment = await a_shipped_payment(engine, payer=payer, payee=payee, amount_minor=1)
        racing: list[tuple[Engine, Command[Any]]] = []
        for one in (engine, second_engine):
            racing.append((one, CorrectShipment(origin=origin(), payment_id=payment.id, shipment=EXPRESS)))
            racing.append((one, ExtendConfirmation(origin=origin(), payment_id=payment.id)))
        outcomes = await outcomes_of(*racing)
        refused = {type(outcome) for outcome in outcomes if not isinstance(outcome, Answer)}
        assert refused == {AlreadyCorrected, AlreadyExtended}, outcomes
        assert (await stored(engine, Payment, payment.id)).version == payment.version + 2
    assert await breaches(database_url) == []
