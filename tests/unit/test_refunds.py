"""Refunds: what is given back of what, in which order, and what that leaves to everybody else."""

from datetime import timedelta

import pytest

from danbao_core import fundings
from danbao_core.accounts import Account, AccountKind, Balance, CloseAccount, FreezeAccount, Purpose, balance_id
from danbao_core.errors import (
    AccountClosed,
    AccountFrozen,
    ActorNotAllowed,
    AmountNotPositive,
    CurrencyMismatch,
    InvalidTransition,
    PaymentNotFound,
    TakingsTooRecent,
)
from danbao_core.ids import uuid7
from danbao_core.ledger import Journal, OpenItem
from danbao_core.money import MAX_AMOUNT_MINOR, Money
from danbao_core.payments import (
    CancelPayment,
    CapturePayment,
    CarryOutRefund,
    CloseReason,
    ConfirmPayment,
    Mode,
    PayPayment,
    Refund,
    RefundState,
    ShipPayment,
    State,
)
from danbao_core.payments.refund_rows import (
    RefundFailure,
    Source,
)
from danbao_core.refund_errors import (
    RefundExceedsRemaining,
    RefundInProgress,
    RefundNotFound,
    RefundsOpen,
    RefundsWaiting,
    RefundWindowClosed,
    TooManyRefunds,
)
from danbao_core.trail import Outbox
from tests.builders import EXPRESS, origin
from tests.memory_core import NOON
from tests.shop import Shop, bound

DAY = 86_400


def topics(shop: Shop, refund: Refund) -> list[str]:
    return [each.topic for each in shop.core.all(Outbox) if each.subject_id == refund.id]


def journals(shop: Shop, refund: Refund) -> list[str]:
    return [each.kind for each in shop.core.all(Journal) if each.subject_id == refund.id]


def withdraw(shop: Shop, account: Account, amount_minor: int, currency: str = "CNY") -> None:
    shop.core.carry_out(fundings.Withdraw(origin=origin(), account_id=account.id, amount=Money(amount_minor, currency)))


def top_up(shop: Shop, account: Account, amount_minor: int) -> None:
    shop.core.carry_out(fundings.TopUp(origin=origin(), account_id=account.id, amount=Money(amount_minor, "CNY")))


def close(shop: Shop, account: Account) -> Account:
    return shop.core.carry_out(CloseAccount(origin=origin(), account_id=account.id))


def freeze(shop: Shop, account: Account) -> None:
    shop.core.carry_out(FreezeAccount(origin=origin(), account_id=account.id, reason="x"))


# --- Before the release -----------------------------------------------------------------------------------------------------


def test_a_refund_is_reserved_first_and_carried_out_then() -> None:
    shop = Shop()
    payment = shop.order(1_000, pay=True)
    refund = shop.refund(payment, 400, reason="one was broken")
    assert (refund.state, refund.source, refund.reason) == (RefundState.PENDING, Source.ESCROW, "one was broken")
    payment = shop.now(payment)
    assert (payment.refund_reserved_minor, payment.refundable_minor, payment.held_minor) == (400, 600, 1_000)
    assert (shop.available(shop.buyer), shop.platform(Purpose.ESCROW)) == (9_000, 1_000)

    refund = shop.carried_out(refund)
    assert (refund.state, refund.due_at, refund.ended_at) == (RefundState.SUCCEEDED, None, NOON)
    payment = shop.now(payment)
    assert (payment.refund_reserved_minor, payment.refunded_minor, payment.returned_minor) == (0, 400, 400)
    assert (payment.state, payment.held_minor) == (State.PAID, 600)
    assert (shop.available(shop.buyer), shop.platform(Purpose.ESCROW)) == (9_400, 600)
    assert topics(shop, refund) == ["refund.created", "refund.succeeded"]
    assert journals(shop, refund) == ["refund.succeed"]


