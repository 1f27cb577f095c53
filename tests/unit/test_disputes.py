"""What disputes do to their payment and to everybody's money."""

from datetime import timedelta
from typing import Any

import pytest

from danbao_core.accounts import PLATFORM_ID, AccountKind, Balance, CloseAccount, Purpose
from danbao_core.accounts.balances import new_balance
from danbao_core.dispute_errors import (
    AlreadyDecidedByYou,
    AppealWaived,
    DisputeOpen,
    DisputesOpen,
)
from danbao_core.disputes import (
    AcceptDispute,
    AcceptOffer,
    AppealDispute,
    CatchUpDispute,
    DisputeCloseReason,
    DisputeState,
    OfferSettlement,
    Outcome,
    Party,
    PayCompensation,
    Reason,
    RejectDispute,
    WaiveAppeal,
    WithdrawDispute,
)
from danbao_core.engine import Command
from danbao_core.errors import (
    AccountClosed,
    AccountFrozen,
    InvalidTransition,
)
from danbao_core.ledger import OpenItem
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
from tests.builders import EXPRESS, origin
from tests.disputes_at_shop import (
    DAY,
    HOUR,
    arbitrator,
    decided,
    disputed,
    freeze,
    journals,
    payment_of,
    step,
    steps_of,
    top_up,
    topics,
    under_review,
    wealth,
    withdraw,
)
from tests.shop import Shop, bound


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
