"""Disputes in random states, the core stopped for ten days: each deadline is carried out once, in order, at its own time."""

import random
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from danbao_core.accounts import Purpose
from danbao_core.disputes import Dispute, DisputeEvent, DisputeState, Step
from danbao_core.engine import Engine
from danbao_core.engine.reads import from_record
from danbao_workers.worker import queue_of
from tests.builders import an_adjustment, approved, later
from tests.engines import breaches
from tests.random_disputes import AN_HOUR, random_disputes, to_come
from tests.rpc_client import until
from tests.workers import a_valkey, a_worker, worker_settings

TEN_DAYS = 240 * AN_HOUR
HALF_AN_HOUR = AN_HOUR // 2
"""All that is due is due some whole hours after something was done, so nothing is while the test looks."""


@pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=pytest.mark.soak)])
async def test_a_core_that_was_down_for_ten_days(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]", count: int
) -> None:
    await random_disputes(engine, random.Random(count), count)
    await later(engine, HALF_AN_HOUR)
    async with a_valkey() as valkey:
        await all_done_by(1, database_url, valkey.valkey_url, connection)
        before = await steps_of_all(connection)
        assert {steps[-1].state for steps in before.values()} == set(DisputeState), "else the test shows little"
        stopped_at = await time_of(connection)
        await approved(engine, an_adjustment(Purpose.BANK_CLEARING, Purpose.COMPENSATION, 100_000_000))
        started_at = (await later(engine, TEN_DAYS)).time
        await all_done_by(2, database_url, valkey.valkey_url, connection)
    after = await steps_of_all(connection)
    counted = Counter[DisputeEvent]()
    for dispute_id, steps in before.items():
        new = [step for step in after[dispute_id][len(steps) :] if step.event is not DisputeEvent.COMPENSATE]
        assert [(step.event, step.at, step.state) for step in new] == to_come(steps, stopped_at, started_at), dispute_id
        assert after[dispute_id][: len(steps)] == steps
        counted.update(step.event for step in new)
    by_time = {event for event in DisputeEvent if DisputeEvent.ANNOUNCE <= event <= DisputeEvent.APPEAL_END}
    assert set(counted) == by_time, "else the test shows little"
    await events_are_told_in_order(connection, after)
    await money_moved_once(connection)
    assert not await breaches(database_url)


async def all_done_by(workers: int, database_url: str, valkey_url: str, connection: "asyncpg.Connection[Any]") -> None:
    """Lets workers work until nothing is late, and nothing waits for a fund that has it."""
    late = (
        "SELECT (SELECT count(*) FROM dispute, clock WHERE due_at <= time) "
        "+ (SELECT count(*) FROM payment, clock WHERE due_at <= time AND refund_reserved_minor = 0) "
        "+ (SELECT count(*) FROM refund WHERE state = 1) "
        "+ (SELECT count(*) FROM dispute WHERE state = 5 AND compensated_minor < award_compensation_minor "
        "   AND EXISTS (SELECT FROM balance WHERE purpose = 14 AND amount_minor > 0))"
    )
    clock = "WITH clock AS (SELECT now() + make_interval(secs => clock_offset_seconds) AS time FROM installation) "

    async def nothing_is_late() -> bool:
        return bool(await connection.fetchval(clock + late) == 0)

    async with AsyncExitStack() as stack:
        for _ in range(workers):
            await stack.enter_async_context(a_worker(database_url, valkey_url))
        await until(nothing_is_late, seconds=60)
        await no_job_is_under_way(database_url, valkey_url)


async def no_job_is_under_way(database_url: str, valkey_url: str) -> None:
    """Waits until workers have done with their jobs, so that none is cut off while it says so to Valkey."""
    queue = await queue_of(worker_settings(database_url, valkey_url))

    async def is_empty() -> bool:
        return bool(await queue.zcard(queue.default_queue_name) == 0)

    await until(is_empty)
    await queue.aclose(close_connection_pool=True)


async def time_of(connection: "asyncpg.Connection[Any]") -> datetime:
    """Business time."""
    found: datetime = await connection.fetchval("SELECT now() + make_interval(secs => clock_offset_seconds) FROM installation")
    return found


async def steps_of_all(connection: "asyncpg.Connection[Any]") -> dict[UUID, list[Step]]:
    """Each dispute's steps, which are numbered without a gap and in order of time."""
    steps: defaultdict[UUID, list[Step]] = defaultdict(list)
    for record in await connection.fetch("SELECT * FROM dispute_step ORDER BY dispute_id, version"):
        step = from_record(Step)(record)
        steps[step.dispute_id].append(step)
    for each in steps.values():
        assert [step.version for step in each] == list(range(1, len(each) + 1))
        assert [step.at for step in each] == sorted(step.at for step in each)
    return steps


async def events_are_told_in_order(connection: "asyncpg.Connection[Any]", steps: dict[UUID, list[Step]]) -> None:
    """Each step was told once, and before the next one."""
    records = await connection.fetch(
        "SELECT subject_id, array_agg(subject_version ORDER BY place, number) AS versions FROM ("
        "SELECT subject_id, subject_version, 1 AS place, position AS number FROM event WHERE topic LIKE 'dispute.%' "
        "UNION ALL SELECT subject_id, subject_version, 2, sequence FROM outbox WHERE topic LIKE 'dispute.%'"
        ") AS told GROUP BY subject_id"
    )
    told = {record["subject_id"]: record["versions"] for record in records}
    assert told == {dispute_id: list(range(1, len(each) + 1)) for dispute_id, each in steps.items()}


async def money_moved_once(connection: "asyncpg.Connection[Any]") -> None:
    """No dispute was settled, given up or compensated twice."""
    twice = "SELECT subject_id, kind FROM journal WHERE kind LIKE 'dispute.%' GROUP BY subject_id, kind HAVING count(*) > 1"
    assert not await connection.fetch(twice)
    disputes = [from_record(Dispute)(record) for record in await connection.fetch("SELECT * FROM dispute")]
    assert not [dispute.id for dispute in disputes if dispute.awaits_compensation]
    assert sum(dispute.compensated_minor for dispute in disputes) > 0, "else the test shows little"
