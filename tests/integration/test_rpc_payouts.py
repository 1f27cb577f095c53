"""Payouts over the wire: who sets and sees them, and reports that add up to the cent."""

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pypdf
import pytest

from danbao.v1 import payouts_pb2, statements_pb2
from danbao_core.embedded import ValkeyServer
from danbao_core.migrations import migrate
from danbao_core.settings import Mode
from tests import rpc_client
from tests.people import a_person
from tests.rpc_client import Core, a_core, a_merchant, an_account, available, id_of, nothing_changes, until
from tests.rpc_requests import (
    UNKNOWN,
    a_payment,
    a_settlement_file,
    a_top_up,
    a_transfer,
    advance_clock,
    confirm,
    money,
    set_payouts,
    ship,
)
from tests.shared_postgres import SharedServer, a_database
from tests.workers import a_valkey, a_worker

core = rpc_client.core

Schedule = payouts_pb2.PayoutSchedule
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
A_DAY = 86_400


@pytest.fixture(scope="module")
async def valkey() -> AsyncIterator[ValkeyServer]:
    async with a_valkey() as server:
        yield server


@asynccontextmanager
async def working(core: Core, valkey: ValkeyServer) -> AsyncIterator[None]:
    """A worker beside the server."""
    url = core.settings.database_url
    async with a_worker(url, valkey.valkey_url, hash_key=core.settings.hash_key):
        yield


async def payouts_of(core: Core, shop: str) -> list[payouts_pb2.Payout]:
    return list((await core.operator.ask(payouts_pb2.ListPayoutsRequest(account=shop))).payouts)


async def the_schedule(core: Core, shop: str) -> Schedule:
    schedule: Schedule = await core.operator.ask(payouts_pb2.GetPayoutScheduleRequest(account=shop, currency_code="CNY"))
    return schedule


async def paid_out(core: Core, valkey: ValkeyServer, shop: str) -> payouts_pb2.Payout:
    """The payout that a worker makes when a day has passed."""
    before = len(await payouts_of(core, shop))
    async with working(core, valkey):
        await core.operator.ask(advance_clock(A_DAY))

        async def is_paid_out() -> bool:
            return len(await payouts_of(core, shop)) > before

        await until(is_paid_out)
    return (await payouts_of(core, shop))[0]


async def test_a_merchant_is_paid_out_and_told_what_it_is_made_of(core: Core, valkey: ValkeyServer) -> None:
    buyer, shop = await an_account(core, funds_minor=50_000), await a_merchant(core)
    own = await core.caller("fundings.write", "accounts.read", account=shop)
    schedule = await own.ask(set_payouts(shop))
    assert (schedule.cadence, schedule.least.amount_minor) == (Schedule.CADENCE_DAILY, 1)
    await core.operator.ask(a_transfer(buyer, shop, 10_000))
    bought = await core.operator.ask(a_payment(buyer, shop, 2_000, order_no="A-1", subject="《红楼梦》"))
    await core.operator.ask(ship(bought.name))
    await core.operator.ask(confirm(bought.name))
    payout = await paid_out(core, valkey, shop)

    assert (payout.state, payout.amount.amount_minor) == (payouts_pb2.Payout.STATE_SUCCEEDED, 11_820)
    assert (payout.first_sequence, payout.last_sequence) == (1, 2)
    assert payout.due_time == schedule.due_time
    assert await own.ask(payouts_pb2.GetPayoutRequest(name=payout.name)) == payout
    assert await available(core, shop) == 0
    report = await own.ask(payouts_pb2.GetSettlementReportRequest(name=payout.name))
    assert (report.payments.amount.amount_minor, report.payments.count) == (12_000, 2)
    assert (report.fees.amount.amount_minor, report.fees.count) == (-180, 2)
    assert report.amount == payout.amount
    sorts = (report.payments, report.fees, report.refunds, report.adjustments, report.fundings, report.purchases)
    assert report.carried.amount_minor + sum(each.amount.amount_minor for each in sorts) == report.amount.amount_minor

    chunks = await own.answers(a_settlement_file(payout.name))
    assert (chunks[0].file_name, chunks[0].line_count) == (f"settlement-{id_of(payout.name)}.csv", 2)
    data = b"".join(chunk.data for chunk in chunks).decode("utf-8-sig")
    _, opening, first, second, *sums = list(csv.reader(io.StringIO(data, newline=""), strict=True))
    assert opening[7] == "0.00"
    assert (first[1], first[5:8]) == ("Payment received", ["-1.50", "98.50", "98.50"])
    assert (second[1:4], second[5:8]) == (["Payment received", "A-1", "《红楼梦》"], ["-0.30", "19.70", "118.20"])
    assert [(row[1], row[7]) for row in sums] == [
        ("Payments, before fees", "120.00"),
        ("Fees", "-1.80"),
        ("Refunds", "0.00"),
        ("Adjustments", "0.00"),
        ("Top-ups, withdrawals and returned payouts", "0.00"),
        ("Purchases", "0.00"),
        ("Payout", "118.20"),
    ]
    in_chinese = a_settlement_file(payout.name, format=statements_pb2.FILE_FORMAT_PDF, language="zh-CN")
    (page,) = pypdf.PdfReader(io.BytesIO(b"".join(chunk.data for chunk in await own.answers(in_chinese)))).pages
    text = "".join(page.extract_text().split())
    for shown in ("结算报告", "收款", "结算金额", "118.20", "-1.80"):
        assert shown in text, shown


