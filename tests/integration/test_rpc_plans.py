"""Merchants' plans over the wire: what is set is shown, and counts when its moment has come."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from danbao.v1 import accounts_pb2, operations_pb2, payments_pb2, sandbox_pb2
from tests import rpc_client
from tests.rpc_client import Core, a_merchant, an_account, audit_holds, nothing_changes
from tests.rpc_requests import (
    UNKNOWN,
    a_batch,
    a_message,
    a_payment,
    advance_clock,
    changed,
    close,
    confirm,
    set_plan,
    ship,
)

core = rpc_client.core

MerchantPlan = accounts_pb2.MerchantPlan
INVALID = grpc.StatusCode.INVALID_ARGUMENT
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


async def in_an_hour(core: Core) -> Timestamp:
    """Business time an hour from now."""
    clock = await core.operator.ask(sandbox_pb2.GetClockRequest())
    moment = Timestamp()
    moment.FromDatetime(clock.time.ToDatetime(UTC) + timedelta(hours=1))
    return moment


async def fee_of(core: Core, buyer: str, shop: str) -> int:
    """The fee on a new payment of 1,000."""
    payment: payments_pb2.Payment = await core.operator.ask(a_payment(buyer, shop, 1_000))
    return payment.fee.amount_minor


async def test_a_plan_is_shown_as_it_was_set(core: Core) -> None:
    shop, since = await a_merchant(core), await in_an_hour(core)
    for request, plan in (
        (None, MerchantPlan()),
        (set_plan(shop, 0), MerchantPlan(fee_bps=0)),
        (
            set_plan(shop, 10_000, since),
            MerchantPlan(fee_bps=0, next=MerchantPlan.Change(fee_bps=10_000, effective_time=since)),
        ),
        (set_plan(shop, None, since), MerchantPlan(fee_bps=0, next=MerchantPlan.Change(effective_time=since))),
        (set_plan(shop, 75), MerchantPlan(fee_bps=75)),
        (set_plan(shop), MerchantPlan()),
    ):
        answer = request and await core.operator.ask(request)
        account = await core.operator.ask(accounts_pb2.GetAccountRequest(name=shop))
        assert account.HasField("plan")
        assert account.plan == plan
        assert answer in (None, account)


async def test_people_have_no_plan(core: Core) -> None:
    ada = await an_account(core)
    assert not (await core.operator.ask(accounts_pb2.GetAccountRequest(name=ada))).HasField("plan")


async def test_a_plan_counts_from_its_moment_on_for_single_payments_and_in_bulk(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=100_000), await a_merchant(core)
    before = await core.operator.ask(a_payment(buyer, shop, 1_000))
    await core.operator.ask(set_plan(shop, 1_000, await in_an_hour(core)))
    assert await fee_of(core, buyer, shop) == 15
    await core.operator.ask(advance_clock(3_600))
    assert await fee_of(core, buyer, shop) == 100
    batch = await core.operator.ask(a_batch(a_payment(buyer, shop, 1_000), a_payment(buyer, shop, 500, pay=False)))
    assert [payment.fee.amount_minor for payment in batch.payments] == [100, 50]
    streamed = await core.operator.ask(a_message(a_payment(buyer, shop, 1_000)))
    assert [result.payment.fee.amount_minor for result in streamed.results] == [100]
    await core.operator.ask(ship(before.name))
    released = await core.operator.ask(confirm(before.name))
    assert released.fee.amount_minor == 15
    assert await audit_holds(core)


async def test_a_repeat_is_answered_with_the_plan_as_it_was_set_then(core: Core) -> None:
    shop = await a_merchant(core)
    request = set_plan(shop, 10)
    first = await core.operator.ask(request)
    await core.operator.ask(set_plan(shop, 20))
    again = await core.operator.answer(request)
    assert (again.message, again.replayed) == (first, True)
    assert (await core.operator.ask(accounts_pb2.GetAccountRequest(name=shop))).plan.fee_bps == 20


async def test_what_is_no_plan_is_refused(core: Core) -> None:
    shop, ada, closed = await a_merchant(core), await an_account(core), await a_merchant(core)
    await core.operator.ask(close(closed))
    past = Timestamp()
    past.FromDatetime(datetime.now(UTC) - timedelta(seconds=5))
    shopkeeper = await core.caller("accounts.write", account=shop)
    async with nothing_changes(core):
        for request, code, reason in (
            (set_plan(ada, 1), PRECONDITION, "NOT_A_MERCHANT"),
            (set_plan(closed, 1), PRECONDITION, "ACCOUNT_CLOSED"),
            (set_plan(shop, 1, past), PRECONDITION, "EFFECTIVE_TIME_PAST"),
            (set_plan(f"accounts/{UNKNOWN}", 1), grpc.StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND"),
        ):
            refused = await core.operator.refused(request)
            assert (refused.code, refused.reason) == (code, reason)
        refused = await shopkeeper.refused(set_plan(shop, 0))
        assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fee_bps", -1),
        ("fee_bps", 10_001),
        ("effective_time", Timestamp(seconds=-1)),
        ("effective_time", Timestamp(seconds=221_845_392_001)),
        ("effective_time", Timestamp(seconds=1, nanos=-1)),
    ],
)
async def test_a_plan_has_a_rate_and_a_moment(core: Core, field: str, value: object) -> None:
    request: operations_pb2.SetMerchantPlanRequest = changed(set_plan(await a_merchant(core), 1), **{field: value})
    refused = await core.operator.refused(request)
    assert (refused.code, set(refused.violations)) == (INVALID, {field})
