"""Refunds over gRPC: who asks, what is answered and listed, and that a worker carries them out, whatever dies."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from danbao.v1 import accounts_pb2, operations_pb2, payments_pb2
from danbao_core.embedded import ValkeyServer
from danbao_core.people.person import IdentityLevel
from tests import rpc_client
from tests.people import a_person
from tests.rpc_client import (
    Core,
    a_merchant,
    an_account,
    audit_holds,
    available,
    id_of,
    nothing_changes,
    until,
    walked,
)
from tests.rpc_requests import (
    UNKNOWN,
    a_payment,
    a_top_up,
    a_transfer,
    a_withdrawal,
    advance_clock,
    changed,
    close,
    confirm,
    freeze,
    refund,
    ship,
)
from tests.workers import a_valkey, a_worker

core = rpc_client.core

Payment, Refund, Listing = payments_pb2.Payment, payments_pb2.Refund, payments_pb2.ListRefundsRequest
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
DAY = 86_400


@pytest.fixture
async def valkey() -> AsyncIterator[ValkeyServer]:
    async with a_valkey() as server:
        yield server


def worker(core: Core, valkey: ValkeyServer) -> Any:
    """A worker beside the server."""
    return a_worker(core.settings.database_url, valkey.valkey_url, hash_key=rpc_client.HASH_KEY)


async def get(core: Core, of: Any) -> Any:
    return await core.operator.ask(payments_pb2.GetRefundRequest(name=of.name))


async def get_payment(core: Core, name: str) -> Any:
    return await core.operator.ask(payments_pb2.GetPaymentRequest(name=name))


async def ended(core: Core, *refunds: Any) -> list[Any]:
    """The refunds when none of them is under way any more."""

    async def have_ended() -> bool:
        under_way = (Refund.STATE_PENDING, Refund.STATE_AWAITING_FUNDS)
        return all([(await get(core, each)).state not in under_way for each in refunds])

    await until(have_ended)
    return [await get(core, each) for each in refunds]


# --- Asking and reading -----------------------------------------------------------------------------------------------------


async def test_a_refund_is_answered_pending_and_shown_to_both_sides(core: Core) -> None:
    payer, payee = await an_account(core, funds_minor=1_000), await a_merchant(core)
    payment = await core.operator.ask(a_payment(payer, payee, 1_000))
    shop = await core.caller("payments.read", "payments.write", account=payee)
    request = refund(payment.name, 400, reason="one was broken")
    made = await shop.ask(request)
    assert made.name.startswith(f"{payment.name}/refunds/")
    assert (made.state, made.source, made.destination) == (
        Refund.STATE_PENDING,
        Refund.SOURCE_ESCROW,
        Refund.DESTINATION_WALLET,
    )
    assert (made.payment, made.payer, made.payee, made.amount.amount_minor) == (payment.name, payer, payee, 400)
    assert (made.reason, made.HasField("due_time"), made.HasField("end_time")) == ("one was broken", False, False)
    again = await shop.answer(request)
    assert (again.message, again.replayed) == (made, True)
    assert (await shop.refused(changed(request, reason="another"))).reason == "REQUEST_ID_REUSED"
    buyer = await core.caller("payments.read", account=payer)
    for caller in (shop, buyer, core.operator):
        assert await caller.ask(payments_pb2.GetRefundRequest(name=made.name)) == made
        anywhere = f"payments/-/refunds/{made.name.rpartition('/')[2]}"
        assert await caller.ask(payments_pb2.GetRefundRequest(name=anywhere)) == made
    shown = await get_payment(core, payment.name)
    assert (shown.refund_reserved.amount_minor, shown.refunded.amount_minor) == (400, 0)


async def test_request_ids_of_refunds_are_kept_for_ever(core: Core) -> None:
    payer, payee = await an_account(core, funds_minor=100), await a_merchant(core)
    request = refund((await core.operator.ask(a_payment(payer, payee, 100))).name)
    await core.operator.ask(request)
    expires = await core.connection.fetchval("SELECT expires_at FROM request WHERE request_id = $1", request.request_id)
    assert expires is None


async def test_strangers_are_told_that_there_is_nothing(core: Core) -> None:
    payer, payee, other = await an_account(core, funds_minor=100), await a_merchant(core), await a_merchant(core)
    payment = await core.operator.ask(a_payment(payer, payee, 100))
    made = await core.operator.ask(refund(payment.name))
    stranger = await core.caller("payments.read", "payments.write", account=other)
    async with nothing_changes(core):
        assert (await stranger.refused(refund(payment.name))).reason == "PAYMENT_NOT_FOUND"
        assert (await stranger.refused(payments_pb2.GetRefundRequest(name=made.name))).reason == "REFUND_NOT_FOUND"
        another = f"payments/{UNKNOWN}/refunds/{made.name.rpartition('/')[2]}"
        assert (await core.operator.refused(payments_pb2.GetRefundRequest(name=another))).reason == "REFUND_NOT_FOUND"
        listing = payments_pb2.ListRefundsRequest(payment=payment.name)
        assert (await stranger.refused(listing)).reason == "PAYMENT_NOT_FOUND"
        assert (await stranger.refused(payments_pb2.ListRefundsRequest(account=payee))).reason == "ACCOUNT_NOT_FOUND"
    assert not (await stranger.ask(payments_pb2.ListRefundsRequest())).refunds


async def test_what_is_refused(core: Core) -> None:
    payer, payee = await an_account(core, "CNY", "USD", funds_minor=1_000), await a_merchant(core, "CNY", "USD")
    payment = await core.operator.ask(a_payment(payer, payee, 1_000))
    buyer = await core.caller("payments.read", "payments.write", account=payer)
    async with nothing_changes(core):
        too_much = await core.operator.refused(refund(payment.name, 1_001))
        assert (too_much.code, too_much.reason) == (PRECONDITION, "REFUND_EXCEEDS_REMAINING")
        assert too_much.metadata == {"remaining_minor": "1000", "currency": "CNY"}
        assert (await buyer.refused(refund(payment.name))).reason == "ACTOR_NOT_ALLOWED"
        assert (await core.operator.refused(refund(payment.name, 1, currency="USD"))).reason == "CURRENCY_MISMATCH"
        card = f"instruments/{UNKNOWN}"
        assert (await core.operator.refused(refund(payment.name, instrument=card))).reason == "BANK_MISSING"
        found = await core.operator.refused(refund(payment.name, reason="to 6222021234567894567"))
        assert found.violations == {"reason": "CARD_NUMBER_IN_TEXT"}
    await core.operator.ask(refund(payment.name))
    async with nothing_changes(core):
        refused = await core.operator.refused(ship(payment.name))
        assert (refused.code, refused.reason) == (PRECONDITION, "REFUND_IN_PROGRESS")


async def test_the_lists(core: Core) -> None:
    payer, payee = await an_account(core, funds_minor=1_000), await a_merchant(core)
    payments = [await core.operator.ask(a_payment(payer, payee, 100)) for _ in range(2)]
    made = [await core.operator.ask(refund(payment.name, 10)) for _ in range(3) for payment in payments]
    superseded = await core.operator.ask(payments_pb2.CancelPaymentRequest(request_id="once", name=payments[1].name))
    newest = [each.name for each in reversed(made)]
    shop = await core.caller("payments.read", account=payee)
    buyer = await core.caller("payments.read", account=payer)
    for caller in (shop, buyer):
        assert [each.name for each in await walked(caller, payments_pb2.ListRefundsRequest(), 4, 1)] == newest
    for side, caller, others in ((Listing.SIDE_PAYER, buyer, shop), (Listing.SIDE_PAYEE, shop, buyer)):
        of_side = payments_pb2.ListRefundsRequest(side=side)
        assert [each.name for each in await walked(caller, of_side, 2)] == newest
        assert not await walked(others, of_side, 2)
    of_payment = await walked(core.operator, payments_pb2.ListRefundsRequest(payment=payments[1].name), 2)
    assert [each.name for each in of_payment] == [each.name for each in reversed(made) if each.payment == superseded.name]
    failed = payments_pb2.ListRefundsRequest(account=payee, states=[Refund.STATE_FAILED])
    assert [each.name for each in await walked(core.operator, failed, 2)] == [each.name for each in of_payment]
    assert {each.failure_reason for each in of_payment} == {Refund.FAILURE_REASON_SUPERSEDED}
    everybodys = await core.operator.ask(payments_pb2.ListRefundsRequest())
    assert [each.name for each in everybodys.refunds][:6] == newest
    both = payments_pb2.ListRefundsRequest(payment=payments[0].name, account=payee, side=Listing.SIDE_PAYER)
    assert set((await core.operator.refused(both)).violations) == {"account", "side"}
    assert set((await core.operator.refused(payments_pb2.ListRefundsRequest(side=Listing.SIDE_PAYER))).violations) == {"side"}


async def test_who_did_what_names_the_refund(core: Core) -> None:
    payer, payee = await an_account(core, funds_minor=100), await a_merchant(core)
    payment = await core.operator.ask(a_transfer(payer, payee, 100))
    made = await core.operator.ask(refund(payment.name))
    subject = f"refunds/{made.name.rpartition('/')[2]}"
    (fact,) = (await core.operator.ask(operations_pb2.ListAuditEventsRequest(subject=subject))).audit_events
    assert (fact.kind, fact.method, fact.caller) == ("refund.hold", "PaymentService/CreateRefund", "service:operator")


async def test_a_person_shows_the_payment_password(core: Core) -> None:
    ada = await a_person(core, level=IdentityLevel.III)
    payer = await an_account(core, funds_minor=1_000)
    payment = await core.operator.ask(a_transfer(payer, ada.account, 1_000))
    request = refund(payment.name, 400)
    async with nothing_changes(core):
        asked = await ada.refused(request)
    assert (asked.reason, asked.metadata) == ("APPROVAL_REQUIRED", {"factors": "PAYMENT_PASSWORD"})
    wrong = await ada.refused(changed(request, payment_password="111111"))
    assert (wrong.reason, wrong.metadata) == ("PASSWORD_WRONG", {"attempts_left": "2"})
    async with nothing_changes(core):
        assert (await ada.refused(refund(payment.name, 1_001, payment_password="111111"))).reason == "REFUND_EXCEEDS_REMAINING"
    made = await ada.ask(changed(request, payment_password=ada.payment_password))
    assert (made.state, made.fee_share.amount_minor) == (Refund.STATE_PENDING, 0)
    assert await available(core, ada.account) == 600


async def test_a_frozen_payees_own_key_gives_back_what_is_held_alone(core: Core) -> None:
    payer, payee = await an_account(core, funds_minor=200), await a_merchant(core)
    held, got = [await core.operator.ask(make(payer, payee, 100)) for make in (a_payment, a_transfer)]
    shop = await core.caller("payments.write", account=payee)
    await core.operator.ask(freeze(payee))
    assert (await shop.ask(refund(held.name, 1))).source == Refund.SOURCE_ESCROW
    assert (await shop.refused(refund(got.name, 1))).reason == "ACCOUNT_FROZEN"
    assert (await core.operator.ask(refund(got.name, 1))).source == Refund.SOURCE_PAYEE


# --- Carried out by workers -------------------------------------------------------------------------------------------------


async def test_a_worker_carries_out_what_was_asked_for(core: Core, valkey: ValkeyServer) -> None:
    payer, payee = await an_account(core, funds_minor=2_000), await a_merchant(core)
    held, got = [await core.operator.ask(make(payer, payee, 1_000)) for make in (a_payment, a_transfer)]
    async with worker(core, valkey):
        made = [await core.operator.ask(refund(payment.name, 400)) for payment in (held, got)]
        done = await ended(core, *made)
    assert {each.state for each in done} == {Refund.STATE_SUCCEEDED}
    assert [each.fee_share.amount_minor for each in done] == [0, 6]
    assert all(each.HasField("end_time") for each in done)
    assert await available(core, payer) == 800
    assert await available(core, payee) == 591
    shown = await get_payment(core, held.name)
    assert (shown.held.amount_minor, shown.refunded.amount_minor, shown.returned.amount_minor) == (600, 400, 400)
    callers = await core.connection.fetch("SELECT DISTINCT caller, method FROM journal WHERE kind = 'refund.succeed'")
    assert [tuple(each) for each in callers] == [("worker", "refunds")]
    assert await audit_holds(core)


async def test_funds_serve_the_oldest_first_and_nothing_goes_out_before(core: Core, valkey: ValkeyServer) -> None:
    payer, payee = await an_account(core, funds_minor=3_000), await a_merchant(core)
    payments = [await core.operator.ask(a_transfer(payer, payee, 1_000)) for _ in range(3)]
    await core.operator.ask(a_withdrawal(payee, 3 * 985))
    made = [await core.operator.ask(refund(payment.name)) for payment in payments]
    assert {each.state for each in made} == {Refund.STATE_AWAITING_FUNDS}
    assert all(each.HasField("due_time") for each in made)
    async with worker(core, valkey):
        for first in range(3):
            await core.operator.ask(a_top_up(payee, 984))
            assert (await core.operator.refused(a_withdrawal(payee, 1))).reason == "REFUNDS_WAITING"
            await core.operator.ask(a_top_up(payee, 1))
            await ended(core, made[first])
            left = [(await get(core, each)).state for each in made[first + 1 :]]
            assert set(left) <= {Refund.STATE_AWAITING_FUNDS}
    assert await available(core, payer) == 3_000
    await core.operator.ask(a_top_up(payee, 1))
    await core.operator.ask(a_withdrawal(payee, 1))
    assert await audit_holds(core)


async def test_who_does_not_come_by_the_money_in_a_week_gives_nothing_back(core: Core, valkey: ValkeyServer) -> None:
    payer, payee = await an_account(core, funds_minor=1_000), await a_merchant(core)
    payment = await core.operator.ask(a_transfer(payer, payee, 1_000))
    await core.operator.ask(a_withdrawal(payee, 985))
    made = await core.operator.ask(refund(payment.name))
    await core.operator.ask(advance_clock(60 * DAY))
    assert (await core.operator.refused(close(payee))).reason == "REFUNDS_OPEN"
    async with worker(core, valkey):
        (failed,) = await ended(core, made)
    assert (failed.state, failed.failure_reason) == (Refund.STATE_FAILED, Refund.FAILURE_REASON_FUNDS_MISSING)
    assert (await get_payment(core, payment.name)).refund_reserved.amount_minor == 0
    await core.operator.ask(close(payee))


async def test_a_clock_moved_by_two_years_finishes_what_refunds_put_off(core: Core, valkey: ValkeyServer) -> None:
    payer, payee = await an_account(core, funds_minor=3_000), await a_merchant(core)
    paid, shipped, got = [await core.operator.ask(make(payer, payee, 1_000)) for make in (a_payment, a_payment, a_transfer)]
    await core.operator.ask(ship(shipped.name))
    made = [await core.operator.ask(refund(each.name, 400)) for each in (paid, shipped, got)]
    await core.operator.ask(advance_clock(731 * DAY))
    async with worker(core, valkey):
        done = await ended(core, *made)

        async def are_over() -> bool:
            states = [(await get_payment(core, each.name)).state for each in (paid, shipped, got)]
            return states == [Payment.STATE_CLOSED, Payment.STATE_FINISHED, Payment.STATE_FINISHED]

        await until(are_over)
    assert [each.state for each in done][1:] == [Refund.STATE_SUCCEEDED] * 2
    assert await available(core, payer) == 1_000 + 400 + 400
    assert await audit_holds(core)


async def test_limits_are_given_back(core: Core, valkey: ValkeyServer) -> None:
    ada = await a_person(core, funds_minor=100_000, level=IdentityLevel.III)
    payee = await a_merchant(core)
    payment = await core.operator.ask(a_payment(ada.account, payee, 50_000))
    async with worker(core, valkey):
        await ended(core, await core.operator.ask(refund(payment.name, 20_000)))
    spent = await core.connection.fetchrow("SELECT * FROM spending WHERE account_id = $1", id_of(ada.account))
    assert spent is not None
    assert (spent["day_minor"], spent["year_minor"], spent["life_minor"]) == (30_000, 30_000, 30_000)
    await core.operator.ask(advance_clock(DAY))
    async with worker(core, valkey):
        await ended(core, await core.operator.ask(refund(payment.name, 20_000)))
    spent = await core.connection.fetchrow("SELECT * FROM spending WHERE account_id = $1", id_of(ada.account))
    assert spent is not None
    assert (spent["day_minor"], spent["life_minor"]) == (30_000, 10_000), "the day only on that day"


async def three_refunds_of_each(core: Core, payments: list[Any]) -> list[Any]:
    """Asked for one after another."""
    return [await core.operator.ask(refund(payment.name, 100)) for payment in payments for _ in range(3)]


async def test_workers_that_are_killed_over_and_over_carry_each_refund_out_once(core: Core, valkey: ValkeyServer) -> None:
    """Three processes; each is killed with -9 in the middle of something, and another takes its place."""
    payer, payee = await an_account(core, funds_minor=60_000), await a_merchant(core)
    makers = [a_payment, a_transfer] * 30
    payments = [await core.operator.ask(make(payer, payee, 1_000)) for make in makers]
    asking = asyncio.create_task(three_refunds_of_each(core, payments))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DANBAO_")} | {
        "PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path))),
        "DANBAO_MODE": "sandbox",
        "DANBAO_DATABASE_URL": core.settings.database_url,
        "DANBAO_VALKEY_URL": valkey.valkey_url,
        "DANBAO_HASH_KEY": rpc_client.HASH_KEY,
    }

    async def a_process() -> asyncio.subprocess.Process:
        read, write = os.pipe()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "danbao_workers", "--ready-fd", str(write)),
            env=environment,
            pass_fds=[write],
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        os.close(write)
        assert await asyncio.to_thread(os.read, read, 5) == b"ready"
        os.close(read)
        return process

    dice = random.Random(7)
    processes = [await a_process() for _ in range(2)]
    try:
        while not asking.done():
            await asyncio.sleep(dice.uniform(0.05, 0.3))
            victim = processes.pop(0)
            victim.send_signal(signal.SIGKILL)
            await victim.wait()
            processes.append(await a_process())
        made = await asking
        await ended(core, *made)
    finally:
        asking.cancel()
        for process in processes:
            process.kill()
            await process.wait()
    steps = await core.connection.fetchval(
        "SELECT count(*) FROM journal JOIN refund ON refund.id = subject_id WHERE payee_id = $1 AND kind = 'refund.succeed'",
        id_of(payee),
    )
    assert steps == len(made)
    assert await available(core, payer) == 180 * 100
    assert await audit_holds(core)


async def test_a_refund_of_something_confirmed_is_shown_in_the_statement(core: Core, valkey: ValkeyServer) -> None:
    payer, payee = await an_account(core, funds_minor=1_000), await a_merchant(core)
    payment = await core.operator.ask(a_payment(payer, payee, 1_000))
    await core.operator.ask(ship(payment.name))
    await core.operator.ask(confirm(payment.name))
    async with worker(core, valkey):
        await ended(core, await core.operator.ask(refund(payment.name)))
    closed = await get_payment(core, payment.name)
    assert (closed.state, closed.close_reason) == (Payment.STATE_CLOSED, Payment.CLOSE_REASON_REFUNDED)
    assert closed.HasField("success_time")
    lines = (await core.operator.ask(accounts_pb2.ListEntriesRequest(account=payer, currency_code="CNY"))).entries
    assert (lines[0].kind, lines[0].amount.amount_minor) == ("refund.succeed", 1_000)
