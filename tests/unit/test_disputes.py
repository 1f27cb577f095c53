"""Disputes: what may happen to one, what it does to its payment and to everybody's money, and what is refused."""

import hashlib
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from danbao_core import fundings
from danbao_core.accounts import PLATFORM_ID, Account, AccountKind, Balance, CloseAccount, FreezeAccount, Purpose
from danbao_core.accounts.balances import new_balance
from danbao_core.dispute_errors import (
    AlreadyDecidedByYou,
    AlreadyDisputed,
    AppealWaived,
    AwardExceedsDisputed,
    CompensationNotPossible,
    DisputeExceedsRemaining,
    DisputeNotFound,
    DisputeOpen,
    DisputesOpen,
    DisputeWindowClosed,
    EvidenceClosed,
    EvidenceHashMismatch,
    EvidenceMissing,
    EvidenceTooLarge,
    EvidenceTypeUnknown,
    PartyMissing,
    TooMuchEvidence,
)
from danbao_core.disputes import (
    AcceptDispute,
    AcceptOffer,
    AppealDispute,
    CatchUpDispute,
    DecideDispute,
    Dispute,
    DisputeCloseReason,
    DisputeEvent,
    DisputeState,
    EscalateDispute,
    EvidenceFile,
    OfferSettlement,
    OpenDispute,
    Outcome,
    Party,
    PayCompensation,
    Reason,
    RejectDispute,
    Step,
    SubmitEvidence,
    WaiveAppeal,
    WithdrawDispute,
)
from danbao_core.disputes.lifecycle import FINAL, OPEN_STATES, TRANSITIONS, state_after
from danbao_core.engine import Command
from danbao_core.errors import (
    AccountClosed,
    AccountFrozen,
    ActorNotAllowed,
    AmountNotPositive,
    CurrencyMismatch,
    InvalidTransition,
    PaymentNotFound,
    Refusal,
    ScopeMissing,
)
from danbao_core.ids import uuid7
from danbao_core.ledger import Journal, OpenItem
from danbao_core.money import Money
from danbao_core.payments import (
    CancelPayment,
    CatchUp,
    CloseReason,
    ConfirmPayment,
    Event,
    ExtendConfirmation,
    Mode,
    Payment,
    ShipPayment,
    State,
)
from danbao_core.payments.refund_rows import RefundFailure
from danbao_core.trail import Outbox
from tests.builders import EXPRESS, origin
from tests.shop import Shop, bound

HOUR = 3_600
DAY = 24 * HOUR

# --- The tables -------------------------------------------------------------------------------------------------------------

PROMISED = """
AWAITING_SELLER  ACCEPT            SETTLED         SELLER
AWAITING_SELLER  REJECT            AWAITING_BUYER  SELLER
AWAITING_SELLER  OFFER             AWAITING_BUYER  SELLER
AWAITING_SELLER  SUBMIT_EVIDENCE   AWAITING_SELLER BUYER SELLER
AWAITING_SELLER  WITHDRAW          CLOSED          BUYER
AWAITING_SELLER  ANNOUNCE          AWAITING_SELLER TIMER
AWAITING_SELLER  SELLER_SILENT     SETTLED         TIMER
AWAITING_BUYER   ACCEPT_OFFER      SETTLED         BUYER
AWAITING_BUYER   ESCALATE          UNDER_REVIEW    BUYER
AWAITING_BUYER   SUBMIT_EVIDENCE   AWAITING_BUYER  BUYER SELLER
AWAITING_BUYER   WITHDRAW          CLOSED          BUYER
AWAITING_BUYER   ANNOUNCE          AWAITING_BUYER  TIMER
AWAITING_BUYER   BUYER_SILENT      CLOSED          TIMER
UNDER_REVIEW     SUBMIT_EVIDENCE   UNDER_REVIEW    BUYER SELLER
UNDER_REVIEW     DECIDE            DECIDED         ARBITRATOR SUPERVISOR
UNDER_REVIEW     WITHDRAW          CLOSED          BUYER
UNDER_REVIEW     ANNOUNCE          UNDER_REVIEW    TIMER
UNDER_REVIEW     EVIDENCE_END      UNDER_REVIEW    TIMER
UNDER_REVIEW     REMIND            UNDER_REVIEW    TIMER
UNDER_REVIEW     CALL_SUPERVISORS  UNDER_REVIEW    TIMER
DECIDED          APPEAL            UNDER_REVIEW    BUYER SELLER
DECIDED          WAIVE             DECIDED         BUYER SELLER
DECIDED          WITHDRAW          CLOSED          BUYER
DECIDED          ANNOUNCE          DECIDED         TIMER
DECIDED          APPEAL_END        SETTLED         TIMER
SETTLED          COMPENSATE        SETTLED         TIMER
"""
ALLOWED = {
    (DisputeState[state], DisputeEvent[event], Party[actor]): DisputeState[after]
    for state, event, after, *actors in (line.split() for line in PROMISED.strip().splitlines())
    for actor in actors
}
DECLARED = {(state, event) for state, event, _ in ALLOWED}