async def test_what_is_skipped_is_shown(core: Core, valkey: ValkeyServer) -> None:
    shop = await a_merchant(core)
    await core.operator.ask(a_top_up(shop, 999))
    await core.operator.ask(set_payouts(shop, least=money(1_000)))
    async with working(core, valkey):
        await core.operator.ask(advance_clock(A_DAY))

        async def is_skipped() -> bool:
            return (await the_schedule(core, shop)).skip == Schedule.SKIP_TOO_LITTLE

        await until(is_skipped)
    assert await available(core, shop) == 999
    assert (await the_schedule(core, shop)).HasField("skip_time")


async def test_a_schedule_is_set_anew_and_ended(core: Core) -> None:
    shop = await a_merchant(core)
    first = await core.operator.ask(set_payouts(shop))
    again = await core.operator.ask(set_payouts(shop, cadence=Schedule.CADENCE_WEEKLY, weekday=3))
    assert (again.name, again.weekday) == (first.name, 3)
    ended = await core.operator.ask(set_payouts(shop, cadence=Schedule.CADENCE_NEVER))
    assert not ended.HasField("due_time")
    assert await the_schedule(core, shop) == ended


async def test_a_repeat_is_answered_again(core: Core) -> None:
    request = set_payouts(await a_merchant(core))
    first = await core.operator.answer(request)
    again = await core.operator.answer(request)
    assert (again.message, first.replayed, again.replayed) == (first.message, False, True)


async def test_who_sees_and_sets_what(core: Core, valkey: ValkeyServer) -> None:
    shop, other = await a_merchant(core), await a_merchant(core)
    await core.operator.ask(a_top_up(shop, 100))
    await core.operator.ask(set_payouts(shop))
    payout = await paid_out(core, valkey, shop)
    stranger = await core.caller("fundings.write", "accounts.read", account=other)
    reader = await core.caller("accounts.read", account=shop)
    unbound = await core.caller("fundings.write", "accounts.read")
    by_schedule = payouts_pb2.GetPayoutScheduleRequest(account=shop, currency_code="CNY")
    async with nothing_changes(core):
        for request, reason in (
            (payouts_pb2.GetPayoutRequest(name=payout.name), "PAYOUT_NOT_FOUND"),
            (payouts_pb2.GetSettlementReportRequest(name=payout.name), "PAYOUT_NOT_FOUND"),
            (a_settlement_file(payout.name), "PAYOUT_NOT_FOUND"),
            (payouts_pb2.ListPayoutsRequest(account=shop), "ACCOUNT_NOT_FOUND"),
            (by_schedule, "ACCOUNT_NOT_FOUND"),
            (set_payouts(shop), "ACCOUNT_NOT_FOUND"),
        ):
            assert (await stranger.refused(request)).reason == reason
        assert not (await stranger.ask(payouts_pb2.ListPayoutsRequest())).payouts
        assert (await unbound.refused(set_payouts(shop))).reason == "SCOPE_MISSING"
        assert (await reader.refused(set_payouts(shop))).reason == "SCOPE_MISSING"
    assert (await unbound.ask(by_schedule)).name


async def test_what_is_refused(core: Core) -> None:
    ada, shop = await an_account(core), await a_merchant(core)
    person = await a_person(core)
    async with nothing_changes(core):
        for request, code, reason in (
            (set_payouts(ada), PRECONDITION, "PAYOUTS_FOR_MERCHANTS"),
            (set_payouts(shop, least=money(1, "USD")), PRECONDITION, "WALLET_MISSING"),
            (set_payouts(shop, least=money(0)), grpc.StatusCode.INVALID_ARGUMENT, "AMOUNT_NOT_POSITIVE"),
            (set_payouts(shop, weekday=1), grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"),
            (set_payouts(shop, cadence=Schedule.CADENCE_WEEKLY), grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"),
            (set_payouts(shop, instrument=f"instruments/{UNKNOWN}"), grpc.StatusCode.NOT_FOUND, "INSTRUMENT_NOT_FOUND"),
            (
                payouts_pb2.GetPayoutScheduleRequest(account=shop, currency_code="CNY"),
                grpc.StatusCode.NOT_FOUND,
                "PAYOUT_SCHEDULE_NOT_FOUND",
            ),
        ):
            refused = await core.operator.refused(request)
            assert (refused.code, refused.reason) == (code, reason)
        assert (await person.refused(set_payouts(person.account))).reason == "PAYOUTS_FOR_MERCHANTS"


async def test_a_live_core_pays_out_to_cards_alone(postgres: SharedServer, administrator: Any) -> None:
    async with a_database(administrator, postgres, "template1") as database_url:
        await migrate(database_url, "live")
        async with a_core(database_url, mode=Mode.LIVE) as live:
            refused = await live.operator.refused(set_payouts(await a_merchant(live)))
            assert (refused.code, refused.reason) == (PRECONDITION, "BANK_MISSING")
