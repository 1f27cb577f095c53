"""Authorizations, corrections and extensions as callers of the wire see them."""

from datetime import timedelta
from typing import NamedTuple

import grpc
import pytest

from danbao.v1 import accounts_pb2, common_pb2, payments_pb2
from tests import rpc_client
from tests.rpc_client import Caller, Core, a_merchant, an_account, audit_holds, available, nothing_changes
from tests.rpc_requests import (
    a_payment,
    an_authorization,
    cancel,
    capture,
    changed,
    close,
    confirm,
    correct,
    extend,
    money,
    pay,
    ship,
    void,
)

core = rpc_client.core

INVALID = grpc.StatusCode.INVALID_ARGUMENT
DENIED = grpc.StatusCode.PERMISSION_DENIED
NOT_FOUND = grpc.StatusCode.NOT_FOUND
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION

Payment = payments_pb2.Payment


class People(NamedTuple):
    """A buyer with 1,000 fen and a shop, each with a key of its own, and a stranger's key."""

    buyer: str
    shop: str
    as_buyer: Caller
    as_shop: Caller
    as_stranger: Caller


@pytest.fixture
async def people(core: Core) -> People:
    buyer, shop = await an_account(core, funds_minor=1_000), await a_merchant(core)
    scopes = ("payments.pay", "payments.read", "payments.write")
    keys = [await core.caller(*scopes, account=account) for account in (buyer, shop, await an_account(core))]
    return People(buyer, shop, *keys)


async def authorized(people: People, amount_minor: int = 1_000) -> payments_pb2.Payment:
    answer: payments_pb2.Payment = await people.as_buyer.ask(an_authorization(people.buyer, people.shop, amount_minor))
    return answer


async def shipped(people: People) -> str:
    payment = await people.as_buyer.ask(a_payment(people.buyer, people.shop, 1_000))
    await people.as_shop.ask(ship(payment.name))
    return str(payment.name)


async def held(core: Core, account: str) -> int:
    (balance,) = (await core.operator.ask(accounts_pb2.ListBalancesRequest(name=account))).balances
    return int(balance.held.amount_minor)


async def test_a_shop_captures_part_of_what_a_buyer_authorized(core: Core, people: People) -> None:
    waiting = await people.as_shop.ask(an_authorization(people.buyer, people.shop, 1_000, pay=False))
    assert (waiting.mode, waiting.state) == (Payment.MODE_AUTHORIZATION, Payment.STATE_AWAITING_PAYMENT)
    payment = await people.as_buyer.ask(pay(waiting.name))
    assert (payment.state, payment.due_event) == (Payment.STATE_AUTHORIZED, Payment.DUE_EVENT_HOLD_EXPIRY)
    assert payment.due_time.ToDatetime() - payment.pay_time.ToDatetime() == timedelta(days=7)
    assert (payment.held, payment.fee) == (money(1_000), money(15))
    assert (await available(core, people.buyer), await held(core, people.buyer)) == (0, 1_000)

    captured = await people.as_shop.ask(capture(payment.name, money(601)))
    assert (captured.state, captured.due_event) == (Payment.STATE_SUCCEEDED, Payment.DUE_EVENT_FINISH)
    assert (captured.held, captured.released, captured.returned) == (money(0), money(601), money(399))
    assert (captured.amount, captured.fee) == (money(1_000), money(9))
    assert (await available(core, people.buyer), await held(core, people.buyer)) == (399, 0)
    assert await available(core, people.shop) == 592
    assert await people.as_buyer.ask(payments_pb2.GetPaymentRequest(name=payment.name)) == captured
    assert await audit_holds(core)


async def test_all_of_it_is_captured_without_an_amount(core: Core, people: People) -> None:
    payment = await authorized(people)
    captured = await core.operator.ask(capture(payment.name))
    assert (captured.released, captured.returned, captured.fee) == (money(1_000), money(0), money(15))


async def test_a_shop_voids_what_a_buyer_authorized(core: Core, people: People) -> None:
    payment = await authorized(people)
    voided = await people.as_shop.ask(void(payment.name))
    assert (voided.state, voided.close_reason) == (Payment.STATE_CLOSED, Payment.CLOSE_REASON_VOIDED)
    assert (voided.held, voided.returned) == (money(0), money(1_000))
    assert not voided.HasField("due_time")
    assert (await available(core, people.buyer), await held(core, people.buyer)) == (1_000, 0)