@pytest.mark.parametrize("state", DisputeState, ids=lambda state: state.name)
@pytest.mark.parametrize("event", DisputeEvent, ids=lambda event: event.name)
@pytest.mark.parametrize("actor", Party, ids=lambda actor: actor.name)
def test_every_combination(state: DisputeState, event: DisputeEvent, actor: Party) -> None:
    if (state, event, actor) in ALLOWED:
        assert state_after(state, event, actor) is ALLOWED[state, event, actor]
    elif (state, event) in DECLARED:
        with pytest.raises(ActorNotAllowed):
            state_after(state, event, actor)
    else:
        with pytest.raises(InvalidTransition):
            state_after(state, event, actor)


def test_the_last_word_settles() -> None:
    assert set(FINAL) == {
        (DisputeState.UNDER_REVIEW, DisputeEvent.DECIDE),
        (DisputeState.DECIDED, DisputeEvent.WAIVE),
    }
    assert set(FINAL.values()) == {DisputeState.SETTLED}
    assert {state for state, _ in TRANSITIONS} == OPEN_STATES | {DisputeState.SETTLED}


# --- Stories ----------------------------------------------------------------------------------------------------------------


def opening(payment: Payment, amount_minor: int | None = None, by: Any = None, **facts: Any) -> OpenDispute:
    amount = None if amount_minor is None else Money(amount_minor, facts.pop("currency", "CNY"))
    given = {"reason": Reason.NOT_RECEIVED} | facts
    return OpenDispute(origin=by or origin(), payment_id=payment.id, amount=amount, text="Where is it?", **given)


def disputed(shop: Shop, payment: Payment, amount_minor: int | None = None, **facts: Any) -> Dispute:
    return shop.core.carry_out(opening(payment, amount_minor, **facts))


def step(shop: Shop, command: type[Command[Any]], dispute: Dispute, by: Any = None, **facts: Any) -> Dispute:
    """The dispute after a step, by default of the system for the side whose step it is."""
    shop.core.carry_out(command(origin=by or origin(), dispute_id=dispute.id, **facts))  # type: ignore[call-arg]
    after: Dispute = shop.now(dispute)
    return after


def arbitrator(name: str = "anna", scope: str = "disputes.decide") -> Any:
    return origin(caller=f"service:{name}", key_id=uuid7(), scopes=frozenset({scope}))


def decided(shop: Shop, dispute: Dispute, to_buyer_minor: int, by: Any = None, **facts: Any) -> Dispute:
    return step(shop, DecideDispute, dispute, by or arbitrator(), to_buyer=Money(to_buyer_minor, "CNY"), **facts)


def under_review(shop: Shop, dispute: Dispute) -> Dispute:
    return step(shop, EscalateDispute, step(shop, RejectDispute, dispute, text="No."), text="Yes.")


def payment_of(shop: Shop, dispute: Dispute) -> Payment:
    return next(each for each in shop.core.all(Payment) if each.id == dispute.payment_id)


def wealth(shop: Shop) -> tuple[int, int, int, int]:
    """What the buyer and the seller can spend, what the seller owes, and the fees."""
    return (
        shop.available(shop.buyer),
        shop.available(shop.seller),
        -shop.balance(shop.seller, Purpose.RECEIVABLE),
        shop.platform(Purpose.FEES),
    )


def topics(shop: Shop, dispute: Dispute) -> list[str]:
    told = [each for each in shop.core.all(Outbox) if each.subject_id == dispute.id]
    assert {each.ordering_id for each in told} == {dispute.payment_id}
    return [each.topic.removeprefix("dispute.") for each in told]


def steps_of(shop: Shop, dispute: Dispute) -> list[Step]:
    return sorted([each for each in shop.core.all(Step) if each.dispute_id == dispute.id], key=lambda each: each.version)


def journals(shop: Shop, dispute: Dispute) -> list[str]:
    return [each.kind for each in shop.core.all(Journal) if each.subject_id == dispute.id]


def withdraw(shop: Shop, account: Account, amount_minor: int) -> None:
    shop.core.carry_out(fundings.Withdraw(origin=origin(), account_id=account.id, amount=Money(amount_minor, "CNY")))


def top_up(shop: Shop, account: Account, amount_minor: int) -> None:
    shop.core.carry_out(fundings.TopUp(origin=origin(), account_id=account.id, amount=Money(amount_minor, "CNY")))


def freeze(shop: Shop, account: Account) -> None:
    shop.core.carry_out(FreezeAccount(origin=origin(), account_id=account.id, reason="x"))


def test_a_silent_seller_loses_all_of_it() -> None:
    shop = Shop()
    dispute = disputed(shop, shop.order(1_000, pay=True))
    opened_at = shop.core.now
    assert dispute.respond_by == opened_at + timedelta(hours=48)
    shop.core.advance(40 * HOUR)
    assert step(shop, CatchUpDispute, dispute).state is DisputeState.AWAITING_SELLER
    shop.core.advance(10 * DAY)
    after = step(shop, CatchUpDispute, dispute)
    assert (after.state, after.outcome, after.ended_at) == (
        DisputeState.SETTLED,
        Outcome.DEFAULT_JUDGMENT,
        opened_at + timedelta(hours=48),
    )
    payment = payment_of(shop, dispute)
    assert (payment.state, payment.close_reason, payment.awarded_minor) == (State.CLOSED, CloseReason.AWARDED, 1_000)
    assert payment.closed_at == after.ended_at
    assert wealth(shop) == (10_000, 0, 0, 0)
    assert topics(shop, dispute) == ["opened", "deadline_near", "settled"]
    assert [each.at - opened_at for each in steps_of(shop, dispute)] == [timedelta(hours=hours) for hours in (0, 36, 48)]
    assert step(shop, CatchUpDispute, dispute) == after, "once"