def test_a_repeated_step_changes_nothing() -> None:
    shop = Shop()
    refund = shop.carried_out(shop.refund(shop.order(1_000, pay=True), 400))
    before = len(shop.core.all(Outbox)), len(shop.core.all(Journal))
    assert shop.carried_out(refund) == refund
    assert (len(shop.core.all(Outbox)), len(shop.core.all(Journal))) == before
    assert shop.available(shop.buyer) == 9_400


def test_the_rest_is_released_with_the_fee_on_it_alone() -> None:
    shop = Shop()
    payment = shop.order(1_000, pay=True)
    shop.carried_out(shop.refund(payment, 400))
    payment = shop.step(ConfirmPayment, shop.step(ShipPayment, payment, shipment=EXPRESS))
    assert (payment.released_minor, payment.returned_minor, payment.fee_minor) == (600, 400, 9)
    assert (shop.available(shop.seller), shop.platform(Purpose.FEES), shop.platform(Purpose.ESCROW)) == (591, 9, 0)


def test_what_is_reserved_stays_in_escrow_through_the_release() -> None:
    shop = Shop()
    payment = shop.order(1_000, pay=True)
    refund = shop.refund(payment, 400)
    payment = shop.step(ConfirmPayment, shop.step(ShipPayment, payment, shipment=EXPRESS))
    assert (payment.state, payment.held_minor, payment.released_minor) == (State.SUCCEEDED, 400, 600)
    assert (shop.available(shop.seller), shop.platform(Purpose.ESCROW)) == (591, 400)
    assert shop.carried_out(refund).source is Source.ESCROW
    payment = shop.now(payment)
    assert (payment.held_minor, payment.returned_minor, payment.state) == (0, 400, State.SUCCEEDED)
    assert (shop.available(shop.buyer), shop.available(shop.seller), shop.platform(Purpose.ESCROW)) == (9_400, 591, 0)


def test_the_release_by_time_leaves_what_is_reserved_too() -> None:
    shop = Shop()
    payment = shop.shipped()
    refund = shop.refund(payment, 400)
    shop.core.advance(10 * DAY)
    shop.carried_out(refund)
    payment = shop.now(payment)
    assert (payment.state, payment.released_minor, payment.returned_minor) == (State.SUCCEEDED, 600, 400)
    assert (shop.available(shop.seller), shop.available(shop.buyer)) == (591, 9_400)


def test_with_the_last_of_it_the_payment_is_closed() -> None:
    shop = Shop()
    payment = shop.shipped()
    first, second = shop.refund(payment, 400), shop.refund(payment)
    assert second.amount_minor == 600
    shop.carried_out(second)
    assert shop.now(payment).state is State.SHIPPED
    shop.carried_out(first)
    payment = shop.now(payment)
    assert (payment.state, payment.close_reason, payment.due_at) == (State.CLOSED, CloseReason.REFUNDED, None)
    assert (shop.available(shop.buyer), shop.platform(Purpose.ESCROW), shop.platform(Purpose.FEES)) == (10_000, 0, 0)
    assert [each.topic for each in shop.core.all(Outbox)][-1] == "payment.closed"


def test_nothing_is_shipped_or_confirmed_while_everything_goes_back() -> None:
    shop = Shop()
    paid, shipped = shop.order(1_000, pay=True), shop.shipped()
    for payment in (paid, shipped):
        shop.refund(payment, 999)
        shop.refund(payment, 1)
    with pytest.raises(RefundInProgress):
        shop.step(ShipPayment, paid, shipment=EXPRESS)
    with pytest.raises(RefundInProgress):
        shop.step(ConfirmPayment, shipped)


def test_time_confirms_nothing_while_everything_goes_back() -> None:
    shop = Shop()
    payment = shop.shipped()
    refund = shop.refund(payment)
    shop.core.advance(10 * DAY)
    shop.carried_out(refund)
    payment = shop.now(payment)
    assert (payment.state, payment.close_reason, payment.released_minor) == (State.CLOSED, CloseReason.REFUNDED, 0)
    assert shop.available(shop.buyer) == 10_000


