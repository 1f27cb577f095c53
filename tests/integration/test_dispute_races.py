"""Disputes against all else that wants the same money, and their two sides against each other, from two engines at once."""

import random
from typing import Any

from danbao_core.accounts import CloseAccount
from danbao_core.dispute_errors import AlreadyDecidedByYou, DisputeExceedsRemaining, DisputeOpen, DisputesOpen
from danbao_core.disputes import (
    AppealDispute,
    CatchUpDispute,
    DecideDispute,
    Dispute,
    DisputeState,
    OpenDispute,
    Outcome,
    Party,
    PayCompensation,
    Reason,
    WaiveAppeal,
    WithdrawDispute,
)
from danbao_core.engine import Answer, Command, Engine
from danbao_core.errors import AccountClosed, InvalidTransition, PaymentsOpen
from danbao_core.money import Money
from danbao_core.payments import CatchUp, ConfirmPayment, CreateRefund, Payment, State
from tests import disputes
from tests.builders import (
    a_confirmed_payment,
    a_merchant,
    a_paid_payment,
    a_shipped_payment,
    a_withdrawal,
    an_account,
    later,
    origin,
    stored,
)
from tests.disputes import a_dispute, arbitrator, decided, under_review
from tests.engines import breaches, money, outcomes_of

ROUNDS = 8
DAY = 86_400


def opening(payment: Payment, **facts: Any) -> OpenDispute:
    return OpenDispute(origin=origin(), payment_id=payment.id, reason=Reason.NOT_RECEIVED, **facts)


def deciding(dispute: Dispute, to_buyer_minor: int, by: str) -> DecideDispute:
    return DecideDispute(origin=arbitrator(by), dispute_id=dispute.id, to_buyer=Money(to_buyer_minor, "CNY"))


async def raced(
    number: int, engines: tuple[Engine, Engine], one: Command[Any], other: Command[Any], *, third: Command[Any] | None = None
) -> list[Any]:
    """What comes of commands that are submitted to two engines at once, in turns the one first and the other."""
    first, second = engines if number % 2 else engines[::-1]
    racing = [(first, one), (second, other), *([] if third is None else [(second, third)])]
    order = list(range(len(racing)))
    random.Random(number).shuffle(order)
    outcomes = await outcomes_of(*(racing[place] for place in order))
    return [outcomes[order.index(place)] for place in range(len(racing))]


async def test_opening_against_the_automatic_confirmation_in_the_same_instant(
    engine: Engine, second_engine: Engine, database_url: str
) -> None:
    """Either way the release was first, because its time had come."""
    payer, payee = await an_account(engine, funds_minor=100 * ROUNDS), await a_merchant(engine)
    payments = [await a_shipped_payment(engine, payer=payer, payee=payee, amount_minor=100) for _ in range(ROUNDS)]
    await later(engine, 10 * DAY)
    for number, payment in enumerate(payments):
        timer = CatchUp(origin=origin(request_id=""), payment_id=payment.id)
        confirm = ConfirmPayment(origin=origin(), payment_id=payment.id)
        opened, timed, confirmed = await raced(number, (engine, second_engine), opening(payment), timer, third=confirm)
        assert isinstance(opened, Answer)
        assert isinstance(timed, Answer)
        assert isinstance(confirmed, InvalidTransition)
        assert (opened.result.released, opened.result.held_minor) == (True, 98)
        after = await stored(engine, Payment, payment.id)
        assert (after.state, after.dispute_id, after.due_at) == (State.SUCCEEDED, opened.result.id, None)
    assert await money(engine, payee) == (0, 98 * ROUNDS)
    assert await breaches(database_url) == []


async def test_opening_against_the_payers_own_confirmation(engine: Engine, second_engine: Engine, database_url: str) -> None:
    payer, payee = await an_account(engine, funds_minor=100 * ROUNDS), await a_merchant(engine)
    for number in range(ROUNDS):
        payment = await a_shipped_payment(engine, payer=payer, payee=payee, amount_minor=100)
        confirm = ConfirmPayment(origin=origin(), payment_id=payment.id)
        opened, confirmed = await raced(number, (engine, second_engine), opening(payment), confirm)
        assert isinstance(opened, Answer)
        assert isinstance(confirmed, Answer if opened.result.released else DisputeOpen)
    assert await breaches(database_url) == []


