"""Workers carry out what time brings about in disputes, and pay compensations when the fund has them."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from danbao_core import sql
from danbao_core.accounts import Purpose
from danbao_core.disputes import Dispute, DisputeState, Outcome, Reason
from danbao_core.embedded import ValkeyServer
from danbao_core.engine import Engine
from danbao_core.payments import Payment, State
from tests import builders, disputes
from tests.builders import an_adjustment, approved, later, stored
from tests.engines import breaches
from tests.rpc_client import until
from tests.workers import a_valkey, a_worker

AN_HOUR = 3_600


@pytest.fixture
async def valkey() -> AsyncIterator[ValkeyServer]:
    async with a_valkey() as server:
        yield server


async def the_fund_gets(engine: Engine, amount_minor: int) -> None:
    await approved(engine, an_adjustment(Purpose.BANK_CLEARING, Purpose.COMPENSATION, amount_minor))


async def to_compensate(connection: "asyncpg.Connection[Any]") -> list[UUID]:
    """What a worker would be given out now."""
    rows = await connection.fetch(
        sql.load("danbao_workers", "due_compensations"), await connection.fetchval("SELECT now()"), 100
    )
    return [row["id"] for row in rows]


async def a_short_compensation(engine: Engine, compensation_minor: int) -> Dispute:
    """A dispute that was settled while the fund was short of so much."""
    payment = await builders.a_paid_payment(engine, amount_minor=1_000)
    opened = await disputes.a_dispute(engine, payment, reason=Reason.UNAUTHORIZED)
    decided = await disputes.decided(engine, await disputes.under_review(engine, opened), 0, compensation_minor)
    return await disputes.waived(engine, decided)


async def test_a_deadline_is_announced_and_then_carried_out(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]", valkey: ValkeyServer
) -> None:
    dispute = await disputes.a_dispute(engine, await builders.a_shipped_payment(engine))

    async def is_announced() -> bool:
        return (await stored(engine, Dispute, dispute.id)).version == 2

    async def is_settled() -> bool:
        return (await stored(engine, Dispute, dispute.id)).state is DisputeState.SETTLED

    async with a_worker(database_url, valkey.valkey_url):
        await later(engine, 36 * AN_HOUR)
        await until(is_announced)
        announced = await stored(engine, Dispute, dispute.id)
        assert (announced.state, announced.respond_by) == (dispute.state, dispute.respond_by)
        await later(engine, 12 * AN_HOUR)
        await until(is_settled)
    settled = await stored(engine, Dispute, dispute.id)
    assert (settled.outcome, settled.ended_at) == (Outcome.DEFAULT_JUDGMENT, dispute.respond_by)
    assert (await stored(engine, Payment, dispute.payment_id)).state is State.CLOSED
    by = await connection.fetch(
        "SELECT caller, method FROM journal WHERE subject_id = $1 UNION SELECT caller, method FROM audit_event "
        "WHERE subject_id = $1 AND caller = 'timer'",
        dispute.id,
    )
    assert [tuple(each) for each in by] == [("timer", "dispute_timers")]
    assert not await breaches(database_url)


async def test_compensations_wait_for_the_fund_in_their_order(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]", valkey: ValkeyServer
) -> None:
    first, second, third = [await a_short_compensation(engine, minor) for minor in (500, 100, 300)]
    assert await to_compensate(connection) == []
    await the_fund_gets(engine, 499)
    assert await to_compensate(connection) == [], "none is passed over for one that is smaller"
    await the_fund_gets(engine, 200)
    assert await to_compensate(connection) == [first.id, second.id]

    async def two_are_paid() -> bool:
        return await to_compensate(connection) == []

    async with a_worker(database_url, valkey.valkey_url):
        await until(two_are_paid)
    found = [await stored(engine, Dispute, each.id) for each in (first, second, third)]
    assert [each.compensated_minor for each in found] == [500, 100, 0]
    assert not await breaches(database_url)