def test_a_silent_buyer_closes_it_and_the_payment_goes_on() -> None:
    shop = Shop()
    payment = shop.shipped(amount_minor=1_000)
    shop.core.advance(DAY)
    dispute = step(shop, RejectDispute, disputed(shop, payment), text="It was delivered.")
    assert shop.now(payment).due_at is None
    shop.core.advance(72 * HOUR)
    after = step(shop, CatchUpDispute, dispute)
    assert (after.state, after.close_reason) == (DisputeState.CLOSED, DisputeCloseReason.BUYER_SILENT)
    resumed = shop.now(payment)
    assert (resumed.state, resumed.due_event) == (State.SHIPPED, Event.AUTO_CONFIRM)
    assert resumed.due_at == shop.core.now + timedelta(days=9)
    assert topics(shop, dispute) == ["opened", "rejected", "deadline_near", "closed"]
    shop.core.advance(9 * DAY)
    assert shop.step(CatchUp, payment).state is State.SUCCEEDED


def test_what_was_left_of_the_time_is_24_hours_at_least() -> None:
    shop = Shop()
    payment = shop.shipped(amount_minor=1_000)
    shop.core.advance(10 * DAY - 1)
    dispute = disputed(shop, payment)
    assert dispute.left_seconds == 1
    step(shop, WithdrawDispute, dispute)
    assert shop.now(payment).due_at == shop.core.now + timedelta(hours=24)


def test_an_accepted_offer_splits_the_money_at_once() -> None:
    shop = Shop()
    dispute = disputed(shop, shop.shipped(amount_minor=1_000), 400)
    dispute = step(shop, OfferSettlement, dispute, amount=Money(300, "CNY"), text="Keep it.")
    dispute = step(shop, AcceptOffer, dispute)
    assert (dispute.state, dispute.outcome, dispute.paid_back_minor) == (DisputeState.SETTLED, Outcome.OFFER_ACCEPTED, 300)
    payment = payment_of(shop, dispute)
    assert (payment.state, payment.released_minor, payment.returned_minor) == (State.SUCCEEDED, 700, 300)
    assert (payment.due_event, payment.due_at) == (Event.FINISH, shop.core.now + timedelta(days=365))
    assert wealth(shop) == (9_300, 689, 0, 11), "1.5 % of what was released, 10.5, rounded half up"
    assert journals(shop, dispute) == ["dispute.settle"]


def test_a_refusal_is_no_offer() -> None:
    shop = Shop()
    dispute = step(shop, RejectDispute, disputed(shop, shop.shipped()))
    with pytest.raises(InvalidTransition):
        step(shop, AcceptOffer, dispute)


@pytest.mark.parametrize(
    ("award_minor", "spendable", "fee_returned_minor", "closes"),
    [(0, (9_000, 985, 0, 15), 0, False), (333, (9_333, 656, 0, 11), 4, False), (1_000, (10_000, 0, 0, 0), 15, True)],
)
def test_an_award_after_the_release(
    award_minor: int, spendable: tuple[int, ...], fee_returned_minor: int, *, closes: bool
) -> None:
    shop = Shop()
    payment = shop.succeeded(amount_minor=1_000)
    dispute = under_review(shop, disputed(shop, payment))
    assert (dispute.held_minor, shop.balance(shop.seller, Purpose.HELD), shop.available(shop.seller)) == (985, 985, 0)
    decided(shop, dispute, award_minor)
    assert journals(shop, dispute) == ["dispute.hold"], "nothing moves before it is settled"
    shop.core.advance(7 * DAY)
    dispute = step(shop, CatchUpDispute, dispute)
    assert (dispute.outcome, dispute.held_minor, dispute.fee_returned_minor) == (Outcome.AWARDED, 0, fee_returned_minor)
    assert wealth(shop) == spendable
    after = shop.now(payment)
    assert after.state is (State.CLOSED if closes else State.SUCCEEDED)
    assert (after.refund_taken_minor, after.fee_returned_minor, after.awarded_minor) == (
        award_minor,
        fee_returned_minor,
        award_minor,
    )
    if not closes:
        assert after.due_at == shop.core.now + timedelta(days=365), "what was left of it when it was disputed"
        assert shop.refund(after).amount_minor == 1_000 - award_minor


def test_an_award_of_nothing_before_the_release_releases_all() -> None:
    shop = Shop()
    dispute = decided(shop, under_review(shop, disputed(shop, shop.order(1_000, pay=True))), 0)
    for party in (Party.BUYER, Party.SELLER):
        dispute = step(shop, WaiveAppeal, dispute, party=party)
    assert (dispute.state, payment_of(shop, dispute).state) == (DisputeState.SETTLED, State.SUCCEEDED)
    assert wealth(shop) == (9_000, 985, 0, 15)


