"""Two batches of one engine beside each other: what meets nothing under way need not wait, and what does keeps its turn."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from danbao_core.accounts import Account, Purpose, balance_id
from danbao_core.engine import Answer, Command, Decision, Engine, Key
from danbao_core.engine.book import Book
from danbao_core.engine.gathering import name_ahead
from danbao_core.engine.lane import Lane
from danbao_core.engine.waiting import Waiting
from danbao_core.errors import DeadlinePassed, InsufficientFunds, InternalFault
from danbao_core.ids import uuid7
from danbao_core.money import Money
from danbao_core.payments import CreatePayment, Mode
from danbao_core.policy import PolicySchedule
from tests.builders import a_merchant, an_account, origin
from tests.engines import available, breaches, transfer
from tests.rpc_client import until

Connection = Any
BATCH = 4
LOCK = "SELECT FROM balance WHERE id = $1 FOR UPDATE"


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[Engine]:
    engine = Engine(database_url, policies=PolicySchedule.load(), batch_max=BATCH)
    await engine.start()
    yield engine
    await engine.stop()


async def on(lane: Lane, count: int) -> bool:
    """Whether the lane carries out so many commands, and waits for the database."""
    return len(lane.batch) == count


def spendable(account: Account) -> UUID:
    return balance_id(account.id, "CNY", Purpose.AVAILABLE)


async def waits(engine: Engine) -> bool:
    """Whether the main lane has looked at all that there is, and waits for something to happen."""
    return not engine._main.batch and not engine._wake_up.is_set()


async def rests(engine: Engine) -> bool:
    return engine._beside is None


@asynccontextmanager
async def held_up(engine: Engine, connection: Connection, account: Account, batch: list[Any]) -> AsyncIterator[Any]:
    """The main lane with this batch, in which the account takes part, and waits for a lock of somebody else's."""
    async with connection.transaction():
        await connection.execute(LOCK, spendable(account))
        waiting = await engine.submit_many(batch)
        await until(lambda: on(engine._main, len(batch)))
        yield waiting
        assert not any(answer.done() for answer in waiting)
    assert all(isinstance(outcome, Answer) for outcome in await asyncio.gather(*waiting))


async def two_pairs(engine: Engine) -> tuple[Account, Account, Account, Account]:
    """Two payers with 100 each, and two merchants."""
    payers = await an_account(engine, funds_minor=100), await an_account(engine, funds_minor=100)
    return (*payers, await a_merchant(engine), await a_merchant(engine))


async def test_what_meets_nothing_under_way_does_not_wait_for_it(
    engine: Engine, connection: Connection, database_url: str
) -> None:
    ada, bob, shop, stall = await two_pairs(engine)
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
    ada, bob, shop, stall = await two_pairs(engine)
    async with held_up(engine, connection, ada, [transfer(ada, shop)]):
        waiting = await engine.submit_many([transfer(bob, stall) for _ in range(2 * BATCH)])
        await until(lambda: rests(engine))
    assert all(isinstance(outcome, Answer) for outcome in await asyncio.gather(*waiting))
    assert engine.metrics.beside == 0


async def end_side_lane(engine: Engine, connection: Connection) -> None:
    """As where Postgres restarts, or the network breaks."""
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", f"danbao-engine {engine._side.id}"
    )
    await until(lambda: is_lost(engine._side))


async def is_lost(lane: Lane) -> bool:
    return not lane.connected and not lane.batch


async def test_what_a_lost_side_lane_had_is_carried_out_all_the_same(
    engine: Engine, connection: Connection, database_url: str
) -> None:
    ada, bob, shop, stall = await two_pairs(engine)
    async with held_up(engine, connection, ada, [transfer(ada, shop)]):
        await connection.execute(LOCK, spendable(bob))  # holds up the side lane, too
        lost = await engine.submit_many([transfer(bob, stall) for _ in range(BATCH)])
        await until(lambda: on(engine._side, BATCH))
        await end_side_lane(engine, connection)
        await until(lambda: rests(engine))
        more = await engine.submit_many([transfer(bob, stall)])
        assert engine._beside is None  # it is tried again beside the next batch, not over and over
        assert not any(answer.done() for answer in lost)
    assert all(isinstance(outcome, Answer) for outcome in await asyncio.gather(*lost, *more))
    assert engine.metrics.commands["failed"] == 0
    assert await available(engine, bob) == 100 - BATCH - 1
    assert await breaches(database_url) == []


