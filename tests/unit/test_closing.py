"""Closing accounts: what keeps one open, and what becomes of its money and payments."""

from collections.abc import Callable

import pytest

from danbao_core.accounts import (
    AccountState,
    Balance,
    CloseAccount,
    OpenWallet,
    Purpose,
)
from danbao_core.engine import Book
from danbao_core.errors import (
    AccountClosed,
    BalanceNotZero,
    PaymentsOpen,
)
from danbao_core.payments import (
    CancelPayment,
    ConfirmPayment,
    Payment,
    PayPayment,
    ShipPayment,
    State,
)
from tests.builders import EXPRESS, origin
from tests.memory_core import NOON
from tests.shop import Shop


def test_an_account_closes_only_when_it_is_empty_and_for_good() -> None:
    shop = Shop()
    with pytest.raises(BalanceNotZero):
        shop.core.carry_out(CloseAccount(origin=origin(), account_id=shop.buyer.id))
    closed = shop.core.carry_out(CloseAccount(origin=origin(), account_id=shop.seller.id))
    assert closed.closed
    assert shop.core.carry_out(CloseAccount(origin=origin(), account_id=shop.seller.id)) == closed
    for refused in (shop.ordering(), shop.ordering(payer_id=shop.seller.id, payee_id=shop.buyer.id)):
        with pytest.raises(AccountClosed):
            shop.core.carry_out(refused)
    with pytest.raises(AccountClosed):
        shop.core.carry_out(OpenWallet(origin=origin(), account_id=shop.seller.id, currency="USD"))


def test_an_account_with_a_payment_under_way_stays_open() -> None:
    shop = Shop(funds_minor=1_000)
    payment = shop.order(1_000)
    closing = {account.id: CloseAccount(origin=origin(), account_id=account.id) for account in (shop.buyer, shop.seller)}
    with pytest.raises(PaymentsOpen):
        shop.core.carry_out(closing[shop.seller.id])
    with pytest.raises(BalanceNotZero):  # which is seen without a look at all payments
        shop.core.carry_out(closing[shop.buyer.id])
    steps: list[Callable[[], Payment]] = [
        lambda: shop.step(PayPayment, payment),
        lambda: shop.step(ShipPayment, payment, shipment=EXPRESS),
    ]
    for step in steps:
        step()
        for command in closing.values():
            with pytest.raises(PaymentsOpen) as refused:
                shop.core.carry_out(command)
            assert refused.value.metadata == {"payment": payment.name}
    shop.step(ConfirmPayment, payment)
    assert shop.core.carry_out(closing[shop.buyer.id]).closed


def test_payments_are_not_sought_for_an_account_that_does_not_close_anyway() -> None:
    shop = Shop(funds_minor=1_000)
    closed = shop.core.carry_out(CloseAccount(origin=origin(), account_id=shop.seller.id))
    frozen = shop.seller.replace(state=AccountState.FROZEN)
    for account in (closed, frozen, shop.buyer):
        book = Book(now=NOON, policies=shop.core.policies)
        book.place([account, *shop.core.all(Balance)])
        book.discovering = True
        named = {key.place[0].table.name for key in CloseAccount(origin=origin(), account_id=account.id).keys(book)}
        assert named <= {"account", "balance"}


def test_a_payment_that_nobody_paid_in_time_keeps_no_account_open() -> None:
    shop = Shop(funds_minor=0)
    shop.order()
    shop.core.advance(30 * 60)
    assert shop.core.carry_out(CloseAccount(origin=origin(), account_id=shop.seller.id)).closed


def test_an_unpaid_payment_of_a_closed_account_cannot_be_paid() -> None:
    shop = Shop()
    payment = shop.order()
    shop.core._keep([shop.seller.replace(state=AccountState.CLOSED)])
    with pytest.raises(AccountClosed):
        shop.step(PayPayment, payment)


def test_money_for_a_closed_account_is_kept_in_suspense() -> None:
    shop = Shop(funds_minor=1_000)
    released, returned = shop.shipped(amount_minor=600), shop.order(400, pay=True)
    shop.core._keep([account.replace(state=AccountState.CLOSED) for account in (shop.seller, shop.buyer)])
    assert shop.step(ConfirmPayment, released).state is State.SUCCEEDED
    assert shop.step(CancelPayment, returned).state is State.CLOSED
    assert (shop.available(shop.seller), shop.available(shop.buyer)) == (0, 0)
    assert (shop.platform(Purpose.SUSPENSE), shop.platform(Purpose.FEES)) == (591 + 400, 9)