def test_a_review_calls_for_a_decision_again_and_again() -> None:
    shop = Shop()
    dispute = under_review(shop, disputed(shop, shop.shipped()))
    began_at = shop.core.now
    assert dispute.respond_by == dispute.evidence_until == began_at + timedelta(hours=72)
    shop.core.advance(9 * DAY)
    dispute = step(shop, CatchUpDispute, dispute)
    told = [(each.event.name, each.at - began_at) for each in steps_of(shop, dispute)][3:]
    assert told == [
        ("ANNOUNCE", timedelta(hours=60)),
        ("EVIDENCE_END", timedelta(hours=72)),
        ("REMIND", timedelta(days=5)),
        ("CALL_SUPERVISORS", timedelta(days=7)),
        ("CALL_SUPERVISORS", timedelta(days=8)),
        ("CALL_SUPERVISORS", timedelta(days=9)),
    ]
    assert topics(shop, dispute)[3:] == [
        "deadline_near",
        "evidence_closed",
        "review_overdue",
        *["supervisors_called"] * 3,
    ]
    assert dispute.respond_by == began_at + timedelta(days=7)
    assert decided(shop, dispute, 1, arbitrator("sue", "disputes.supervise")).state is DisputeState.DECIDED


def test_an_appeal_is_decided_by_somebody_else_and_for_good() -> None:
    shop = Shop()
    dispute = decided(shop, under_review(shop, disputed(shop, shop.succeeded(amount_minor=1_000))), 500)
    assert dispute.respond_by == shop.core.now + timedelta(days=7)
    dispute = step(shop, AppealDispute, dispute, party=Party.SELLER, text="Look again.")
    assert (dispute.state, dispute.appealed_by) == (DisputeState.UNDER_REVIEW, Party.SELLER)
    assert dispute.evidence_until == shop.core.now + timedelta(hours=72)
    with pytest.raises(AlreadyDecidedByYou):
        decided(shop, dispute, 400)
    dispute = decided(shop, dispute, 200, arbitrator("bert"))
    assert (dispute.state, dispute.decided_by, dispute.redecided_by) == (DisputeState.SETTLED, "service:anna", "service:bert")
    assert dispute.paid_back_minor == 200
    assert [each.actor for each in steps_of(shop, dispute)][-3:] == [Party.ARBITRATOR, Party.SELLER, Party.ARBITRATOR]


def test_who_accepts_an_award_does_not_appeal() -> None:
    shop = Shop()
    dispute = decided(shop, under_review(shop, disputed(shop, shop.shipped())), 500)
    dispute = step(shop, WaiveAppeal, dispute, party=Party.BUYER)
    for command in (WaiveAppeal, AppealDispute):
        with pytest.raises(AppealWaived):
            step(shop, command, dispute, party=Party.BUYER)
    assert dispute.state is DisputeState.DECIDED
    assert step(shop, AppealDispute, dispute, party=Party.SELLER).state is DisputeState.UNDER_REVIEW


# --- What the seller lacks, and what the fund adds --------------------------------------------------------------------------


def test_a_seller_with_an_empty_wallet_owes_the_award() -> None:
    shop = Shop()
    payment = shop.succeeded(amount_minor=1_000)
    withdraw(shop, shop.seller, 985)
    dispute = disputed(shop, payment)
    assert (dispute.held_minor, journals(shop, dispute)) == (0, [])
    top_up(shop, shop.seller, 100)
    dispute = step(shop, AcceptDispute, dispute)
    assert (dispute.owed_minor, dispute.paid_back_minor) == (885, 1_000)
    assert wealth(shop) == (10_000, 0, 885, 0)
    shop.step(ConfirmPayment, shop.shipped(amount_minor=500))
    assert wealth(shop) == (9_500, 0, 885 - 492, 8), "credits repay it first"


def test_what_is_set_aside_is_used_first_and_the_rest_returns() -> None:
    shop = Shop()
    payment = shop.succeeded(amount_minor=1_000)
    withdraw(shop, shop.seller, 385)
    dispute = disputed(shop, payment)
    assert dispute.held_minor == 600
    top_up(shop, shop.seller, 100)
    step(shop, AcceptOffer, step(shop, OfferSettlement, dispute, amount=Money(200, "CNY")))
    assert wealth(shop) == (9_200, 100 + 600 - 197, 0, 12)
    assert shop.balance(shop.seller, Purpose.HELD) == 0


def test_a_frozen_seller_gives_nothing_away_by_itself() -> None:
    shop = Shop()
    dispute = disputed(shop, shop.succeeded(amount_minor=1_000), 400)
    in_escrow = disputed(shop, shop.shipped(amount_minor=100))
    freeze(shop, shop.seller)
    by_seller = bound(shop.seller, "disputes.write")
    for command, facts in ((AcceptDispute, {}), (OfferSettlement, {"amount": Money(1, "CNY")})):
        with pytest.raises(AccountFrozen):
            step(shop, command, dispute, by_seller, **facts)
    assert step(shop, AcceptDispute, in_escrow, by_seller).state is DisputeState.SETTLED
    dispute = under_review(shop, dispute)
    decided(shop, dispute, 400)
    shop.core.advance(7 * DAY)
    assert step(shop, CatchUpDispute, dispute).paid_back_minor == 400, "what is awarded is taken all the same"


def test_a_frozen_buyer_disputes() -> None:
    shop = Shop()
    payment = shop.shipped()
    freeze(shop, shop.buyer)
    assert disputed(shop, payment, by=bound(shop.buyer, "disputes.write")).state is DisputeState.AWAITING_SELLER


def test_neither_account_closes_meanwhile() -> None:
    shop = Shop(funds_minor=1_000)
    friend = shop.open(AccountKind.PERSONAL)
    payment = shop.order(1_000, Mode.INSTANT, payee_id=friend.id, pay=True)
    withdraw(shop, friend, 1_000)
    disputed(shop, payment)
    for account in (shop.buyer, friend):
        with pytest.raises(DisputesOpen):
            shop.core.carry_out(CloseAccount(origin=origin(), account_id=account.id))


