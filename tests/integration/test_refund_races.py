"""Refunds against each other and against all else that wants the same money, from two engines at once."""

import random
from typing import Any

from danbao_core.accounts import CloseAccount
from danbao_core.engine import Answer, Command, Engine
from danbao_core.errors import (
    AccountClosed,
    InvalidTransition,
)
from danbao_core.fundings import Withdraw
from danbao_core.money import Money
from danbao_core.payments import (
    CancelPayment,
    CarryOutRefund,
    CatchUp,
    CloseReason,
    ConfirmPayment,
    CreateRefund,
    Payment,
    Refund,
    RefundState,
    State,
)
from danbao_core.payments.refund_rows import RefundFailure, Source
from danbao_core.refund_errors import (
    RefundExceedsRemaining,
    RefundInProgress,
    RefundsOpen,
)
from tests.builders import (
    a_confirmed_payment,
    a_merchant,
    a_paid_payment,
    a_refund,
    a_shipped_payment,
    a_withdrawal,
    an_account,
    later,
    origin,
    stepped,
    stored,
)
from tests.engines import available, breaches, money, outcomes_of

ROUNDS = 10
DAY = 86_400


def refund(payment: Payment, amount_minor: int | None = None) -> CreateRefund:
    amount = None if amount_minor is None else Money(amount_minor, "CNY")
    return CreateRefund(origin=origin(), payment_id=payment.id, amount=amount)


def step(of: Refund) -> CarryOutRefund:
    return CarryOutRefund(origin=origin(request_id=""), refund_id=of.id)


def made(outcomes: list[Any]) -> list[Refund]:
    return [each.result for each in outcomes if isinstance(each, Answer) and isinstance(each.result, Refund)]


async def test_refunds_share_what_was_paid_to_the_last_cent(engine: Engine, second_engine: Engine, database_url: str) -> None:
    """Eight want 30 of 100 each: three get it, and one of ten the last 10, before the release and after it."""
    payer = await an_account(engine, funds_minor=200)
    for make in (a_paid_payment, a_confirmed_payment):
        payment = await make(engine, payer=payer, amount_minor=100)
        assert await available(engine, payer) == 100
        racing = [(one, refund(payment, 30)) for _ in range(4) for one in (engine, second_engine)]
        outcomes = await outcomes_of(*racing)
        assert len(made(outcomes)) == 3
        assert sum(isinstance(each, RefundExceedsRemaining) for each in outcomes) == 5
        last = await outcomes_of(*((one, refund(payment, 10)) for _ in range(5) for one in (engine, second_engine)))
        assert len(made(last)) == 1
        for each in made([*outcomes, *last]):
            await stepped(engine, each)
        assert (await stored(engine, Payment, payment.id)).close_reason is CloseReason.REFUNDED
        assert await available(engine, payer) == 200
    assert await breaches(database_url) == []


async def test_a_refund_of_everything_against_the_payers_confirmation(
    engine: Engine, second_engine: Engine, database_url: str
) -> None:
    payer, payee = await an_account(engine, funds_minor=100 * ROUNDS), await a_merchant(engine)
    for number in range(ROUNDS):
        payment = await a_shipped_payment(engine, payer=payer, payee=payee, amount_minor=100)
        one, two = (engine, second_engine) if number % 2 else (second_engine, engine)
        confirm = ConfirmPayment(origin=origin(), payment_id=payment.id)
        asked, confirmed = await outcomes_of((one, refund(payment)), (two, confirm))
        (of,) = made([asked])
        if isinstance(confirmed, Answer):
            assert of.source is Source.PAYEE, "the release came first"
        else:
            assert isinstance(confirmed, RefundInProgress)
            assert of.source is Source.ESCROW
        await stepped(engine, of)
        assert (await stored(engine, Payment, payment.id)).close_reason is CloseReason.REFUNDED
    assert await money(engine, payer) == (100 * ROUNDS, 0)
    assert await breaches(database_url) == []


async def test_a_refund_against_the_release_by_time(engine: Engine, second_engine: Engine, database_url: str) -> None:
    """A worker confirms, another carries a refund out, and somebody asks for one more, all when the time has come."""
    payer, payee = await an_account(engine, funds_minor=100 * ROUNDS), await a_merchant(engine)
    payments = [await a_shipped_payment(engine, payer=payer, payee=payee, amount_minor=100) for _ in range(ROUNDS)]
    early = [await a_refund(engine, payment, 100 if number % 2 else 40) for number, payment in enumerate(payments)]
    await later(engine, 10 * DAY)
    racing: list[tuple[Engine, Command[Any]]] = []
    for payment, of in zip(payments, early, strict=True):
        racing.append((engine, CatchUp(origin=origin(request_id=""), payment_id=payment.id)))
        racing += [(second_engine, step(of)), (engine, step(of)), (second_engine, refund(payment, 60))]
    random.Random(5).shuffle(racing)
    outcomes = await outcomes_of(*racing)
    late = [each for each in made(outcomes) if each.id not in {of.id for of in early}]
    assert {each.source for each in late} == {Source.PAYEE}, "what time brought about comes first"
    for each in late:
        await stepped(engine, each)
    ended = [await stored(engine, Payment, payment.id) for payment in payments]
    assert {(each.state, each.close_reason, each.refunded_minor) for each in ended} == {
        (State.CLOSED, CloseReason.REFUNDED, 100)
    }
    assert {each.released_minor for each in ended} == {0, 60}
    assert await money(engine, payer) == (100 * ROUNDS, 0)
    assert await breaches(database_url) == []


