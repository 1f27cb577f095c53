"""What holds for every command and every row, and the stories of single decisions."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from danbao_core import fundings
from danbao_core.accounts import (
    AccountKind,
    Balance,
    CloseAccount,
    CreateAccount,
    OpenWallet,
    Purpose,
)
from danbao_core.engine import Book, Command, Draft
from danbao_core.errors import (
    AccountNotFound,
    ActorNotAllowed,
    CurrencyUnknown,
    InsufficientFunds,
    InvalidTransition,
    NotYourAccount,
    OrderNoTaken,
    PayerIsPayee,
    PaymentNotFound,
    Refusal,
    ScopeMissing,
    TooManyWallets,
    WalletMissing,
)
from danbao_core.ids import IdSequence, uuid7
from danbao_core.ledger import Entry, Journal, Posting, platform, post
from danbao_core.money import Money
from danbao_core.payments import (
    CancelPayment,
    CloseReason,
    ConfirmPayment,
    Event,
    Mode,
    Payment,
    PayPayment,
    Shipment,
    ShipmentMethod,
    ShipPayment,
    State,
)
from danbao_core.policy import PolicySchedule
from danbao_core.sandbox import AdvanceClock, Installation
from danbao_core.trail import AuditEvent, Outbox
from tests.builders import EXPRESS, origin
from tests.every_table import TABLES
from tests.memory_core import NOON, MemoryCore
from tests.shop import Shop, bound


def every_command() -> list[type[Command[Any]]]:
    found: list[type[Command[Any]]] = []
    left: list[type[Command[Any]]] = [Command]
    while left:
        of = left.pop()
        left += of.__subclasses__()
        if of.__module__.startswith("danbao_core") and not of.__name__.startswith("_") and of is not Command:
            found.append(of)
    return found


@pytest.mark.parametrize("command", every_command(), ids=lambda command: command.__name__)
def test_every_command_says_its_keys_its_decision_and_its_result(command: type[Command[Any]]) -> None:
    assert command.keys is not Command.keys
    assert command.decide is not Command.decide
    assert command.result_type
    assert command.__struct_config__.frozen
    assert command.__doc__


@pytest.mark.parametrize("row_type", TABLES.values(), ids=lambda row_type: row_type.table.name)
def test_rows_refuse_fields_that_they_do_not_have(row_type: Any) -> None:
    row = row_type(*(None for _ in row_type.__struct_fields__))
    with pytest.raises(TypeError):
        row.replace(no_such_field=1)


# --- Escrow -----------------------------------------------------------------------------------------------------------------


def test_money_waits_in_escrow_until_the_buyer_confirms() -> None:
    shop = Shop()
    payment = shop.order(1_000)
    assert (payment.state, payment.fee_minor, payment.held_minor) == (State.AWAITING_PAYMENT, 15, 0)

    payment = shop.step(PayPayment, payment)
    assert (payment.state, payment.held_minor) == (State.PAID, 1_000)
    assert (shop.available(shop.buyer), shop.platform(Purpose.ESCROW), shop.available(shop.seller)) == (9_000, 1_000, 0)

    payment = shop.step(ShipPayment, payment, shipment=EXPRESS)
    assert (payment.carrier, payment.tracking_no) == (EXPRESS.carrier, EXPRESS.tracking_no)
    assert shop.platform(Purpose.ESCROW) == 1_000

    payment = shop.step(ConfirmPayment, payment)
    assert (payment.state, payment.held_minor, payment.released_minor) == (State.SUCCEEDED, 0, 1_000)
    assert (shop.platform(Purpose.ESCROW), shop.available(shop.seller), shop.platform(Purpose.FEES)) == (0, 985, 15)


def test_cancelling_before_shipment_returns_everything() -> None:
    shop = Shop()
    payment = shop.step(CancelPayment, shop.order(1_000, pay=True), by=shop.seller)
    assert (payment.state, payment.close_reason) == (State.CLOSED, CloseReason.CANCELLED_BY_PAYEE)
    assert (payment.held_minor, payment.returned_minor) == (0, 1_000)
    assert (shop.available(shop.buyer), shop.platform(Purpose.ESCROW)) == (10_000, 0)


def test_an_instant_payment_arrives_at_once_and_a_person_pays_no_fee() -> None:
    shop = Shop()
    friend = shop.open(AccountKind.PERSONAL)
    payment = shop.order(1_000, Mode.INSTANT, payee_id=friend.id, pay=True)
    assert (payment.state, payment.fee_minor, payment.released_minor) == (State.SUCCEEDED, 0, 1_000)
    assert (shop.available(shop.buyer), shop.available(friend), shop.platform(Purpose.FEES)) == (9_000, 1_000, 0)


def test_a_fee_that_takes_everything_and_one_that_rounds_to_nothing() -> None:
    shop = Shop()
    assert shop.order(33, Mode.INSTANT, pay=True).fee_minor == 0
    assert (shop.available(shop.seller), shop.platform(Purpose.FEES)) == (33, 0)


def test_every_state_knows_what_time_will_do() -> None:
    shop = Shop()
    day = timedelta(days=1)
    payment = shop.order()
    assert (payment.due_event, payment.due_at) == (Event.EXPIRE, NOON + timedelta(minutes=30))
    assert shop.order(expire_after_seconds=60).due_at == NOON + timedelta(minutes=1)
    payment = shop.step(PayPayment, payment)
    assert (payment.due_event, payment.due_at) == (Event.SHIP_BY, NOON + 15 * day)
    for method, days in ((ShipmentMethod.EXPRESS, 10), (ShipmentMethod.VIRTUAL, 3), (ShipmentMethod.PICK_UP, 2)):
        sent = shop.step(ShipPayment, shop.order(pay=True), shipment=Shipment(method))
        assert (sent.due_event, sent.due_at) == (Event.AUTO_CONFIRM, NOON + days * day)
        done = shop.step(ConfirmPayment, sent)
        assert (done.due_event, done.due_at) == (Event.FINISH, NOON + 365 * day)
    closed = shop.step(CancelPayment, payment)
    assert (closed.due_event, closed.due_at) == (None, None)


# --- Time comes first -------------------------------------------------------------------------------------------------------


def test_who_pays_too_late_finds_the_payment_expired() -> None:
    shop = Shop()
    payment = shop.order()
    shop.core.advance(30 * 60)
    with pytest.raises(InvalidTransition) as refused:
        shop.step(PayPayment, payment)
    assert refused.value.metadata == {"state": "CLOSED", "event": "PAY"}
    (expired,) = shop.core.all(Payment)
    assert (expired.state, expired.close_reason, expired.closed_at) == (State.CLOSED, CloseReason.EXPIRED, payment.due_at)
    assert shop.available(shop.buyer) == 10_000


def test_who_ships_too_late_finds_the_money_returned() -> None:
    shop = Shop()
    payment = shop.order(pay=True)
    shop.core.advance(16 * 86_400)
    with pytest.raises(InvalidTransition):
        shop.step(ShipPayment, payment, shipment=EXPRESS)
    (closed,) = shop.core.all(Payment)
    assert (closed.close_reason, closed.returned_minor) == (CloseReason.NOT_SHIPPED, 1_000)
    assert (shop.available(shop.buyer), shop.platform(Purpose.ESCROW)) == (10_000, 0)


def test_time_confirms_and_then_ends_the_refund_window_in_one_commit() -> None:
    shop = Shop()
    payment = shop.shipped()
    shop.core.advance(400 * 86_400)
    with pytest.raises(InvalidTransition) as refused:
        shop.step(ConfirmPayment, payment)
    assert refused.value.metadata["state"] == "FINISHED"
    (finished,) = shop.core.all(Payment)
    assert finished.succeeded_at == payment.due_at
    assert (shop.available(shop.seller), shop.platform(Purpose.FEES)) == (985, 15)
    topics = [event.topic for event in shop.core.all(Outbox)]
    assert topics[-2:] == ["payment.succeeded", "payment.finished"]
    assert shop.core.all(Journal)[-1].caller == "timer"


def test_confirming_in_time_is_the_buyers_and_not_times() -> None:
    shop = Shop()
    payment = shop.shipped()
    shop.core.advance(10 * 86_400 - 1)
    assert shop.step(ConfirmPayment, payment).succeeded_at == shop.core.now


# --- Who may ----------------------------------------------------------------------------------------------------------------


def test_each_side_does_its_own_steps_only() -> None:
    shop = Shop()
    payment = shop.order()
    with pytest.raises(ActorNotAllowed):
        shop.step(PayPayment, payment, by=shop.seller)
    payment = shop.step(PayPayment, payment, by=shop.buyer)
    with pytest.raises(ActorNotAllowed):
        shop.step(ShipPayment, payment, by=shop.buyer, shipment=EXPRESS)
    payment = shop.step(ShipPayment, payment, by=shop.seller, shipment=EXPRESS)
    with pytest.raises(ActorNotAllowed):
        shop.step(ConfirmPayment, payment, by=shop.seller)
    assert shop.step(ConfirmPayment, payment, by=shop.buyer).state is State.SUCCEEDED


def test_a_stranger_does_not_learn_that_the_payment_exists() -> None:
    shop = Shop()
    payment = shop.order()
    for command in (PayPayment, ConfirmPayment, CancelPayment):
        with pytest.raises(PaymentNotFound):
            shop.step(command, payment, by=shop.open(AccountKind.PERSONAL))
    with pytest.raises(PaymentNotFound):
        shop.core.carry_out(PayPayment(origin=origin(), payment_id=uuid7()))


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [(("payments.pay",), True), (("payments.pay_any",), True), (("payments.write",), False)],
)
def test_paying_with_a_key_that_is_bound_to_the_payer(scopes: tuple[str, ...], allowed: bool) -> None:
    shop = Shop()
    ordering = shop.ordering(pay=True, origin=bound(shop.buyer, *scopes))
    if allowed:
        assert shop.core.carry_out(ordering).state is State.PAID
    else:
        with pytest.raises(ScopeMissing):
            shop.core.carry_out(ordering)


@pytest.mark.parametrize(("scopes", "allowed"), [(("payments.pay",), False), (("payments.pay_any",), True)])
def test_paying_with_a_key_that_is_bound_to_nobody(scopes: tuple[str, ...], allowed: bool) -> None:
    shop = Shop()
    by = origin(key_id=uuid7(), scopes=frozenset(scopes))
    payment = shop.order()
    if allowed:
        assert shop.core.carry_out(PayPayment(origin=by, payment_id=payment.id)).state is State.PAID
    else:
        with pytest.raises(ScopeMissing):
            shop.core.carry_out(PayPayment(origin=by, payment_id=payment.id))


def test_a_merchant_may_make_the_payment_that_its_buyer_pays_but_not_pay_it() -> None:
    shop = Shop()
    assert shop.order(origin=bound(shop.seller)).state is State.AWAITING_PAYMENT
    for scope in ("payments.pay", "payments.pay_any"):
        with pytest.raises(ActorNotAllowed):
            shop.order(origin=bound(shop.seller, scope), pay=True)


def test_a_key_that_is_bound_to_somebody_else_makes_no_payment() -> None:
    shop = Shop()
    with pytest.raises(NotYourAccount):
        shop.order(origin=bound(shop.open(AccountKind.PERSONAL)))


# --- Refused ----------------------------------------------------------------------------------------------------------------


def test_a_refused_payment_leaves_nothing() -> None:
    shop = Shop(funds_minor=999)
    before = len(shop.core._rows)
    with pytest.raises(InsufficientFunds):
        shop.order(1_000, pay=True, order_no="1")
    assert len(shop.core._rows) == before
    assert shop.order(999, pay=True, order_no="1").state is State.PAID


def test_an_account_does_not_pay_itself() -> None:
    shop = Shop()
    with pytest.raises(PayerIsPayee):
        shop.order(payee_id=shop.buyer.id)


def test_an_order_number_is_the_payees_for_ever() -> None:
    shop = Shop()
    first = shop.step(CancelPayment, shop.order(order_no="A-1"))
    with pytest.raises(OrderNoTaken) as refused:
        shop.order(order_no="A-1")
    assert refused.value.resource == first.name
    assert shop.order(order_no="A-1", payee_id=shop.open(AccountKind.MERCHANT).id).order_no == "A-1"
    assert shop.order(order_no="").id != shop.order(order_no="").id


@pytest.mark.parametrize("currency", ["JPY", "USD"])
def test_both_sides_need_a_wallet_in_the_currency(currency: str) -> None:
    shop = Shop(currencies=("CNY", "USD"))
    only_cny = shop.open(AccountKind.PERSONAL)
    with pytest.raises(WalletMissing):
        shop.order(currency=currency, payee_id=only_cny.id)
    with pytest.raises(WalletMissing):
        shop.order(currency=currency, payer_id=only_cny.id)


def test_there_must_be_such_accounts() -> None:
    shop = Shop()
    with pytest.raises(AccountNotFound):
        shop.order(payee_id=uuid7())
    with pytest.raises(AccountNotFound):
        shop.core.carry_out(fundings.TopUp(origin=origin(), account_id=uuid7(), amount=Money(1, "CNY")))
    with pytest.raises(CurrencyUnknown):
        shop.order(currency="ABC")


# --- Accounts ---------------------------------------------------------------------------------------------------------------


def test_what_comes_due_late_follows_the_figures_of_its_own_day() -> None:
    """The second policy makes refund windows short; a payment that confirmed itself before keeps its long one."""
    first = PolicySchedule.load().at(NOON)
    second = msgspec.structs.replace(first, effective_from=NOON + timedelta(days=20), refund_window_seconds=86_400)
    shop = Shop()
    shop.core.policies = PolicySchedule([first, second])
    payment = shop.shipped()
    shop.core.advance(25 * 86_400)
    with pytest.raises(InvalidTransition):
        shop.step(ConfirmPayment, payment)
    (late,) = shop.core.all(Payment)
    assert (late.state, late.succeeded_at) == (State.SUCCEEDED, NOON + timedelta(days=10))
    assert late.due_at == NOON + timedelta(days=10 + 365)


def test_wallets_are_opened_once_and_not_without_end() -> None:
    shop = Shop()
    opened = shop.core.carry_out(OpenWallet(origin=origin(), account_id=shop.buyer.id, currency="USD"))
    assert opened.currencies == "CNY USD"
    assert shop.core.carry_out(OpenWallet(origin=origin(), account_id=shop.buyer.id, currency="USD")) == opened
    many = ("CNY", "USD", "EUR", "JPY", "KWD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "AUD", "NZD", "CAD")
    full = shop.open(AccountKind.PERSONAL, many)
    with pytest.raises(TooManyWallets):
        shop.core.carry_out(OpenWallet(origin=origin(), account_id=full.id, currency="SGD"))


def test_a_bound_key_sees_its_own_account_only() -> None:
    shop = Shop()
    commands: tuple[Command[Any], ...] = (
        CloseAccount(origin=bound(shop.buyer), account_id=shop.seller.id),
        OpenWallet(origin=bound(shop.buyer), account_id=shop.seller.id, currency="USD"),
        fundings.TopUp(origin=bound(shop.buyer), account_id=shop.seller.id, amount=Money(1, "CNY")),
    )
    for command in commands:
        with pytest.raises(AccountNotFound):
            shop.core.carry_out(command)
    with pytest.raises(NotYourAccount):
        shop.core.carry_out(
            CreateAccount(origin=bound(shop.buyer), kind=AccountKind.PERSONAL, display_name="x", currencies=("CNY",))
        )


# --- The ledger -------------------------------------------------------------------------------------------------------------


def test_every_journal_balances_and_every_entry_follows_the_one_before() -> None:
    shop = Shop()
    for _ in range(3):
        shop.step(ConfirmPayment, shop.shipped(amount_minor=333))
    shop.step(CancelPayment, shop.order(pay=True))
    entries = shop.core.all(Entry)
    for journal in shop.core.all(Journal):
        assert sum(entry.amount_minor for entry in entries if entry.journal_id == journal.id) == 0
    for balance in shop.core.all(Balance):
        own = [entry for entry in entries if entry.balance_id == balance.id]
        assert [entry.version for entry in own] == list(range(1, balance.version + 1))
        running = 0
        for entry in own:
            running += entry.amount_minor
            assert entry.balance_after_minor == running
        assert running == balance.amount_minor


@pytest.mark.parametrize(
    "postings",
    [
        [platform(Purpose.FEES, 1)],
        [platform(Purpose.FEES, 1), platform(Purpose.ESCROW, -2)],
        [platform(Purpose.FEES, 1), platform(Purpose.FEES, 1), platform(Purpose.ESCROW, -2)],
        [platform(Purpose.FEES, 0), platform(Purpose.ESCROW, 0)],
    ],
    ids=["one entry", "not zero", "one balance twice", "nothing"],
)
def test_a_journal_that_does_not_balance_is_never_posted(postings: list[Posting]) -> None:
    book = Book(now=NOON, policies=MemoryCore().policies)
    with pytest.raises(ValueError, match="a journal"):
        post(
            Draft(book),
            IdSequence(uuid7()),
            origin(),
            kind="test",
            subject_id=uuid7(),
            currency="CNY",
            postings=postings,
        )


def test_amounts_past_64_bits_are_refused_not_wrapped() -> None:
    shop = Shop(funds_minor=2**63 - 1)
    with pytest.raises(Refusal) as refused:
        shop.core.carry_out(fundings.TopUp(origin=origin(), account_id=shop.buyer.id, amount=Money(1, "CNY")))
    assert refused.value.reason == "AMOUNT_OVERFLOW"


# --- Who did it -------------------------------------------------------------------------------------------------------------


def test_who_asked_is_written_down_with_what_was_done() -> None:
    shop = Shop()
    by = bound(shop.buyer)
    payment = shop.order(origin=by, pay=True)
    journal = shop.core.all(Journal)[-1]
    assert (journal.subject_id, journal.caller, journal.key_id, journal.request_id) == (
        payment.id,
        by.caller,
        by.key_id,
        by.request_id,
    )
    shipped = shop.step(ShipPayment, payment, shipment=EXPRESS)
    assert shop.core.all(AuditEvent)[-1].subject_id == shipped.id
    assert shop.core.all(Outbox)[-1].topic == "payment.shipped"


# --- The clock --------------------------------------------------------------------------------------------------------------


def test_the_clock_goes_forward_and_not_past_its_end() -> None:
    core = MemoryCore([Installation(id=1, mode="sandbox", clock_offset_seconds=5, created_at=NOON, version=1)])
    reading = core.carry_out(AdvanceClock(origin=origin(), by_seconds=10))
    assert (reading.offset_seconds, reading.time) == (15, NOON + timedelta(seconds=15))
    with pytest.raises(Refusal) as refused:
        core.carry_out(AdvanceClock(origin=origin(), by_seconds=9000 * 366 * 86_400))
    assert refused.value.reason == "CLOCK_OUT_OF_RANGE"