async def test_opening_against_opening(engine: Engine, second_engine: Engine, database_url: str) -> None:
    payer, payee = await an_account(engine, funds_minor=100 * ROUNDS), await a_merchant(engine)
    for number in range(ROUNDS):
        payment = await a_shipped_payment(engine, payer=payer, payee=payee, amount_minor=100)
        outcomes = await raced(number, (engine, second_engine), opening(payment), opening(payment))
        assert sorted([type(each).__name__ for each in outcomes]) == ["Answer", "DisputeOpen"]
    assert await breaches(database_url) == []


async def test_opening_against_a_refund(engine: Engine, second_engine: Engine, database_url: str) -> None:
    """What a refund has is not disputed, and what is disputed is not refunded."""
    payer, payee = await an_account(engine, funds_minor=200 * ROUNDS), await a_merchant(engine)
    kinds = set()
    for number in range(ROUNDS):
        for make in (a_paid_payment, a_confirmed_payment):
            payment = await make(engine, payer=payer, payee=payee, amount_minor=100)
            amount = Money(40 if number % 3 else 100, "CNY")
            refund = CreateRefund(origin=origin(), payment_id=payment.id, amount=amount)
            opened, refunded = await raced(number, (engine, second_engine), opening(payment), refund)
            if isinstance(refunded, DisputeOpen):
                assert isinstance(opened, Answer)
                assert opened.result.amount_minor == 100
            elif amount.amount_minor == 100:
                assert isinstance(opened, DisputeExceedsRemaining)
            else:
                assert isinstance(opened, Answer)
                assert opened.result.amount_minor == 60
            kinds.add(type(refunded))
    assert await breaches(database_url) == []


async def test_a_decision_against_the_buyers_withdrawal(engine: Engine, second_engine: Engine, database_url: str) -> None:
    """After an appeal, when a decision settles: it is settled, or it was withdrawn, and the money is where that says."""
    payer, payee = await an_account(engine, funds_minor=100 * ROUNDS), await a_merchant(engine)
    given_back_minor = 0
    for number in range(ROUNDS):
        payment = await a_confirmed_payment(engine, payer=payer, payee=payee, amount_minor=100)
        dispute = await decided(engine, await under_review(engine, await a_dispute(engine, payment)), 10)
        dispute = await disputes.appealed(engine, dispute)
        withdraw = WithdrawDispute(origin=origin(), dispute_id=dispute.id)
        settled, withdrawn = await raced(number, (engine, second_engine), deciding(dispute, 60, "bert"), withdraw)
        assert {type(settled), type(withdrawn)} == {Answer, InvalidTransition}
        after = await stored(engine, Dispute, dispute.id)
        assert after.state is (DisputeState.SETTLED if isinstance(settled, Answer) else DisputeState.CLOSED)
        given_back_minor += after.paid_back_minor
    assert (await money(engine, payer))[0] == given_back_minor
    assert (await money(engine, payee))[1] == 0
    assert await breaches(database_url) == []


async def test_two_arbitrators_at_once(engine: Engine, second_engine: Engine, database_url: str) -> None:
    """One decides, before the appeal and after it; who decided before it is not the one who can after it."""
    payer, payee = await an_account(engine, funds_minor=100 * ROUNDS), await a_merchant(engine)
    for number in range(ROUNDS):
        payment = await a_paid_payment(engine, payer=payer, payee=payee, amount_minor=100)
        dispute = await under_review(engine, await a_dispute(engine, payment))
        first, second = deciding(dispute, 10, "anna"), deciding(dispute, 90, "bert")
        outcomes = await raced(number, (engine, second_engine), first, second)
        assert sorted([type(each).__name__ for each in outcomes]) == ["Answer", "InvalidTransition"]
        after = await stored(engine, Dispute, dispute.id)
        assert (after.decided_by, after.award_buyer_minor) in {("service:anna", 10), ("service:bert", 90)}
        await disputes.appealed(engine, dispute)
        again = [deciding(dispute, 50, by) for by in ("anna", "bert")]
        outcomes = await raced(number, (engine, second_engine), *again)
        kinds = [type(each) for each in outcomes]
        assert kinds.count(Answer) == 1
        assert kinds[0 if after.decided_by == "service:anna" else 1] in (AlreadyDecidedByYou, InvalidTransition)
    assert await money(engine, payer) == (50 * ROUNDS, 0)
    assert await breaches(database_url) == []


