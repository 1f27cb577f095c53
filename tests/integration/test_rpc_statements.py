"""Statements over the wire: exact against the ledger, of one moment, for those alone who may see the account."""

import asyncio
import csv
import io
import tracemalloc
from typing import Any
from uuid import uuid4

import grpc
import pypdf

from danbao.v1 import accounts_pb2, statements_pb2
from danbao_core.accounts import Purpose, balance_id
from danbao_core.rpc.services.files import CHUNK_BYTES
from danbao_core.statements.exporting import MOST_LINES_OF_PDF
from danbao_core.statements.reading import BATCH
from tests import rpc_client
from tests.disputing import a_quarrel
from tests.rpc_client import Caller, Core, Refused, a_merchant, an_account, available, id_of, outcome
from tests.rpc_requests import (
    a_payment,
    a_statement,
    a_top_up,
    a_transfer,
    a_withdrawal,
    accept_offer,
    advance_clock,
    confirm,
    offer,
    path_of,
    refund,
    ship,
)

core = rpc_client.core

INVALID = grpc.StatusCode.INVALID_ARGUMENT
PDF = statements_pb2.FILE_FORMAT_PDF
A_DAY = 86_400


async def today(core: Core) -> str:
    """The day in Shanghai."""
    time = await core.connection.fetchval(
        "SELECT (now() + make_interval(secs => clock_offset_seconds)) AT TIME ZONE 'Asia/Shanghai' FROM installation"
    )
    return str(time.date())


async def of_today(core: Core, account: str, **fields: Any) -> statements_pb2.ExportStatementRequest:
    """A request for the statement of today."""
    day = await today(core)
    return a_statement(account, **({"month": "", "first_day": day, "last_day": day} | fields))


async def file_of(caller: Caller, request: statements_pb2.ExportStatementRequest) -> bytes:
    """The file that comes in chunks, of which the first one tells about it."""
    chunks = await caller.answers(request)
    assert all(len(chunk.data) <= CHUNK_BYTES for chunk in chunks)
    assert chunks[0].file_name
    assert not any(chunk.file_name or chunk.line_count for chunk in chunks[1:])
    return b"".join(chunk.data for chunk in chunks)


def begun(caller: Caller, request: statements_pb2.ExportStatementRequest) -> Any:
    """A call whose chunks are read when the test likes."""
    method: Any = caller._channel.unary_stream(path_of(request), response_deserializer=statements_pb2.FileChunk.FromString)
    return method(request.SerializeToString(), metadata=[("authorization", f"Bearer {caller.token}")])


async def rows_of(caller: Caller, request: statements_pb2.ExportStatementRequest) -> list[list[str]]:
    data = await file_of(caller, request)
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


async def many_entries(core: Core, account: str, count: int) -> None:
    """So many entries of one minor unit each, put into the books directly, one a second for the last of the time."""
    balance, subject = balance_id(id_of(account), "CNY", Purpose.AVAILABLE), uuid4()
    have = await core.connection.fetchval("SELECT version FROM balance WHERE id = $1", balance)
    async with core.connection.transaction():
        await core.connection.execute(
            "INSERT INTO journal (id, kind, subject_id, memo, caller, method, peer, request_id, created_at) "
            "SELECT gen_random_uuid(), 'funding.top_up', $2, 'n' || n, 'test', '', '', '', "
            "now() - make_interval(secs => $1 - n) FROM generate_series(1, $1) AS n",
            count,
            subject,
        )
        await core.connection.execute(
            "INSERT INTO entry (balance_id, version, journal_id, amount_minor, balance_after_minor) "
            "SELECT $1, $2::bigint + substr(memo, 2)::bigint, id, 1, substr(memo, 2)::bigint "
            "FROM journal WHERE subject_id = $3",
            balance,
            have,
            subject,
        )
        await core.connection.execute(
            "UPDATE balance SET version = version + $2, amount_minor = $2 WHERE id = $1", balance, count
        )


# --- Figures ----------------------------------------------------------------------------------------------------------------


