"""Payments that are created together: all or none, each seeing the ones before it."""

from typing import Any

import pytest

from danbao_core.accounts import AccountKind, Balance, CreateAccount, Purpose, balance_id
from danbao_core.errors import FieldInvalid, InsufficientFunds, OrderNoTaken, PayerIsPayee, Refusal, ScopeMissing, Violation
from danbao_core.fundings import TopUp
from danbao_core.ids import uuid7
from danbao_core.ledger import Entry, Journal
from danbao_core.money import Money
from danbao_core.payments import CreatePayment, CreatePayments, Mode, Payment, PaymentBatch, State
from tests.builders import origin
from tests.memory_core import MemoryCore


class Market:
    """Two persons, of whom one has 1,000, and a shop."""

    def __init__(self) -> None:
        self.core = MemoryCore()
        self.ada, self.bob, self.shop = (
            self.core.carry_out(CreateAccount(origin=origin(), kind=kind, display_name="x", currencies=("CNY",))).id
            for kind in (AccountKind.PERSONAL, AccountKind.PERSONAL, AccountKind.MERCHANT)
        )
        self.core.carry_out(TopUp(origin=origin(), account_id=self.ada, amount=Money(1_000, "CNY")))

    def item(self, amount_minor: int, payer: Any = None, payee: Any = None, **facts: Any) -> CreatePayment:
        given: dict[str, Any] = {"origin": origin(), "mode": Mode.INSTANT, "pay": True} | facts
        amount = Money(amount_minor, "CNY")
        return CreatePayment(payer_id=payer or self.ada, payee_id=payee or self.shop, amount=amount, **given)

    def create(self, *items: CreatePayment) -> PaymentBatch:
        return self.core.carry_out(CreatePayments(origin=origin(), items=items))

    def refused(self, *items: CreatePayment) -> Refusal:
        """The refusal of a batch that must be refused, and leave nothing."""
        before = {row.key_values for row in self.core.all(Payment)}, self.available(self.ada)
        with pytest.raises(Refusal) as caught:
            self.create(*items)
        assert ({row.key_values for row in self.core.all(Payment)}, self.available(self.ada)) == before
        return caught.value

    def available(self, account_id: Any) -> int:
        of = balance_id(account_id, "CNY", Purpose.AVAILABLE)
        return next(balance.amount_minor for balance in self.core.all(Balance) if balance.id == of)


def test_payments_are_created_in_order_and_see_each_other() -> None:
    market = Market()
    batch = market.create(
        market.item(1_000, payee=market.bob),
        market.item(900, payer=market.bob),
        market.item(5, payer=market.bob, pay=False, mode=Mode.ESCROW),
    )
    assert [payment.amount_minor for payment in batch.payments] == [1_000, 900, 5]
    assert [payment.state for payment in batch.payments] == [State.SUCCEEDED, State.SUCCEEDED, State.AWAITING_PAYMENT]
    assert (market.available(market.ada), market.available(market.bob)) == (0, 100)
    mine = balance_id(market.bob, "CNY", Purpose.AVAILABLE)
    entries = [entry for entry in market.core.all(Entry) if entry.balance_id == mine]
    assert [(entry.version, entry.balance_after_minor) for entry in entries] == [(1, 1_000), (2, 100)]


def test_every_payment_has_a_journal_of_its_own_under_the_batchs_request_id() -> None:
    market = Market()
    same = origin()
    batch = market.core.carry_out(CreatePayments(origin=same, items=(market.item(1, origin=same), market.item(1, origin=same))))
    journals = [journal for journal in market.core.all(Journal) if journal.kind == "payment.pay"]
    assert {journal.subject_id for journal in journals} == {payment.id for payment in batch.payments}
    assert {journal.request_id for journal in journals} == {same.request_id}


def test_where_the_money_runs_out_nothing_is_done() -> None:
    market = Market()
    refusal = market.refused(*(market.item(400) for _ in range(4)))
    assert isinstance(refusal, InsufficientFunds)
    assert refusal.metadata == {"currency": "CNY", "item": "2"}


def test_an_order_number_twice_in_a_batch_is_refused_and_names_no_payment() -> None:
    market = Market()
    refusal = market.refused(market.item(1), market.item(1, order_no="A-1"), market.item(2, order_no="A-1"))
    assert isinstance(refusal, OrderNoTaken)
    assert refusal.metadata == {"order_no": "A-1", "earlier_item": "1", "item": "2"}
    assert refusal.resource is None


def test_an_order_number_that_was_taken_before_names_its_payment() -> None:
    market = Market()
    (taken,) = market.create(market.item(1, order_no="A-1")).payments
    refusal = market.refused(market.item(1), market.item(1, order_no="A-1"))
    assert refusal.resource == taken.name
    assert refusal.metadata == {"order_no": "A-1", "item": "1"}


def test_the_first_item_that_is_refused_is_named() -> None:
    market = Market()
    refusal = market.refused(market.item(1), market.item(1, payee=market.ada), market.item(5_000))
    assert isinstance(refusal, PayerIsPayee)
    assert refusal.metadata == {"item": "1"}


def test_every_item_needs_the_right_to_pay() -> None:
    market = Market()
    bound = origin(account_id=market.ada, key_id=uuid7(), scopes=frozenset({"payments.write"}))
    refusal = market.refused(market.item(1, origin=bound, pay=False), market.item(1, origin=bound))
    assert isinstance(refusal, ScopeMissing)
    assert refusal.metadata == {"scope": "payments.pay", "item": "1"}


def test_a_batch_counts_as_many_decisions_as_it_has_items() -> None:
    market = Market()
    items = tuple(market.item(1) for _ in range(7))
    assert (CreatePayments(origin=origin(), items=items).size, items[0].size) == (7, 1)


def test_a_violation_of_an_item_is_found_by_its_path() -> None:
    refusal = FieldInvalid([Violation("amount.currency_code", "x"), Violation("payer", "y")]).of_item(3)
    assert [violation.field for violation in refusal.violations] == ["requests[3].amount.currency_code", "requests[3].payer"]
    assert refusal.metadata == {"item": "3"}
