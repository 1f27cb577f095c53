"""The statements of a batch: how many there are, and how Postgres carries them out."""

import re
from typing import Any

from danbao_core.accounts import CloseAccount
from danbao_core.engine import Engine, statements
from danbao_core.engine.requests import Request
from tests.builders import a_merchant, an_account, carried_out, origin
from tests.engines import transfer
from tests.every_table import READINGS, TABLES

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
    await engine._connection.execute("SELECT pg_stat_force_next_flush()")  # type: ignore[union-attr]
    await engine._connection.execute("SELECT 1")  # type: ignore[union-attr]
    after = {row["relname"]: row["seq_scan"] for row in await connection.fetch(scans)}
    assert after == before


async def test_the_statements_of_a_batch_use_indexes(engine: Engine) -> None:
    connection = engine._connection
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
                assert "funding_pending_of_account" in plan, plan
            if table.name == "taking":
                for index in ("balance_of_account", "entry_pkey", "journal_pkey", "payment_pkey"):
                    assert index in plan, plan
                assert "Index Scan Backward using entry_pkey" in plan, plan
            assert "Index" in plan, plan


async def test_statements_are_planned_once(engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=1_000), await a_merchant(engine)
    for _ in range(8):  # left to itself, Postgres plans the first five runs in any case, and these for good
        await engine.submit(transfer(payer, payee))
    assert engine._connection is not None
    plans = await engine._connection.fetchrow("SELECT sum(custom_plans), max(generic_plans) FROM pg_prepared_statements")
    assert plans is not None
    assert plans[0] == 0
    assert plans[1] >= 8


async def test_a_payment_alone_takes_five_round_trips(engine: Engine) -> None:
    """Each of them costs a lone caller more than anything that is done in between."""
    payer, payee = await an_account(engine, funds_minor=1_000), await a_merchant(engine)
    real, told = engine._connection, []

    class Listening:
        """The connection, whose statements are written down."""

        def __getattr__(self, name: str) -> Any:
            method = getattr(real, name)
            if name not in ("execute", "fetch", "fetchrow", "fetchval", "copy_records_to_table"):
                return method

            def call(text: str, *arguments: Any, **more: Any) -> Any:
                told.append(text.split(maxsplit=1)[0])
                return method(text, *arguments, **more)

            return call

    engine._connection = Listening()  # type: ignore[assignment]
    await engine.submit(transfer(payer, payee))
    engine._connection = real
    assert told == ["BEGIN", "SELECT", "SELECT", "WITH", "COMMIT"]