async def test_a_statement_is_what_the_ledger_says(core: Core) -> None:
    buyer = await an_account(core, funds_minor=50_000)
    shop = await a_merchant(core)
    at_once = await core.operator.ask(a_transfer(buyer, shop, 10_000))
    bought = await core.operator.ask(a_payment(buyer, shop, 2_000, order_no="A-1", subject="《红楼梦》"))
    await core.operator.ask(ship(bought.name))
    await core.operator.ask(confirm(bought.name))
    withdrawn = await core.operator.ask(a_withdrawal(shop, 820))

    names, opening, *lines, total_in, total_out, closing = await rows_of(core.operator, await of_today(core, shop))
    assert names[1:9] == [
        "What", "Order number", "Description", "Counterparty", "Fee", "Amount", "Balance", "Currency"
    ]  # fmt: skip
    assert opening[1:] == ["Opening balance", "", "", "", "", "", "0.00", "CNY", ""]
    assert [line[1:] for line in lines] == [
        ["Payment received", "", "", "A**", "-1.50", "98.50", "98.50", "CNY", at_once.name],
        ["Payment received", "A-1", "《红楼梦》", "A**", "-0.30", "19.70", "118.20", "CNY", bought.name],
        ["Withdrawal", "", "", "", "", "-8.20", "110.00", "CNY", withdrawn.name],
    ]
    assert (total_in[1], total_in[7], total_out[1], total_out[7]) == ("Total in", "118.20", "Total out", "-8.20")
    assert (closing[1], closing[7]) == ("Closing balance", "110.00")
    assert await available(core, shop) == 11_000

    (_, _, topped_up, *paid, _, _, closing) = await rows_of(core.operator, await of_today(core, buyer))
    assert topped_up[1:8] == ["Top-up", "", "", "", "", "500.00", "500.00"]
    assert [line[1:8] for line in paid] == [
        ["Payment", "", "", "Ada", "", "-100.00", "400.00"],
        ["Payment", "A-1", "《红楼梦》", "Ada", "", "-20.00", "380.00"],
    ]
    assert closing[7] == "380.00"


async def test_a_refund_tells_its_payment(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=5_000), await a_merchant(core)
    sold = await core.operator.ask(a_transfer(buyer, shop, 1_000))
    given_back = await core.operator.ask(refund(sold.name, 400))
    (*_, line, _, _, closing) = await rows_of(core.operator, await of_today(core, shop))
    assert line[1:] == ["Refund", "", "", "A**", "", "-3.94", "5.91", "CNY", given_back.name]
    assert closing[7] == "5.91"


async def test_what_a_dispute_moved_is_told_with_the_fee_on_what_it_released(core: Core) -> None:
    held, released = await a_quarrel(core, 1_000, ship), await a_quarrel(core, 1_000, ship, confirm)
    for quarrel in (held, released):
        dispute = (await quarrel.opened(600)).name
        await quarrel.as_seller.ask(offer(dispute, 200))
        await quarrel.as_buyer.ask(accept_offer(dispute))
    (_, _, settled, *_) = await rows_of(core.operator, await of_today(core, held.seller))
    assert settled[1:8] == ["Dispute settled", "", "", "A**", "-0.12", "7.88", "7.88"], "800 less 1.5 %"
    (_, _, *lines, _, _, closing) = await rows_of(core.operator, await of_today(core, released.seller))
    assert [line[1:8] for line in lines] == [
        ["Payment received", "", "", "A**", "-0.15", "9.85", "9.85"],
        ["Set aside for a dispute", "", "", "A**", "", "-5.91", "3.94"],
        ["Dispute settled", "", "", "A**", "", "3.94", "7.88"],
    ]
    assert closing[7] == settled[7], "the same in the end"
    (*_, back, _, _, _) = await rows_of(core.operator, await of_today(core, released.buyer))
    assert back[1:8] == ["Dispute settled", "", "", "Ada", "", "2.00", "2.00"]