@pytest.mark.parametrize("who", ["buyer", "seller"])
def test_what_was_between_accounts_of_which_one_is_closed_is_not_disputed(who: str) -> None:
    shop = Shop(funds_minor=1_000)
    friend = shop.open(AccountKind.PERSONAL)
    payment = shop.order(1_000, Mode.INSTANT, payee_id=friend.id, pay=True)
    withdraw(shop, friend, 1_000)
    leaving = shop.buyer if who == "buyer" else friend
    shop.core.carry_out(CloseAccount(origin=origin(), account_id=leaving.id))
    with pytest.raises(AccountClosed):
        disputed(shop, payment)


def test_the_fund_compensates_who_did_not_authorize_it() -> None:
    shop = Shop()
    fund(shop, 250)
    payment = shop.order(1_000, Mode.INSTANT, pay=True)
    shop.core.advance(59 * DAY)
    dispute = under_review(shop, disputed(shop, payment, reason=Reason.UNAUTHORIZED))
    dispute = decided(shop, dispute, 600, compensation=Money(250, "CNY"))
    for party in (Party.SELLER, Party.BUYER):
        dispute = step(shop, WaiveAppeal, dispute, party=party)
    assert (dispute.paid_back_minor, dispute.compensated_minor, dispute.awaits_compensation) == (600, 250, False)
    assert shop.available(shop.buyer) == 9_000 + 850
    assert shop.platform(Purpose.COMPENSATION) == 0
    assert journals(shop, dispute) == ["dispute.hold", "dispute.settle"], "one journal for all of it"


def test_a_compensation_waits_for_a_fund_that_is_short() -> None:
    shop = Shop()
    fund(shop, 99)
    dispute = under_review(shop, disputed(shop, shop.shipped(amount_minor=1_000), reason=Reason.UNAUTHORIZED))
    decided(shop, dispute, 600, compensation=Money(100, "CNY"))
    shop.core.advance(7 * DAY)
    dispute = step(shop, CatchUpDispute, dispute)
    assert (dispute.paid_back_minor, dispute.awaits_compensation) == (600, True)
    assert step(shop, PayCompensation, dispute) == dispute, "nothing yet"
    fund(shop, 1)
    dispute = step(shop, PayCompensation, dispute)
    assert (dispute.state, dispute.compensated_minor, dispute.awaits_compensation) == (DisputeState.SETTLED, 100, False)
    assert shop.available(shop.buyer) == 9_700
    assert topics(shop, dispute)[-1] == "compensated"
    assert step(shop, PayCompensation, dispute) == dispute, "once"


def test_a_compensation_comes_after_those_that_wait() -> None:
    shop = Shop()
    fund(shop, 50)
    waiting = []
    for compensation_minor in (100, 50):
        dispute = under_review(shop, disputed(shop, shop.shipped(amount_minor=1_000), reason=Reason.UNAUTHORIZED))
        decided(shop, dispute, 600, compensation=Money(compensation_minor, "CNY"))
        waiting.append(step(shop, WaiveAppeal, step(shop, WaiveAppeal, dispute, party=Party.SELLER), party=Party.BUYER))
    assert [each.awaits_compensation for each in waiting] == [True, True], "although the fund has the second one"
    fund(shop, 100)
    assert [step(shop, PayCompensation, each).compensated_minor for each in waiting] == [100, 50]


def test_a_compensation_that_waited_for_who_is_gone_is_kept_for_them() -> None:
    shop = Shop(funds_minor=1_000)
    dispute = under_review(shop, disputed(shop, shop.shipped(amount_minor=1_000), reason=Reason.UNAUTHORIZED))
    decided(shop, dispute, 600, compensation=Money(100, "CNY"))
    shop.core.advance(7 * DAY)
    step(shop, CatchUpDispute, dispute)
    withdraw(shop, shop.buyer, 600)
    shop.core.carry_out(CloseAccount(origin=origin(), account_id=shop.buyer.id))
    fund(shop, 100)
    assert step(shop, PayCompensation, dispute).compensated_minor == 100
    (item,) = shop.core.all(OpenItem)
    assert (item.account_id, item.amount_minor, shop.platform(Purpose.SUSPENSE)) == (shop.buyer.id, 100, 100)


def fund(shop: Shop, amount_minor: int) -> None:
    """Puts so much more into the platform's fund."""
    balance = next((each for each in shop.core.all(Balance) if each.purpose is Purpose.COMPENSATION), None)
    balance = balance or new_balance(PLATFORM_ID, "CNY", Purpose.COMPENSATION)
    shop.core.place(balance.moved(amount_minor))


# --- What else happens to the payment ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "facts"),
    [(ShipPayment, {"shipment": EXPRESS}), (CancelPayment, {}), (ConfirmPayment, {}), (ExtendConfirmation, {})],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_disputed_payment_stands_still(command: type[Command[Payment]], facts: dict[str, Any]) -> None:
    shop = Shop()
    payment = shop.order(pay=True) if command in (ShipPayment, CancelPayment) else shop.shipped()
    dispute = disputed(shop, payment)
    with pytest.raises(DisputeOpen) as refused:
        shop.step(command, payment, **facts)
    assert refused.value.metadata == {"dispute": dispute.name}
    before = shop.now(payment)
    shop.core.advance(400 * DAY)
    assert shop.step(CatchUp, payment) == before, "nothing is due"