def test_cancelling_returns_the_rest_and_supersedes_what_is_open() -> None:
    shop = Shop()
    payment = shop.order(1_000, pay=True)
    done, pending = shop.carried_out(shop.refund(payment, 300)), shop.refund(payment, 200)
    payment = shop.step(CancelPayment, payment)
    assert (payment.state, payment.returned_minor, payment.held_minor) == (State.CLOSED, 1_000, 0)
    assert (payment.refunded_minor, payment.refund_reserved_minor, payment.open_refunds) == (300, 0, "")
    pending = shop.now(pending)
    assert (pending.state, pending.failure) == (RefundState.FAILED, RefundFailure.SUPERSEDED)
    assert topics(shop, pending) == ["refund.created", "refund.failed"]
    assert shop.now(done).state is RefundState.SUCCEEDED
    assert shop.carried_out(pending) == pending
    assert (shop.available(shop.buyer), shop.platform(Purpose.ESCROW)) == (10_000, 0)


def test_not_shipping_in_time_supersedes_even_what_is_all_reserved() -> None:
    shop = Shop()
    payment = shop.order(1_000, pay=True)
    refund = shop.refund(payment)
    shop.core.advance(15 * DAY)
    refund = shop.carried_out(refund)
    assert (refund.state, refund.failure) == (RefundState.FAILED, RefundFailure.SUPERSEDED)
    assert shop.now(payment).close_reason is CloseReason.NOT_SHIPPED
    assert shop.available(shop.buyer) == 10_000


# --- After the release ------------------------------------------------------------------------------------------------------


def test_the_payee_and_the_platform_give_back_their_parts() -> None:
    shop = Shop()
    payment = shop.succeeded()
    refund = shop.refund(payment, 400)
    assert (refund.state, refund.source, refund.fee_share_minor) == (RefundState.PENDING, Source.PAYEE, 6)
    assert (shop.available(shop.seller), shop.balance(shop.seller, Purpose.HELD)) == (591, 394)
    shop.carried_out(refund)
    assert (shop.available(shop.seller), shop.balance(shop.seller, Purpose.HELD)) == (591, 0)
    assert (shop.platform(Purpose.FEES), shop.available(shop.buyer)) == (9, 9_400)
    assert journals(shop, refund) == ["refund.hold", "refund.succeed"]
    payment = shop.now(payment)
    assert (payment.refunded_minor, payment.returned_minor, payment.released_minor) == (400, 0, 1_000)


def test_the_last_refund_leaves_nothing_of_the_fee() -> None:
    shop = Shop()
    payment = shop.succeeded()
    shares = [shop.carried_out(shop.refund(payment, amount)).fee_share_minor for amount in (333, 333, 333)]
    shares.append(shop.carried_out(shop.refund(payment)).fee_share_minor)
    assert shares == [4, 5, 5, 1]
    payment = shop.now(payment)
    assert (payment.state, payment.close_reason) == (State.CLOSED, CloseReason.REFUNDED)
    assert payment.succeeded_at is not None
    assert (shop.platform(Purpose.FEES), shop.available(shop.seller), shop.available(shop.buyer)) == (0, 0, 10_000)


@pytest.mark.parametrize("mode", [Mode.INSTANT, Mode.AUTHORIZATION])
def test_what_never_was_in_escrow_is_the_payees_to_give_back(mode: Mode) -> None:
    shop = Shop()
    payment = shop.order(1_000, mode, pay=True)
    if mode is Mode.AUTHORIZATION:
        payment = shop.step(CapturePayment, payment, amount=Money(600, "CNY"))
        with pytest.raises(RefundExceedsRemaining):
            shop.refund(payment, 601)
    refund = shop.carried_out(shop.refund(payment))
    assert (refund.source, refund.amount_minor) == (Source.PAYEE, 600 if mode is Mode.AUTHORIZATION else 1_000)
    assert shop.now(payment).close_reason is CloseReason.REFUNDED
    assert (shop.available(shop.buyer), shop.platform(Purpose.FEES)) == (10_000, 0)


