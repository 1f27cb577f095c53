"""All that is known of one payment: every journal with its entries, events, approvals, holds and timers, in order of time."""

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import asyncpg
import grpc
import pytest

from danbao.v1 import disputes_pb2, operations_pb2, payments_pb2
from danbao_core.accounts import Purpose
from danbao_core.engine.reads import SETTINGS
from danbao_core.explaining import reading
from danbao_workers.relay import relay_once
from tests.factors import App, approved_by_totp, paying, to_pay, unpaid
from tests.paying_world import YUAN, a_new_day, ada, app, core, shop
from tests.people import PersonCaller
from tests.rpc_client import Core, a_merchant, an_account, id_of, nothing_changes
from tests.rpc_requests import (
    UNKNOWN,
    a_payment,
    a_transfer,
    a_withdrawal,
    accept_offer,
    advance_clock,
    an_authorization,
    cancel,
    capture,
    confirm,
    money,
    offer,
    open_dispute,
    refund,
    ship,
)

__all__ = ["a_new_day", "ada", "app", "core", "shop"]

DAY = 86_400
LISTS = ("read_refunds", "read_disputes", "read_dispute_steps")
Dispute = disputes_pb2.Dispute
Entry = operations_pb2.JournalEntry
Step = operations_pb2.PaymentStep


async def explained(core: Core, payment: str) -> operations_pb2.ExplainPaymentResponse:
    """The answer, which is in order, and whose journals are those of the books to the last entry."""
    answer = await core.operator.ask(operations_pb2.ExplainPaymentRequest(name=payment))
    assert isinstance(answer, operations_pb2.ExplainPaymentResponse)
    happened = [step for step in answer.steps if step.WhichOneof("what") not in ("hold", "timer")]
    assert list(answer.steps[: len(happened)]) == happened, "what happened comes first"
    times = [step.time.ToNanoseconds() for step in happened]
    assert times == sorted(times)
    belongings = [*(each.name for each in answer.refunds), *(each.name for each in answer.disputes)]
    subjects = [id_of(payment), *(UUID(name.rpartition("/")[2]) for name in belongings)]
    booked = await core.connection.fetch(
        "SELECT journal.id, balance.account_id, balance.purpose, entry.amount_minor FROM journal "
        "JOIN entry ON entry.journal_id = journal.id JOIN balance ON balance.id = entry.balance_id "
        "WHERE journal.subject_id = ANY ($1)",
        subjects,
    )
    assert Counter(
        (id_of(step.done.journal), entry.account, entry.purpose, entry.amount.amount_minor)
        for step in happened
        for entry in step.entries
    ) == Counter(
        (journal, "" if purpose > 10 else f"accounts/{account}", purpose, amount)
        for journal, account, purpose, amount in booked
    )
    assert all(sum(entry.amount.amount_minor for entry in step.entries) == 0 for step in happened)
    return answer


def done(answer: operations_pb2.ExplainPaymentResponse) -> list[str]:
    """What was done, by the RPC, the timer or the worker, and by what it moved money."""
    return [
        step.done.kind or step.done.method.partition("/")[2] or step.done.method
        for step in answer.steps
        if step.HasField("done")
    ]


def topics(answer: operations_pb2.ExplainPaymentResponse) -> list[str]:
    return [step.event.topic for step in answer.steps if step.HasField("event")]


def holds(answer: operations_pb2.ExplainPaymentResponse) -> dict[tuple[str, int], int]:
    """What is set aside, by account and purpose."""
    return {
        (step.hold.account, step.hold.purpose): step.hold.amount.amount_minor for step in answer.steps if step.HasField("hold")
    }


def timers(answer: operations_pb2.ExplainPaymentResponse) -> list[tuple[str, str]]:
    """What is to come, the soonest first."""
    return [(step.subject, step.timer.what) for step in answer.steps if step.HasField("timer")]


# --- What is told -----------------------------------------------------------------------------------------------------------


