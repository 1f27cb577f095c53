"""The deliverer: sends webhooks, one worker at a time to each endpoint.

    claim     endpoints are leased, and what may be sent to them is read, for all that were handed over at once
    send      a few at a time to each endpoint; more where that goes well
    write     attempts and what they came to, for all that have ended meanwhile, in one transaction

A lease is a row's (webhook_health): when that of a worker that was killed or hangs has run out, another takes over. What was on
its way then is sent again, under the same id.
"""

import asyncio
import random
from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import msgspec
import structlog

from danbao_core import sql
from danbao_core.engine import Engine, Origin
from danbao_core.errors import Refusal
from danbao_core.keyring import Keyring
from danbao_core.notifications.deliveries import DeliveryState
from danbao_core.notifications.endpoints import DisableReason, DisableWebhookEndpoint
from danbao_core.notifications.webhooks import Sent, WebhookSender, signed_headers
from danbao_core.rpc.convert.events import webhook_body
from danbao_workers.event_numbers import EventNumbers

if TYPE_CHECKING:
    from danbao_core.clock import WallClock
    from danbao_workers.delivery_spans import DeliverySpans

_log = structlog.get_logger("danbao.deliveries")

RETRY_SECONDS: Final = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
"""How long after an attempt that failed the next one is due; after the last one there is none."""

HOPELESS_SECONDS = float(sum(RETRY_SECONDS))
"""An endpoint that fails for so long, whatever is sent to it, is disabled."""

_JITTER: Final = 0.1
"""By what part of it a pause may be longer, so that what failed together does not come back together."""

LEASE_SECONDS = 10.0
"""How long endpoints wait for a worker that was killed; one that lives renews its leases."""

_RENEW_SECONDS: Final = 2.5

MOST_TO_ONE: Final = 32
"""Requests to one endpoint at a time; one that was not called lately begins with a few."""

_FEW: Final = 2
_FAILURES_TO_REST = 5
_MOST_AT_ONCE: Final = 512
"""Requests of a worker at a time."""

_MOST_UNPROVEN: Final = 256
"""Of these to endpoints that did not succeed when they were last called: those that hang leave room for the others."""

_MOST_CLAIMED: Final = 256
"""Endpoints in one statement."""

_BODIES_KEPT: Final = 512
_AFTER_ERROR_SECONDS: Final = 0.5
_LAST_SECONDS: Final = 3.0
"""For what is on its way when the worker is told to stop."""

_GONE: Final = 410

