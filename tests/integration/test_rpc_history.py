"""Who did what: every change leaves its facts, which are found by subject, caller, method and time, page by page."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from danbao.v1 import operations_pb2, payments_pb2, sandbox_pb2
from danbao_core.engine import reads
from tests import rpc_client
from tests.integration.test_rpc_repeats import MUTATIONS
from tests.rpc_client import Core, a_core, a_merchant, an_account, walked
from tests.rpc_requests import (
    METHODS,
    a_message,
    a_payment,
    a_top_up,
    advance_clock,
    cancel,
    changed,
    close,
    confirm,
    create_key,
    open_wallet,
    revoke,
    rotate,
    set_plan,
    ship,
)

core = rpc_client.core

ListAuditEvents = operations_pb2.ListAuditEventsRequest

SUBJECTS: dict[str, str | tuple[str, ...]] = {
    "AccountService": "accounts/",
    "DisputeService": ("disputes/", "payments/"),  # which stands still meanwhile
    "PaymentService": "payments/",
    "OperationsService": "serviceKeys/",
    "SandboxService": "installations/",
    "NotificationService": "webhookEndpoints/",
    "PayoutService": "payoutSchedules/",
}
OTHER_SUBJECTS = {
    "TopUp": "fundings/",
    "Withdraw": "fundings/",
    "AnswerFunding": "fundings/",
    "SetMerchantPlan": "accounts/",
    "FreezeAccount": "accounts/",
    "UnfreezeAccount": "accounts/",
    "CreateProposal": "proposals/",
    "ApproveProposal": "proposals/",
    "RejectProposal": "proposals/",
    "CreateRefund": "refunds/",
    "StartReconciliation": "reconciliations/",
    "SettleDifference": "differences/",
    "Redeliver": "deliveries/",
}
"""What an RPC changes where it is something else than its service is about."""


def method_of(request: Any) -> str:
    """The RPC for a request as events show it."""
    method = METHODS[request.DESCRIPTOR.full_name]
    return f"{method.containing_service.name}/{method.name}"


async def events(core: Core, **wanted: Any) -> list[operations_pb2.AuditEvent]:
    """Every event that is sought, newest first."""
    return await walked(core.operator, ListAuditEvents(**wanted), 500)


async def methods_of(core: Core, subject: str) -> list[tuple[str, str]]:
    """The RPCs by which a subject was changed, oldest first, and what moved its money."""
    found = [(event.method.partition("/")[2], event.kind) for event in await events(core, subject=subject)]
    return found[::-1]


# --- What is written --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MUTATIONS)
async def test_every_change_leaves_its_facts(core: Core, name: str) -> None:
    request: Any = await MUTATIONS[name](core)
    before = {event.name for event in await events(core)}
    await core.operator.answer(request)
    facts = [event for event in await events(core) if event.name not in before]
    key = str(core.operator.token).split("_")[1]
    assert facts
    for fact in facts:
        assert (fact.method, fact.caller, fact.request_id) == (method_of(request), "service:operator", request.request_id)
        assert fact.peer.startswith("ipv4:127.0.0.1:")
        assert fact.service_key.replace("-", "") == f"serviceKeys/{key}"
        assert fact.subject.startswith(OTHER_SUBJECTS.get(name, SUBJECTS[method_of(request).partition("/")[0]]))
        assert bool(fact.journal) == bool(fact.kind)
        assert fact.journal in ("", fact.name.replace("auditEvents", "journals"))
        assert fact in await events(core, subject=fact.subject)


async def test_items_of_a_stream_leave_their_facts(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=100), await a_merchant(core)
    items = [a_payment(buyer, shop, 1), a_payment(buyer, shop, 1, pay=False)]
    results = (await core.operator.ask(a_message(*items))).results
    for item, result, kind in zip(items, results, ("payment.pay", ""), strict=True):
        (fact,) = await events(core, subject=result.payment.name)
        assert (fact.method, fact.request_id, fact.kind) == ("PaymentService/StreamPayments", item.request_id, kind)


async def test_what_time_brought_about_is_the_timers(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=100), await a_merchant(core)
    payment = await core.operator.ask(a_payment(buyer, shop))
    await core.operator.ask(advance_clock(15 * 86_400))
    assert (await core.operator.refused(cancel(payment.name))).reason == "INVALID_TRANSITION"
    last, first = await events(core, subject=payment.name)
    assert (last.caller, last.method, last.kind) == ("timer", "PaymentService/CancelPayment", "payment.ship_by")
    assert (last.service_key, last.peer) == ("", "")
    assert first.kind == "payment.pay"
    assert last.create_time.seconds >= payment.due_time.seconds


async def test_a_subject_has_its_history(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=100), await a_merchant(core)
    await core.operator.ask(open_wallet(buyer, "USD"))
    await core.operator.ask(set_plan(shop, 10))
    funding = (await core.operator.ask(a_top_up(buyer, 1))).name
    payment = (await core.operator.ask(a_payment(buyer, shop, pay=False))).name
    for step in (lambda name: payments_pb2.PayPaymentRequest(request_id=name[-12:], name=name), ship, confirm):
        await core.operator.ask(step(payment))
    key = (await core.operator.ask(create_key("payments.read"))).service_key.name
    for change in (rotate, revoke):
        await core.operator.ask(change(key))
    leaving = await an_account(core)
    await core.operator.ask(close(leaving))
    assert await methods_of(core, buyer) == [("CreateAccount", ""), ("OpenWallet", "")]
    assert await methods_of(core, shop) == [("CreateAccount", ""), ("SetMerchantPlan", "")]
    assert await methods_of(core, leaving) == [("CreateAccount", ""), ("CloseAccount", "")]
    assert await methods_of(core, funding) == [("TopUp", "funding.top_up")]
    assert await methods_of(core, payment) == [
        ("CreatePayment", ""),
        ("PayPayment", "payment.pay"),
        ("ShipPayment", ""),
        ("ConfirmPayment", "payment.confirm"),
    ]
    assert await methods_of(core, key) == [("CreateServiceKey", ""), ("RotateServiceKey", ""), ("RevokeServiceKey", "")]
    assert await methods_of(core, payment.replace("payments", "accounts")) == [], "an id is of its own collection only"
    (plan, _) = await events(core, subject=shop)
    assert plan.memo == "from the policy's fee to 10 bps"


# --- What is found ----------------------------------------------------------------------------------------------------------


def moment(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


async def test_filters_are_met_together(database_url: str) -> None:
    async with a_core(database_url) as core:
        buyer, shop = await an_account(core, funds_minor=100), await a_merchant(core)
        app = await core.caller("payments.write", "payments.pay", account=buyer, service="app")
        payment = payments_pb2.Payment()
        for caller in (core.operator, app, core.operator):
            await core.operator.ask(advance_clock(3_600))
            payment = await caller.ask(a_payment(buyer, shop, 1))
        await core.operator.ask(advance_clock(2 * 86_400))
        await core.operator.ask(ship(payment.name))
        everything = await events(core)
        assert [event.name for event in everything] == sorted((event.name for event in everything), reverse=True)
        assert len(everything) == len({event.name for event in everything}) > 8
        times = sorted({event.create_time.ToDatetime(UTC) for event in everything})
        callers = ["", "service:operator", f"service:app:{buyer.partition('/')[2]}", "service:ap", "SERVICE:OPERATOR"]
        for subject in ("", payment.name, buyer):
            for caller_name in callers:
                for method in ("", "PaymentService/CreatePayment", "PaymentService/ShipPayment", "x"):
                    for since, until in ((None, None), (times[3], None), (None, times[-1]), (times[2], times[-2])):
                        wanted = ListAuditEvents(subject=subject, caller=caller_name, method=method)
                        if since:
                            wanted = changed(wanted, created_from=moment(since))
                        if until:
                            wanted = changed(wanted, created_before=moment(until))
                        assert await walked(core.operator, wanted, 2) == [
                            event
                            for event in everything
                            if subject in ("", event.subject)
                            and caller_name in ("", event.caller)
                            and method in ("", event.method)
                            and (since is None or event.create_time.ToDatetime(UTC) >= since)
                            and (until is None or event.create_time.ToDatetime(UTC) < until)
                        ]


async def test_a_page_looks_at_so_many_facts_and_no_more(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_core(database_url) as core:
        buyer, shop = await an_account(core, funds_minor=100), await a_merchant(core)
        rare = await core.operator.ask(a_payment(buyer, shop, 1))
        for _ in range(12):
            await core.operator.ask(advance_clock(1))
        everything = await events(core)
        for most in (1, 2, 3, 5, 7, 1_000):
            monkeypatch.setattr(reads, "MOST_LOOKED_AT", most)
            assert await walked(core.operator, ListAuditEvents(), 4) == everything
            pages: list[operations_pb2.ListAuditEventsResponse] = []
            request = ListAuditEvents(method="PaymentService/CreatePayment", page_size=2)
            while not pages or pages[-1].next_page_token:
                pages.append(await core.operator.ask(changed(request, page_token=pages[-1].next_page_token if pages else "")))
            assert [event.subject for page in pages for event in page.audit_events] == [rare.name]
            assert len(pages) >= len(everything) // most
            if most <= 12:
                assert not pages[0].audit_events


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject", "payments"),
        ("subject", "payments/1"),
        ("subject", "pay ments/00000000-0000-7000-8000-0000000000ff"),
        ("caller", "x" * 129),
        ("caller", "é"),
        ("method", "x" * 65),
        ("method", "\0"),
        ("created_from", Timestamp(seconds=-1)),
        ("created_before", Timestamp(nanos=-1)),
    ],
)
async def test_a_filter_must_be_one(core: Core, field: str, value: object) -> None:
    refused = await core.operator.refused(changed(ListAuditEvents(), **{field: value}))
    assert (refused.code, set(refused.violations)) == (grpc.StatusCode.INVALID_ARGUMENT, {field})


async def test_only_operators_see_who_did_what(core: Core) -> None:
    shop = await a_merchant(core)
    for caller in (await core.caller("payments.read", account=shop), await core.caller("accounts.read", "accounts.write")):
        refused = await caller.refused(ListAuditEvents(subject=shop))
        assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING")


async def test_a_walk_beside_writers_misses_none_and_shows_none_twice(database_url: str) -> None:
    async with a_core(database_url) as core:
        buyer, shop = await an_account(core, funds_minor=100_000), await a_merchant(core)

        async def makes(count: int) -> None:
            await asyncio.gather(
                *(core.operator.ask(a_payment(buyer, shop, 1, pay=number % 2 == 0)) for number in range(count))
            )

        await makes(400)
        standing = {event.name for event in await events(core, caller="service:operator")}
        stopping = asyncio.Event()

        async def makes_others() -> int:
            made = 0
            while not stopping.is_set():
                await makes(10)
                made += 10
            return made

        writer = asyncio.create_task(makes_others())
        for wanted in (ListAuditEvents(), ListAuditEvents(caller="service:operator")):
            names = [event.name for event in await walked(core.operator, wanted, 7, 50)]
            assert names == sorted(set(names), reverse=True), "newest first, none twice"
            assert not standing - set(names), "none missing"
        stopping.set()
        assert await writer > 0


async def test_times_are_those_of_the_business(database_url: str) -> None:
    async with a_core(database_url) as core:
        await core.operator.ask(advance_clock(10 * 365 * 86_400))
        account = await an_account(core)
        now = (await core.operator.ask(sandbox_pb2.GetClockRequest())).time.ToDatetime(UTC)
        (event,) = await events(core, created_from=moment(now - timedelta(minutes=1)))
        assert event.subject == account
        assert await events(core, subject=account, created_before=moment(now - timedelta(minutes=1))) == []
