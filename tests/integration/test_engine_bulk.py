"""Many commands at once on a real engine: what waits for room, what is carried out together, and what is never taken apart."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from danbao_core.accounts import Account
from danbao_core.audit import audit
from danbao_core.engine import Answer, Engine
from danbao_core.errors import DeadlinePassed, InsufficientFunds, QueueFull, ShuttingDown
from danbao_core.ids import uuid7
from danbao_core.payments import CreatePayments, Payment
from danbao_core.policy import PolicySchedule
from tests.builders import a_merchant, an_account, origin, stored
from tests.engines import available, transfer

Connection = Any


@pytest.fixture
async def small(database_url: str) -> AsyncIterator[Engine]:
    """An engine whose queue holds ten."""
    engine = Engine(database_url, policies=PolicySchedule.load(), queue_max=10, batch_max=5)
    await engine.start()
    yield engine
    await engine.stop()


def together(payer: Account, payee: Account, count: int, amount_minor: int = 1) -> CreatePayments:
    return CreatePayments(origin=origin(), items=tuple(transfer(payer, payee, amount_minor) for _ in range(count)))


async def batches(engine: Engine, connection: Connection) -> int:
    count: int = await connection.fetchval("SELECT batch_no FROM engine WHERE id = $1", engine.id)
    return count


async def test_commands_that_are_submitted_together_share_a_commit(engine: Engine, connection: Connection) -> None:
    payer, payee = await an_account(engine, funds_minor=300), await a_merchant(engine)
    before = await batches(engine, connection)
    answers = await asyncio.gather(*await engine.submit_many([transfer(payer, payee) for _ in range(256)]))
    assert await batches(engine, connection) == before + 1
    ids = [answer.result.id for answer in answers]
    assert len(set(ids)) == 256
    assert (await available(engine, payer), await available(engine, payee)) == (44, 256)


async def test_each_of_many_has_an_outcome_of_its_own(engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=5), await a_merchant(engine)
    futures = await engine.submit_many([transfer(payer, payee, amount_minor) for amount_minor in (3, 7, 2)])
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(outcome).__name__ for outcome in outcomes] == ["Answer", "InsufficientFunds", "Answer"]


async def test_many_wait_for_room_and_leave_some_for_one(small: Engine) -> None:
    payer, payee = await an_account(small, funds_minor=100), await a_merchant(small)
    first = await small.submit_many([transfer(payer, payee) for _ in range(13)])
    while small._queue_size == 13:  # until a batch of five has begun
        await asyncio.sleep(0)
    second = asyncio.create_task(small.submit_many([transfer(payer, payee) for _ in range(9)]))  # noqa: RUF006 - is awaited
    singles = [asyncio.create_task(small.submit(transfer(payer, payee))) for _ in range(3)]
    await asyncio.sleep(0)
    assert not second.done()
    outcomes = await asyncio.gather(*singles, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Answer, Answer, QueueFull]
    let_in = await second
    assert all(isinstance(outcome, Answer) for outcome in await asyncio.gather(*first, *let_in))
    assert await available(small, payee) == 24


async def test_who_waits_for_room_gives_up_in_time_and_has_queued_nothing(small: Engine) -> None:
    payer, payee = await an_account(small, funds_minor=100), await a_merchant(small)
    first = await small.submit_many([transfer(payer, payee) for _ in range(9)])
    with pytest.raises(DeadlinePassed):
        await small.submit_many([transfer(payer, payee)], timeout_seconds=0)
    await asyncio.gather(*first)
    assert await available(small, payee) == 9


async def test_who_waits_for_room_is_told_when_the_engine_stops(database_url: str) -> None:
    engine = Engine(database_url, policies=PolicySchedule.load(), queue_max=10, batch_max=5)
    await engine.start()
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    first = await engine.submit_many([transfer(payer, payee) for _ in range(20)])
    second = asyncio.create_task(engine.submit_many([transfer(payer, payee)]))
    await asyncio.sleep(0)
    await engine.stop()
    assert all(isinstance(future.result(), Answer) for future in first)
    with pytest.raises(ShuttingDown):
        await second
    with pytest.raises(ShuttingDown):
        await engine.submit_many([transfer(payer, payee)])


async def test_a_batch_that_is_refused_leaves_nothing_and_hurts_nobody(
    engine: Engine, connection: Connection, database_url: str
) -> None:
    payer, payee = await an_account(engine, funds_minor=10), await a_merchant(engine)
    commands: list[Any] = [transfer(payer, payee), together(payer, payee, 5, 2), transfer(payer, payee, 9)]
    futures = await engine.submit_many(commands)
    first, refused, last = await asyncio.gather(*futures, return_exceptions=True)
    assert isinstance(first, Answer)
    assert isinstance(refused, InsufficientFunds)
    assert refused.metadata["item"] == "4"
    assert isinstance(last, Answer)
    assert await connection.fetchval("SELECT count(*) FROM payment") == 2
    assert all(check.breach is None for check in await audit(database_url))


async def test_a_batch_is_carried_out_once_through_two_engines(engine: Engine, small: Engine, database_url: str) -> None:
    payer, payee = await an_account(engine, funds_minor=300), await a_merchant(engine)
    asked = together(payer, payee, 256)  # far more than the second engine's batches hold
    again = CreatePayments(origin=asked.origin, items=tuple(transfer(payer, payee) for _ in asked.items), id=uuid7())
    one, two = await asyncio.gather(engine.submit(asked), small.submit(again))
    assert one.replayed != two.replayed
    assert one.result == two.result
    assert [payment.id for payment in one.result.payments] in (
        [item.id for item in asked.items],
        [item.id for item in again.items],
    )
    assert await available(engine, payer) == 44
    assert await stored(engine, Payment, one.result.payments[255].id) == one.result.payments[255]
    assert all(check.breach is None for check in await audit(database_url))


async def test_large_batches_do_not_pile_up_in_one_commit(engine: Engine, connection: Connection) -> None:
    payer, payee = await an_account(engine, funds_minor=1_000), await a_merchant(engine)
    before = await batches(engine, connection)
    await asyncio.gather(*await engine.submit_many([together(payer, payee, 200) for _ in range(3)]))
    assert await batches(engine, connection) == before + 3