_LOST: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""The database is away; all else that it answers is a fault of ours, and told in full."""


class Claimed(NamedTuple):
    """A delivery that may be sent, and all that is needed for it."""

    endpoint_id: UUID
    id: UUID
    version: int
    failures: int
    attempts: int
    ordering_id: UUID
    url: str
    unordered: bool
    secret: bytes
    old_secret: bytes | None
    old_secret_expires_at: datetime | None
    event_id: UUID
    event_position: int
    topic: str
    payload: bytes
    created_at: datetime
    traceparent: str
    healthy: bool


class Outcome(msgspec.Struct):
    """What is written of an attempt."""

    id: UUID
    version: int
    state: DeliveryState
    failures: int
    attempts: int
    due_at: datetime | None
    finished_at: datetime | None
    started_at: datetime
    milliseconds: int
    status: int
    failure: str
    body: str


Ended = tuple[Claimed, Outcome]
"""An attempt, and what it came to."""


class Deliverer:
    """Sees to endpoints. `async with` it."""

    def __init__(
        self,
        engine: Engine,
        pool: "asyncpg.Pool[Any]",
        keyring: Keyring,
        wall_clock: "WallClock",
        numbers: EventNumbers,
        *,
        sandbox: bool,
        spans: "DeliverySpans | None" = None,
    ) -> None:
        self.id = uuid4()
        self._engine = engine
        self._pool = pool
        self._keyring = keyring
        self._wall_clock = wall_clock
        self._numbers = numbers
        self._sender = WebhookSender(sandbox=sandbox)
        self._spans = spans
        self._stack = AsyncExitStack()
        self._due: set[UUID] = set()
        self._due_event = asyncio.Event()
        self._flying: dict[UUID, set[UUID]] = {}
        """Deliveries that are claimed and not written yet, by endpoint."""
        self._waiting: dict[UUID, deque[Claimed]] = {}
        """Those of them for which there is no room yet: what is sent next need not be claimed first."""
        self._open: Counter[UUID] = Counter()
        """Requests to each endpoint."""
        self._sending: set[asyncio.Task[None]] = set()
        self._windows: dict[UUID, int] = {}
        """How many requests at a time an endpoint bore lately."""
        self._proven: set[UUID] = set()
        """Endpoints that succeeded when they were last called."""
        self._with_health: set[UUID] = set()
        self._ended: list[Ended] = []
        self._ended_event = asyncio.Event()
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)
        self._unproven_slots = asyncio.Semaphore(_MOST_UNPROVEN)
        self._bodies: OrderedDict[UUID, bytes] = OrderedDict()
        self._claiming: asyncio.Task[None]
        self._keeping: list[asyncio.Task[None]]

    async def __aenter__(self) -> "Deliverer":
        await self._stack.enter_async_context(self._sender)
        self._claiming = asyncio.create_task(self._claim_on(), name="danbao-claims")
        self._keeping = [asyncio.create_task(each) for each in (self._write_on(), self._renew_on())]
        self._stack.push_async_callback(self._finish)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Lets what is on its way end, for a moment; the rest is sent again by another worker."""
        await self._stack.aclose()

    async def _finish(self) -> None:
        await _end([self._claiming])
        if self._sending:
            await asyncio.wait(self._sending, timeout=_LAST_SECONDS)
        await _end([*self._sending, *self._keeping])
        try:
            await self._write_some()
            await self._leave(list(self._flying))
        except _LOST as error:
            _log.warning("leaves deliveries behind", error=type(error).__name__)

    def see_to(self, endpoint_ids: Iterable[UUID]) -> None:
        """Has what is due to these endpoints sent, unless another worker does so."""
        self._due.update(endpoint_ids)
        self._due_event.set()

    # --- Claiming ---

    async def _claim_on(self) -> None:
        while True:
            await self._due_event.wait()
            self._due_event.clear()
            while self._due:
                wanted = [self._due.pop() for _ in range(min(len(self._due), _MOST_CLAIMED))]
                try:
                    await self._claim(wanted)
                except Exception as error:
                    await _wait_after(error, "cannot claim deliveries")
                    self.see_to(wanted)

    async def _claim(self, endpoint_ids: Sequence[UUID]) -> None:
        """Leases endpoints and sends what may be sent; frees those to which nothing is."""
        await self._make_health(endpoint_ids)
        rooms = {each: self._room(each) for each in endpoint_ids}
        wanted = [each for each, room in rooms.items() if room > 0]
        under_way = [delivery_id for each in wanted for delivery_id in self._flying.get(each, ())]
        records = await self._pool.fetch(
            sql.load("danbao_workers", "claim_deliveries"),
            wanted,
            [rooms[each] for each in wanted],
            self.id,
            LEASE_SECONDS,
            under_way,
            _FAILURES_TO_REST,
        )
        for record in records:
            endpoint_id = record["endpoint_id"]
            self._flying.setdefault(endpoint_id, set())
            if record["payload"] is not None:
                self._start(Claimed(*record))
        idle = [each for each in {record["endpoint_id"] for record in records} if not self._flying[each]]
        if idle:
            await self._leave(idle)
            self.see_to([row["endpoint_id"] for row in await self._pool.fetch(sql.load("danbao_workers", "still_due"), idle)])

    async def _make_health(self, endpoint_ids: Iterable[UUID]) -> None:
        """Makes the rows that leases stand on, of endpoints that never had one."""
        new = [each for each in endpoint_ids if each not in self._with_health]
        if new:
            await self._pool.execute(
                "INSERT INTO webhook_health (endpoint_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING", sorted(new)
            )
            self._with_health.update(new)

    def _room(self, endpoint_id: UUID) -> int:
        """How many more may be claimed: one waits for each that is on its way."""
        return 2 * self._windows.get(endpoint_id, _FEW) - len(self._flying.get(endpoint_id, ()))

    async def _leave(self, endpoint_ids: Sequence[UUID]) -> None:
        for each in endpoint_ids:
            self._flying.pop(each, None)
            self._waiting.pop(each, None)
            del self._open[each]
        await self._pool.execute(sql.load("danbao_workers", "leave_endpoints"), endpoint_ids, self.id)

    async def _renew_on(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            held = [each for each, deliveries in self._flying.items() if deliveries]
            if not held:
                continue
            try:
                await self._pool.execute(sql.load("danbao_workers", "renew_leases"), held, self.id, LEASE_SECONDS)
            except Exception as error:
                await _wait_after(error, "cannot renew leases")

    # --- Sending ---

    def _start(self, claimed: Claimed) -> None:
        self._flying[claimed.endpoint_id].add(claimed.id)
        self._waiting.setdefault(claimed.endpoint_id, deque()).append(claimed)
        self._send_next(claimed.endpoint_id)

    def _send_next(self, endpoint_id: UUID) -> None:
        """Sends what waits for an endpoint, as far as there is room."""
        waiting = self._waiting.get(endpoint_id)
        while waiting and self._open[endpoint_id] < self._windows.get(endpoint_id, _FEW):
            self._open[endpoint_id] += 1
            task = asyncio.create_task(self._deliver(waiting.popleft()))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def _give_back(self, endpoint_id: UUID) -> None:
        """Claims what waits no longer: the endpoint fails, and may have to rest."""
        for claimed in self._waiting.pop(endpoint_id, ()):
            self._flying[endpoint_id].discard(claimed.id)

    async def _deliver(self, claimed: Claimed) -> None:
        proven = claimed.healthy and claimed.endpoint_id in self._proven
        async with AsyncExitStack() as slots:
            if not proven:
                await slots.enter_async_context(self._unproven_slots)
            await slots.enter_async_context(self._slots)
            at = self._wall_clock()
            sent = await self._send(claimed, at)
        self._ended.append((claimed, outcome_of(claimed, sent, at, self._wall_clock())))
        self._ended_event.set()
        self._open[claimed.endpoint_id] -= 1
        if sent.failure:
            self._give_back(claimed.endpoint_id)
        else:
            self._send_next(claimed.endpoint_id)

    async def _send(self, claimed: Claimed, at: datetime) -> Sent:
        spans = self._spans if claimed.traceparent else None
        if spans is None:
            return await self._post(claimed, at, claimed.traceparent)
        span = spans.begin(claimed.traceparent, claimed.topic, str(claimed.event_id))
        context = span.get_span_context()
        sent = await self._post(claimed, at, f"00-{context.trace_id:032x}-{context.span_id:016x}-01")
        spans.end(span, sent)
        return sent

    async def _post(self, claimed: Claimed, at: datetime, traceparent: str) -> Sent:
        try:
            body = self._body(claimed)
            headers = signed_headers(str(claimed.event_id), at, body, self._secrets(claimed, at), traceparent)
            return await self._sender.send(claimed.url, headers, body)
        except Exception:  # such as a broken seal; it must end as an attempt, or its endpoint would wait for it for ever
            _log.exception("a delivery cannot be made", delivery_id=str(claimed.id), topic=claimed.topic)
            return Sent(0, "internal", "", 0.0, 0)

    def _body(self, claimed: Claimed) -> bytes:
        """What is sent; many endpoints may get the same."""
        body = self._bodies.get(claimed.event_id)
        if body is None:
            body = webhook_body(claimed.event_id, claimed.topic, claimed.payload, claimed.created_at)
            self._bodies[claimed.event_id] = body
            if len(self._bodies) > _BODIES_KEPT:
                self._bodies.popitem(last=False)
        return body

    def _secrets(self, claimed: Claimed, at: datetime) -> list[str]:
        """What it is signed with; after a change of the secret, for a day, with both."""
        opened = [self._keyring.open(claimed.secret, "webhook_endpoint", "secret", claimed.endpoint_id)]
        if claimed.old_secret is not None and claimed.old_secret_expires_at is not None and at < claimed.old_secret_expires_at:
            opened.append(self._keyring.open(claimed.old_secret, "webhook_endpoint", "old_secret", claimed.endpoint_id))
        return opened

    # --- Writing ---

    async def _write_on(self) -> None:
        while True:
            await self._ended_event.wait()
            self._ended_event.clear()
            try:
                await self._write_some()
            except Exception as error:
                await _wait_after(error, "cannot write what was delivered")
                self._ended_event.set()

    async def _write_some(self) -> None:
        """Writes what has ended; endpoints are seen to again, for there is room for more."""
        ended = list(self._ended)
        if not ended:
            return
        async with self._pool.acquire() as connection, connection.transaction():
            written = await self._write_outcomes(connection, ended)
            health = await self._write_health(connection, ended)
        del self._ended[: len(ended)]
        for claimed, outcome in ended:
            self._flying[claimed.endpoint_id].discard(claimed.id)
            self._learn(claimed.endpoint_id, succeeded=outcome.state is DeliveryState.SUCCEEDED)
            self._numbers.deliveries[_told_as(outcome)] += 1
        await self._disable(written, {row["endpoint_id"] for row in health if row["hopeless"]})
        self.see_to({claimed.endpoint_id for claimed, _ in ended})

    async def _write_outcomes(self, connection: Any, ended: Sequence[Ended]) -> list[Ended]:
        """Writes attempts, and when what waits behind them is due; answers those that were written. A delivery that somebody
        changed meanwhile, by enabling its endpoint say, is not what the attempt was of."""
        outcomes = msgspec.json.encode([outcome for _, outcome in ended]).decode()
        rows = await connection.fetch(sql.load("danbao_workers", "finish_deliveries"), outcomes)
        ids = {row["id"] for row in rows}
        written = [each for each in ended if each[0].id in ids]
        following = [each for each in written if _is_followed(*each)]
        if following:
            await connection.execute(
                sql.load("danbao_workers", "follow_deliveries"),
                [claimed.endpoint_id for claimed, _ in following],
                [claimed.ordering_id for claimed, _ in following],
                [claimed.event_position for claimed, _ in following],
                [outcome.due_at or outcome.finished_at for _, outcome in following],
            )
        return written

    async def _write_health(self, connection: Any, ended: Sequence[Ended]) -> list[Any]:
        failed: Counter[UUID] = Counter()
        succeeded: set[UUID] = set()
        unwell: set[UUID] = set()  # another worker may have written so, since they last succeeded here
        for claimed, outcome in ended:
            failed[claimed.endpoint_id] += outcome.failure != ""
            if not claimed.healthy:
                unwell.add(claimed.endpoint_id)
            if outcome.state is DeliveryState.SUCCEEDED:
                succeeded.add(claimed.endpoint_id)
        changed = sorted(each for each in failed if failed[each] or each in unwell or each not in self._proven)
        if not changed:
            return []
        arguments = (changed, [failed[each] for each in changed], [each in succeeded for each in changed])
        text = sql.load("danbao_workers", "write_health")
        rows: list[Any] = await connection.fetch(text, *arguments, _FAILURES_TO_REST, HOPELESS_SECONDS)
        return rows

    def _learn(self, endpoint_id: UUID, *, succeeded: bool) -> None:
        """An endpoint that succeeds gets more at a time, one that fails begins anew."""
        if succeeded:
            self._proven.add(endpoint_id)
            self._windows[endpoint_id] = min(self._windows.get(endpoint_id, _FEW) + 1, MOST_TO_ONE)
        else:
            self._proven.discard(endpoint_id)
            self._windows.pop(endpoint_id, None)

    async def _disable(self, written: Sequence[Ended], hopeless: Collection[UUID]) -> None:
        disabling: dict[UUID, tuple[DisableReason, Claimed, Outcome]] = {}
        for claimed, outcome in written:
            if outcome.status == _GONE:
                disabling[claimed.endpoint_id] = DisableReason.GONE, claimed, outcome
            elif outcome.state is DeliveryState.FAILED or claimed.endpoint_id in hopeless:
                disabling.setdefault(claimed.endpoint_id, (DisableReason.FAILING, claimed, outcome))
        for endpoint_id, (reason, claimed, outcome) in disabling.items():
            command = DisableWebhookEndpoint(
                origin=Origin(caller="worker", method="deliveries", received_at=self._wall_clock()),
                endpoint_id=endpoint_id,
                disable_reason=reason,
                url=claimed.url,
                called_at=outcome.started_at,
            )
            try:
                await self._engine.submit(command)
            except Refusal as refusal:
                _log.warning("cannot disable an endpoint", endpoint_id=str(endpoint_id), reason=refusal.reason)


def outcome_of(claimed: Claimed, sent: Sent, began_at: datetime, ended_at: datetime) -> Outcome:
    """What an attempt comes to: the delivery has succeeded, is due again later, or has failed at the last retry.

    410 disables the endpoint and fails nothing: what it has not taken is there when somebody enables it again.
    """
    failures = claimed.failures + 1 if sent.failure else 0
    due_at = None
    if not sent.failure:
        state = DeliveryState.SUCCEEDED
    elif failures > len(RETRY_SECONDS):
        state = DeliveryState.FAILED
    else:
        state = DeliveryState.PENDING
        pause_seconds = RETRY_SECONDS[failures - 1] * random.uniform(1, 1 + _JITTER)  # noqa: S311  # spreads, protects nothing
        due_at = ended_at + timedelta(seconds=max(pause_seconds, sent.retry_after_seconds))
    return Outcome(
        id=claimed.id,
        version=claimed.version,
        state=state,
        failures=failures,
        attempts=claimed.attempts + 1,
        due_at=due_at,
        finished_at=None if due_at else ended_at,
        started_at=began_at,
        milliseconds=sent.milliseconds,
        status=sent.status,
        failure=sent.failure,
        body=sent.body,
    )


def _is_followed(claimed: Claimed, outcome: Outcome) -> bool:
    """Whether others wait behind a delivery that are due at another time now."""
    return not claimed.unordered and (bool(outcome.failure) or claimed.attempts > 0)


def _told_as(outcome: Outcome) -> str:
    """The outcome as it is counted."""
    return {
        DeliveryState.SUCCEEDED: "succeeded",
        DeliveryState.PENDING: "to_be_retried",
        DeliveryState.FAILED: "failed",
    }[outcome.state]


async def _wait_after(error: Exception, what: str) -> None:
    """Says what went wrong, and waits a moment: it is tried again for ever, for nobody else would."""
    if isinstance(error, _LOST):
        _log.warning(what, error=type(error).__name__)
    else:
        _log.error(what, exc_info=error)
    await asyncio.sleep(_AFTER_ERROR_SECONDS)


async def _end(tasks: Sequence["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