async def test_a_purchase_with_an_approval_and_a_refund(core: Core, ada: PersonCaller, app: App, shop: str) -> None:
    payment = await unpaid(ada, shop, 3_000 * YUAN)
    approval = await approved_by_totp(ada, to_pay(payment), app)
    unused = await approved_by_totp(ada, to_pay(payment), app)
    await ada.ask(paying(ada, payment, approval))
    await core.operator.ask(ship(payment.name))
    part = await core.operator.ask(refund(payment.name, 1_000 * YUAN))
    answer = await explained(core, payment.name)
    assert (answer.payment.name, [each.name for each in answer.refunds], answer.truncated) == (payment.name, [part.name], False)
    assert done(answer) == ["CreatePayment", "payment.pay", "ShipPayment", "CreateRefund"]
    assert topics(answer) == ["payment.created", "payment.paid", "payment.shipped", "refund.created"]
    approvals = [step.approval for step in answer.steps if step.HasField("approval")]
    assert {each.name for each in approvals} == {approval, unused}
    assert {each.name for each in approvals if each.HasField("use_time")} == {approval}
    assert {each.account for each in approvals} == {ada.account}
    used = next(place for place, step in enumerate(answer.steps) if step.approval.name == approval)
    paid = next(place for place, step in enumerate(answer.steps) if step.done.kind == "payment.pay")
    assert used < paid
    assert answer.steps[paid].done.caller == f"account:{id_of(ada.account)}"
    assert [(entry.account, entry.purpose, entry.amount.amount_minor) for entry in answer.steps[paid].entries] == [
        (ada.account, Entry.PURPOSE_AVAILABLE, -300_000),
        ("", Entry.PURPOSE_ESCROW, 300_000),
    ]
    assert answer.steps[paid].entries[0].balance_after.amount_minor == 97_000 * YUAN
    assert holds(answer) == {("", Entry.PURPOSE_ESCROW): 300_000}
    refund_id = part.name.rpartition("/")[2]
    assert timers(answer) == [(f"refunds/{refund_id}", "CARRY_OUT"), (payment.name, "AUTO_CONFIRM")]
    told = next(step.event for step in answer.steps if step.event.topic == "payment.shipped")
    assert told.payment.due_event == payments_pb2.Payment.DUE_EVENT_AUTO_CONFIRM, "as it was then"
    assert not told.told


async def test_what_the_payee_lacks_and_what_time_brought_about(core: Core, shop: str) -> None:
    buyer = await an_account(core, funds_minor=10_000)
    payment = await core.operator.ask(a_payment(buyer, shop, 10_000))
    await core.operator.ask(ship(payment.name))
    await core.operator.ask(advance_clock(11 * DAY))
    await core.operator.ask(refund(payment.name, 4_000))
    await core.operator.ask(a_withdrawal(shop, 5_910))
    waiting = await core.operator.ask(refund(payment.name, 6_000))
    answer = await explained(core, payment.name)
    assert done(answer) == ["payment.pay", "ShipPayment", "payment.auto_confirm", "refund.hold", "CreateRefund"]
    confirmed = next(step for step in answer.steps if step.done.kind == "payment.auto_confirm")
    assert confirmed.done.caller == "timer"
    assert [(entry.account, entry.purpose, entry.amount.amount_minor) for entry in confirmed.entries] == [
        (shop, Entry.PURPOSE_AVAILABLE, 9_850),
        ("", Entry.PURPOSE_ESCROW, -10_000),
        ("", Entry.PURPOSE_FEES, 150),
    ]
    succeeded = next(step for step in answer.steps if step.event.topic == "payment.succeeded")
    assert succeeded.time.ToNanoseconds() < confirmed.time.ToNanoseconds(), "it took place when it was due"
    assert holds(answer) == {(shop, Entry.PURPOSE_HELD): 3_940}
    assert timers(answer)[1] == (f"refunds/{waiting.name.rpartition('/')[2]}", "GIVE_UP")
    assert timers(answer)[2] == (payment.name, "FINISH")


async def test_an_authorization_that_was_captured_in_part(core: Core, shop: str) -> None:
    buyer = await an_account(core, funds_minor=1_000)
    payment = await core.operator.ask(an_authorization(buyer, shop, 1_000))
    assert holds(await explained(core, payment.name)) == {(buyer, Entry.PURPOSE_HELD): 1_000}
    await core.operator.ask(capture(payment.name, money(1)))
    answer = await explained(core, payment.name)
    assert holds(answer) == {}
    assert done(answer) == ["payment.pay", "payment.capture"]


async def test_a_dispute_after_the_release(core: Core, shop: str) -> None:
    buyer = await an_account(core, funds_minor=10_000)
    payment = await core.operator.ask(a_payment(buyer, shop, 10_000))
    await core.operator.ask(ship(payment.name))
    await core.operator.ask(confirm(payment.name))
    dispute = await core.operator.ask(open_dispute(payment.name, 4_000, text="It is broken."))
    answer = await explained(core, payment.name)
    assert [each.name for each in answer.disputes] == [dispute.name]
    assert holds(answer) == {(shop, Entry.PURPOSE_HELD): 3_940}
    assert timers(answer) == [(dispute.name, "ANNOUNCE")], "the payment stands still"
    await core.operator.ask(offer(dispute.name, 1_000))
    await core.operator.ask(accept_offer(dispute.name))
    answer = await explained(core, payment.name)
    said = [step.dispute_step for step in answer.steps if step.HasField("dispute_step")]
    assert [(step.number, step.actor, step.text, step.caller) for step in said] == [
        (1, Dispute.PARTY_BUYER, "It is broken.", "service:operator"),
        (2, Dispute.PARTY_SELLER, "Half?", "service:operator"),
        (3, Dispute.PARTY_BUYER, "", "service:operator"),
    ]
    assert [kind for kind in done(answer) if kind.startswith("dispute.")] == ["dispute.hold", "dispute.settle"]
    assert [topic for topic in topics(answer) if topic.startswith("dispute.")] == [
        *("dispute.opened", "dispute.offered", "dispute.settled"),
    ]
    settled = next(step.event for step in answer.steps if step.event.topic == "dispute.settled")
    assert settled.dispute.paid_back.amount_minor == 1_000
    assert (holds(answer), timers(answer)) == ({}, [(payment.name, "FINISH")])


