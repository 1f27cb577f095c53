"""Databases of earlier releases are brought up to date in place, while others work on them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from danbao_core import migrations
from danbao_core.accounts import Account
from danbao_core.audit import Check, audit
from danbao_core.engine import Engine
from danbao_core.migrations import Migration, MigrationError, migrate
from danbao_core.payments import Payment, State
from danbao_core.policy import PolicySchedule
from tests import builders
from tests.engines import breaches
from tests.every_table import TABLES
from tests.shared_postgres import SharedServer, a_database

DATA: Final = Path(__file__).parents[1] / "data"
KNOWN: Final = migrations.available()


@asynccontextmanager
async def an_engine(url: str) -> AsyncIterator[Engine]:
    engine = Engine(url, policies=PolicySchedule.load())
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def paid_until(engine: Engine, payer: Account, payee: Account, done: asyncio.Event) -> int:
    """Pays one payment after the other; answers how many those were."""
    count = 0
    while not done.is_set():
        await builders.a_paid_payment(engine, payer=payer, payee=payee, amount_minor=10)
        count += 1
    return count


async def broken(url: str) -> list[Check]:
    """What of the books does not hold. Data of a past day are late, which is a warning and says nothing of an upgrade."""
    return [check for check in await audit(url) if not check.holds and not check.is_warning]


async def test_data_of_the_first_migration_are_brought_up_to_date(
    postgres: SharedServer, administrator: "asyncpg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_database(administrator, postgres, "template0") as url:
        with monkeypatch.context() as then:
            then.setattr(migrations, "available", lambda: KNOWN[:1])
            assert await migrate(url, "sandbox") == [KNOWN[0].version]
        connection = await asyncpg.connect(url)
        await connection.execute((DATA / "first_migration.sql").read_text())
        states = await connection.fetch("SELECT id, state, amount_minor FROM payment ORDER BY id")
        assert await migrate(url, "sandbox") == [migration.version for migration in KNOWN[1:]]
        assert await broken(url) == []
        assert await connection.fetch("SELECT id, state, amount_minor FROM payment ORDER BY id") == states
        await connection.close()
        async with an_engine(url) as engine:
            (shipped,) = (row["id"] for row in states if row["state"] == State.SHIPPED.value)
            await builders.confirmed(engine, await builders.stored(engine, Payment, shipped))
        assert await broken(url) == []


def next_release(monkeypatch: pytest.MonkeyPatch, text: str) -> Migration:
    """Has the runner know one more migration, with this in its file."""
    added = migrations._parse("9999_next", f"-- migrate:up{text}\n-- migrate:down\n")
    monkeypatch.setattr(migrations, "available", lambda: [*KNOWN, added])
    return added


async def test_servers_go_on_while_the_next_release_adds_to_every_table(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code at hand is the release before: what it reads and writes names its columns, one by one and in bulk."""
    payer, payee = await builders.an_account(engine, funds_minor=1_000_000), await builders.a_merchant(engine)
    before = [await builders.a_shipped_payment(engine, payer=payer, payee=payee) for _ in range(3)]
    added = next_release(
        monkeypatch, "\n" + "\n".join(f"ALTER TABLE {name} ADD COLUMN next text DEFAULT 'new';" for name in sorted(TABLES))
    )
    paying = asyncio.create_task(paid_until(engine, payer, payee, done := asyncio.Event()))
    assert await migrate(database_url, "sandbox") == [added.version]
    await asyncio.gather(*(builders.confirmed(engine, payment) for payment in before))
    many = (builders.a_paid_payment(engine, payer=payer, payee=payee, amount_minor=10) for _ in range(300))
    await asyncio.gather(*many)  # so many rows go by COPY
    done.set()
    assert await paying > 0
    assert await connection.fetchval("SELECT count(*) FROM payment WHERE next = 'new'") > 300
    assert await breaches(database_url) == []
    async with an_engine(database_url) as late:  # one that starts afterwards, too
        await builders.a_confirmed_payment(late, payer=payer, payee=payee)


async def test_a_migration_that_waits_for_a_table_lets_others_go_on(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    added = next_release(monkeypatch, "\nALTER TABLE payment ADD COLUMN next text;")
    monkeypatch.setattr(migrations, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(migrations, "_TIMEOUTS", "SET lock_timeout = '50ms'")
    told: asyncio.Queue[str] = asyncio.Queue()
    reading = connection.transaction()
    await reading.start()
    await connection.fetch("SELECT FROM payment")  # a long report
    migrating = asyncio.create_task(migrate(database_url, "sandbox", told.put_nowait))
    assert [await told.get(), await told.get()] == [added.version, f"{added.version}, which waits for a table"]
    await builders.a_paid_payment(engine)
    assert not migrating.done()
    await reading.rollback()
    assert await migrating == [added.version]


async def test_a_table_that_is_held_for_ever_is_said(
    database_url: str, connection: "asyncpg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    added = next_release(monkeypatch, "\nALTER TABLE payment ADD COLUMN next text;")
    for name, value in (("_PAUSE_SECONDS", 0.0), ("_TIMEOUTS", "SET lock_timeout = '1ms'"), ("_TRIES", 2)):
        monkeypatch.setattr(migrations, name, value)
    async with connection.transaction():
        await connection.fetch("SELECT FROM payment")
        with pytest.raises(MigrationError, match=f"{added.version} waits for a table"):
            await migrate(database_url, "sandbox")


async def test_an_index_is_made_while_others_write(
    database_url: str, connection: "asyncpg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    index = (
        "DROP INDEX CONCURRENTLY IF EXISTS payment_next;\nCREATE INDEX CONCURRENTLY payment_next ON payment (amount_minor);\n"
    )
    added = next_release(monkeypatch, f" transaction:false\n\n{index}")
    await connection.execute("CREATE INDEX payment_next ON payment (amount_minor)")  # left by a run that failed
    assert await migrate(database_url, "sandbox") == [added.version]
    assert await migrate(database_url, "sandbox") == []
    assert await connection.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'payment_next'::regclass")
