"""Merchants' plans: which fee a payment is made with, and the stories of setting one."""

from datetime import timedelta

import pytest

from danbao_core.accounts import Account, AccountState, Purpose, SetMerchantPlan
from danbao_core.engine import Book
from danbao_core.errors import AccountClosed, AccountNotFound, EffectiveTimePast, NotAMerchant
from danbao_core.ids import uuid7
from danbao_core.payments import CapturePayment, ConfirmPayment, CreatePayments, Mode
from danbao_core.policy import PolicySchedule
from danbao_core.trail import AuditEvent
from tests.builders import origin
from tests.memory_core import NOON
from tests.shop import Shop

DAY = timedelta(days=1)
DAY_SECONDS = 86_400
POLICY = PolicySchedule.load().at(NOON)
POLICY_BPS = POLICY.merchant_fee_bps


def set_plan(shop: Shop, fee_bps: int | None, days: int | None = None, of: Account | None = None) -> Account:
    """The seller's account after its plan was set, from so many days after noon on or from now."""
    account_id = (of or shop.seller).id
    at = None if days is None else NOON + days * DAY
    return shop.core.carry_out(SetMerchantPlan(origin=origin(), account_id=account_id, fee_bps=fee_bps, effective_at=at))


def plan(account: Account) -> tuple[int | None, int | None, int | None]:
    """The fee, the next one, and after how many days it begins."""
    days = None if account.next_fee_at is None else (account.next_fee_at - NOON) // DAY
    return account.fee_bps, account.next_fee_bps, days


def memos(shop: Shop) -> list[str]:
    return [event.memo for event in shop.core.all(AuditEvent) if event.memo]


# --- Which fee is in force --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fee_bps", "next_fee_bps", "before", "after"),
    [
        (None, 20, POLICY_BPS, 20),
        (20, None, 20, POLICY_BPS),
        (20, 0, 20, 0),
        (0, 30, 0, 30),
        (None, None, POLICY_BPS, POLICY_BPS),
    ],
)
def test_a_change_is_in_force_from_its_moment_on(
    fee_bps: int | None, next_fee_bps: int | None, before: int, after: int
) -> None:
    account = Shop().seller.replace(fee_bps=fee_bps, next_fee_bps=next_fee_bps, next_fee_at=NOON)
    early = NOON - timedelta(microseconds=1)
    assert account.fee_bps_at(early, POLICY) == before
    assert account.fee_bps_at(NOON, POLICY) == account.fee_bps_at(NOON + DAY, POLICY) == after
    assert plan(account.with_plan_at(early)) == plan(account)
    assert plan(account.with_plan_at(NOON)) == (next_fee_bps, None, None)


def test_a_plan_without_a_change_ahead_stays() -> None:
    seller = Shop().seller
    assert seller.fee_bps_at(NOON, POLICY) == POLICY_BPS
    assert seller.replace(fee_bps=7).fee_bps_at(NOON + 1_000 * DAY, POLICY) == 7


def test_people_are_paid_free_of_fees() -> None:
    assert Shop().buyer.fee_bps_at(NOON, POLICY) == 0


# --- Setting one ------------------------------------------------------------------------------------------------------------


def test_a_plan_counts_from_its_moment_and_payments_keep_their_fee() -> None:
    shop = Shop()
    first = shop.shipped(amount_minor=1_000)
    hold = shop.order(1_000, Mode.AUTHORIZATION, pay=True)
    set_plan(shop, 1_000, days=1)
    assert shop.order().fee_bps == POLICY_BPS
    shop.core.advance(DAY_SECONDS - 1)
    assert shop.order().fee_bps == POLICY_BPS
    shop.core.advance(1)
    later = shop.order(mode=Mode.INSTANT, pay=True)
    assert (later.fee_bps, later.fee_minor) == (1_000, 100)
    assert shop.step(ConfirmPayment, first).fee_minor == 15
    assert shop.step(CapturePayment, hold).fee_minor == 15
    assert shop.platform(Purpose.FEES) == 100 + 15 + 15


def test_payments_of_a_batch_have_the_fee_of_the_plan() -> None:
    shop = Shop()
    set_plan(shop, 250)
    items = (shop.ordering(pay=True), shop.ordering())
    batch = shop.core.carry_out(CreatePayments(origin=origin(), items=items))
    assert [payment.fee_bps for payment in batch.payments] == [250, 250]


def test_a_new_plan_replaces_the_change_that_lay_ahead() -> None:
    shop = Shop()
    assert plan(set_plan(shop, 100)) == (100, None, None)
    assert plan(set_plan(shop, 200, days=1)) == (100, 200, 1)
    assert plan(set_plan(shop, 300, days=2)) == (100, 300, 2)
    assert plan(set_plan(shop, 400)) == (400, None, None)


def test_a_change_that_has_come_into_force_is_kept_under_a_new_one() -> None:
    shop = Shop()
    set_plan(shop, 100, days=1)
    shop.core.advance(DAY_SECONDS)
    assert plan(set_plan(shop, None, days=2)) == (100, None, 2)
    shop.core.advance(DAY_SECONDS)
    assert shop.order().fee_bps == POLICY_BPS
    assert plan(set_plan(shop, 50, days=3)) == (None, 50, 3)


def test_a_plan_can_go_back_to_the_policys_fee_at_once() -> None:
    shop = Shop()
    set_plan(shop, 0)
    assert shop.order().fee_minor == 0
    assert plan(set_plan(shop, None)) == (None, None, None)
    assert shop.order().fee_bps == POLICY_BPS


def test_a_plan_may_begin_at_the_very_moment_of_its_setting() -> None:
    assert plan(set_plan(Shop(), 5, days=0)) == (5, None, None)


def test_who_set_a_plan_and_what_it_was_before_is_written_down() -> None:
    shop = Shop()
    set_plan(shop, 100)
    account = set_plan(shop, None, days=1)
    assert account.version == shop.seller.version + 2
    assert memos(shop) == [
        "from the policy's fee to 100 bps",
        f"from 100 bps to 100 bps with the policy's fee since {(NOON + DAY).isoformat()}",
    ]
    assert {event.subject_id for event in shop.core.all(AuditEvent) if event.memo} == {account.id}


def test_a_plan_is_for_merchants_that_are_there_and_for_a_time_to_come() -> None:
    shop = Shop(funds_minor=0)
    with pytest.raises(NotAMerchant):
        set_plan(shop, 1, of=shop.buyer)
    with pytest.raises(AccountNotFound):
        set_plan(shop, 1, of=shop.buyer.replace(id=uuid7()))
    shop.core.advance(1)
    with pytest.raises(EffectiveTimePast):
        set_plan(shop, 1, days=0)
    closed = shop.seller.replace(state=AccountState.CLOSED, version=2)
    shop.core._keep([closed])
    with pytest.raises(AccountClosed):
        set_plan(shop, 1)
    assert memos(shop) == []


# --- The hot path -----------------------------------------------------------------------------------------------------------


def test_a_plan_costs_payments_no_row_more() -> None:
    shop = Shop()
    command = shop.ordering(pay=True, order_no="1")
    book = Book(now=NOON, policies=PolicySchedule.load())
    book.discovering = True
    named = {key.place[0].table.name for key in command.keys(book)}
    assert named == {"account", "order_ref", "balance"}
    assert not book.asked, "nothing has to be read before it is known what to read"