async def test_periods_that_follow_each_other_share_nothing_and_miss_nothing(core: Core) -> None:
    ada = await an_account(core)
    days = []
    for number in range(1, 5):
        days.append(await today(core))
        await asyncio.gather(*(core.operator.ask(a_top_up(ada, 100)) for _ in range(number)))
        await core.operator.ask(advance_clock(A_DAY))
    before = "0.00"
    for number, day in enumerate(days, 1):
        request = a_statement(ada, month="", first_day=day, last_day=day)
        _, opening, *lines, _, _, closing = await rows_of(core.operator, request)
        assert (opening[7], len(lines)) == (before, number)
        assert {line[0][:10] for line in lines} == {day}
        before = closing[7]
    _, opening, *lines, _, _, closing = await rows_of(
        core.operator, a_statement(ada, month="", first_day=days[0], last_day=days[-1])
    )
    assert (opening[7], len(lines), closing[7]) == ("0.00", 10, "10.00")


async def test_entries_whose_times_are_out_of_order_belong_to_one_day_each(core: Core) -> None:
    """A batch that waited for a lock across midnight is booked behind one that began after it."""
    ada = await an_account(core)
    for _ in range(6):
        await core.operator.ask(a_top_up(ada, 100))
    day = await today(core)
    midnight = f"{day} 00:00:00+08"
    balance = balance_id(id_of(ada), "CNY", Purpose.AVAILABLE)
    for version, seconds in enumerate((-9, -5, 1, -2, 3, 2), 1):
        await core.connection.execute(
            "UPDATE journal SET created_at = $2::text::timestamptz + make_interval(secs => $3) WHERE id = "
            "(SELECT journal_id FROM entry WHERE balance_id = $1 AND version = $4)",
            balance, midnight, seconds, version,
        )  # fmt: skip
    yesterday = str(await core.connection.fetchval("SELECT $1::text::date - 1", day))
    before = await rows_of(core.operator, a_statement(ada, month="", first_day=yesterday, last_day=yesterday))
    after = await rows_of(core.operator, a_statement(ada, month="", first_day=day, last_day=day))
    assert [row[7] for row in before[2:-3]] == ["1.00", "2.00", "3.00", "4.00"]
    assert [row[7] for row in after[2:-3]] == ["5.00", "6.00"]
    assert before[-1][7] == after[1][7]


async def test_a_period_in_which_nothing_moved(core: Core) -> None:
    ada = await an_account(core, funds_minor=700)
    for month, balance in (("2020-01", "0.00"), ("9999-11", "7.00")):
        _, opening, total_in, total_out, closing = await rows_of(core.operator, a_statement(ada, month=month))
        assert [row[7] for row in (opening, total_in, total_out, closing)] == [balance, "0.00", "0.00", balance]
    empty = await an_account(core)
    assert len(await rows_of(core.operator, a_statement(empty))) == 5
    (page,) = pypdf.PdfReader(io.BytesIO(await file_of(core.operator, a_statement(empty, format=PDF)))).pages
    assert "No movements in this period." in page.extract_text()


async def test_a_pdf_in_chinese_has_the_same_figures(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=5_000), await a_merchant(core)
    await core.operator.ask(a_transfer(buyer, shop, 1_000))
    request = await of_today(core, buyer, format=PDF, language="")
    chunks = await core.operator.answers(request)
    assert chunks[0].file_name == f"statement-{id_of(buyer)}-CNY-{await today(core)}-{await today(core)}.pdf"
    assert chunks[0].line_count == 2
    (page,) = pypdf.PdfReader(io.BytesIO(b"".join(chunk.data for chunk in chunks))).pages
    text = "".join(page.extract_text().split())
    for shown in ("账户对账单", "充值", "付款", "Ada", "期末余额", "-10.00", "40.00", "第1页,共1页".replace(",", "，")):  # noqa: RUF001
        assert shown in text, shown


# --- Size -------------------------------------------------------------------------------------------------------------------


async def test_a_long_statement_takes_bounded_memory(core: Core) -> None:
    """However many lines there are, the server holds some batches of them, and neither a connection nor a snapshot."""
    ada = await an_account(core)
    count = 30_000
    await many_entries(core, ada, count)
    request = a_statement(ada, month="", first_day=f"{int((await today(core))[:4]) - 1}-12-31", last_day=await today(core))
    call = begun(core.operator, request)
    lines = size = 0
    tracemalloc.start()
    try:
        async for chunk in call:
            lines += chunk.data.count(b"\n")
            size += len(chunk.data)
            snapshots = await core.connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'danbao-reads' "
                "AND datname = current_database() AND state LIKE 'idle in%'"
            )
            assert not snapshots
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert lines == count + 5
    assert size > 80 * count
    assert peak < 2_000 * BATCH + 32 * CHUNK_BYTES, "of the server and its caller together"