async def test_events_that_were_told(core: Core, shop: str) -> None:
    buyer = await an_account(core, funds_minor=100)
    payment = await core.operator.ask(a_payment(buyer, shop, 100))
    before = [step.event.event_id for step in (await explained(core, payment.name)).steps if step.HasField("event")]
    async with asyncpg.create_pool(core.settings.database_url, min_size=1, max_size=1) as pool:
        while (await relay_once(cast("Any", SimpleNamespace(pool=pool))))[0]:
            pass
    await core.operator.ask(cancel(payment.name))
    events = [step.event for step in (await explained(core, payment.name)).steps if step.HasField("event")]
    assert [(event.topic, event.told) for event in events] == [("payment.paid", True), ("payment.closed", False)]
    assert events[0].event_id == before[0]


# --- How it is found --------------------------------------------------------------------------------------------------------


async def test_entries_are_found_among_many(core: Core) -> None:
    """Payments of one day beside those of others, in a wallet and a platform that have hundreds of entries."""
    buyer, shop = await an_account(core, funds_minor=1_000_000), await a_merchant(core)
    names = []
    for day in range(12):
        for number in range(12):
            made = a_transfer(buyer, shop, 100 + day) if number % 2 else a_payment(buyer, shop, 100 + day)
            names.append((await core.operator.ask(made)).name)
        await core.operator.ask(advance_clock(DAY if day % 3 else 20))
    for name in names[::13]:
        await explained(core, name)


async def test_many_facts_are_cut_and_that_is_said(core: Core, shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    buyer = await an_account(core, funds_minor=100)
    payment = await core.operator.ask(a_payment(buyer, shop, 100))
    await core.operator.ask(ship(payment.name))
    await core.operator.ask(confirm(payment.name))
    monkeypatch.setattr(reading, "MOST_OF_A_KIND", 3)
    assert not (await core.operator.ask(operations_pb2.ExplainPaymentRequest(name=payment.name))).truncated
    monkeypatch.setattr(reading, "MOST_OF_A_KIND", 2)
    cut = await core.operator.ask(operations_pb2.ExplainPaymentRequest(name=payment.name))
    assert cut.truncated
    assert done(cut) == ["payment.pay", "ShipPayment"]
    assert topics(cut) == ["payment.paid", "payment.shipped"]
    assert holds(cut) == {}, "not all journals were looked at"
    assert timers(cut) == [(payment.name, "FINISH")]


async def test_its_plans_are_by_indexes(core: Core) -> None:
    """Of an empty database, as all others: what is cached then is used when the tables are full."""
    async with asyncpg.create_pool(core.settings.database_url, min_size=1, max_size=1, server_settings=SETTINGS) as pool:
        for name in ("read_facts", "read_entries", "read_told_events", "read_approvals", *LISTS):
            prepared = await (connection := await pool.acquire()).prepare(reading._text(name))
            arguments: list[Any] = [None] * len(prepared.get_parameters())
            plan = str(await prepared.explain(*arguments))
            await pool.release(connection)
            assert "Seq Scan" not in plan, f"{name}: {plan}"


# --- Who may ask ------------------------------------------------------------------------------------------------------------


async def test_only_operators_are_told_and_nothing_changes(core: Core, shop: str) -> None:
    buyer = await an_account(core, funds_minor=100)
    payment = await core.operator.ask(a_payment(buyer, shop, 100))
    request = operations_pb2.ExplainPaymentRequest(name=payment.name)
    for caller in (await core.caller("payments.read", account=shop), await core.caller("payments.read", "payments.write")):
        refused = await caller.refused(request)
        assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING")
    unknown = await core.operator.refused(operations_pb2.ExplainPaymentRequest(name=f"payments/{UNKNOWN}"))
    assert (unknown.code, unknown.reason) == (grpc.StatusCode.NOT_FOUND, "PAYMENT_NOT_FOUND")
    await core.operator.ask(advance_clock(30 * DAY))
    async with nothing_changes(core):
        answer = await core.operator.ask(request)
    assert timers(answer) == [(payment.name, "SHIP_BY")], "it is due, and nobody came by"


def test_every_purpose_is_in_the_contract() -> None:
    contract = {name: number for name, number in Entry.Purpose.items() if number}
    assert contract == {f"PURPOSE_{purpose.name}": purpose.value for purpose in Purpose}
