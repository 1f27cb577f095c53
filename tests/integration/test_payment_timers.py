"""Workers bring about what time brings about, once, whatever dies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest

from danbao_core.embedded import ValkeyServer
from danbao_core.engine import Engine
from danbao_core.payments import CapturePayment, CatchUp, ConfirmPayment, Mode, Payment, State
from danbao_core.sandbox import ClockReading
from danbao_workers.worker import queue_of
from tests import builders
from tests.builders import later, origin, stored
from tests.engines import breaches, outcomes_of
from tests.rpc_client import until
from tests.workers import a_valkey, a_worker, worker_settings

A_DAY = 86_400


@pytest.fixture
async def valkey() -> AsyncIterator[ValkeyServer]:
    async with a_valkey() as server:
        yield server


async def nothing_is_late(connection: "asyncpg.Connection[Any]") -> bool:
    """Whether no payment is past its due time."""
    late = await connection.fetchval(
        "SELECT count(*) FROM payment, installation WHERE due_at <= now() + make_interval(secs => clock_offset_seconds)"
    )
    return bool(late == 0)


async def test_a_clock_moved_by_ten_days_confirms_what_is_due(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]", valkey: ValkeyServer
) -> None:
    shipped = await builders.a_shipped_payment(engine)
    waiting = await builders.a_paid_payment(engine)
    async with a_worker(database_url, valkey.valkey_url):
        await later(engine, 10 * A_DAY)

        async def is_confirmed() -> bool:
            return (await stored(engine, Payment, shipped.id)).state is State.SUCCEEDED

        await until(is_confirmed)
    assert (await stored(engine, Payment, waiting.id)).state is State.PAID, "15 days are not over"
    confirmed = await stored(engine, Payment, shipped.id)
    assert confirmed.succeeded_at == shipped.due_at, "time confirms when it was due, not when somebody came by"
    journals = await connection.fetch("SELECT caller, method FROM journal WHERE kind = 'payment.auto_confirm'")
    assert [tuple(journal) for journal in journals] == [("timer", "payment_timers")]
    assert not await breaches(database_url)


async def test_a_clock_moved_by_years_at_once_leaves_nothing_late(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]", valkey: ValkeyServer
) -> None:
    """Several timers of one payment fire one after another, each at its own time."""
    makers = (
        builders.a_payment,
        builders.a_paid_payment,
        builders.a_shipped_payment,
        builders.an_authorized_payment,
        builders.a_confirmed_payment,
    )
    payments = [await make(engine) for make in makers for _ in range(3)]
    await later(engine, 800 * A_DAY)
    async with a_worker(database_url, valkey.valkey_url):
        await until(lambda: nothing_is_late(connection))
    states = {make.__name__: set[State]() for make in makers}
    for number, payment in enumerate(payments):
        states[makers[number // 3].__name__].add((await stored(engine, Payment, payment.id)).state)
    assert states == {
        "a_payment": {State.CLOSED},
        "a_paid_payment": {State.CLOSED},
        "a_shipped_payment": {State.FINISHED},
        "an_authorized_payment": {State.CLOSED},
        "a_confirmed_payment": {State.FINISHED},
    }
    shipped = await stored(engine, Payment, payments[6].id)
    assert shipped.succeeded_at is not None
    assert shipped.succeeded_at == payments[6].due_at
    assert shipped.updated_at > shipped.succeeded_at, "it ended at a later time of its own"
    assert not await breaches(database_url)


async def test_several_workers_carry_each_timer_out_once(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]", valkey: ValkeyServer
) -> None:
    payer, payee = await builders.an_account(engine, funds_minor=1_000_000), await builders.a_merchant(engine)
    for _ in range(60):
        await builders.a_shipped_payment(engine, payer=payer, payee=payee)
    await later(engine, 11 * A_DAY)
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(a_worker(database_url, valkey.valkey_url))
        await until(lambda: nothing_is_late(connection))
    assert await connection.fetchval("SELECT count(*) FROM journal WHERE kind = 'payment.auto_confirm'") == 60
    assert not await breaches(database_url)


async def test_jobs_that_valkey_lost_are_given_out_again(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]", valkey: ValkeyServer
) -> None:
    """Wiped over and over while timers fire: what was in it is found again in the database."""
    payer, payee = await builders.an_account(engine, funds_minor=1_000_000), await builders.a_merchant(engine)
    for _ in range(40):
        await builders.a_shipped_payment(engine, payer=payer, payee=payee)
    queue = await queue_of(worker_settings(database_url, valkey.valkey_url))
    async with a_worker(database_url, valkey.valkey_url):
        await later(engine, 11 * A_DAY)

        async def wiped_and_done() -> bool:
            await queue.flushall()
            return await nothing_is_late(connection)

        await until(wiped_and_done)
    await queue.aclose(close_connection_pool=True)
    assert await connection.fetchval("SELECT count(*) FROM journal WHERE kind = 'payment.auto_confirm'") == 40


async def test_another_worker_leads_when_the_leader_dies(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]", valkey: ValkeyServer
) -> None:
    payment = await builders.a_shipped_payment(engine)
    async with a_worker(database_url, valkey.valkey_url) as first, a_worker(database_url, valkey.valkey_url):
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await later(engine, 11 * A_DAY)

        async def is_confirmed() -> bool:
            return (await stored(engine, Payment, payment.id)).state is State.SUCCEEDED

        await until(is_confirmed)


async def test_a_leader_that_is_cut_off_leads_again(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]", valkey: ValkeyServer
) -> None:
    payment = await builders.a_shipped_payment(engine)
    async with a_worker(database_url, valkey.valkey_url):

        async def the_leader_is_cut_off() -> bool:
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'danbao-leader'"
            return bool(await connection.fetch(f"{cut} AND datname = current_database()"))

        await until(the_leader_is_cut_off)
        await later(engine, 11 * A_DAY)

        async def is_confirmed() -> bool:
            return (await stored(engine, Payment, payment.id)).state is State.SUCCEEDED

        await until(is_confirmed)


@pytest.mark.parametrize("mode", [Mode.ESCROW, Mode.AUTHORIZATION])
async def test_a_timer_and_a_user_have_one_outcome(
    database_url: str, engine: Engine, second_engine: Engine, mode: Mode
) -> None:
    """Whoever comes first, time has brought about what was due before either came."""
    make = builders.a_shipped_payment if mode is Mode.ESCROW else builders.an_authorized_payment
    payment = await make(engine)
    reading: ClockReading = await later(engine, 11 * A_DAY)
    assert payment.due_at is not None
    assert payment.due_at < reading.time
    step = ConfirmPayment if mode is Mode.ESCROW else CapturePayment
    timer = CatchUp(origin=origin(caller="worker", request_id=""), payment_id=payment.id)
    outcomes = await outcomes_of(
        (engine, timer), (second_engine, step(origin=origin(), payment_id=payment.id)), (second_engine, timer)
    )
    assert "InvalidTransition" in {type(outcome).__name__ for outcome in outcomes}
    after = await stored(engine, Payment, payment.id)
    assert after.state is (State.SUCCEEDED if mode is Mode.ESCROW else State.CLOSED)
    assert after.version == payment.version + 1
    assert not await breaches(database_url)


async def test_a_repeat_of_a_timer_writes_nothing(engine: Engine) -> None:
    payment = await builders.a_shipped_payment(engine)
    early = await engine.submit(CatchUp(origin=origin(request_id=""), payment_id=payment.id))
    assert early.result == payment, "nothing is due yet"
    await later(engine, 11 * A_DAY)
    first = await engine.submit(CatchUp(origin=origin(request_id=""), payment_id=payment.id))
    again = await engine.submit(CatchUp(origin=origin(request_id=""), payment_id=payment.id))
    assert first.result == again.result == await stored(engine, Payment, payment.id)
