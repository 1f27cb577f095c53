"""Two batches of one engine beside each other: what meets nothing under way need not wait, and what does keeps its turn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from danbao_core.accounts import Account, Purpose, balance_id
from danbao_core.engine import Answer, Engine
from danbao_core.engine.lane import Lane
from danbao_core.errors import DatabaseUnavailable, DeadlinePassed, InsufficientFunds
from danbao_core.policy import PolicySchedule
from tests.builders import a_merchant, an_account
from tests.engines import available, breaches, transfer
from tests.rpc_client import until

Connection = Any
BATCH = 4


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[Engine]:
    engine = Engine(database_url, policies=PolicySchedule.load(), batch_max=BATCH)
    await engine.start()
    yield engine
    await engine.stop()


async def on(lane: Lane, count: int) -> bool:
    """Whether the lane carries out so many commands, and waits for the database."""
    return len(lane.batch) == count


async def rests(engine: Engine) -> bool:
    return engine._beside is None


@asynccontextmanager
async def held_up(engine: Engine, connection: Connection, account: Account, batch: list[Any]) -> AsyncIterator[Any]:
    """The main lane with this batch, in which the account takes part, and waits for a lock of somebody else's."""
    async with connection.transaction():
        own = balance_id(account.id, "CNY", Purpose.AVAILABLE)
        await connection.execute("SELECT FROM balance WHERE id = $1 FOR UPDATE", own)
        waiting = await engine.submit_many(batch)
        await until(lambda: on(engine._main, len(batch)))
        yield waiting
        assert not any(answer.done() for answer in waiting)
    assert all(isinstance(outcome, Answer) for outcome in await asyncio.gather(*waiting))


async def test_what_meets_nothing_under_way_does_not_wait_for_it(
    engine: Engine, connection: Connection, database_url: str
) -> None:
    ada, bob = await an_account(engine, funds_minor=100), await an_account(engine, funds_minor=100)
    shop, stall = await a_merchant(engine), await a_merchant(engine)
    async with held_up(engine, connection, ada, [transfer(ada, shop)]):
        beside = await engine.submit_many([transfer(bob, stall) for _ in range(2 * BATCH)])
        assert all(isinstance(outcome, Answer) for outcome in await asyncio.gather(*beside[:BATCH]))
    await asyncio.gather(*beside)
    assert engine.metrics.beside >= 1
    assert (await available(engine, bob), await available(engine, stall)) == (100 - 2 * BATCH, 2 * BATCH)
    assert engine._side.stripe != engine._main.stripe
    assert await breaches(database_url) == []


async def test_what_meets_what_is_under_way_keeps_its_turn(engine: Engine, connection: Connection) -> None:
    """Bob can pay once. The first of his payments has to wait for the shop; the second one, which has not, comes after it."""
    ada, bob, eve = [await an_account(engine, funds_minor=10) for _ in range(3)]
    shop, stall, bar = [await a_merchant(engine) for _ in range(3)]
    async with held_up(engine, connection, ada, [transfer(ada, shop)]):
        first, second, *others = await engine.submit_many(
            [transfer(bob, shop, 10), transfer(bob, stall, 10), *(transfer(eve, bar) for _ in range(BATCH))]
        )
        await asyncio.gather(*others)
        assert not first.done()
        assert not second.done()
    assert isinstance(await first, Answer)
    with pytest.raises(InsufficientFunds):
        await second


async def test_payments_to_one_merchant_stay_on_one_lane(engine: Engine) -> None:
    payer, merchant = await an_account(engine, funds_minor=1_000), await a_merchant(engine)
    outcomes = await asyncio.gather(*await engine.submit_many([transfer(payer, merchant) for _ in range(10 * BATCH)]))
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert engine.metrics.beside == 0


async def test_less_than_a_batch_waits_for_the_batch_under_way(engine: Engine, connection: Connection) -> None:
    ada, bob, shop = (
        await an_account(engine, funds_minor=10),
        await an_account(engine, funds_minor=10),
        await a_merchant(engine),
    )
    stall = await a_merchant(engine)
    async with held_up(engine, connection, ada, [transfer(ada, shop)]):
        few = await engine.submit_many([transfer(bob, stall) for _ in range(BATCH - 1)])
    await asyncio.gather(*few)
    assert engine.metrics.beside == 0