async def test_a_pdf_has_as_many_lines_as_somebody_may_read(core: Core) -> None:
    ada = await an_account(core)
    await many_entries(core, ada, MOST_LINES_OF_PDF + 1)
    days = {"month": "", "first_day": f"{int((await today(core))[:4]) - 1}-12-31", "last_day": await today(core)}
    refusal = await core.operator.refused(a_statement(ada, format=PDF, **days))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "STATEMENT_TOO_LONG")
    assert refusal.metadata == {"lines": str(MOST_LINES_OF_PDF + 1), "most": str(MOST_LINES_OF_PDF)}
    assert len(await rows_of(core.operator, a_statement(ada, **days))) == MOST_LINES_OF_PDF + 6


async def test_a_caller_has_four_under_way(core: Core) -> None:
    """Who does not read keeps four, and nobody else from theirs."""
    ada = await an_account(core)
    await many_entries(core, ada, 20_000)
    request = a_statement(ada, month="", first_day=f"{int((await today(core))[:4]) - 1}-12-31", last_day=await today(core))
    slow, other = await core.caller("accounts.read", service="slow"), await core.caller("accounts.read", service="other")
    under_way = [begun(slow, request) for _ in range(4)]
    for call in under_way:
        await call.read()
    refusal = await slow.refused(request)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "EXPORTS_BUSY")
    assert len(await other.answers(request)) > 1
    for call in under_way:
        call.cancel()

    async def has_room() -> bool:
        return not isinstance(await outcome(slow.answers(request)), Refused)

    await rpc_client.until(has_room)


# --- Who may, and what is refused --------------------------------------------------------------------------------------------


async def test_only_who_may_see_the_account(core: Core) -> None:
    ada, bob = await an_account(core), await an_account(core)
    own = await core.caller("accounts.read", account=ada)
    assert await file_of(own, a_statement(ada))
    assert (await own.refused(a_statement(bob))).reason == "ACCOUNT_NOT_FOUND"
    assert (await (await core.caller("payments.read")).refused(a_statement(ada))).reason == "SCOPE_MISSING"
    assert (await core.operator.with_token(None).refused(a_statement(ada))).code is grpc.StatusCode.UNAUTHENTICATED


async def test_what_is_refused(core: Core) -> None:
    ada = await an_account(core)
    assert (await core.operator.refused(a_statement(ada, currency_code="USD"))).reason == "WALLET_MISSING"
    wrong: dict[str, dict[str, Any]] = {
        "both": {"first_day": "2026-10-01", "last_day": "2026-10-02"},
        "neither": {"month": ""},
        "one day": {"month": "", "first_day": "2026-10-01"},
        "no month": {"month": "2026-13"},
        "no day": {"month": "", "first_day": "2026-02-30", "last_day": "2026-03-01"},
        "backwards": {"month": "", "first_day": "2026-10-02", "last_day": "2026-10-01"},
        "too long": {"month": "", "first_day": "2026-01-01", "last_day": "2027-01-02"},
        "beyond the calendar": {"month": "9999-12"},
        "no format": {"format": 0},
        "unknown format": {"format": 3},
        "unknown language": {"language": "tlh"},
    }
    for name, fields in wrong.items():
        refusal = await core.operator.refused(a_statement(ada, **fields))
        assert (refusal.code, refusal.reason) == (INVALID, "FIELD_INVALID"), name
        assert refusal.violations, name


async def test_listed_entries_and_the_statement_are_the_same(core: Core) -> None:
    ada, shop = await an_account(core, funds_minor=10_000), await a_merchant(core)
    for amount in (100, 250, 999):
        await core.operator.ask(a_transfer(ada, shop, amount))
    listed = await core.operator.ask(accounts_pb2.ListEntriesRequest(account=shop, currency_code="CNY"))
    rows = (await rows_of(core.operator, await of_today(core, shop)))[2:-3]
    assert [row[9] for row in rows] == [entry.subject for entry in reversed(listed.entries)]
