"""An engine whose connection breaks: nothing acknowledged is lost, nothing is done twice, and callers are told the truth."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from danbao_core.accounts import Purpose, balance_id
from danbao_core.engine import Answer, Engine
from danbao_core.engine.deciding import ATTEMPTS
from danbao_core.errors import DatabaseUnavailable, RetriesExhausted
from danbao_core.policy import PolicySchedule
from tests.builders import a_merchant, an_account
from tests.engines import available, between_transactions, breaches, transfer
from tests.postgres_proxy import Loss, PostgresProxy

Connection = Any


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[PostgresProxy]:
    folder = Path(parse_qs(urlsplit(database_url).query)["host"][0])
    with TemporaryDirectory() as own:
        async with PostgresProxy(Path(own), folder / ".s.PGSQL.5432") as running:
            yield running


@pytest.fixture
async def engine(database_url: str, proxy: PostgresProxy) -> AsyncIterator[Engine]:
    """An engine that reaches its database through the proxy."""
    parts = urlsplit(database_url)
    url = f"postgresql://{parts.netloc}{parts.path}?host={proxy.folder}&port=5432"
    engine = Engine(url, policies=PolicySchedule.load(), doubt_patience_seconds=5)
    await engine.start()
    yield engine
    await engine.stop()


@pytest.mark.parametrize("loss", [Loss.BEFORE_COMMIT, Loss.AFTER_COMMIT])
async def test_a_commit_whose_answer_is_lost_is_done_once_and_answered(
    engine: Engine, proxy: PostgresProxy, connection: Connection, database_url: str, loss: Loss
) -> None:
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    proxy.loss = loss
    answers = await asyncio.gather(*(engine.submit(transfer(payer, payee)) for _ in range(10)))
    assert proxy.struck.is_set()
    # Never replayed: the engine answers from memory what was taken, and does again what was not.
    assert not any(answer.replayed for answer in answers)
    found = "lost" if loss is Loss.BEFORE_COMMIT else "taken"
    assert engine.metrics.doubts == {"taken": 0, "lost": 0, "unknown": 0} | {found: 1}
    assert engine.metrics.commands["answered"] == 3 + 10  # two accounts and a top-up came first
    assert await available(engine, payer) == 90
    assert await connection.fetchval("SELECT count(*) FROM payment") == 10
    assert await breaches(database_url) == []


@pytest.mark.parametrize("loss", [Loss.BEFORE_COMMIT, Loss.AFTER_COMMIT])
async def test_a_commit_that_stays_in_doubt_is_safe_to_send_again(database_url: str, proxy: PostgresProxy, loss: Loss) -> None:
    parts = urlsplit(database_url)
    url = f"postgresql://{parts.netloc}{parts.path}?host={proxy.folder}&port=5432"
    engine = Engine(url, policies=PolicySchedule.load(), doubt_patience_seconds=0)
    await engine.start()
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    command = transfer(payer, payee)
    proxy.loss = loss
    with pytest.raises(DatabaseUnavailable) as refused:
        await engine.submit(command)
    assert refused.value.retry_after_seconds
    assert engine.metrics.doubts["unknown"] == 1
    assert (engine.metrics.batches["failed"], engine.metrics.commands["failed"]) == (1, 1)
    again = await engine.submit(command)
    assert again.replayed == (loss is Loss.AFTER_COMMIT)
    assert await available(engine, payer) == 99
    await engine.stop()


async def kill_engines(connection: Connection) -> None:
    """Ends the connections of engines, those of this database alone: others are of tests that run beside."""
    engines = "application_name LIKE 'danbao-engine%' AND datname = current_database()"
    await connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {engines}")


async def test_a_connection_that_is_killed_while_idle_is_made_anew_before_anybody_asks(
    engine: Engine, connection: Connection
) -> None:
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    before = engine._main.connection
    await kill_engines(connection)
    async with asyncio.timeout(30):
        while engine._main.connection is before or not engine.connected:
            await asyncio.sleep(0.01)
    assert engine.metrics.reconnects == 1
    assert isinstance(await engine.submit(transfer(payer, payee)), Answer)


async def test_while_the_database_is_away_callers_are_told_at_once_and_later_served(
    engine: Engine, proxy: PostgresProxy, connection: Connection
) -> None:
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    proxy.loss = Loss.AT_ONCE
    await kill_engines(connection)
    refused = 0
    async with asyncio.timeout(30):
        while refused < 3:
            try:
                await engine.submit(transfer(payer, payee))
            except DatabaseUnavailable:
                refused += 1
    proxy.loss = Loss.NEVER
    async with asyncio.timeout(30):
        while not engine.connected:
            await asyncio.sleep(0.01)
    assert isinstance(await engine.submit(transfer(payer, payee)), Answer)


async def test_a_batch_that_is_killed_in_the_middle_changes_nothing(engine: Engine, connection: Connection) -> None:
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SELECT FROM balance WHERE id = $1 FOR UPDATE", balance_id(payer.id, "CNY", Purpose.AVAILABLE))
    waiting = asyncio.create_task(engine.submit(transfer(payer, payee)))
    waits = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'danbao-engine%' AND wait_event_type = 'Lock'"
    async with asyncio.timeout(30):
        while (pid := await connection.fetchval(waits)) is None:
            await asyncio.sleep(0.01)
            await connection.execute("SELECT pg_stat_clear_snapshot()")
    await connection.execute("SELECT pg_terminate_backend($1)", pid)
    with pytest.raises(DatabaseUnavailable):
        await waiting
    await transaction.rollback()
    assert await available(engine, payer) == 100
    assert isinstance(await engine.submit(transfer(payer, payee)), Answer)


async def test_a_row_that_others_keep_locked_is_waited_for_and_then_given_up(engine: Engine, connection: Connection) -> None:
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    await (await between_transactions(engine)).execute("SET lock_timeout = '50ms'")
    async with connection.transaction():
        await connection.execute("SELECT FROM balance WHERE id = $1 FOR UPDATE", balance_id(payer.id, "CNY", Purpose.AVAILABLE))
        with pytest.raises(RetriesExhausted) as refused:
            await engine.submit(transfer(payer, payee))
        assert refused.value.retry_after_seconds
    assert (engine.metrics.retries["lock_timeout"], engine.metrics.commands["failed"]) == (ATTEMPTS, 1)
    assert isinstance(await engine.submit(transfer(payer, payee)), Answer)


async def test_a_deadlock_with_somebody_else_is_tried_again(engine: Engine, connection: Connection, database_url: str) -> None:
    first, second = sorted(
        [await an_account(engine, funds_minor=100), await an_account(engine, funds_minor=100)],
        key=lambda account: balance_id(account.id, "CNY", Purpose.AVAILABLE),
    )
    lock = "SELECT FROM balance WHERE id = $1 FOR UPDATE"
    await connection.execute("SET deadlock_timeout = '10s'")  # so that the engine is the one that is sent away
    async with connection.transaction():
        await connection.execute(lock, balance_id(second.id, "CNY", Purpose.AVAILABLE))
        waiting = asyncio.create_task(engine.submit(transfer(first, second)))
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        async with asyncio.timeout(30):
            while not await connection.fetchval(waits):
                await asyncio.sleep(0.01)
        await connection.execute(lock, balance_id(first.id, "CNY", Purpose.AVAILABLE))
    assert isinstance(await waiting, Answer)
    deadlocks = engine.metrics.retries["deadlock"]
    assert deadlocks >= 1  # again where the engine is back before who waits for its lock has woken up
    assert await available(engine, first) == 99
    session = await between_transactions(engine)
    await session.execute("SELECT pg_stat_force_next_flush()")
    await session.execute("SELECT 1")
    assert await connection.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == deadlocks
    assert await breaches(database_url) == []