def test_who_lacks_the_money_is_waited_for() -> None:
    shop = Shop()
    payment = shop.succeeded()
    withdraw(shop, shop.seller, 985)
    refund = shop.refund(payment, 400)
    assert (refund.state, refund.due_at) == (RefundState.AWAITING_FUNDS, NOON + timedelta(days=7))
    assert topics(shop, refund) == ["refund.created", "refund.awaiting_funds"]
    assert shop.carried_out(refund) == refund
    top_up(shop, shop.seller, 393)
    assert shop.carried_out(refund) == refund, "all of it or nothing"
    with pytest.raises(RefundsWaiting):
        withdraw(shop, shop.seller, 1)
    top_up(shop, shop.seller, 1)
    refund = shop.carried_out(refund)
    assert (refund.state, shop.balance(shop.seller, Purpose.HELD)) == (RefundState.PENDING, 394)
    assert shop.carried_out(refund).state is RefundState.SUCCEEDED
    top_up(shop, shop.seller, 1)
    withdraw(shop, shop.seller, 1)


def test_who_still_lacks_it_after_a_week_owes_nothing_any_more() -> None:
    shop = Shop()
    payment = shop.succeeded()
    withdraw(shop, shop.seller, 985)
    refund = shop.refund(payment, 400)
    shop.core.advance(7 * DAY)
    top_up(shop, shop.seller, 985)
    refund = shop.carried_out(refund)
    assert (refund.state, refund.failure) == (RefundState.FAILED, RefundFailure.FUNDS_MISSING)
    assert shop.now(payment).refundable_minor == 1_000
    assert topics(shop, refund)[-1] == "refund.failed"
    withdraw(shop, shop.seller, 985)


def test_nobody_jumps_the_queue() -> None:
    shop = Shop()
    first, second = shop.succeeded(), shop.succeeded()
    withdraw(shop, shop.seller, 2 * 985 - 10)
    waiting = shop.refund(first, 400)
    later = shop.refund(second, 5)
    assert later.state is RefundState.AWAITING_FUNDS, "although there is enough for it"
    top_up(shop, shop.seller, 384)
    assert shop.carried_out(waiting).state is RefundState.PENDING
    with pytest.raises(RefundsWaiting):
        withdraw(shop, shop.seller, 1)
    assert shop.now(shop.seller).waiting_refunds == "CNY:1"


@pytest.mark.parametrize("mode", Mode)
def test_what_a_refund_waits_for_is_not_paid_to_somebody_else(mode: Mode) -> None:
    shop = Shop(currencies=("CNY", "EUR"))
    payment = shop.succeeded()
    friend = shop.open(AccountKind.PERSONAL, ("CNY", "EUR"))
    own = {"payer_id": shop.seller.id, "payee_id": friend.id}
    waiting_to_be_paid = shop.order(10, mode, **own)
    withdraw(shop, shop.seller, 900)
    refund = shop.refund(payment, 400)
    assert refund.state is RefundState.AWAITING_FUNDS
    with pytest.raises(RefundsWaiting):
        shop.order(10, mode, pay=True, **own)
    with pytest.raises(RefundsWaiting):
        shop.step(PayPayment, waiting_to_be_paid)
    assert shop.order(10, mode, **own).state is State.AWAITING_PAYMENT, "only the money waits"
    top_up(shop, shop.seller, 400)
    shop.carried_out(refund)
    assert shop.step(PayPayment, waiting_to_be_paid).paid_at is not None


def test_a_wallet_in_another_currency_is_not_held_back() -> None:
    shop = Shop(currencies=("CNY", "EUR"))
    in_cny, in_eur = shop.succeeded(), shop.succeeded(currency="EUR")
    withdraw(shop, shop.seller, 985)
    waiting = [shop.refund(in_cny, 400), shop.refund(in_cny, 300)]
    assert [each.state for each in waiting] == [RefundState.AWAITING_FUNDS] * 2
    assert shop.refund(in_eur, 400).state is RefundState.PENDING, "nor are its refunds"
    assert shop.order(10, pay=True, currency="EUR", payer_id=shop.seller.id, payee_id=shop.buyer.id).paid_at is not None
    with pytest.raises(RefundsWaiting):
        withdraw(shop, shop.seller, 1)
    withdraw(shop, shop.seller, 985 - 394 - 10, "EUR")
    assert shop.refund(in_eur, 600).state is RefundState.AWAITING_FUNDS
    assert shop.now(shop.seller).waiting_refunds == "CNY:2 EUR:1"


