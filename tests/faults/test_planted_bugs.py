"""The checks of the fault harness find what bugs would do. Each bug is planted in a transaction that is rolled back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import pytest

from danbao_client import Danbao
from tests import rpc_client
from tests import rpc_requests as requests
from tests.faults.harness import checks
from tests.faults.harness.settling import unsettled
from tests.faults.harness.workload import Market, Record
from tests.receiver import Received, a_receiver
from tests.rpc_client import Connection, Core, until
from tests.workers import a_valkey, a_worker

core = rpc_client.core


class Trade(NamedTuple):
    """What was traded and told on a core where nothing fails."""

    market: Market
    record: Record
    received: list[Received]


@pytest.fixture(scope="module")
async def trade(core: Core) -> AsyncIterator[Trade]:
    """Some of everything, settled."""
    record = Record()
    async with (
        Danbao.connect(core.server.address, key=str(core.operator.token)) as client,
        a_receiver() as receiver,
        a_valkey() as valkey,
        a_worker(core.settings.database_url, valkey.valkey_url, hash_key=rpc_client.HASH_KEY),
    ):
        market = Market(1)
        await market.open(client, record)
        endpoint = await core.operator.ask(requests.an_endpoint(receiver.url + "/", account=market.shop))
        receiver.secrets["/"] = endpoint.secret
        await until(partial(_nothing_is_left, core))
        market.told_since = await core.connection.fetchval("SELECT last_position FROM event_log")
        enough = asyncio.Event()
        trading = asyncio.create_task(market.trade(client, record, enough))
        await record.calls(150, 60)
        enough.set()
        await trading
        await until(partial(_nothing_is_left, core))
        yield Trade(market, record, receiver.got)


async def _nothing_is_left(core: Core) -> bool:
    return not await unsettled(core.connection)


@asynccontextmanager
async def a_bug(core: Core) -> AsyncIterator[Connection]:
    """What is changed within is taken back."""
    transaction = core.connection.transaction()
    await transaction.start()
    try:
        yield core.connection
    finally:
        await transaction.rollback()


async def found(connection: Connection, trade: Trade, received: Iterable[Received] = ()) -> str:
    """Every breach that the checks find, a line each."""
    breaches = [
        *await checks.must_be_booked_once(connection, trade.record),
        *await checks.must_have_kept_the_money(connection, trade.record, trade.market),
        *await checks.must_have_been_told(connection, trade.market, [*trade.received, *received]),
        *await checks.must_be_on_time(connection),
        *await checks.must_pass_the_audit(connection),
    ]
    return "\n".join(breaches)


async def test_without_a_bug_nothing_is_found(core: Core, trade: Trade) -> None:
    async with a_bug(core) as connection:
        assert await found(connection, trade) == ""


async def lost_update(connection: Connection, trade: Trade) -> str:
    """A balance is written as if the entry before had not been."""
    await connection.execute(
        "UPDATE balance AS b SET amount_minor = b.amount_minor - e.amount_minor, version = b.version - 1 "
        "FROM entry AS e WHERE e.balance_id = b.id AND e.version = b.version AND b.account_id = $1 AND b.purpose = 1",
        rpc_client.id_of(trade.market.shop),
    )
    return "was put in, and"


async def lost_commit(connection: Connection, trade: Trade) -> str:
    """A payment was acknowledged, and nothing of it is there."""
    payment = await _last_journal(connection, "payment.pay")
    await connection.execute("DELETE FROM request WHERE request_id = $1", payment["request_id"])
    await connection.execute("DELETE FROM payment WHERE subject = $1", payment["request_id"])
    return f"{payment['request_id']} was acknowledged, and is remembered 0 times"


async def done_twice(connection: Connection, trade: Trade) -> str:
    """A request is booked again when it is sent again."""
    journal = await _last_journal(connection, "payment.pay")
    await connection.execute(
        "INSERT INTO journal SELECT (jsonb_populate_record(journal, jsonb_build_object('id', gen_random_uuid()))).* "
        "FROM journal WHERE id = $1",
        journal["id"],
    )
    return f"{journal['request_id']} booked payment.pay 2 times"


async def unbalanced_journal(connection: Connection, trade: Trade) -> str:
    """One side of a journal has a cent more than the other."""
    journal = await _last_journal(connection, "payment.pay")
    await connection.execute(
        "UPDATE entry SET amount_minor = amount_minor + 1 WHERE journal_id = $1 AND amount_minor > 0", journal["id"]
    )
    return "journal_sums_to_zero: "


async def double_delivery(connection: Connection, trade: Trade) -> str:
    """The relay takes an event out of the outbox twice, and gives it two ids."""
    await connection.execute("UPDATE event_log SET last_position = last_position + 1")
    await connection.execute(
        "INSERT INTO event SELECT (jsonb_populate_record(event, jsonb_build_object("
        "'id', gen_random_uuid(), 'position', (SELECT last_position FROM event_log)))).* "
        "FROM event WHERE topic = 'payment.succeeded' AND account_id IS NOT NULL ORDER BY position LIMIT 1"
    )
    return "is told under 2 ids"


async def skipped_timer(connection: Connection, trade: Trade) -> str:
    """Nobody came when a payment was due."""
    await connection.execute("UPDATE payment SET due_at = now() - interval '1 second' WHERE state = 2 AND dispute_id IS NULL")
    return "is late"


async def _last_journal(connection: Connection, kind: str) -> Any:
    return await connection.fetchrow(
        "SELECT * FROM journal WHERE kind = $1 AND method LIKE '%CreatePayment' ORDER BY id DESC LIMIT 1", kind
    )


@pytest.mark.parametrize(
    "plant",
    [lost_update, lost_commit, done_twice, unbalanced_journal, double_delivery, skipped_timer],
    ids=lambda plant: plant.__name__,
)
async def test_a_planted_bug_is_found(core: Core, trade: Trade, plant: Callable[[Connection, Trade], Awaitable[str]]) -> None:
    async with a_bug(core) as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")  # bugs do not ask constraints
        breach = await plant(connection, trade)
        assert breach in await found(connection, trade)


async def test_a_refused_request_that_was_booked_is_found(core: Core, trade: Trade) -> None:
    journal = await _last_journal(core.connection, "payment.pay")
    refused = replace(trade.record.asked[journal["request_id"]], answer=None, refusal="LIMIT_EXCEEDED")
    asked = trade.record.asked | {journal["request_id"]: refused}
    breaches = await found(core.connection, trade._replace(record=replace(trade.record, asked=asked)))
    assert f"{journal['request_id']} was refused (LIMIT_EXCEEDED), and had an effect" in breaches


async def test_a_webhook_that_came_under_another_id_or_out_of_order_is_found(core: Core, trade: Trade) -> None:
    first, *_ = trade.received
    async with a_bug(core) as connection:
        twice = await found(connection, trade, [first._replace(id="another")])
        assert twice == "the event another came, and is not in the log"
        backwards = await found(connection, trade._replace(received=trade.received[::-1]))
        assert "came in another order" in backwards
        assert "never came" in await found(connection, trade._replace(received=trade.received[:-5]))
