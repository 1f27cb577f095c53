"""`danbao replay`: orders of the past through a real core, also when parts of it die in the middle."""

import asyncio
import hashlib
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from danbao.v1.sandbox_pb2 import GetClockRequest
from tests.acceptance.commands import Result, RunningCommand
from tests.acceptance.orders_file import Orders, some_orders
from tests.acceptance.sandbox import Sandbox, a_sandbox, a_server, danbao, killed_with_all_its_children
from tests.integration.sandboxes import a_folder
from tests.rpc_client import an_operator_token

GOES_ON = "Run the same command again: it goes on where it stopped and does nothing twice."


def a_merchant_name() -> str:
    """One that no other test has: the request ids of a replay follow from it."""
    return f"Shop {uuid4()}"


def replay_of(orders: Orders, merchant: str) -> tuple[str | Path, ...]:
    return ("replay", orders.file, "--merchant", merchant, "--currency", "USD")


@asynccontextmanager
async def database(sandbox: Sandbox) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(sandbox.endpoint.database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def all_rows(connection: "asyncpg.Connection[Any]") -> dict[str, tuple[int, str]]:
    """Of each table how many rows it has, and a hash of them and of where and by which transaction each was written.

    Left out is what an engine writes about itself.
    """
    found = {}
    tables = await connection.fetch("SELECT relname FROM pg_stat_user_tables WHERE relname <> 'engine'")
    for (table,) in tables:
        rows = await connection.fetch(f"SELECT ctid::text || xmin::text || t::text FROM {table} t ORDER BY ctid")
        found[table] = len(rows), hashlib.sha256("\n".join(row[0] for row in rows).encode()).hexdigest()
    return found


async def clock_offset_seconds(sandbox: Sandbox) -> int:
    async with sandbox.client() as client:
        return int((await client.sandbox.GetClock(GetClockRequest())).offset.seconds)


async def payments_of(sandbox: Sandbox, merchant: str) -> "list[asyncpg.Record]":
    async with database(sandbox) as connection:
        return await connection.fetch(
            "SELECT payment.*, metadata::json ->> 'date' AS date FROM payment JOIN account ON account.id = payee_id "
            "WHERE display_name = $1 ORDER BY payment.created_at",
            merchant,
        )


async def books_hold(sandbox: Sandbox) -> bool:
    audited = await sandbox.danbao("audit")
    return audited.code == 0 and bool(audited.answer["holds"])


async def until_in_the_middle(sandbox: Sandbox, merchant: str, replay: RunningCommand, at_least: int) -> None:
    """Returns once so many payments of the replay have succeeded."""
    async with asyncio.timeout(60):
        while sum(payment["succeeded_at"] is not None for payment in await payments_of(sandbox, merchant)) < at_least:
            assert replay.is_running, "it is over already"
            await asyncio.sleep(0.05)


# --- What it does -----------------------------------------------------------------------------------------------------------


async def test_orders_go_through_escrow_to_the_cent(sandbox: Sandbox, tmp_path: Path) -> None:
    orders, merchant = some_orders(tmp_path), a_merchant_name()
    offset_before = await clock_offset_seconds(sandbox)

    replayed = await sandbox.danbao(*replay_of(orders, merchant))

    assert replayed.code == 0, replayed.err
    answer = replayed.answer
    assert orders.are_told_by(answer)
    assert answer["refused_by_reason"] == {"AMOUNT_NOT_POSITIVE": orders.refused}
    assert answer["seconds"] > 0
    assert answer["payments_per_second"] > 0
    assert await clock_offset_seconds(sandbox) - offset_before == orders.days * 24 * 3600
    payments = await payments_of(sandbox, merchant)
    assert len(payments) == orders.succeeded
    assert len({payment["payer_id"] for payment in payments}) <= orders.customers
    assert [payment["date"] for payment in payments] == sorted(payment["date"] for payment in payments)
    gaps = {(payment["created_at"].date() - payments[0]["created_at"].date()).days for payment in payments}
    assert max(gaps) in (orders.days, orders.days + 1), "a midnight may lie between"
    assert await books_hold(sandbox)


@pytest.mark.parametrize(
    ("currency", "figures", "takings", "fees", "together"),
    [
        ("JPY", ("1200", "34", "33"), "1,248 JPY", "19 JPY", "1,267 JPY"),
        ("KWD", ("1200.5", "0.034", "0.033"), "1,182.558 KWD", "18.009 KWD", "1,200.567 KWD"),
    ],
)
async def test_people_read_it_with_the_currencys_own_decimals(
    sandbox: Sandbox, tmp_path: Path, currency: str, figures: tuple[str, ...], takings: str, fees: str, together: str
) -> None:
    file = tmp_path / "orders.csv"
    lines = [f"{number},c{number},2001-02-26,1,{figure}" for number, figure in enumerate(figures)]
    file.write_text("\n".join([f"order_no,customer,date,quantity,amount_{currency.lower()}", *lines]))
    asked = ("replay", file, "--merchant", a_merchant_name(), "--currency", currency)
    told = await danbao(*asked, "--data", sandbox.folder)
    assert told.code == 0, told.err
    rows = [[cell.strip() for cell in line.strip().rsplit("  ", 1)] for line in told.out.splitlines()]
    for row in (["The merchant's takings", takings], ["The platform's fees", fees], ["Takings and fees", together]):
        assert row in rows, told.out


async def test_a_repeat_changes_no_row_and_moves_no_clock(
    database_url: str, connection: "asyncpg.Connection[Any]", tmp_path: Path
) -> None:
    """Without workers, which go on with what the first run has left to do."""
    orders, merchant = some_orders(tmp_path), a_merchant_name()
    token = await an_operator_token(database_url)
    async with a_server(database_url) as address:
        environment = {"DANBAO_ADDRESS": address, "DANBAO_KEY": token}
        first = await danbao(*replay_of(orders, merchant), "--json", env=environment)
        rows_before = await all_rows(connection)

        second = await danbao(*replay_of(orders, merchant), "--json", "--concurrency", "3", env=environment)

        assert orders.are_told_by(first.answer)
        assert orders.are_told_by(second.answer)
        assert await all_rows(connection) == rows_before, "the clock's among them"


async def test_another_merchant_is_another_replay(sandbox: Sandbox, tmp_path: Path) -> None:
    orders = some_orders(tmp_path, count=20, dates=2)
    for merchant in (a_merchant_name(), a_merchant_name()):
        assert orders.are_told_by((await sandbox.danbao(*replay_of(orders, merchant))).answer)
        assert len(await payments_of(sandbox, merchant)) == orders.succeeded


async def test_people_get_a_table(sandbox: Sandbox, tmp_path: Path) -> None:
    orders = some_orders(tmp_path, count=20, dates=2)
    told = await danbao(*replay_of(orders, a_merchant_name()), "--data", sandbox.folder)
    assert told.code == 0
    assert "Refused: AMOUNT_NOT_POSITIVE" in told.out
    assert f"{orders.fees_minor / 100:,.2f} USD" in told.out


# --- When something dies ----------------------------------------------------------------------------------------------------


async def test_it_outlasts_the_death_of_the_server(sandbox: Sandbox, tmp_path: Path) -> None:
    orders, merchant = some_orders(tmp_path, count=240, dates=4), a_merchant_name()
    replay = await sandbox.started(*replay_of(orders, merchant))
    await until_in_the_middle(sandbox, merchant, replay, at_least=20)

    sandbox.kill("server")
    replayed = await replay.result()

    assert replayed.code == 0, replayed.err
    assert orders.are_told_by(replayed.answer)
    assert len(await payments_of(sandbox, merchant)) == orders.succeeded
    assert await books_hold(sandbox)


async def test_it_goes_on_after_ctrl_c(sandbox: Sandbox, tmp_path: Path) -> None:
    orders, merchant = some_orders(tmp_path, count=240, dates=4), a_merchant_name()
    offset_before = await clock_offset_seconds(sandbox)
    replay = await sandbox.started(*replay_of(orders, merchant))
    await until_in_the_middle(sandbox, merchant, replay, at_least=20)

    replay.send(signal.SIGINT)
    stopped = await replay.result()
    assert stopped.code == 130
    assert stopped.answer == {"error": {"reason": "INTERRUPTED", "message": f"Stopped. {GOES_ON}"}}

    replayed = await sandbox.danbao(*replay_of(orders, merchant))
    assert orders.are_told_by(replayed.answer)
    assert len(await payments_of(sandbox, merchant)) == orders.succeeded
    assert await clock_offset_seconds(sandbox) - offset_before == orders.days * 24 * 3600


async def test_it_goes_on_after_everything_died_and_outlasts_the_death_of_postgres(tmp_path: Path) -> None:
    orders, merchant = some_orders(tmp_path, count=480, dates=8), a_merchant_name()
    with a_folder() as folder:
        async with a_sandbox(folder) as sandbox:
            replay = await sandbox.started(*replay_of(orders, merchant), "--patience", "1")
            await until_in_the_middle(sandbox, merchant, replay, at_least=20)
            await killed_with_all_its_children(sandbox)
            stopped = await replay.result()
        assert stopped.code == 1
        assert stopped.answer["error"]["reason"] == "UNAVAILABLE"
        assert GOES_ON in stopped.err

        async with a_sandbox(folder) as sandbox:
            done = [payment for payment in await payments_of(sandbox, merchant) if payment["succeeded_at"] is not None]
            replay = await sandbox.started(*replay_of(orders, merchant))
            await until_in_the_middle(sandbox, merchant, replay, at_least=len(done) + 20)
            sandbox.kill("postgres")
            replayed = await replay.result()
            assert replayed.code == 0, replayed.err
            assert orders.are_told_by(replayed.answer)
            assert len(await payments_of(sandbox, merchant)) == orders.succeeded
            assert await clock_offset_seconds(sandbox) == orders.days * 24 * 3600
            assert await books_hold(sandbox)


# --- What it does not do ----------------------------------------------------------------------------------------------------


async def test_a_wrong_file_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("order_no,customer,date,quantity,amount_usd\n1,ada,2001-01-31,1,5.00\n2,ada,2001-01-31,1,-5.00\n")
    nobody = {"DANBAO_ADDRESS": "127.0.0.1:1", "DANBAO_KEY": "dbk_0_0"}  # to which sending anything fails

    refused = await danbao("replay", file, "--merchant", "Shop", "--currency", "USD", "--json", env=nobody)

    assert refused.code == 1
    assert refused.answer["error"]["reason"] == "ORDERS_INVALID"
    assert refused.err == f"error: {file}, line 3: the amount '-5.00' is negative. Nothing was sent.\n"


async def test_a_key_that_may_not_ends_it(sandbox: Sandbox, tmp_path: Path) -> None:
    orders = some_orders(tmp_path, count=20, dates=2)
    made = await sandbox.danbao("keys", "create", "reader", "--scope", "accounts.read")
    environment = {"DANBAO_ADDRESS": sandbox.endpoint.address, "DANBAO_KEY": made.answer["token"]}

    refused = await danbao(*replay_of(orders, a_merchant_name()), "--json", env=environment, cwd=tmp_path)

    assert refused.code == 1
    assert refused.answer["error"]["reason"] == "SCOPE_MISSING"


async def test_no_core_is_said_with_what_to_do(tmp_path: Path) -> None:
    orders = some_orders(tmp_path, count=20, dates=2)
    nowhere = await danbao(*replay_of(orders, "Shop"), cwd=tmp_path)
    assert (nowhere.code, nowhere.out) == (1, "")
    assert nowhere.err.startswith("error: No danbao is running here. Start one (danbao up)")

    elsewhere = await danbao(*replay_of(orders, "Shop"), "--data", tmp_path / "none", cwd=tmp_path)
    assert elsewhere.code == 1
    assert f"danbao up --data {tmp_path / 'none'}" in elsewhere.err

    half = await danbao(*replay_of(orders, "Shop"), cwd=tmp_path, env={"DANBAO_ADDRESS": "127.0.0.1:1"})
    assert half.code == 1
    assert "DANBAO_KEY is not set" in half.err


async def test_a_core_that_does_not_answer_is_waited_for_only_so_long(tmp_path: Path) -> None:
    orders = some_orders(tmp_path, count=20, dates=2)
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        environment = {"DANBAO_ADDRESS": f"127.0.0.1:{bound.getsockname()[1]}", "DANBAO_KEY": "dbk_0_0"}
        refused: Result = await danbao(*replay_of(orders, "Shop"), "--patience", "1", cwd=tmp_path, env=environment)
    assert refused.code == 1
    assert refused.err.splitlines()[-1].startswith("error: The core does not answer: ")
    assert refused.err.rstrip().endswith(GOES_ON)