# --- Who may, and how much --------------------------------------------------------------------------------------------------


def test_the_payee_may_and_the_payer_may_not() -> None:
    shop = Shop()
    payment = shop.order(pay=True)
    assert shop.refund(payment, 1, by=bound(shop.seller)).state is RefundState.PENDING
    with pytest.raises(ActorNotAllowed):
        shop.refund(payment, 1, by=bound(shop.buyer))
    with pytest.raises(PaymentNotFound):
        shop.refund(payment, 1, by=bound(shop.open(AccountKind.PERSONAL)))


@pytest.mark.parametrize("released", [False, True])
def test_no_more_than_was_paid_goes_back(released: bool) -> None:
    shop = Shop()
    payment = shop.succeeded() if released else shop.order(pay=True)
    with pytest.raises(RefundExceedsRemaining) as refused:
        shop.refund(payment, 1_001)
    assert refused.value.metadata == {"remaining_minor": "1000", "currency": "CNY"}
    shop.refund(payment, 600)
    with pytest.raises(RefundExceedsRemaining):
        shop.refund(payment, 401)
    shop.refund(payment, 400)
    with pytest.raises(RefundExceedsRemaining):
        shop.refund(payment)


def test_what_is_no_amount_is_refused() -> None:
    shop = Shop()
    payment = shop.order(pay=True)
    with pytest.raises(AmountNotPositive):
        shop.refund(payment, 0)
    with pytest.raises(CurrencyMismatch):
        shop.refund(payment, 1, currency="USD")


def test_a_payment_has_so_many_refunds_and_no_more() -> None:
    shop = Shop()
    payment = shop.order(pay=True)
    for _ in range(50):
        shop.carried_out(shop.refund(payment, 1))
    with pytest.raises(TooManyRefunds):
        shop.refund(payment, 1)


def test_the_window_ends() -> None:
    shop = Shop()
    payment = shop.succeeded()
    shop.core.advance(365 * DAY - 1)
    shop.refund(payment, 1)
    shop.core.advance(1)
    with pytest.raises(RefundWindowClosed):
        shop.refund(payment, 1)


def test_an_open_refund_keeps_the_payment_from_finishing() -> None:
    shop = Shop()
    payment = shop.succeeded()
    refund = shop.refund(payment, 1)
    shop.core.advance(400 * DAY)
    with pytest.raises(InvalidTransition):
        shop.step(CancelPayment, payment)
    assert shop.now(payment).state is State.SUCCEEDED
    shop.carried_out(refund)
    assert shop.now(payment).state is State.FINISHED


def test_a_frozen_payee_gives_back_what_is_held_and_others_for_it_the_rest() -> None:
    shop = Shop()
    held, released = shop.order(pay=True), shop.succeeded()
    reserved = shop.refund(released, 100, by=bound(shop.seller))
    freeze(shop, shop.seller)
    assert shop.refund(held, 1, by=bound(shop.seller)).source is Source.ESCROW
    with pytest.raises(AccountFrozen):
        shop.refund(released, 1, by=bound(shop.seller))
    assert shop.refund(released, 1).state is RefundState.PENDING
    assert shop.carried_out(reserved).state is RefundState.SUCCEEDED


def test_accounts_with_open_refunds_stay_open() -> None:
    shop = Shop(funds_minor=1_000)
    payment = shop.succeeded()
    withdraw(shop, shop.seller, 985)
    shop.core.advance(60 * DAY)
    refund = shop.refund(payment, 400)
    for account in (shop.buyer, shop.seller):
        with pytest.raises(RefundsOpen) as refused:
            close(shop, account)
        assert refused.value.metadata == {"refund": refund.name}
    shop.core.advance(7 * DAY)
    shop.carried_out(refund)
    assert close(shop, shop.seller).closed
    with pytest.raises(AccountClosed):
        shop.refund(payment, 1)


