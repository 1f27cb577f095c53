"""After the faults: what was not answered is asked again, time passes, and everything that is left to do is done."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeAlias

import asyncpg

from tests import rpc_requests as requests
from tests.faults.harness.stack import Connection, Stack
from tests.faults.harness.workload import Record, asked, rpcs_of

Ask: TypeAlias = Callable[[Any], Awaitable[Any]]

_PATIENCE_SECONDS: Final = 90.0
_AT_ONCE: Final = 32

_TO_BE_DECIDED: Final = "SELECT id FROM dispute WHERE state = 3"
_UNSETTLED: Final = """
    WITH clock AS (SELECT now() + make_interval(secs => clock_offset_seconds) AS time FROM installation)
    SELECT 'payment ' || id || ' is late' FROM payment, clock
    WHERE due_at <= time AND NOT (due_event = 4 AND refund_reserved_minor > 0)
        AND NOT (due_event = 3 AND refund_reserved_minor = held_minor)
    UNION ALL SELECT 'dispute ' || id || ' is late' FROM dispute, clock WHERE due_at <= time
    UNION ALL SELECT 'refund ' || id || ' is not carried out' FROM refund WHERE due_at IS NOT NULL
    UNION ALL SELECT 'funding ' || id || ' is not decided' FROM funding WHERE next_attempt_at IS NOT NULL
    UNION ALL SELECT 'event ' || id || ' is not in the log' FROM outbox
    UNION ALL SELECT 'delivery ' || d.id || ' has not arrived' FROM delivery AS d
        JOIN webhook_endpoint AS e ON e.id = endpoint_id AND e.state = 1 WHERE d.state = 1
    LIMIT 5
"""

_HURRIED: Final = """
    UPDATE delivery SET due_at = now() WHERE state = 1 AND due_at > now();
    UPDATE webhook_health SET rests_until = NULL, leased_until = least(leased_until, now() + interval '1 second');
    UPDATE funding SET next_attempt_at = now() WHERE next_attempt_at > now();
    UPDATE refund SET next_attempt_at = now() WHERE next_attempt_at > now();
"""
"""As when an hour of wall time has passed: nobody waits for pauses between attempts, for leases of the dead, or for
jobs that died with a worker, which are given out again after half a minute."""


async def settle(stack: Stack, record: Record, days: int) -> list[str]:
    """Leaves nothing open, and lets so many days pass. Answers in words what does not settle."""
    async with stack.client() as client, stack.connected() as connection:
        ask = partial(asked, rpcs_of(client), record)
        await ask_again(record, ask)
        for row in await connection.fetch(_TO_BE_DECIDED):  # by a person: time alone only calls for supervisors, every day
            await ask(requests.decide(f"disputes/{row['id']}", 1))
        await client.sandbox.advance_clock(by=timedelta(days=days))
        return await _until_settled(stack, connection)


async def ask_again(record: Record, ask: Ask) -> None:
    """Asks everything again that nobody knows the outcome of, under the ids that it had."""
    unanswered = [each.request for each in record.asked.values() if each.is_open]
    record.asked_again += len(unanswered)
    for first in range(0, len(unanswered), _AT_ONCE):
        await asyncio.gather(*map(ask, unanswered[first : first + _AT_ONCE]))


async def unsettled(connection: Connection) -> list[str]:
    """Some of what is left to do now."""
    return [row[0] for row in await connection.fetch(_UNSETTLED)]


async def _until_settled(stack: Stack, connection: Connection) -> list[str]:
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    hurry_at = time.monotonic() + 1.0
    while (left := await unsettled(connection)) and time.monotonic() < give_up_at:
        if time.monotonic() >= hurry_at:
            hurry_at = time.monotonic() + 1.0
            with suppress(asyncpg.DeadlockDetectedError):  # workers lock the same rows
                await connection.execute(_HURRIED)
            await stack.forget_jobs()
        await asyncio.sleep(0.05)
    return left