def test_what_is_disputed_is_not_refunded_and_what_is_refunded_not_disputed() -> None:
    shop = Shop()
    payment = shop.order(1_000, pay=True)
    refund = shop.refund(payment, 400)
    dispute = disputed(shop, payment)
    assert dispute.amount_minor == 600
    with pytest.raises(DisputeOpen):
        shop.refund(payment, 1)
    assert shop.carried_out(refund).ended_at is not None, "what was asked for before goes on"
    step(shop, AcceptDispute, dispute)
    after = shop.now(payment)
    assert (after.state, after.close_reason, after.given_back_minor) == (State.CLOSED, CloseReason.AWARDED, 1_000)
    assert shop.available(shop.buyer) == 10_000


@pytest.mark.parametrize("released", [False, True])
def test_a_refund_that_is_open_outlives_the_award(*, released: bool) -> None:
    shop = Shop()
    payment = shop.succeeded(amount_minor=1_000) if released else shop.order(1_000, pay=True)
    refund = shop.refund(payment, 400)
    step(shop, AcceptDispute, disputed(shop, payment))
    before = shop.now(payment)
    assert before.state is (State.SUCCEEDED if released else State.CLOSED)
    shop.carried_out(refund)
    after = shop.now(payment)
    assert (after.state, after.given_back_minor, after.held_minor) == (State.CLOSED, 1_000, 0)
    assert after.close_reason is (CloseReason.REFUNDED if released else CloseReason.AWARDED)
    assert wealth(shop) == (10_000, 0, 0, 0)


# --- What is refused --------------------------------------------------------------------------------------------------------


def test_a_strangers_payment_is_not_there() -> None:
    shop = Shop()
    payment = shop.shipped()
    stranger = bound(shop.open(AccountKind.PERSONAL), "disputes.write")
    with pytest.raises(PaymentNotFound):
        disputed(shop, payment, by=stranger)
    dispute = disputed(shop, payment)
    for command, facts in EVERY_STEP:
        with pytest.raises(DisputeNotFound):
            step(shop, command, dispute, stranger, **facts)


EVERY_STEP: list[tuple[type[Command[Any]], dict[str, Any]]] = [
    (AcceptDispute, {}),
    (RejectDispute, {"text": "x"}),
    (OfferSettlement, {"amount": Money(1, "CNY")}),
    (AcceptOffer, {}),
    (EscalateDispute, {"text": "x"}),
    (WithdrawDispute, {"text": "x"}),
    (SubmitEvidence, {"text": "x"}),
    (DecideDispute, {"to_buyer": Money(1, "CNY")}),
    (AppealDispute, {"text": "x"}),
    (WaiveAppeal, {}),
]
EVENTS = dict(zip((command for command, _ in EVERY_STEP), [each for each in DisputeEvent if 1 < each < 20], strict=True))
"""The contract numbers them in the same order."""


@pytest.mark.parametrize(
    ("state", "party", "command", "facts"),
    [(state, party, *each) for state, party, each in product(DisputeState, (Party.BUYER, Party.SELLER), EVERY_STEP)],
    ids=lambda each: each.name if isinstance(each, DisputeState | Party) else getattr(each, "__name__", ""),
)
def test_every_step_by_either_side(state: DisputeState, party: Party, command: type[Command[Any]], facts: Any) -> None:
    """By keys that are bound: what the tables promise, commands keep."""
    shop = Shop()
    dispute = in_state(shop, state)
    by = bound(shop.buyer if party is Party.BUYER else shop.seller, "disputes.write")
    event = EVENTS[command]
    if (state, event, party) in ALLOWED:
        after = step(shop, command, dispute, by, **facts)
        assert after.state is ALLOWED[state, event, party]
        assert (after.version, steps_of(shop, after)[-1].actor) == (dispute.version + 1, party)
        return
    with pytest.raises(ActorNotAllowed if (state, event) in DECLARED else InvalidTransition):
        step(shop, command, dispute, by, **facts)
    assert shop.now(dispute) == dispute


def in_state(shop: Shop, state: DisputeState) -> Dispute:
    """A dispute that came into the state as disputes do, with an offer."""
    dispute = disputed(shop, shop.shipped())
    if state is DisputeState.AWAITING_SELLER:
        return dispute
    dispute = step(shop, OfferSettlement, dispute, amount=Money(300, "CNY"))
    match state:
        case DisputeState.SETTLED:
            return step(shop, AcceptOffer, dispute)
        case DisputeState.CLOSED:
            return step(shop, WithdrawDispute, dispute)
        case DisputeState.UNDER_REVIEW | DisputeState.DECIDED:
            dispute = step(shop, EscalateDispute, dispute)
    return decided(shop, dispute, 1) if state is DisputeState.DECIDED else dispute