@pytest.mark.parametrize("taken", [True, False])
async def test_a_commit_in_doubt_beside(
    engine: Engine, connection: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    ada, bob, shop, stall = await two_pairs(engine)

    async def lost(side: Connection, how: str) -> str:
        monkeypatch.undo()
        if taken:
            await side.execute(how)
        side.terminate()
        raise ConnectionResetError

    monkeypatch.setattr(engine._side.chain, "end", lost)
    async with held_up(engine, connection, ada, [transfer(ada, shop)]):
        outcomes = await asyncio.gather(*await engine.submit_many([transfer(bob, stall) for _ in range(BATCH)]))
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert engine.metrics.doubts == {"taken": int(taken), "lost": int(not taken), "unknown": 0}
    assert await available(engine, bob) == 100 - BATCH
    assert await breaches(database_url) == []


async def test_a_side_lane_that_was_lost_while_idle_is_found_again(engine: Engine, connection: Connection) -> None:
    ada, bob, shop, stall = await two_pairs(engine)
    for beside in (1, 2):
        async with held_up(engine, connection, ada, [transfer(ada, shop)]):
            outcomes = await asyncio.gather(*await engine.submit_many([transfer(bob, stall) for _ in range(BATCH)]))
        assert all(isinstance(outcome, Answer) for outcome in outcomes)
        assert (engine.metrics.beside, engine.metrics.reconnects) == (beside, beside - 1)
        await until(lambda: rests(engine))
        await end_side_lane(engine, connection)
    assert engine.connected


async def test_the_main_lane_overtakes_nothing_that_the_side_lane_has(
    engine: Engine, connection: Connection, database_url: str
) -> None:
    """The side lane waits for Bob's wallet and has not got to the stall's yet, which Eve pays later. The main lane has nothing
    else to do, and would be the first to have it."""
    ada, bob, eve = [await an_account(engine, funds_minor=100) for _ in range(3)]
    shop, *stalls = [await a_merchant(engine) for _ in range(8)]
    stall = max(stalls, key=spendable)
    rival = await asyncpg.connect(database_url)
    try:
        async with rival.transaction():
            await rival.execute(LOCK, spendable(bob))
            async with held_up(engine, connection, ada, [transfer(ada, shop)]) as first:
                beside = await engine.submit_many([transfer(bob, stall) for _ in range(BATCH)])
                await until(lambda: on(engine._side, BATCH))
                later = await engine.submit_many([transfer(eve, stall)])
            await asyncio.gather(*first)
            await engine.submit(transfer(ada, shop))  # what meets nothing goes on
            await until(lambda: waits(engine))
            assert not any(answer.done() for answer in (*beside, *later))
        outcomes = await asyncio.gather(*beside, *later)
    finally:
        await rival.close()
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert await breaches(database_url) == []


async def test_one_whose_time_is_over_is_dropped_by_either_lane(engine: Engine, connection: Connection) -> None:
    ada, bob, shop, stall = await two_pairs(engine)
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
    ada, bob, shop, stall = await two_pairs(engine)
    async with held_up(stopped, connection, ada, [transfer(ada, shop)]):
        await connection.execute(LOCK, spendable(bob))
        beside = await stopped.submit_many([transfer(bob, stall) for _ in range(BATCH)])
        await until(lambda: on(stopped._side, BATCH))
        later = await stopped.submit_many([transfer(bob, stall)])
        stopping = asyncio.create_task(stopped.stop())
    await stopping
    assert all(isinstance(answer.result(), Answer) for answer in (*beside, *later))
    assert not stopped._side.connected


async def test_a_wallet_moves_alike_on_both_lanes(engine: Engine, database_url: str) -> None:
    """Hundreds of payments criss-cross, through both lanes: no money comes or goes, and the audit holds."""
    accounts = [await an_account(engine, funds_minor=1_000) for _ in range(20)]
    pairs = [(accounts[number % 20], accounts[(number * 7 + 1) % 20]) for number in range(200)]
    outcomes = await asyncio.gather(*await engine.submit_many([transfer(payer, payee) for payer, payee in pairs]))
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert engine.metrics.beside > 0
    assert sum([await available(engine, account) for account in accounts]) == 20 * 1_000
    assert await breaches(database_url) == []


class Names(Command[Account], frozen=True):
    """A command that names something else than rows."""

    result_type = Account
    what: Any

    def keys(self, _: Any) -> Iterable[Key]:
        yield self.what

    def decide(self, _: Any) -> Decision[Account]:
        raise AssertionError("it has no rows")


async def test_a_command_that_names_no_rows_harms_neither_a_batch_nor_a_lane(
    engine: Engine, connection: Connection, database_url: str
) -> None:
    """It is asked while one batch commits, whose payment must not be made again for that, and while another one is beside."""
    ada, bob, shop, stall = await two_pairs(engine)
    async with held_up(engine, connection, ada, [transfer(ada, shop)]):
        (wrong,) = await engine.submit_many([Names(origin=origin(), what=None)])
        (right,) = await engine.submit_many([transfer(bob, stall)])
    assert isinstance(await right, Answer)
    async with held_up(engine, connection, ada, [transfer(ada, shop)]):
        (worse,) = await engine.submit_many([Names(origin=origin(), what=None)])
        full = await engine.submit_many([transfer(bob, stall) for _ in range(2 * BATCH)])
    assert all(isinstance(outcome, Answer) for outcome in await asyncio.gather(*full))
    for refused in (wrong, worse):
        with pytest.raises(InternalFault):
            await refused
    assert (await available(engine, ada), await available(engine, bob)) == (98, 100 - 2 * BATCH - 1)
    assert await breaches(database_url) == []


def payment(payer_id: UUID, payee_id: UUID) -> CreatePayment:
    """Of accounts that are nowhere."""
    amount = Money(1, "CNY")
    return CreatePayment(origin=origin(), payer_id=payer_id, payee_id=payee_id, amount=amount, mode=Mode.INSTANT, pay=True)


async def test_a_lane_looks_behind_those_that_were_passed_over() -> None:
    """They are at the head of the queue, and meet what is under way. Where nearly all meet, a lane does not look on."""
    engine = Engine("", policies=PolicySchedule.load(), batch_max=BATCH)
    ada, bob, eve, shop, bar = [uuid7() for _ in range(5)]
    engine._side.batch = waiting = [Waiting(payment(ada, shop), None, asyncio.Future(), 0.0)]
    name_ahead(waiting[0], Book(policies=engine.policies), None)
    engine._enqueue([payment(bob, shop) for _ in range(50)], None)
    behind = [payment(eve, bar) for _ in range(BATCH)]
    engine._enqueue(behind, None)
    assert [each.command for each in engine._batch_apart(engine._main)] == behind
    engine._enqueue([payment(bob, shop) for _ in range(1_000)], None)
    assert engine._batch_apart(engine._main) == []
    assert not engine._queue[-1].changed  # it was not even asked


async def test_what_is_passed_over_gets_its_turn() -> None:
    """Bob pays the shop that the side lane's batch pays, and so does its next batch, and the next one: as where their commands
    name the shop only once they have read something."""
    engine = Engine("", policies=PolicySchedule.load(), batch_max=BATCH)
    ada, bob, eve, shop, bar = [uuid7() for _ in range(5)]
    engine._side.batch = waiting = [Waiting(payment(ada, shop), None, asyncio.Future(), 0.0)]
    name_ahead(waiting[0], Book(policies=engine.policies), None)
    late = payment(bob, shop)
    engine._enqueue([late, *(payment(eve, bar) for _ in range(20 * BATCH))], None)
    overtaking = 0
    while engine._batch_apart(engine._main):
        overtaking += 1
    assert overtaking == 8
    first, *_ = engine._next_batch()
    assert first.command is late
    assert engine._batch_apart(engine._main)  # those after it go on
