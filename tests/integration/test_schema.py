"""The tables in the database are those that the rows describe, and migrations are applied once and as they were."""

from importlib import resources
from typing import Any

import asyncpg
import pytest

from danbao_core import migrations
from danbao_core.engine import Engine
from danbao_core.engine.rows import Row
from danbao_core.migrations import MigrationError, migrate, must_be_current
from danbao_core.money import MAX_AMOUNT_MINOR
from tests import builders
from tests.engines import breaches
from tests.every_table import TABLES

Connection = Any


@pytest.mark.parametrize("row_type", TABLES.values(), ids=lambda row_type: row_type.table.name)
async def test_a_table_has_the_columns_of_its_rows(empty_database: Connection, row_type: type[Row]) -> None:
    table = row_type.table
    found = await empty_database.fetch(
        "SELECT attname, format_type(atttypid, NULL) AS type, attnotnull FROM pg_attribute "
        "WHERE attrelid = $1::regclass AND attnum > 0 AND attidentity = '' ORDER BY attnum",
        table.name,
    )
    short = {"timestamp with time zone": "timestamptz"}
    in_database = [(row["attname"], short.get(row["type"], row["type"])) for row in found]
    assert in_database == [(column.name, column.sql_type) for column in table.columns]


@pytest.mark.parametrize("row_type", TABLES.values(), ids=lambda row_type: row_type.table.name)
async def test_a_tables_key_is_its_primary_key(empty_database: Connection, row_type: type[Row]) -> None:
    found = await empty_database.fetchval(
        "SELECT array_agg(attname::text ORDER BY ord) FROM pg_index, unnest(indkey) WITH ORDINALITY AS key (attnum, ord) "
        "JOIN pg_attribute USING (attnum) WHERE indrelid = $1::regclass AND indisprimary AND attrelid = indrelid",
        row_type.table.name,
    )
    assert tuple(found) == row_type.table.key


async def test_text_sorts_in_the_database_as_it_does_in_the_engine(empty_database: Connection) -> None:
    other = await empty_database.fetch(
        "SELECT attrelid::regclass, attname FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid "
        "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND atttypid = 'text'::regtype "
        "AND attcollation <> '\"C\"'::regcollation AND relname <> 'schema_migration'"
    )
    assert not other


async def test_a_repeat_applies_nothing(database_url: str) -> None:
    assert await migrate(database_url, "sandbox") == []


async def test_a_database_keeps_its_mode(database_url: str, connection: Connection) -> None:
    with pytest.raises(MigrationError, match="is a sandbox one for good"):
        await migrate(database_url, "live")
    with pytest.raises(MigrationError, match="is a sandbox one for good"):
        await must_be_current(connection, "live")
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute("UPDATE installation SET mode = 'live', clock_offset_seconds = 1")


async def test_a_migration_that_was_changed_afterwards_is_refused(database_url: str, connection: Connection) -> None:
    await connection.execute("UPDATE schema_migration SET checksum = 'other'")
    with pytest.raises(MigrationError, match="was changed after it was applied"):
        await migrate(database_url, "sandbox")


async def test_a_database_of_a_newer_release_is_refused(database_url: str, connection: Connection) -> None:
    await connection.execute("INSERT INTO schema_migration VALUES ('9999_future', 'x', now())")
    with pytest.raises(MigrationError, match="use a newer one"):
        await migrate(database_url, "sandbox")


async def test_a_database_that_lacks_something_is_told_what(database_url: str, connection: Connection) -> None:
    await connection.execute("DELETE FROM schema_migration")
    with pytest.raises(MigrationError, match="lacks migration 0001_foundation: run `danbao migrate`"):
        await must_be_current(connection, "sandbox")
    await connection.execute("DROP TABLE installation")
    with pytest.raises(MigrationError, match="the database is empty"):
        await must_be_current(connection, "sandbox")


async def undo(connection: Connection, first: str) -> None:
    """Undoes a migration and all that followed it."""
    for version in [migration.version for migration in migrations.available() if migration.version >= first][::-1]:
        text = resources.files(migrations).joinpath(f"{version}.sql").read_text()
        await connection.execute(text.partition("-- migrate:down")[2])
        await connection.execute("DELETE FROM schema_migration WHERE version = $1", version)


async def test_every_migration_can_be_undone(connection: Connection) -> None:
    await undo(connection, "0001")
    left = await connection.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
    assert [row["relname"] for row in left] == ["schema_migration"]


async def test_refunds_of_before_say_what_those_of_now_do(
    database_url: str, engine: Engine, second_engine: Engine, connection: Connection
) -> None:
    """Migration 0018: what was kept of those that failed after the release, and in which currencies others wait."""
    wallets = ("CNY", "USD")
    shop, poor = await builders.a_merchant(engine), await builders.a_merchant(engine, wallets)
    payer = await builders.an_account(engine, currencies=wallets, funds_minor=2_000)
    payment = await builders.a_shipped_payment(engine, payer=payer, payee=shop, amount_minor=1_000)
    refund = await builders.a_refund(engine, payment, 400)
    await builders.confirmed(engine, payment)
    for currency in wallets:
        lacking = await builders.a_confirmed_payment(engine, payer=payer, payee=poor, amount_minor=1_000, currency=currency)
        await builders.a_withdrawal(engine, poor, 985, currency)
        for amount_minor in (300, 200):
            await builders.a_refund(engine, lacking, amount_minor)
    await builders.a_funding(second_engine, payer, MAX_AMOUNT_MINOR)  # so the wallet is full, and the refund fails
    await builders.stepped(engine, refund)
    await undo(connection, "0018")
    await migrate(database_url, "sandbox")
    assert await connection.fetchval("SELECT fee_kept_minor FROM refund WHERE id = $1", refund.id) == 6
    assert await connection.fetchval("SELECT waiting_refunds FROM account WHERE id = $1", poor.id) == "CNY:2 USD:2"
    assert await breaches(database_url) == []
