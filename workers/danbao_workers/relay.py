"""The relay: takes events out of the outbox, gives them their positions, and makes a delivery for each endpoint that
subscribes.

All of it is one transaction, under a lock on the row that holds the last position: an event is told once, and positions become
visible in their order, whoever believes to lead.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID, uuid4

import msgspec
import structlog
from redis.exceptions import RedisError

from danbao_core import sql
from danbao_core.ids import uuid7
from danbao_core.notifications.topics import covers
from danbao_core.rpc.convert.events import Parties, parties_of
from danbao_workers.deliveries import DELIVERIES
from danbao_workers.work import Background, Singleton

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[Any]

_log = structlog.get_logger("danbao.relay")

MOST_AT_ONCE: Final = 500
"""Events in one transaction; at a few milliseconds each it would hold up nobody."""

_EVERY_SECONDS: Final = 0.05
_MOST_JOBS: Final = 200
"""Jobs that may wait while the relay adds more; the sweep finds what it leaves out."""

_LOCK: Final = "SELECT last_position FROM event_log WHERE id = 1 FOR UPDATE"
_ADVANCE: Final = "UPDATE event_log SET last_position = $1 WHERE id = 1 RETURNING now()"
_LAG: Final = """
    SELECT coalesce(extract(epoch FROM now() - uuid_extract_timestamp(id)), 0)::float8 FROM outbox ORDER BY sequence LIMIT 1
"""
"""Ids hold the wall time at which they were made; what is written beside them is business time."""

_EVENT: Final = (
    "position",
    "id",
    "topic",
    "subject_id",
    "subject_version",
    "ordering_id",
    "account_id",
    "other_account_id",
    "payload",
    "created_at",
    "relayed_at",
    "traceparent",
)
_DELIVERY: Final = (
    "id",
    "endpoint_id",
    "event_id",
    "event_position",
    "topic",
    "ordering_id",
    "state",
    "failures",
    "attempts",
    "due_at",
    "created_at",
    "version",
)
_PENDING: Final = 1
_TEST: Final = "webhook_endpoint.test"


class Told(NamedTuple):
    """An event as it left the outbox."""

    sequence: int
    id: UUID
    topic: str
    subject_id: UUID
    subject_version: int
    ordering_id: UUID
    payload: bytes
    created_at: datetime
    traceparent: str


class Subscribers:
    """Which endpoints get an event."""

    def __init__(self, records: Iterable[Sequence[Any]]) -> None:
        self._of: defaultdict[UUID | None, list[tuple[UUID, frozenset[str]]]] = defaultdict(list)
        for endpoint_id, account_id, topics in records:
            self._of[account_id].append((endpoint_id, frozenset(topics.split())))

    def of(self, event: Told, parties: Parties) -> list[UUID]:
        """The endpoints of the accounts that an event concerns, and of the platform, that subscribe to it."""
        if event.topic == _TEST:
            return [event.subject_id]
        concerned = {None, *parties}
        return [
            endpoint_id
            for account_id in concerned
            for endpoint_id, subscriptions in self._of.get(account_id, ())
            if covers(subscriptions, event.topic)
        ]


async def relay(background: Background) -> None:
    """Goes on until it is cancelled. Raises what the database raises."""
    try:
        while True:
            count, endpoint_ids = await relay_once(background)
            background.numbers.relayed += count
            await _call(background, endpoint_ids)
            background.numbers.outbox_lag_seconds = await _lag(background)
            if count < MOST_AT_ONCE:
                await asyncio.sleep(_EVERY_SECONDS)
    except asyncio.CancelledError:
        background.numbers.outbox_lag_seconds = 0.0  # another leads, and knows
        raise


async def relay_once(background: Background) -> tuple[int, list[UUID]]:
    """Relays what waits, MOST_AT_ONCE at most; answers how many events that were, and the endpoints that they go to."""
    async with background.pool.acquire() as connection:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
            return 0, []
        async with connection.transaction():
            last_position = await connection.fetchval(_LOCK)
            taken = [
                Told(*record) for record in await connection.fetch(sql.load("danbao_workers", "take_outbox"), MOST_AT_ONCE)
            ]
            taken.sort()  # what a statement returns has no order
            return len(taken), await _tell(connection, last_position, taken)


async def _tell(connection: "Connection", last_position: int, taken: Sequence[Told]) -> list[UUID]:
    """Writes events and deliveries; answers the endpoints."""
    now = await connection.fetchval(_ADVANCE, last_position + len(taken))
    parties = [_parties(event) for event in taken]
    accounts = list({account_id for pair in parties for account_id in pair if account_id is not None})
    subscribers = Subscribers(await connection.fetch(sql.load("danbao_workers", "read_subscribers"), accounts))
    events, deliveries = [], []
    for position, (event, (account_id, other_id)) in enumerate(zip(taken, parties, strict=True), last_position + 1):
        subject = (event.topic, event.subject_id, event.subject_version, event.ordering_id)
        told = (event.payload, event.created_at, now, event.traceparent)
        events.append((position, event.id, *subject, account_id, other_id, *told))
        for endpoint_id in subscribers.of(event, (account_id, other_id)):
            about = (event.id, position, event.topic, event.ordering_id)
            deliveries.append((uuid7(), endpoint_id, *about, _PENDING, 0, 0, now, now, 1))
    await connection.copy_records_to_table("event", columns=_EVENT, records=events)
    if deliveries:
        await connection.copy_records_to_table("delivery", columns=_DELIVERY, records=deliveries)
    return list({delivery[1] for delivery in deliveries})


def _parties(event: Told) -> Parties:
    """Whom an event concerns; nobody but the platform, where this release cannot tell."""
    try:
        return parties_of(event.topic, event.payload)
    except (KeyError, msgspec.DecodeError):
        _log.exception("an event is not understood", topic=event.topic, event_id=str(event.id))
        return None, None


async def _lag(background: Background) -> float:
    """How long the oldest event has been waiting, in seconds."""
    lag: float | None = await background.pool.fetchval(_LAG)
    return max(0.0, lag or 0.0)


async def _call(background: Background, endpoint_ids: Sequence[UUID]) -> None:
    """Has workers look after these endpoints at once, where Valkey answers and has room; otherwise the sweep finds them."""
    queue = background.queue
    try:
        if not endpoint_ids or await queue.zcard(queue.default_queue_name) >= _MOST_JOBS:
            return
        for first in range(0, len(endpoint_ids), DELIVERIES.at_a_time):
            ids = [str(each) for each in endpoint_ids[first : first + DELIVERIES.at_a_time]]
            await queue.enqueue_job(DELIVERIES.name, ids, _job_id=f"{DELIVERIES.name}:{uuid4()}")
    except (OSError, RedisError) as error:
        _log.warning("cannot give deliveries out", error=type(error).__name__)


RELAY: Final = Singleton("relay", relay)