@pytest.mark.parametrize(
    ("amount", "code", "reason"),
    [
        (money(1_001), PRECONDITION, "CAPTURE_EXCEEDS_AUTHORIZATION"),
        (money(2**63 - 1), PRECONDITION, "CAPTURE_EXCEEDS_AUTHORIZATION"),
        (money(0), INVALID, "AMOUNT_NOT_POSITIVE"),
        (money(-1), INVALID, "AMOUNT_NOT_POSITIVE"),
        (money(1, "USD"), INVALID, "CURRENCY_MISMATCH"),
        (money(1, "ZZZ"), INVALID, "CURRENCY_UNKNOWN"),
        (money(1, ""), INVALID, "FIELD_INVALID"),
    ],
)
async def test_a_capture_that_is_refused(
    core: Core, people: People, amount: common_pb2.Money, code: grpc.StatusCode, reason: str
) -> None:
    payment = await authorized(people)
    async with nothing_changes(core):
        refused = await people.as_shop.refused(capture(payment.name, amount))
    assert (refused.code, refused.reason) == (code, reason)


async def test_only_the_payee_ends_an_authorization(core: Core, people: People) -> None:
    payment = await authorized(people)
    async with nothing_changes(core):
        for request in (capture(payment.name), void(payment.name)):
            refused = await people.as_buyer.refused(request)
            assert (refused.code, refused.reason) == (DENIED, "ACTOR_NOT_ALLOWED")
            refused = await people.as_stranger.refused(request)
            assert (refused.code, refused.reason) == (NOT_FOUND, "PAYMENT_NOT_FOUND")
        for step in (cancel, ship, confirm, extend):
            refused = await core.operator.refused(step(payment.name))
            assert (refused.code, refused.reason) == (PRECONDITION, "INVALID_TRANSITION")


async def test_an_account_with_an_authorization_is_not_closed(core: Core, people: People) -> None:
    payment = await authorized(people)
    for account in (people.buyer, people.shop):
        refused = await core.operator.refused(close(account))
        assert (refused.code, refused.reason) == (PRECONDITION, "PAYMENTS_OPEN")
    await people.as_shop.ask(capture(payment.name))
    closed = await core.operator.ask(close(people.buyer))
    assert closed.state == accounts_pb2.Account.STATE_CLOSED


async def test_a_shipment_is_corrected_once(core: Core, people: People) -> None:
    name = await shipped(people)
    corrected = await people.as_shop.ask(correct(name))
    assert (corrected.state, corrected.shipment) == (Payment.STATE_SHIPPED, correct(name).shipment)
    assert corrected.shipment_correct_time == corrected.update_time
    assert not corrected.HasField("confirmation_extend_time")
    assert corrected.due_time.ToDatetime() - corrected.update_time.ToDatetime() == timedelta(days=2)
    async with nothing_changes(core):
        refused = await people.as_shop.refused(correct(name))
        assert (refused.code, refused.reason) == (PRECONDITION, "ALREADY_CORRECTED")
        refused = await people.as_buyer.refused(correct(name))
        assert (refused.code, refused.reason) == (DENIED, "ACTOR_NOT_ALLOWED")
        refused = await people.as_shop.refused(changed(correct(name), shipment=None))
        assert (refused.code, set(refused.violations)) == (INVALID, {"shipment"})


async def test_the_time_to_confirm_is_extended_once(core: Core, people: People) -> None:
    name = await shipped(people)
    before = await people.as_buyer.ask(payments_pb2.GetPaymentRequest(name=name))
    extended = await people.as_buyer.ask(extend(name))
    assert (extended.state, extended.due_event) == (Payment.STATE_SHIPPED, Payment.DUE_EVENT_AUTO_CONFIRM)
    assert extended.confirmation_extend_time == extended.update_time
    assert extended.due_time.ToDatetime() - before.due_time.ToDatetime() == timedelta(days=3)
    async with nothing_changes(core):
        refused = await people.as_buyer.refused(extend(name))
        assert (refused.code, refused.reason) == (PRECONDITION, "ALREADY_EXTENDED")
        refused = await people.as_shop.refused(extend(name))
        assert (refused.code, refused.reason) == (DENIED, "ACTOR_NOT_ALLOWED")
