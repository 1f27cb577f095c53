"""The two ways of writing a batch leave the same rows behind, and the two ways of reading them find the same."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from danbao_core.engine import Engine, statements
from danbao_core.engine.book import SMALL_BATCH_ROWS, persist_at_once, persist_by_table
from danbao_core.engine.rows import Column, Row, loader
from danbao_core.engine.statements import Change
from tests.builders import a_paid_payment
from tests.every_table import TABLES
from tests.shared_postgres import SharedServer, a_database

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
BOUNDS = (datetime(1900, 1, 1), datetime(9000, 1, 1))  # noqa: DTZ001  # hypothesis adds the time zone
VALUES = {
    "uuid": st.uuids(),
    "bigint": INT64,
    "boolean": st.booleans(),
    "text": TEXT,
    "bytea": st.binary(max_size=20),
    "jsonb": st.sampled_from(["{}", '{"a": "b"}', '{"k": ["\u957f", 1, null]}']),
    "timestamptz": st.datetimes(*BOUNDS, timezones=st.just(UTC)),
}


@pytest.fixture(scope="module")
def unchecked(postgres: SharedServer) -> Iterator[tuple[asyncio.Runner, "asyncpg.Connection[Any]"]]:
    """A connection to a database without CHECK constraints, so that any row can be written; tests leave it as it is."""
    with asyncio.Runner() as runner:
        using = _a_database_without_checks(postgres)
        yield runner, runner.run(anext(using))
        runner.run(using.aclose())


async def _a_database_without_checks(postgres: SharedServer) -> "AsyncGenerator[asyncpg.Connection[Any], None]":
    administrator = await asyncpg.connect(postgres.url_of("postgres"))
    try:
        async with a_database(administrator, postgres) as url:
            connection = await asyncpg.connect(url)
            await connection.execute(_DROP_CHECKS)
            yield connection
    finally:
        await administrator.close()


_DROP_CHECKS = """
DO $$
DECLARE c record;
BEGIN
    FOR c IN SELECT conrelid::regclass AS rel, conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.rel, c.conname);
    END LOOP;
    FOR c IN SELECT indexrelid::regclass AS rel FROM pg_index JOIN pg_class ON indexrelid = pg_class.oid
             WHERE NOT indisprimary AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('DROP INDEX %s', c.rel);
    END LOOP;
END $$
"""


def values_of(column: Column, nullable: bool) -> st.SearchStrategy[Any]:
    values = st.sampled_from(list(column.enum)) if column.enum else VALUES[column.sql_type]
    return st.none() | values if nullable else values


def rows_of(row_type: type[Row], nullable: set[tuple[str, str]]) -> st.SearchStrategy[list[Row]]:
    columns = row_type.table.columns
    row = st.tuples(*(values_of(column, (row_type.table.name, column.name) in nullable) for column in columns))
    return st.lists(row.map(lambda values: row_type(*values)), max_size=3, unique_by=lambda row: row.key_values)


@pytest.mark.parametrize("table", TABLES)
def test_both_ways_write_the_same(unchecked: tuple[asyncio.Runner, "asyncpg.Connection[Any]"], table: str) -> None:
    runner, connection = unchecked
    row_type = TABLES[table]
    nullable = {
        (row["relname"], row["attname"])
        for row in runner.run(
            connection.fetch(
                "SELECT relname, attname FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid "
                "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attnotnull"
            )
        )
    }

    async def read(*, together: bool) -> list[Row]:
        """What is there, found by its keys: beside the rows of another table, or alone."""
        key = row_type.table.key
        keys = [tuple(row) for row in await connection.fetch(f"SELECT {', '.join(key)} FROM {table}")]
        columns = [[values[place] for values in keys] for place in range(len(key))]
        if together:
            statement = statements.read_rows_of((row_type.table, TABLES["installation"].table))
            found, *_ = (await connection.fetch(statement, *columns, [1]))[0]
        else:
            found = await connection.fetch(statements.read_rows(row_type.table), *columns)
        return sorted(map(loader(row_type), found), key=lambda row: row.key_values)

    async def written(persist: Any, first: list[Row], change: Change) -> list[Any]:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(f"DELETE FROM {table}")
            for each in (Change(row_type.table, first, []), change):
                if each.size:
                    assert await persist(connection, [each]) == len(each.updates)
            assert await read(together=True) == await read(together=False)
            names = ", ".join(column.name for column in row_type.table.columns)  # not those that the database numbers
            order = ", ".join(row_type.table.key)
            return [tuple(row) for row in await connection.fetch(f"SELECT {names} FROM {table} ORDER BY {order}")]
        finally:
            await transaction.rollback()

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(first=rows_of(row_type, nullable), second=rows_of(row_type, nullable))
    def check(first: list[Row], second: list[Row]) -> None:
        keys = {row.key_values for row in first}
        inserts = [row for row in second if row.key_values not in keys]
        updates = []
        if row_type.table.mutable:
            # New versions: the facts of another row under the key that is there.
            for old, new in zip(first, second, strict=False):
                facts = {name: getattr(new, name) for name in row_type.__struct_fields__ if name not in row_type.table.key}
                updates.append((old.replace(**facts), old.version))  # type: ignore[attr-defined]
        change = Change(row_type.table, inserts, updates)
        at_once, by_table = (runner.run(written(persist, first, change)) for persist in (persist_at_once, persist_by_table))
        assert at_once == by_table
        assert len(at_once) == len(first) + len(inserts)

    check()


def test_a_row_whose_version_moved_on_is_not_overwritten(
    unchecked: tuple[asyncio.Runner, "asyncpg.Connection[Any]"],
) -> None:
    runner, connection = unchecked
    installation = TABLES["installation"]
    row = installation(1, "sandbox", 7, datetime(2026, 1, 1, tzinfo=UTC), 9)
    for persist in (persist_at_once, persist_by_table):
        assert runner.run(persist(connection, [Change(installation.table, [], [(row, 8)])])) == 0
    assert runner.run(connection.fetchval("SELECT clock_offset_seconds FROM installation")) == 0


async def test_both_ways_write_table_by_table_in_the_order_of_locks(
    engine: Engine, connection: "asyncpg.Connection[Any]"
) -> None:
    """Otherwise two engines whose batches write the same keys would wait for each other."""
    names = [name for name, row_type in sorted(TABLES.items(), key=lambda item: item[1].table.rank)]
    await connection.execute("CREATE TABLE written (place serial, name text)")
    await connection.execute(
        "CREATE FUNCTION write_down() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
        "$$ BEGIN INSERT INTO written (name) VALUES (TG_TABLE_NAME); RETURN NULL; END $$"
    )
    for name in names:
        await connection.execute(f"CREATE TRIGGER seen AFTER INSERT ON {name} EXECUTE FUNCTION write_down()")
    for small_batch_rows in (SMALL_BATCH_ROWS, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("danbao_core.engine.book.SMALL_BATCH_ROWS", small_batch_rows)
            await a_paid_payment(engine)
    rows = [row["name"] for row in await connection.fetch("SELECT name FROM written ORDER BY place")]
    batches = "".join(f"{name} " for name in rows).split("request ")  # every batch ends with the requests
    assert len([batch for batch in batches if "payment" in batch]) == 2
    for batch in batches:
        assert batch.split() == sorted(batch.split(), key=names.index), batch
