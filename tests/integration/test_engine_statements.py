"""The statements of a batch: how many there are, and how Postgres carries them out."""

import re
from datetime import datetime
from typing import Any

import pytest

from danbao_core.accounts import CloseAccount
from danbao_core.engine import Engine, statements
from danbao_core.engine import connection as connections
from danbao_core.engine.requests import Request
from tests.builders import a_merchant, an_account, carried_out, origin
from tests.engines import between_transactions, transfer
from tests.every_table import READINGS, TABLES
from tests.rpc_client import until

Connection = Any


# --- Plans ------------------------------------------------------------------------------------------------------------------


async def test_tables_that_grew_under_a_warm_connection_are_not_scanned(engine: Engine, connection: Connection) -> None:
    payer, payee = await an_account(engine, funds_minor=1_000), await a_merchant(engine)
    for _ in range(8):  # Postgres settles for a plan after the fifth run
        await engine.submit(transfer(payer, payee))
    await connection.execute(
        """
        INSERT INTO account SELECT gen_random_uuid(), kind, state, display_name, currencies, created_at, updated_at, version
        FROM account, generate_series(1, 8000);
        INSERT INTO balance SELECT gen_random_uuid(), account_id, currency, purpose, stripe, amount_minor, floor_minor, version
        FROM balance, generate_series(1, 4000);
        INSERT INTO request
        SELECT caller, gen_random_uuid()::text, method, content, answer_schema, answer, created_at, expires_at
        FROM request, generate_series(1, 2000);
        ANALYZE;
        """
    )
    scans = "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname IN ('account', 'balance', 'request', 'payment')"
    await connection.execute("SELECT pg_stat_force_next_flush()")
    before = {row["relname"]: row["seq_scan"] for row in await connection.fetch(scans)}
    for _ in range(8):
        await engine.submit(transfer(payer, payee))
    await carried_out(engine, CloseAccount(origin=origin(), account_id=(await an_account(engine)).id))
    session = await between_transactions(engine)
    await session.execute("SELECT pg_stat_force_next_flush()")
    await session.execute("SELECT 1")
    after = {row["relname"]: row["seq_scan"] for row in await connection.fetch(scans)}
    assert after == before


async def test_the_statements_of_a_batch_use_indexes(engine: Engine) -> None:
    connection = engine._main.connection
    assert connection is not None
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    for row_type in (*TABLES.values(), *READINGS.values()):
        table = row_type.table
        texts = [statements.read_rows(table)]
        if table.reading is None:
            texts.append(statements.read_rows_of((table, Request.table)))
        if table.mutable:
            texts += [statements.lock_rows(table), statements.share_rows(table), statements.update_rows(table)]
        for number, text in enumerate(texts):
            name = f"{table.name}_{number}"
            await connection.execute(f"PREPARE {name} AS {text}")
            nulls = ", ".join(["NULL"] * (len(set(re.findall(r"\$\d+", text)))))
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE {name} ({nulls})"))
            assert "Seq Scan on" not in plan, plan
            if table.name == "obligation":
                assert "payment_open_of_payer" in plan, plan
                assert "payment_open_of_payee" in plan, plan
                assert "funding_open_of_account" in plan, plan
            if table.name == "taking":
                for index in ("balance_of_account", "entry_pkey", "journal_pkey", "payment_pkey"):
                    assert index in plan, plan
                assert "Index Scan Backward using entry_pkey" in plan, plan
            assert "Index" in plan, plan


async def test_statements_are_planned_once(engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=1_000), await a_merchant(engine)
    for _ in range(8):  # left to itself, Postgres plans the first five runs in any case, and these for good
        await engine.submit(transfer(payer, payee))
    assert engine._main.connection is not None
    plans = await engine._main.connection.fetchrow("SELECT sum(custom_plans), max(generic_plans) FROM pg_prepared_statements")
    assert plans is not None
    assert plans[0] == 0
    assert plans[1] >= 8


async def test_a_payment_alone_takes_four_round_trips(engine: Engine) -> None:
    """Each of them costs a lone caller more than anything that is done in between."""
    payer, payee = await an_account(engine, funds_minor=1_000), await a_merchant(engine)
    real, told = engine._main.connection, []

    class Listening:
        """The connection, whose statements are written down."""

        def __getattr__(self, name: str) -> Any:
            method = getattr(real, name)
            if name not in ("execute", "fetch", "fetchrow", "fetchval", "copy_records_to_table"):
                return method

            def call(text: str, *arguments: Any, **more: Any) -> Any:
                told.append(text if text.startswith("COMMIT") else text.split(maxsplit=1)[0])
                return method(text, *arguments, **more)

            return call

    engine._main.connection = Listening()  # type: ignore[assignment]
    await engine.submit(transfer(payer, payee))
    engine._main.connection = real
    assert told == ["SELECT", "SELECT", "WITH", "COMMIT AND CHAIN"]


# --- Transactions that follow each other ------------------------------------------------------------------------------------


async def session_of(engine: Engine, connection: Connection) -> tuple[str, bool]:
    """What Postgres says of the engine's session: its state, and whether it holds anything back from vacuum."""
    session = await connection.fetchrow(
        "SELECT state, backend_xid IS NOT NULL OR backend_xmin IS NOT NULL AS holds FROM pg_stat_activity "
        "WHERE application_name = $1",
        f"danbao-engine {engine.id}",
    )
    return session["state"], session["holds"]


async def test_the_transaction_that_waits_for_a_batch_holds_nothing(engine: Engine, connection: Connection) -> None:
    await an_account(engine)
    assert await session_of(engine, connection) == ("idle in transaction", False)


async def test_an_idle_engine_has_no_transaction(
    engine: Engine, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CHAINED_SECONDS", 0.1)
    await an_account(engine)

    async def idle() -> bool:
        return await session_of(engine, connection) == ("idle", False)

    await until(idle)
    account = await an_account(engine)  # and it goes on as before
    assert account.version == 1


async def test_now_and_then_a_busy_engine_is_between_transactions(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CHAINED_SECONDS", 0.0)
    await an_account(engine)
    assert engine._main.connection is not None
    assert not engine._main.connection.is_in_transaction()


async def test_the_time_of_a_batch_is_not_that_of_a_transaction_that_waited_for_it(
    engine: Engine, connection: Connection
) -> None:
    await an_account(engine)
    between: datetime = await connection.fetchval("SELECT clock_timestamp()")
    assert engine._main.connection is not None
    assert engine._main.connection.is_in_transaction()
    assert (await an_account(engine)).created_at > between
