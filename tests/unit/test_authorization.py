"""Authorizations, and what can be done once to a shipment: the stories of single decisions."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from danbao_core.accounts import AccountKind, AccountState, Balance, CloseAccount, Purpose, balance_id
from danbao_core.engine import Command
from danbao_core.errors import (
    ActorNotAllowed,
    AlreadyCorrected,
    AlreadyExtended,
    AmountNotPositive,
    CaptureExceedsAuthorization,
    CurrencyMismatch,
    InsufficientFunds,
    InvalidTransition,
    PaymentNotFound,
    PaymentsOpen,
)
from danbao_core.ledger import Entry, Journal, OpenItem
from danbao_core.money import Money
from danbao_core.payments import (
    CancelPayment,
    CapturePayment,
    CloseReason,
    ConfirmPayment,
    CorrectShipment,
    Event,
    ExtendConfirmation,
    Mode,
    Payment,
    PayPayment,
    Shipment,
    ShipmentMethod,
    State,
    VoidPayment,
)
from danbao_core.trail import AuditEvent, Outbox
from tests.builders import origin
from tests.memory_core import NOON
from tests.shop import Shop

DAY = timedelta(days=1)
PICK_UP = Shipment(ShipmentMethod.PICK_UP, carrier="Corner Shop", tracking_no="shelf 7")


def authorized(shop: Shop, amount_minor: int = 1_000, **facts: Any) -> Payment:
    return shop.order(amount_minor, Mode.AUTHORIZATION, pay=True, **facts)


def capture(shop: Shop, payment: Payment, amount_minor: int, currency: str = "CNY", **facts: Any) -> Payment:
    return shop.step(CapturePayment, payment, amount=Money(amount_minor, currency), **facts)


def held(shop: Shop) -> int:
    of = balance_id(shop.buyer.id, "CNY", Purpose.HELD)
    return next(balance.amount_minor for balance in shop.core.all(Balance) if balance.id == of)


def money(shop: Shop) -> tuple[int, int, int, int]:
    """What the buyer can spend and has held, what the seller can spend, and what the platform earned."""
    return shop.available(shop.buyer), held(shop), shop.available(shop.seller), shop.platform(Purpose.FEES)


# --- Authorize, and capture once --------------------------------------------------------------------------------------------


def test_an_authorization_is_held_on_the_payers_own_account() -> None:
    shop = Shop()
    payment = shop.order(1_000, Mode.AUTHORIZATION)
    assert (payment.state, payment.due_event, payment.held_minor) == (State.AWAITING_PAYMENT, Event.EXPIRE, 0)
    payment = shop.step(PayPayment, payment, by=shop.buyer)
    assert (payment.state, payment.held_minor, payment.paid_at) == (State.AUTHORIZED, 1_000, NOON)
    assert (payment.due_event, payment.due_at) == (Event.HOLD_EXPIRY, NOON + 7 * DAY)
    assert money(shop) == (9_000, 1_000, 0, 0)
    assert shop.platform(Purpose.ESCROW) == 0
    assert shop.core.all(Outbox)[-1].topic == "payment.authorized"


def test_authorizing_takes_money_that_is_there() -> None:
    shop = Shop(funds_minor=999)
    with pytest.raises(InsufficientFunds):
        authorized(shop, 1_000)
    authorized(shop, 600)
    with pytest.raises(InsufficientFunds):
        authorized(shop, 400)
    assert money(shop) == (399, 600, 0, 0)


def test_all_of_it_is_captured_where_no_amount_is_given() -> None:
    shop = Shop()
    payment = shop.step(CapturePayment, authorized(shop), by=shop.seller)
    assert (payment.state, payment.succeeded_at) == (State.SUCCEEDED, NOON)
    assert (payment.held_minor, payment.released_minor, payment.returned_minor, payment.fee_minor) == (0, 1_000, 0, 15)
    assert (payment.due_event, payment.due_at) == (Event.FINISH, NOON + 365 * DAY)
    assert money(shop) == (9_000, 0, 985, 15)
    assert shop.core.all(Outbox)[-1].topic == "payment.succeeded"


def test_part_of_it_is_captured_and_the_rest_returns_in_the_same_journal() -> None:
    shop = Shop()
    payment = capture(shop, authorized(shop), 601)
    assert (payment.amount_minor, payment.released_minor, payment.returned_minor) == (1_000, 601, 399)
    assert (payment.held_minor, payment.fee_minor) == (0, 9), "1.5 % of 601 is 9.015"
    assert money(shop) == (9_399, 0, 592, 9)
    journal = shop.core.all(Journal)[-1]
    assert journal.kind == "payment.capture"
    moved = [entry.amount_minor for entry in shop.core.all(Entry) if entry.journal_id == journal.id]
    assert sorted(moved) == [-1_000, 9, 399, 592]


@pytest.mark.parametrize(("amount_minor", "fee_minor"), [(33, 0), (34, 1), (99, 1), (100, 2), (1, 0)])
def test_the_fee_on_what_is_captured_is_rounded_half_up_once(amount_minor: int, fee_minor: int) -> None:
    shop = Shop()
    payment = capture(shop, authorized(shop), amount_minor)
    assert payment.fee_minor == fee_minor
    assert money(shop) == (10_000 - amount_minor, 0, amount_minor - fee_minor, fee_minor)


def test_a_capture_for_a_person_has_no_fee() -> None:
    shop = Shop()
    friend = shop.open(AccountKind.PERSONAL)
    payment = capture(shop, authorized(shop, payee_id=friend.id), 400)
    assert (payment.fee_minor, shop.available(friend), shop.platform(Purpose.FEES)) == (0, 400, 0)


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [
        (Money(1_001, "CNY"), CaptureExceedsAuthorization),
        (Money(2**63 - 1, "CNY"), CaptureExceedsAuthorization),
        (Money(0, "CNY"), AmountNotPositive),
        (Money(-1, "CNY"), AmountNotPositive),
        (Money(1_000, "USD"), CurrencyMismatch),
    ],
)
def test_an_amount_that_was_not_authorized_is_not_captured(amount: Money, refusal: type[Exception]) -> None:
    shop = Shop()
    payment = authorized(shop)
    with pytest.raises(refusal):
        shop.step(CapturePayment, payment, amount=amount)
    assert shop.core.all(Payment) == [payment]
    assert money(shop) == (9_000, 1_000, 0, 0)


def test_the_refusal_of_too_large_a_capture_names_what_is_authorized() -> None:
    shop = Shop()
    with pytest.raises(CaptureExceedsAuthorization) as refused:
        capture(shop, authorized(shop), 1_001)
    assert refused.value.reason == "CAPTURE_EXCEEDS_AUTHORIZATION"
    assert refused.value.metadata == {"authorized_minor": "1000", "currency": "CNY"}


def test_what_was_not_captured_cannot_be_captured_later() -> None:
    shop = Shop()
    payment = capture(shop, authorized(shop), 600)
    with pytest.raises(InvalidTransition):
        capture(shop, payment, 400)
    with pytest.raises(InvalidTransition):
        shop.step(VoidPayment, payment)


def test_a_captured_payment_finishes_when_its_refund_window_is_over() -> None:
    shop = Shop()
    payment = capture(shop, authorized(shop), 600)
    shop.core.advance(365 * 86_400)
    with pytest.raises(InvalidTransition):
        capture(shop, payment, 1)
    (finished,) = shop.core.all(Payment)
    assert (finished.state, finished.released_minor, finished.returned_minor) == (State.FINISHED, 600, 400)


# --- Void and expiry --------------------------------------------------------------------------------------------------------


def test_voiding_returns_everything() -> None:
    shop = Shop()
    payment = shop.step(VoidPayment, authorized(shop), by=shop.seller)
    assert (payment.state, payment.close_reason, payment.closed_at) == (State.CLOSED, CloseReason.VOIDED, NOON)
    assert (payment.held_minor, payment.released_minor, payment.returned_minor) == (0, 0, 1_000)
    assert (payment.due_event, payment.due_at) == (None, None)
    assert money(shop) == (10_000, 0, 0, 0)
    assert (shop.core.all(Journal)[-1].kind, shop.core.all(Outbox)[-1].topic) == ("payment.void", "payment.closed")


@pytest.mark.parametrize("command", [CapturePayment, VoidPayment, CancelPayment])
def test_who_comes_late_finds_the_hold_expired(command: type[Command[Payment]]) -> None:
    shop = Shop()
    payment = authorized(shop)
    shop.core.advance(7 * 86_400)
    with pytest.raises(InvalidTransition) as refused:
        shop.step(command, payment, by=shop.seller)
    assert refused.value.metadata["state"] == "CLOSED"
    (closed,) = shop.core.all(Payment)
    assert (closed.state, closed.close_reason) == (State.CLOSED, CloseReason.HOLD_EXPIRED)
    assert (closed.closed_at, closed.returned_minor) == (payment.due_at, 1_000)
    assert money(shop) == (10_000, 0, 0, 0)
    journal = shop.core.all(Journal)[-1]
    assert (journal.kind, journal.caller) == ("payment.hold_expiry", "timer")


def test_a_capture_in_the_last_second_is_in_time() -> None:
    shop = Shop()
    payment = authorized(shop)
    shop.core.advance(7 * 86_400 - 1)
    assert shop.step(CapturePayment, payment).state is State.SUCCEEDED


def test_even_a_capture_that_cannot_be_granted_leaves_what_time_did() -> None:
    shop = Shop()
    payment = authorized(shop)
    shop.core.advance(8 * 86_400)
    with pytest.raises(CurrencyMismatch):
        capture(shop, payment, 1, "USD")
    assert [each.close_reason for each in shop.core.all(Payment)] == [CloseReason.HOLD_EXPIRED]


def test_an_authorization_that_nobody_paid_is_cancelled_or_expires_like_any_other() -> None:
    shop = Shop()
    cancelled = shop.step(CancelPayment, shop.order(mode=Mode.AUTHORIZATION), by=shop.buyer)
    assert (cancelled.close_reason, cancelled.returned_minor) == (CloseReason.CANCELLED_BY_PAYER, 0)
    payment = shop.order(mode=Mode.AUTHORIZATION)
    for command in (CapturePayment, VoidPayment):
        with pytest.raises(InvalidTransition):
            shop.step(command, payment)
    shop.core.advance(30 * 60)
    with pytest.raises(InvalidTransition):
        shop.step(PayPayment, payment)
    assert shop.core.all(Payment)[-1].close_reason is CloseReason.EXPIRED
    assert money(shop) == (10_000, 0, 0, 0)


# --- Who may ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [CapturePayment, VoidPayment])
def test_the_payer_neither_captures_nor_voids(command: type[Command[Payment]]) -> None:
    shop = Shop()
    payment = authorized(shop)
    with pytest.raises(ActorNotAllowed):
        shop.step(command, payment, by=shop.buyer)
    with pytest.raises(PaymentNotFound):
        shop.step(command, payment, by=shop.open(AccountKind.PERSONAL))
    with pytest.raises(InvalidTransition):
        shop.step(CancelPayment, payment, by=shop.buyer)
    assert shop.step(command, payment).due_event in (Event.FINISH, None)


def test_only_an_authorization_is_captured_or_voided() -> None:
    shop = Shop()
    for payment in (shop.order(pay=True), shop.order(mode=Mode.INSTANT, pay=True)):
        for command in (CapturePayment, VoidPayment):
            with pytest.raises(InvalidTransition):
                shop.step(command, payment)


# --- Closed accounts --------------------------------------------------------------------------------------------------------


def test_an_authorization_keeps_both_accounts_open() -> None:
    shop = Shop(funds_minor=1_000)
    payment = authorized(shop)
    for account in (shop.buyer, shop.seller):
        with pytest.raises(PaymentsOpen):
            shop.core.carry_out(CloseAccount(origin=origin(), account_id=account.id))
    shop.step(CapturePayment, payment)
    assert shop.core.carry_out(CloseAccount(origin=origin(), account_id=shop.buyer.id)).closed


def test_a_capture_for_a_closed_account_is_kept_in_suspense() -> None:
    shop = Shop()
    payment = authorized(shop)
    shop.core._keep([shop.seller.replace(state=AccountState.CLOSED)])
    assert capture(shop, payment, 600).state is State.SUCCEEDED
    assert money(shop) == (9_400, 0, 0, 9)
    assert shop.platform(Purpose.SUSPENSE) == 591


def test_a_capture_for_two_closed_accounts_leaves_an_open_item_for_each() -> None:
    shop = Shop()
    payment = authorized(shop)
    shop.core._keep([each.replace(state=AccountState.CLOSED) for each in (shop.seller, shop.buyer)])
    capture(shop, payment, 600)
    items = {item.account_id: item.amount_minor for item in shop.core.all(OpenItem)}
    assert items == {shop.seller.id: 591, shop.buyer.id: 400}
    assert shop.platform(Purpose.SUSPENSE) == 991


# --- A shipment is corrected once -------------------------------------------------------------------------------------------


def test_a_correction_counts_the_time_to_confirm_anew_by_the_new_method() -> None:
    shop = Shop()
    payment = shop.shipped()
    shop.core.advance(86_400)
    corrected = shop.step(CorrectShipment, payment, by=shop.seller, shipment=PICK_UP)
    assert (corrected.state, corrected.shipped_at, corrected.shipment_corrected_at) == (State.SHIPPED, NOON, NOON + DAY)
    assert (corrected.shipment_method, corrected.carrier, corrected.tracking_no) == (
        ShipmentMethod.PICK_UP,
        "Corner Shop",
        "shelf 7",
    )
    assert (corrected.due_event, corrected.due_at) == (Event.AUTO_CONFIRM, NOON + 3 * DAY)
    assert (corrected.held_minor, shop.platform(Purpose.ESCROW)) == (1_000, 1_000)
    assert shop.core.all(Outbox)[-1].topic == "payment.shipment_corrected"
    assert shop.core.all(AuditEvent)[-1].subject_id == payment.id


def test_a_shipment_is_corrected_once_and_by_its_seller() -> None:
    shop = Shop()
    payment = shop.shipped()
    with pytest.raises(ActorNotAllowed):
        shop.step(CorrectShipment, payment, by=shop.buyer, shipment=PICK_UP)
    payment = shop.step(CorrectShipment, payment, shipment=PICK_UP)
    with pytest.raises(AlreadyCorrected):
        shop.step(CorrectShipment, payment, by=shop.seller, shipment=PICK_UP)
    with pytest.raises(ActorNotAllowed):
        shop.step(CorrectShipment, payment, by=shop.buyer, shipment=PICK_UP)
    assert shop.core.all(Payment) == [payment]


def test_there_must_be_a_shipment_to_correct_or_wait_for() -> None:
    shop = Shop()
    paid, confirmed = shop.order(pay=True), shop.step(ConfirmPayment, shop.shipped())
    for payment in (paid, confirmed, authorized(shop)):
        with pytest.raises(InvalidTransition):
            shop.step(CorrectShipment, payment, shipment=PICK_UP)
        with pytest.raises(InvalidTransition):
            shop.step(ExtendConfirmation, payment)


def test_a_correction_that_comes_late_finds_the_payment_confirmed() -> None:
    shop = Shop()
    payment = shop.shipped()
    shop.core.advance(10 * 86_400)
    with pytest.raises(InvalidTransition):
        shop.step(CorrectShipment, payment, shipment=PICK_UP)
    (confirmed,) = shop.core.all(Payment)
    assert (confirmed.state, confirmed.shipment_method) == (State.SUCCEEDED, ShipmentMethod.EXPRESS)


# --- The time to confirm is extended once -----------------------------------------------------------------------------------


def test_the_buyer_takes_three_days_longer_once() -> None:
    shop = Shop()
    payment = shop.shipped()
    shop.core.advance(4 * 86_400)
    with pytest.raises(ActorNotAllowed):
        shop.step(ExtendConfirmation, payment, by=shop.seller)
    payment = shop.step(ExtendConfirmation, payment, by=shop.buyer)
    assert (payment.state, payment.confirmation_extended_at) == (State.SHIPPED, NOON + 4 * DAY)
    assert (payment.due_event, payment.due_at) == (Event.AUTO_CONFIRM, NOON + 13 * DAY)
    assert shop.core.all(Outbox)[-1].topic == "payment.confirmation_extended"
    assert shop.core.all(AuditEvent)[-1].subject_id == payment.id
    with pytest.raises(AlreadyExtended):
        shop.step(ExtendConfirmation, payment, by=shop.buyer)
    shop.core.advance(9 * 86_400 - 1)
    assert shop.step(ConfirmPayment, payment, by=shop.buyer).state is State.SUCCEEDED


def test_time_confirms_after_the_extension() -> None:
    shop = Shop()
    payment = shop.step(ExtendConfirmation, shop.shipped())
    shop.core.advance(13 * 86_400)
    with pytest.raises(InvalidTransition):
        shop.step(ConfirmPayment, payment)
    assert [each.succeeded_at for each in shop.core.all(Payment)] == [NOON + 13 * DAY]


@pytest.mark.parametrize("extend_first", [True, False])
def test_the_sellers_correction_does_not_take_the_buyers_extension_away(extend_first: bool) -> None:
    shop = Shop()
    payment = shop.shipped()
    steps: list[tuple[type[Command[Payment]], dict[str, Any]]] = [
        (ExtendConfirmation, {}),
        (CorrectShipment, {"shipment": PICK_UP}),
    ]
    for command, facts in steps if extend_first else steps[::-1]:
        payment = shop.step(command, payment, **facts)
    assert payment.due_at == NOON + (2 + 3) * DAY


# --- Answers of before ------------------------------------------------------------------------------------------------------


def test_an_answer_that_was_stored_before_there_were_corrections_is_still_read() -> None:
    shop = Shop()
    payment = shop.shipped()
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(payment))
    del stored["shipment_corrected_at"], stored["confirmation_extended_at"]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(stored), type=Payment) == payment