def test_who_may_decide_and_for_whom_services_act() -> None:
    shop = Shop()
    dispute = under_review(shop, disputed(shop, shop.shipped()))
    service = origin(key_id=uuid7(), scopes=frozenset({"disputes.write"}))
    with pytest.raises(ScopeMissing):
        decided(shop, dispute, 1, service)
    with pytest.raises(PartyMissing):
        step(shop, SubmitEvidence, dispute, service, text="x")
    assert step(shop, SubmitEvidence, dispute, service, text="x", party=Party.SELLER).seller_evidence == 1
    with pytest.raises(ActorNotAllowed):
        step(shop, SubmitEvidence, dispute, bound(shop.buyer), text="x", party=Party.SELLER)
    with pytest.raises(ActorNotAllowed):
        disputed(shop, shop.shipped(), by=service, party=Party.SELLER)
    with pytest.raises(ActorNotAllowed):
        disputed(shop, shop.shipped(), by=bound(shop.seller, "disputes.write"))


def test_one_dispute_at_a_time_one_ordinary_and_one_that_nobody_authorized() -> None:
    shop = Shop()
    payment = shop.succeeded(amount_minor=1_000)
    first = disputed(shop, payment, 100)
    for reason in (Reason.OTHER, Reason.UNAUTHORIZED):
        with pytest.raises(DisputeOpen):
            disputed(shop, payment, reason=reason)
    step(shop, WithdrawDispute, first)
    with pytest.raises(AlreadyDisputed) as refused:
        disputed(shop, payment, reason=Reason.OTHER)
    assert refused.value.metadata == {"payment": payment.name}
    second = disputed(shop, payment, 100, reason=Reason.UNAUTHORIZED)
    step(shop, AcceptDispute, second)
    with pytest.raises(AlreadyDisputed):
        disputed(shop, payment, reason=Reason.UNAUTHORIZED)


def test_a_dispute_whose_time_is_over_makes_room_for_another() -> None:
    shop = Shop()
    payment = shop.succeeded(amount_minor=1_000)
    first = disputed(shop, payment, 100)
    shop.core.advance(3 * DAY)
    second = disputed(shop, payment, reason=Reason.UNAUTHORIZED)
    assert shop.now(first).outcome is Outcome.DEFAULT_JUDGMENT
    assert second.amount_minor == 900


def test_a_dispute_whose_end_released_the_payment_makes_room_for_one_after_the_release() -> None:
    shop = Shop()
    payment = shop.shipped(amount_minor=1_000)
    first = disputed(shop, payment, 100)
    shop.core.advance(3 * DAY)
    second = disputed(shop, payment, reason=Reason.UNAUTHORIZED)
    assert shop.now(first).outcome is Outcome.DEFAULT_JUDGMENT
    assert (second.released, second.amount_minor, second.held_minor) == (True, 900, 886)
    assert wealth(shop) == (9_100, 0, 0, 14)


def test_a_payment_whose_dispute_and_whose_own_time_are_over_is_disputed_after_the_release() -> None:
    shop = Shop()
    payment = shop.shipped(amount_minor=1_000)
    step(shop, RejectDispute, disputed(shop, payment), text="No.")
    shop.core.advance(20 * DAY)
    second = disputed(shop, payment, reason=Reason.UNAUTHORIZED)
    assert (second.released, second.held_minor) == (True, 985)
    assert shop.now(payment).succeeded_at - payment.updated_at == timedelta(days=13), "ten to confirm, and three disputed"


def test_a_payment_that_is_called_off_when_its_dispute_is_over_takes_its_refunds_along() -> None:
    shop = Shop()
    payment = shop.order(1_000, pay=True)
    refund = shop.refund(payment, 400)
    step(shop, RejectDispute, disputed(shop, payment), text="No.")
    shop.core.advance(40 * DAY)
    with pytest.raises(InvalidTransition):
        disputed(shop, payment, reason=Reason.UNAUTHORIZED)
    assert shop.now(payment).close_reason is CloseReason.NOT_SHIPPED
    assert shop.now(refund).failure is RefundFailure.SUPERSEDED


@pytest.mark.parametrize(("reason", "days"), [(Reason.NOT_AS_DESCRIBED, 15), (Reason.UNAUTHORIZED, 60)])
def test_the_window_closes(reason: Reason, days: int) -> None:
    shop = Shop()
    early, late = shop.succeeded(), shop.succeeded()
    shop.core.advance(days * DAY - 1)
    assert disputed(shop, early, reason=reason).released
    shop.core.advance(1)
    with pytest.raises(DisputeWindowClosed):
        disputed(shop, late, reason=reason)
    shop.core.advance(400 * DAY)
    with pytest.raises(DisputeWindowClosed):
        disputed(shop, late, reason=reason)
    assert shop.now(late).state is State.FINISHED, "what time brought about stays"


@pytest.mark.parametrize("state", ["unpaid", "authorized", "cancelled", "refunded"])
def test_only_what_was_paid_and_not_given_back_is_disputed(state: str) -> None:
    shop = Shop()
    payment = shop.order(pay=state != "unpaid", mode=Mode.AUTHORIZATION if state == "authorized" else Mode.ESCROW)
    if state == "cancelled":
        shop.step(CancelPayment, payment)
    if state == "refunded":
        shop.carried_out(shop.refund(payment))
    with pytest.raises(InvalidTransition):
        disputed(shop, payment)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "refusal"),
    [(1_001, "CNY", DisputeExceedsRemaining), (0, "CNY", AmountNotPositive), (1, "USD", CurrencyMismatch)],
)
def test_no_more_is_disputed_than_was_paid(amount_minor: int, currency: str, refusal: type[Refusal]) -> None:
    shop = Shop()
    with pytest.raises(refusal):
        disputed(shop, shop.shipped(amount_minor=1_000), amount_minor, currency=currency)