async def test_an_appeal_by_both_sides(engine: Engine, second_engine: Engine, database_url: str) -> None:
    payer, payee = await an_account(engine, funds_minor=100 * ROUNDS), await a_merchant(engine)
    for number in range(ROUNDS):
        payment = await a_paid_payment(engine, payer=payer, payee=payee, amount_minor=100)
        dispute = await decided(engine, await under_review(engine, await a_dispute(engine, payment)), 10)
        appeals = [AppealDispute(origin=origin(), dispute_id=dispute.id, party=each) for each in (Party.BUYER, Party.SELLER)]
        outcomes = await raced(number, (engine, second_engine), *appeals)
        assert sorted([type(each).__name__ for each in outcomes]) == ["Answer", "InvalidTransition"]
        won = Party.BUYER if isinstance(outcomes[0], Answer) else Party.SELLER
        assert (await stored(engine, Dispute, dispute.id)).appealed_by is won
    assert await breaches(database_url) == []


async def test_both_sides_accept_an_award_at_once(engine: Engine, second_engine: Engine, database_url: str) -> None:
    payer, payee = await an_account(engine, funds_minor=100 * ROUNDS), await a_merchant(engine)
    for number in range(ROUNDS):
        payment = await a_paid_payment(engine, payer=payer, payee=payee, amount_minor=100)
        dispute = await decided(engine, await under_review(engine, await a_dispute(engine, payment)), 10)
        waivers = [WaiveAppeal(origin=origin(), dispute_id=dispute.id, party=each) for each in (Party.BUYER, Party.SELLER)]
        assert {type(each) for each in await raced(number, (engine, second_engine), *waivers)} == {Answer}
        assert (await stored(engine, Dispute, dispute.id)).outcome is Outcome.AWARDED
    assert await money(engine, payer) == (10 * ROUNDS, 0)
    assert await breaches(database_url) == []


async def test_what_time_brings_about_happens_once(engine: Engine, second_engine: Engine, database_url: str) -> None:
    """Two workers at once, and a seller who comes too late."""
    payer, payee = await an_account(engine, funds_minor=100 * ROUNDS), await a_merchant(engine)
    found = []
    for _ in range(ROUNDS):
        payment = await a_confirmed_payment(engine, payer=payer, payee=payee, amount_minor=100)
        found.append(await a_dispute(engine, payment))
    await later(engine, 2 * DAY)
    timers = [CatchUpDispute(origin=origin(request_id=""), dispute_id=each.id) for each in found]
    outcomes = await outcomes_of(*((one, timer) for timer in timers for one in (engine, second_engine)))
    assert {(each.result.state, each.result.version) for each in outcomes} == {(DisputeState.SETTLED, 3)}
    assert await money(engine, payer) == (100 * ROUNDS, 0)
    assert await money(engine, payee) == (0, 0)
    assert await breaches(database_url) == []


async def test_opening_against_the_closing_of_either_account(engine: Engine, second_engine: Engine, database_url: str) -> None:
    """A transfer to somebody who has spent it: nothing but the dispute keeps the accounts open."""
    for number in range(ROUNDS):
        payer, payee = await an_account(engine, funds_minor=100), await an_account(engine)
        payment = await a_confirmed_payment(engine, payer=payer, payee=payee, amount_minor=100)
        await a_withdrawal(engine, payee, 100)
        close = CloseAccount(origin=origin(), account_id=(payer if number % 4 < 2 else payee).id)
        opened, closed = await raced(number, (engine, second_engine), opening(payment), close)
        assert (type(opened), type(closed)) in ((Answer, DisputesOpen), (AccountClosed, Answer))
    stays = await an_account(engine, funds_minor=100)
    held = await a_dispute(engine, await a_paid_payment(engine, payer=stays, amount_minor=100))
    (refused,) = await outcomes_of((engine, CloseAccount(origin=origin(), account_id=stays.id)))
    assert isinstance(refused, PaymentsOpen)
    await disputes.accepted(engine, held)
    assert await breaches(database_url) == []


async def test_a_compensation_is_paid_once(engine: Engine, second_engine: Engine, database_url: str) -> None:
    """Two wait for a fund that has enough for one of them."""
    payer = await an_account(engine, funds_minor=200)
    waiting = []
    for _ in range(2):
        dispute = await a_dispute(
            engine, await a_paid_payment(engine, payer=payer, amount_minor=100), None, Reason.UNAUTHORIZED
        )
        dispute = await disputes.waived(engine, await decided(engine, await under_review(engine, dispute), 40, 60))
        assert dispute.awaits_compensation
        waiting.append(dispute)
    await disputes.a_fund(engine, 100)
    racing = [PayCompensation(origin=origin(request_id=""), dispute_id=each.id) for each in waiting]
    await outcomes_of(*((one, command) for command in racing for one in (engine, second_engine)))
    after = [await stored(engine, Dispute, each.id) for each in waiting]
    assert sorted([each.compensated_minor for each in after]) == [0, 60]
    assert await money(engine, payer) == (140, 0)
    assert await breaches(database_url) == []