async def test_where_there_is_no_second_connection_the_main_lane_does_it_all(
    engine: Engine, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_left() -> Connection:
        raise OSError("too many connections")

    monkeypatch.setattr(engine._side, "connect", none_left)
    ada, bob = await an_account(engine, funds_minor=100), await an_account(engine, funds_minor=100)
    shop, stall = await a_merchant(engine), await a_merchant(engine)
    async with held_up(engine, connection, ada, [transfer(ada, shop)]):
        waiting = await engine.submit_many([transfer(bob, stall) for _ in range(2 * BATCH)])
        await until(lambda: rests(engine))
    assert all(isinstance(outcome, Answer) for outcome in await asyncio.gather(*waiting))
    assert engine.metrics.beside == 0


async def test_a_lost_side_lane_is_said_and_found_again(engine: Engine, connection: Connection, database_url: str) -> None:
    ada, bob = await an_account(engine, funds_minor=100), await an_account(engine, funds_minor=100)
    shop, stall = await a_merchant(engine), await a_merchant(engine)
    locked = "SELECT FROM balance WHERE id = $1 FOR UPDATE"
    async with held_up(engine, connection, ada, [transfer(ada, shop)]):
        await connection.execute(locked, balance_id(bob.id, "CNY", Purpose.AVAILABLE))  # holds up the side lane, too
        lost = await engine.submit_many([transfer(bob, stall) for _ in range(BATCH)])
        await until(lambda: on(engine._side, BATCH))
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
            f"danbao-engine {engine._side.id}",
        )
        outcomes = await asyncio.gather(*lost, return_exceptions=True)
        assert all(isinstance(outcome, DatabaseUnavailable) for outcome in outcomes)
    async with held_up(engine, connection, ada, [transfer(ada, shop)]):
        again = await engine.submit_many([transfer(bob, stall) for _ in range(BATCH)])
        await asyncio.gather(*again)
    assert (engine.metrics.beside, engine.metrics.reconnects) == (2, 1)
    assert await available(engine, bob) == 100 - BATCH
    assert await breaches(database_url) == []


async def test_one_whose_time_is_over_is_dropped_by_either_lane(engine: Engine, connection: Connection) -> None:
    ada, bob = await an_account(engine, funds_minor=100), await an_account(engine, funds_minor=100)
    shop, stall = await a_merchant(engine), await a_merchant(engine)
    async with held_up(engine, connection, ada, [transfer(ada, shop)]):
        late = await engine.submit_many([transfer(bob, stall)], timeout_seconds=0)
        in_time = await engine.submit_many([transfer(bob, stall) for _ in range(BATCH)])
        with pytest.raises(DeadlinePassed):
            await late[0]
    await asyncio.gather(*in_time)
    assert await available(engine, bob) == 100 - BATCH


async def test_a_stop_waits_for_both(database_url: str, engine: Engine, connection: Connection) -> None:
    stopped = Engine(database_url, policies=PolicySchedule.load(), batch_max=BATCH)
    await stopped.start()
    ada, bob = await an_account(engine, funds_minor=100), await an_account(engine, funds_minor=100)
    shop, stall = await a_merchant(engine), await a_merchant(engine)
    async with held_up(stopped, connection, ada, [transfer(ada, shop)]):
        await connection.execute("SELECT FROM balance WHERE id = $1 FOR UPDATE", balance_id(bob.id, "CNY", Purpose.AVAILABLE))
        beside = await stopped.submit_many([transfer(bob, stall) for _ in range(BATCH)])
        await until(lambda: on(stopped._side, BATCH))
        stopping = asyncio.create_task(stopped.stop())
    await stopping
    assert all(isinstance(answer.result(), Answer) for answer in beside)
    assert not stopped._side.connected


async def test_a_wallet_moves_alike_on_both_lanes(engine: Engine, database_url: str) -> None:
    """Hundreds of payments criss-cross, through both lanes: no money comes or goes, and the audit holds."""
    accounts = [await an_account(engine, funds_minor=1_000) for _ in range(40)]
    pairs = [(accounts[number % 40], accounts[(number * 7 + 1) % 40]) for number in range(200) if (number * 6 + 1) % 40]
    outcomes = await asyncio.gather(*await engine.submit_many([transfer(payer, payee) for payer, payee in pairs]))
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert engine.metrics.beside > 0
    assert sum([await available(engine, account) for account in accounts]) == 40 * 1_000
    assert await breaches(database_url) == []