@pytest.mark.parametrize(
    ("to_buyer", "compensation", "reason", "refusal"),
    [
        (401, None, Reason.OTHER, AwardExceedsDisputed),
        (300, 101, Reason.UNAUTHORIZED, AwardExceedsDisputed),
        (-1, None, Reason.OTHER, AmountNotPositive),
        (1, -1, Reason.UNAUTHORIZED, AmountNotPositive),
        (300, 100, Reason.NOT_RECEIVED, CompensationNotPossible),
    ],
)
def test_no_more_is_awarded_than_is_disputed(
    to_buyer: int, compensation: int | None, reason: Reason, refusal: type[Refusal]
) -> None:
    shop = Shop()
    dispute = under_review(shop, disputed(shop, shop.shipped(amount_minor=1_000), 400, reason=reason))
    given = {} if compensation is None else {"compensation": Money(compensation, "CNY")}
    with pytest.raises(refusal):
        decided(shop, dispute, to_buyer, **given)
    with pytest.raises(CurrencyMismatch):
        step(shop, DecideDispute, dispute, arbitrator(), to_buyer=Money(1, "USD"))


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [
        (Money(401, "CNY"), AwardExceedsDisputed),
        (Money(0, "CNY"), AmountNotPositive),
        (Money(1, "USD"), CurrencyMismatch),
    ],
)
def test_no_more_is_offered_than_is_disputed(amount: Money, refusal: type[Refusal]) -> None:
    shop = Shop()
    dispute = disputed(shop, shop.shipped(amount_minor=1_000), 400)
    with pytest.raises(refusal):
        step(shop, OfferSettlement, dispute, amount=amount)


def test_what_time_brought_about_stays_where_the_step_comes_too_late() -> None:
    shop = Shop()
    dispute = disputed(shop, shop.shipped())
    shop.core.advance(2 * DAY)
    with pytest.raises(InvalidTransition):
        step(shop, RejectDispute, dispute)
    assert shop.now(dispute).outcome is Outcome.DEFAULT_JUDGMENT


# --- Evidence ---------------------------------------------------------------------------------------------------------------

PHOTO = b"\x89PNG"
FILE: dict[str, Any] = {
    "file_name": "a.png",
    "media_type": "image/png",
    "content": PHOTO,
    "sha256": hashlib.sha256(PHOTO).digest(),
}


def test_both_sides_show_texts_and_files() -> None:
    shop = Shop()
    dispute = disputed(shop, shop.shipped())
    command = SubmitEvidence(origin=origin(), dispute_id=dispute.id, party=Party.BUYER, text="It came broken.", **FILE)
    evidence = shop.core.carry_out(command)
    assert (evidence.party, evidence.size_bytes, evidence.sha256) == (Party.BUYER, 4, FILE["sha256"])
    assert shop.core.all(EvidenceFile) == [EvidenceFile(evidence.id, PHOTO)]
    dispute = step(shop, SubmitEvidence, dispute, bound(shop.seller), text="It did not.")
    assert (dispute.buyer_evidence, dispute.seller_evidence) == (1, 1)
    assert topics(shop, dispute) == ["opened", "evidence_submitted", "evidence_submitted"]


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({}, EvidenceMissing),
        ({"text": "x" * 4_001}, EvidenceTooLarge),
        (FILE | {"content": b"x" * 1_048_577}, EvidenceTooLarge),
        (FILE | {"media_type": "video/mp4"}, EvidenceTypeUnknown),
        (FILE | {"media_type": ""}, EvidenceTypeUnknown),
        (FILE | {"content": b"another"}, EvidenceHashMismatch),
        (FILE | {"sha256": b""}, EvidenceHashMismatch),
        (FILE | {"content": b"", "text": "x"}, EvidenceMissing),
    ],
)
def test_what_is_no_evidence_is_refused(facts: dict[str, Any], refusal: type[Refusal]) -> None:
    shop = Shop()
    dispute = disputed(shop, shop.shipped())
    with pytest.raises(refusal):
        step(shop, SubmitEvidence, dispute, party=Party.BUYER, **facts)


def test_each_side_shows_something_20_times() -> None:
    shop = Shop()
    dispute = disputed(shop, shop.shipped())
    for _ in range(20):
        step(shop, SubmitEvidence, dispute, party=Party.BUYER, text="x")
    with pytest.raises(TooMuchEvidence):
        step(shop, SubmitEvidence, dispute, party=Party.BUYER, text="x")
    assert step(shop, SubmitEvidence, dispute, party=Party.SELLER, text="x").seller_evidence == 1


def test_a_review_takes_evidence_for_72_hours_and_again_after_an_appeal() -> None:
    shop = Shop()
    dispute = under_review(shop, disputed(shop, shop.shipped()))
    shop.core.advance(72 * HOUR - 1)
    step(shop, SubmitEvidence, dispute, party=Party.BUYER, text="x")
    shop.core.advance(1)
    with pytest.raises(EvidenceClosed):
        step(shop, SubmitEvidence, dispute, party=Party.BUYER, text="x")
    assert shop.now(dispute).due_event is DisputeEvent.REMIND, "what time brought about stays"
    step(shop, AppealDispute, decided(shop, dispute, 1), party=Party.BUYER, text="x")
    assert step(shop, SubmitEvidence, dispute, party=Party.BUYER, text="x").buyer_evidence == 2