def test_money_for_a_payer_who_left_is_kept_for_them() -> None:
    shop = Shop(funds_minor=1_000)
    payment = shop.succeeded()
    close(shop, shop.buyer)
    assert shop.carried_out(shop.refund(payment, 400)).state is RefundState.SUCCEEDED
    (item,) = shop.core.all(OpenItem)
    assert (item.account_id, item.amount_minor) == (shop.buyer.id, 400)


def test_a_refused_refund_leaves_what_time_brought_about() -> None:
    shop = Shop()
    payment = shop.shipped()
    shop.core.advance(10 * DAY)
    with pytest.raises(RefundExceedsRemaining):
        shop.refund(payment, 1_001)
    assert shop.now(payment).state is State.SUCCEEDED


def test_there_is_no_carrying_out_of_what_there_is_not() -> None:
    with pytest.raises(RefundNotFound):
        Shop().core.carry_out(CarryOutRefund(origin=origin(), refund_id=uuid7()))


# --- Wallets that can hold no more ------------------------------------------------------------------------------------------


def a_full_wallet(shop: Shop) -> None:
    """Fills the buyer's wallet from nowhere: one engine's stripe of what is outside cannot bring as much in."""
    of = balance_id(shop.buyer.id, "CNY", Purpose.AVAILABLE)
    wallet = next(balance for balance in shop.core.all(Balance) if balance.id == of)
    shop.core.place(wallet.replace(amount_minor=MAX_AMOUNT_MINOR))


def test_what_the_payer_cannot_take_stays_held_before_the_release() -> None:
    shop = Shop()
    payment = shop.shipped()
    refund = shop.refund(payment)
    a_full_wallet(shop)
    shop.core.advance(10 * DAY)
    refund = shop.carried_out(refund)
    assert (refund.state, refund.failure) == (RefundState.FAILED, RefundFailure.WALLET_FULL)
    payment = shop.now(payment)
    assert (payment.state, payment.released_minor, payment.fee_minor) == (State.SUCCEEDED, 1_000, 15)
    assert payment.succeeded_at == payment.updated_at == NOON + timedelta(days=10), "time confirmed what is left then"
    assert shop.available(shop.seller) == 985


def test_what_the_payer_cannot_take_after_the_release_is_the_payees_less_the_fee() -> None:
    shop = Shop()
    payment = shop.shipped()
    refund = shop.refund(payment, 400)
    shop.step(ConfirmPayment, payment)
    a_full_wallet(shop)
    shop.core.advance(59 * DAY)
    assert shop.carried_out(refund).failure is RefundFailure.WALLET_FULL
    payment = shop.now(payment)
    assert (payment.released_minor, payment.held_minor, payment.fee_minor) == (1_000, 0, 15)
    assert (shop.available(shop.seller), shop.platform(Purpose.FEES), shop.platform(Purpose.ESCROW)) == (985, 15, 0)
    assert journals(shop, refund) == ["refund.release"]
    withdraw(shop, shop.seller, 985)
    shop.core.advance(59 * DAY)
    with pytest.raises(TakingsTooRecent):
        close(shop, shop.seller)


def test_what_the_payee_gave_and_the_payer_cannot_take_returns() -> None:
    shop = Shop()
    payment = shop.succeeded()
    refund = shop.refund(payment, 400)
    a_full_wallet(shop)
    assert shop.carried_out(refund).failure is RefundFailure.WALLET_FULL
    assert (shop.available(shop.seller), shop.balance(shop.seller, Purpose.HELD)) == (985, 0)
    assert journals(shop, refund) == ["refund.hold", "refund.return"]
    payment = shop.now(payment)
    assert (payment.refundable_minor, payment.refund_taken_minor, payment.fee_returned_minor) == (1_000, 0, 0)