async def test_a_refund_against_a_cancellation(engine: Engine, second_engine: Engine, database_url: str) -> None:
    payer, payee = await an_account(engine, funds_minor=100 * ROUNDS), await a_merchant(engine)
    ends = set()
    for number in range(ROUNDS):
        payment = await a_paid_payment(engine, payer=payer, payee=payee, amount_minor=100)
        before = await a_refund(engine, payment, 30)
        cancel = CancelPayment(origin=origin(), payment_id=payment.id)
        racing: list[tuple[Engine, Command[Any]]] = [
            (engine, cancel),
            (second_engine, step(before)),
            (engine, refund(payment, 70)),
        ]
        random.Random(number).shuffle(racing)
        outcomes = await outcomes_of(*racing)
        assert all(isinstance(each, Answer | InvalidTransition) for each in outcomes), outcomes
        for of in {each.id: each for each in (before, *made(outcomes))}.values():
            after = await stepped(engine, of)
            assert not after.open
            assert after.failure in (RefundFailure.NOT_FAILED, RefundFailure.SUPERSEDED)
            ends.add(after.state)
        ended = await stored(engine, Payment, payment.id)
        assert (ended.state, ended.returned_minor, ended.held_minor) == (State.CLOSED, 100, 0)
    assert await money(engine, payer) == (100 * ROUNDS, 0)
    assert RefundState.FAILED in ends
    assert await breaches(database_url) == []


async def test_a_step_taken_by_two_workers_at_once_is_taken_once(
    engine: Engine, second_engine: Engine, database_url: str
) -> None:
    payer, payee = await an_account(engine, funds_minor=1_000), await a_merchant(engine)
    released = await a_confirmed_payment(engine, payer=payer, payee=payee, amount_minor=500)
    held = await a_paid_payment(engine, payer=payer, payee=payee, amount_minor=500)
    refunds = [await a_refund(engine, payment, 10) for payment in (held, released) for _ in range(ROUNDS)]
    racing = [(one, step(of)) for of in refunds for one in (engine, second_engine, engine, second_engine)]
    random.Random(1).shuffle(racing)
    outcomes = await outcomes_of(*racing)
    assert {each.state for each in made(outcomes)} == {RefundState.SUCCEEDED}
    assert await money(engine, payer) == (2 * ROUNDS * 10, 0)
    assert await breaches(database_url) == []


async def test_a_refund_against_a_withdrawal_of_the_last_cent(engine: Engine, second_engine: Engine, database_url: str) -> None:
    """The money is held for the refund, or gone and waited for; then nothing else goes out."""
    for number in range(ROUNDS):
        payee = await a_merchant(engine)
        payment = await a_confirmed_payment(engine, payee=payee, amount_minor=100)
        withdraw = Withdraw(origin=origin(), account_id=payee.id, amount=Money(98, "CNY"))
        one, two = (engine, second_engine) if number % 2 else (second_engine, engine)
        asked, withdrawn = await outcomes_of((one, refund(payment)), (two, withdraw))
        (of,) = made([asked])
        waits = of.state is RefundState.AWAITING_FUNDS
        assert waits == isinstance(withdrawn, Answer)
        assert await money(engine, payee) == ((0, 0) if waits else (0, 98))
    assert await breaches(database_url) == []


async def test_funds_that_arrive_serve_a_waiting_refund_once(engine: Engine, second_engine: Engine, database_url: str) -> None:
    payee = await a_merchant(engine)
    payment = await a_confirmed_payment(engine, payee=payee, amount_minor=100)
    await a_withdrawal(engine, payee, 98)
    waiting = [await a_refund(engine, payment)]
    others = [await a_confirmed_payment(engine, payee=payee, amount_minor=100) for _ in range(3)]
    waiting += [await a_refund(engine, each) for each in others]
    assert {each.state for each in waiting} == {RefundState.AWAITING_FUNDS}
    assert await money(engine, payee) == (3 * 98, 0)
    await outcomes_of(*((one, step(of)) for of in waiting for one in (engine, second_engine)))
    assert await money(engine, payee) == (0, 3 * 98) or await money(engine, payee) == (0, 0)
    states = sorted([(await stepped(engine, of)).state for of in waiting])
    assert states == [RefundState.AWAITING_FUNDS, *[RefundState.SUCCEEDED] * 3]
    assert await breaches(database_url) == []


async def test_a_refund_against_the_closing_of_the_payees_account(
    engine: Engine, second_engine: Engine, database_url: str
) -> None:
    """It waits for funds that the account does not have: either it keeps the account open, or it is refused."""
    kinds = set()
    payees = []
    for _ in range(ROUNDS):
        payee = await a_merchant(engine)
        payment = await a_confirmed_payment(engine, payee=payee, amount_minor=100)
        await a_withdrawal(engine, payee, 98)
        payees.append((payee, payment))
    await later(engine, 61 * DAY)
    for number, (payee, payment) in enumerate(payees):
        close = CloseAccount(origin=origin(), account_id=payee.id)
        one, two = (engine, second_engine) if number % 2 else (second_engine, engine)
        asked, closed = await outcomes_of((one, refund(payment)), (two, close))
        assert (type(asked), type(closed)) in ((Answer, RefundsOpen), (AccountClosed, Answer))
        kinds.add(type(asked))
    assert await breaches(database_url) == []
