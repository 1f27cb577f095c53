"""Frozen accounts, and what keeps an account from closing: the stories of single decisions."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from danbao_core.accounts import (
    AccountKind,
    AccountState,
    CloseAccount,
    CreateAccount,
    FreezeAccount,
    OpenWallet,
    UnfreezeAccount,
)
from danbao_core.accounts.rows import Account
from danbao_core.errors import (
    AccountClosed,
    AccountFrozen,
    AccountNotFound,
    ActorNotAllowed,
    BalanceNotZero,
    FundingsOpen,
    InvalidTransition,
    TakingsTooRecent,
)
from danbao_core.fundings import Funding, FundingState, SettleFunding, TopUp, Withdraw
from danbao_core.ids import uuid7
from danbao_core.money import Money
from danbao_core.payments import (
    CancelPayment,
    CapturePayment,
    CloseReason,
    ConfirmPayment,
    CorrectShipment,
    CreatePayments,
    ExtendConfirmation,
    Mode,
    Payment,
    PayPayment,
    ShipPayment,
    State,
    VoidPayment,
)
from danbao_core.sandbox import BankBehaviour, SetBankBehaviour
from danbao_core.trail import AuditEvent
from tests.builders import EXPRESS, origin
from tests.shop import Shop, bound

DAY = 86_400


def freeze(shop: Shop, account: Account, reason: str = "x") -> Account:
    return shop.core.carry_out(FreezeAccount(origin=origin(), account_id=account.id, reason=reason))


def unfreeze(shop: Shop, account: Account, reason: str = "x") -> Account:
    return shop.core.carry_out(UnfreezeAccount(origin=origin(), account_id=account.id, reason=reason))


def close(shop: Shop, account: Account) -> Account:
    return shop.core.carry_out(CloseAccount(origin=origin(), account_id=account.id))


def withdraw(shop: Shop, account: Account, amount_minor: int) -> Funding:
    return shop.core.carry_out(Withdraw(origin=origin(), account_id=account.id, amount=Money(amount_minor, "CNY")))


def top_up(shop: Shop, account: Account, amount_minor: int) -> Funding:
    return shop.core.carry_out(TopUp(origin=origin(), account_id=account.id, amount=Money(amount_minor, "CNY")))


def an_operator() -> Any:
    return origin(key_id=uuid7(), scopes=frozenset({"operations", "payments.write", "payments.pay_any"}))


# --- Freezing ---------------------------------------------------------------------------------------------------------------


def test_an_account_is_frozen_and_unfrozen_for_a_reason() -> None:
    shop = Shop()
    frozen = freeze(shop, shop.buyer, "a court order")
    assert (frozen.state, frozen.version) == (AccountState.FROZEN, shop.buyer.version + 1)
    assert freeze(shop, shop.buyer, "again") == frozen
    active = unfreeze(shop, shop.buyer, "it was lifted")
    assert (active.state, active.version) == (AccountState.ACTIVE, frozen.version + 1)
    assert unfreeze(shop, shop.buyer, "again") == active
    memos = [each.memo for each in shop.core.all(AuditEvent) if each.subject_id == shop.buyer.id]
    assert memos == ["", "a court order", "it was lifted"]


def test_what_cannot_be_frozen() -> None:
    shop = Shop()
    close(shop, shop.seller)
    for command in (FreezeAccount, UnfreezeAccount):
        with pytest.raises(AccountClosed):
            shop.core.carry_out(command(origin=origin(), account_id=shop.seller.id, reason="x"))
        with pytest.raises(AccountNotFound):
            shop.core.carry_out(command(origin=origin(), account_id=uuid7(), reason="x"))


BY_THE_OWNER: dict[str, Callable[[Shop, Payment], object]] = {
    "pay at creation": lambda shop, _: shop.order(pay=True),
    "pay at creation, by an operator": lambda shop, _: shop.order(pay=True, origin=an_operator()),
    "pay at creation, at once": lambda shop, _: shop.order(pay=True, mode=Mode.INSTANT),
    "authorize at creation": lambda shop, _: shop.order(pay=True, mode=Mode.AUTHORIZATION),
    "create with its own key": lambda shop, _: shop.order(origin=bound(shop.buyer)),
    "pay in a batch": lambda shop, _: shop.core.carry_out(
        CreatePayments(origin=origin(), items=(shop.ordering(), shop.ordering(pay=True)))
    ),
    "pay": lambda shop, payment: shop.step(PayPayment, payment),
    "pay with its own key": lambda shop, payment: shop.step(PayPayment, payment, by=shop.buyer),
    "top up": lambda shop, _: top_up(shop, shop.buyer, 1),
    "withdraw": lambda shop, _: withdraw(shop, shop.buyer, 1),
    "open a wallet": lambda shop, _: shop.core.carry_out(OpenWallet(origin=origin(), account_id=shop.buyer.id, currency="USD")),
    "close": lambda shop, _: close(shop, shop.buyer),
}


@pytest.mark.parametrize("ask", BY_THE_OWNER.values(), ids=BY_THE_OWNER.keys())
def test_what_the_owner_of_a_frozen_account_starts_is_refused(ask: Callable[[Shop, Payment], object]) -> None:
    shop = Shop()
    payment = shop.order()
    freeze(shop, shop.buyer)
    with pytest.raises(AccountFrozen) as refused:
        ask(shop, payment)
    assert refused.value.metadata["account"] == shop.buyer.name
    assert shop.available(shop.buyer) == 10_000
    unfreeze(shop, shop.buyer)
    assert shop.step(PayPayment, payment).state is State.PAID


def test_a_frozen_payer_does_not_confirm_but_an_operator_may_and_time_does() -> None:
    shop = Shop()
    first, second = shop.shipped(), shop.shipped()
    freeze(shop, shop.buyer)
    for by in (origin(), bound(shop.buyer), origin(key_id=uuid7(), scopes=frozenset({"payments.write"}))):
        with pytest.raises(AccountFrozen):
            shop.core.carry_out(ConfirmPayment(origin=by, payment_id=first.id))
    with pytest.raises(ActorNotAllowed):
        shop.step(ConfirmPayment, first, by=shop.seller)
    confirmed = shop.core.carry_out(ConfirmPayment(origin=an_operator(), payment_id=first.id))
    assert confirmed.state is State.SUCCEEDED
    shop.core.advance(10 * DAY)
    with pytest.raises(AccountFrozen):
        shop.step(ConfirmPayment, second)
    assert {payment.state for payment in shop.core.all(Payment)} == {State.SUCCEEDED}
    assert shop.available(shop.seller) == 2 * 985


def test_what_settles_or_gives_back_goes_on_although_both_sides_are_frozen() -> None:
    shop = Shop()
    paid, cancelled = shop.order(pay=True), shop.order(pay=True)
    captured, voided = (shop.order(pay=True, mode=Mode.AUTHORIZATION) for _ in range(2))
    late = shop.order(pay=True)
    shop.core.carry_out(SetBankBehaviour(origin=origin(), behaviour=BankBehaviour.NO_ANSWER))
    fundings = [top_up(shop, shop.buyer, 10), withdraw(shop, shop.buyer, 10), withdraw(shop, shop.buyer, 10)]
    for account in (shop.buyer, shop.seller):
        freeze(shop, account)

    assert shop.step(ShipPayment, paid, by=shop.seller, shipment=EXPRESS).state is State.SHIPPED
    assert shop.step(CorrectShipment, paid, by=shop.seller, shipment=EXPRESS).shipment_corrected_at is not None
    assert shop.step(ExtendConfirmation, paid, by=shop.buyer).confirmation_extended_at is not None
    assert shop.step(CancelPayment, cancelled, by=shop.buyer).state is State.CLOSED
    assert shop.step(CapturePayment, captured, by=shop.seller).state is State.SUCCEEDED
    assert shop.step(VoidPayment, voided, by=shop.seller).state is State.CLOSED
    for funding, accepted in zip(fundings, (True, True, False), strict=True):
        settled = shop.core.carry_out(SettleFunding(origin=origin(), funding_id=funding.id, accepted=accepted))
        assert settled.state is not FundingState.PENDING
    shop.core.advance(15 * DAY)
    with pytest.raises(InvalidTransition):
        shop.step(CancelPayment, late)
    assert next(each for each in shop.core.all(Payment) if each.id == late.id).close_reason is CloseReason.NOT_SHIPPED
    assert shop.available(shop.seller) == 985


def test_a_frozen_payee_is_paid_and_may_ask_to_be() -> None:
    shop = Shop()
    freeze(shop, shop.seller)
    assert shop.step(PayPayment, shop.order(origin=bound(shop.seller))).state is State.PAID
    for mode in Mode:
        assert shop.order(pay=True, mode=mode).state is not State.AWAITING_PAYMENT
    assert shop.available(shop.seller) == 985


def test_others_may_make_a_payment_for_a_frozen_payer_that_waits() -> None:
    shop = Shop()
    freeze(shop, shop.buyer)
    for by in (origin(), bound(shop.seller)):
        assert shop.order(origin=by).state is State.AWAITING_PAYMENT


# --- Closing ----------------------------------------------------------------------------------------------------------------


def test_an_account_with_a_pending_funding_stays_open() -> None:
    shop = Shop(funds_minor=100)
    shop.core.carry_out(SetBankBehaviour(origin=origin(), behaviour=BankBehaviour.NO_ANSWER))
    for funding, accepted in ((withdraw(shop, shop.buyer, 100), True), (top_up(shop, shop.buyer, 5), False)):
        with pytest.raises(FundingsOpen) as refused:
            close(shop, shop.buyer)
        assert refused.value.metadata == {"funding": funding.name}
        shop.core.carry_out(SettleFunding(origin=origin(), funding_id=funding.id, accepted=accepted))
    assert close(shop, shop.buyer).closed


@pytest.mark.parametrize("mode", Mode)
def test_a_merchant_closes_when_no_claims_can_follow_any_more(mode: Mode) -> None:
    shop = Shop()
    payment = shop.order(pay=True, mode=mode)
    if mode is Mode.ESCROW:
        shop.step(ShipPayment, payment, shipment=EXPRESS)
        shop.core.advance(DAY)
        shop.step(ConfirmPayment, payment)
    elif mode is Mode.AUTHORIZATION:
        shop.core.advance(DAY)
        shop.step(CapturePayment, payment)
    taken_at = shop.core.now
    with pytest.raises(BalanceNotZero):
        close(shop, shop.seller)
    shop.core.advance(59 * DAY)
    withdraw(shop, shop.seller, 985)  # what goes out, or comes in from outside, are no takings
    top_up(shop, shop.seller, 1)
    withdraw(shop, shop.seller, 1)
    shop.core.advance(DAY - 1)
    with pytest.raises(TakingsTooRecent) as refused:
        close(shop, shop.seller)
    assert refused.value.metadata == {"possible_from": (taken_at + timedelta(days=60)).isoformat()}
    shop.core.advance(1)
    assert close(shop, shop.seller).closed


def test_a_merchant_that_time_confirmed_waits_from_then_on() -> None:
    shop = Shop()
    payment = shop.shipped()
    shop.core.advance(10 * DAY)
    with pytest.raises(InvalidTransition):
        shop.step(CancelPayment, payment)
    withdraw(shop, shop.seller, 985)
    shop.core.advance(60 * DAY - 1)
    with pytest.raises(TakingsTooRecent):
        close(shop, shop.seller)


def test_a_person_and_a_merchant_that_only_pays_do_not_wait() -> None:
    shop = Shop()
    friend = shop.open(AccountKind.PERSONAL)
    shop.order(100, Mode.INSTANT, payee_id=friend.id, pay=True)
    withdraw(shop, friend, 100)
    assert close(shop, friend).closed
    top_up(shop, shop.seller, 100)
    other = shop.core.carry_out(
        CreateAccount(origin=origin(), kind=AccountKind.MERCHANT, display_name="x", currencies=("CNY",))
    )
    authorized = shop.order(100, Mode.AUTHORIZATION, payer_id=shop.seller.id, payee_id=other.id, pay=True)
    shop.step(CapturePayment, authorized, amount=Money(60, "CNY"))
    withdraw(shop, shop.seller, 40)
    assert close(shop, shop.seller).closed
