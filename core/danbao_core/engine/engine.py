"""The commit engine: many callers' commands, one transaction.

One engine per process has one batch in flight; the next batch forms while it commits, so a hot account costs no more than any
other and an idle engine commits a single command at once. While a full batch waits, a second lane carries out what touches
nothing of the batch under way: Python has something to do while Postgres writes. A batch goes this way:

    begin     a transaction, where the end of the last one has not begun it already
    gather    which rows do the commands need? read without locks until they name nothing new, then lock, then read the rest;
              learn the time (gathering.py)
    decide    each command in turn, on the book that the ones before it left (deciding.py)
    persist   everything that changed, set by set; count the batch on the engine's row
    commit    once, mostly beginning the next transaction in the same round trip; then every caller is answered

What can go wrong, and what then happens, is in `failures.py` and in `Engine._carry_out`.
"""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from time import perf_counter
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
import structlog

from danbao_core.engine import connection as connections
from danbao_core.engine.book import Book
from danbao_core.engine.command import AnyCommand, Command, Guard
from danbao_core.engine.connection import Connection
from danbao_core.engine.deciding import ATTEMPTS, Decider
from danbao_core.engine.failures import CommitInDoubt, Remedy, Restart, internal_fault, is_connection_loss, remedy
from danbao_core.engine.footprint import Footprint
from danbao_core.engine.gathering import gather, name_ahead
from danbao_core.engine.lane import Lane, roll_back
from danbao_core.engine.metrics import EngineMetrics
from danbao_core.engine.statements import NumberedBatch
from danbao_core.engine.timeline import Timeline
from danbao_core.engine.waiting import Answer, Outcome, Postponed, Waiting
from danbao_core.errors import (
    DatabaseUnavailable,
    DeadlinePassed,
    InternalFault,
    QueueFull,
    Refusal,
    RetriesExhausted,
    ShuttingDown,
)
from danbao_core.policy import PolicySchedule

_RECONNECT_SECONDS: Final = 0.5

_TURNS_BETWEEN_BATCHES: Final = 10
"""So often the event loop turns between one batch and the next: those who were answered ask again, and share the next batch. A
batch costs as much as some of its payments, and a turn in which nothing happens some microseconds."""

_PATIENCE: Final = 64
"""So many more commands than it has taken a lane passes over before it leaves the queue to the other one. At the head of the
queue are those that were passed over before: of a batch of payments among 10,000 accounts some thirty."""

_OVERTAKEN: Final = 8
"""So often the main lane takes others before a command that meets the side lane's batch; then it waits for that batch."""

_log = structlog.get_logger("danbao.engine")
R = TypeVar("R", bound=msgspec.Struct)


class Engine:
    """Carries out commands. `start` it, `submit` to it, `stop` it; all on one event loop."""

    def __init__(
        self,
        database_url: str,
        *,
        policies: PolicySchedule,
        guard: Guard | None = None,
        batch_max: int = 256,
        queue_max: int = 4096,
        request_retention: timedelta = timedelta(days=30),
        connect_timeout_seconds: float = 5.0,
        doubt_patience_seconds: float = 10.0,
    ) -> None:
        """`batch_max` bounds the commands of a batch and `queue_max` those that wait, both by their sizes, but for one command
        that is larger by itself; `doubt_patience_seconds` is how long a batch waits for a database that was lost while it had
        the batch's COMMIT, before its callers are told to ask again."""
        self._database_url = database_url
        self.policies = policies
        """The figures of every time."""
        self._guard = guard
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._decider = Decider(guard, request_retention)
        self._doubt_patience_seconds = doubt_patience_seconds
        self._queue: deque[Waiting] = deque()
        self._queue_size = 0
        self._room = asyncio.Event()
        self._wake_up = asyncio.Event()
        self._stopping = False
        self.metrics = EngineMetrics(waiting=lambda: self._queue_size)
        self._main, self._side = [
            Lane(
                database_url,
                connect_timeout_seconds=connect_timeout_seconds,
                on_lost=self._wake_up.set,
                on_found_again=self.metrics.count_reconnect,
            )
            for _ in range(2)
        ]
        self._task: asyncio.Task[None] | None = None
        self._beside: asyncio.Task[None] | None = None
        """The side lane at work."""
        self._looked_beside = False
        """Whether the side lane found nothing to do beside the batch under way."""

    # --- For callers ---

    @property
    def connected(self) -> bool:
        """Whether the engine has its connection to the database."""
        return self._main.connected

    @property
    def id(self) -> UUID:
        """By which the database knows the engine."""
        return self._main.id

    async def start(self) -> None:
        """Connects and begins to work. Raises what asyncpg raises where the database cannot be reached."""
        await self._main.connect()
        self._task = asyncio.create_task(self._run(), name="danbao-engine")

    async def submit(
        self, command: Command[R], *, timeout_seconds: float | None = None, timeline: Timeline | None = None
    ) -> Answer[R]:
        """Carries a command out and answers what it came to. Raises the Refusal where it is refused.

        A command that still waits after `timeout_seconds` is dropped (DeadlinePassed); one whose batch has begun is carried
        out even where the caller goes away. What happened when is written into the `timeline`, for a trace.
        """
        if self._stopping:
            raise ShuttingDown
        if self._queue_size >= self._queue_max:
            self.metrics.commands["turned_away"] += 1
            raise QueueFull(waiting=self._queue_size)
        (answer,) = self._enqueue((command,), _deadline(timeout_seconds), timeline)
        return await answer

    async def submit_many(
        self, commands: Sequence[Command[R]], *, timeout_seconds: float | None = None
    ) -> "list[asyncio.Future[Answer[R]]]":
        """Queues commands at once and in order, and answers a future for each, with what `submit` would answer or raise.
        One that finds out to need more rows is decided after those that shared its batch.

        While more than half of the queue is taken it waits, where `submit` raises QueueFull: who sends many can be held up and
        leaves room for who sends one. The queue may then hold this many more than half. Raises ShuttingDown where the engine
        stops first, DeadlinePassed where the time-out passes first; nothing is queued then.
        """
        deadline = _deadline(timeout_seconds)
        try:
            async with asyncio.timeout_at(deadline):
                while self._queue_size > self._queue_max // 2 and not self._stopping:
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            raise DeadlinePassed from None
        if self._stopping:
            raise ShuttingDown
        return self._enqueue(commands, deadline)

    async def stop(self) -> None:
        """Refuses new commands, carries out those that wait, and disconnects."""
        self._stopping = True
        self._wake_up.set()
        self._room.set()
        if self._task is not None:
            await self._task
            self._task = None
        await self._main.disconnect()
        await self._side.disconnect()

    def _enqueue(
        self, commands: Sequence[AnyCommand], deadline: float | None, timeline: Timeline | None = None
    ) -> "list[asyncio.Future[Answer[Any]]]":
        loop = asyncio.get_running_loop()
        now = perf_counter()
        waiting = [Waiting(command, deadline, loop.create_future(), now, timeline) for command in commands]
        self._queue.extend(waiting)
        self._queue_size += _size(waiting)
        self._wake_up.set()
        self._look_beside()
        return [each.answer for each in waiting]

    # --- The loops ---

    async def _run(self) -> None:
        """What the main lane does. Where all that waits meets the side lane's batch, it waits for that batch, too: at the
        database it might be the first to get the locks, and what came later would be done before what came first."""
        while self._queue or self._beside is not None or not self._stopping:
            if not self._queue:
                await self._idle()
                continue
            batch = self._batch_apart(self._main) if self._side.batch else self._next_batch()
            if batch:
                await self._carry_out_on(self._main, batch)
                for _ in range(_TURNS_BETWEEN_BATCHES):
                    await asyncio.sleep(0)
            elif self._side.batch:
                await self._idle()

    async def _run_beside(self) -> None:
        """What the side lane does: batch after batch, as long as the main lane has one and another full one waits."""
        try:
            await self._side.connect()
        except Exception as error:  # as where the database has no connection left: the main lane does it all
            _log.warning("the side lane has no connection", error=repr(error))
            return
        while self._main.batch and self._queue_size >= self._batch_max and (batch := self._batch_apart(self._side)):
            self.metrics.beside += 1
            await self._carry_out_on(self._side, batch)
            if not self._side.connected:
                self._looked_beside = True  # what it had is for the main lane now; the next batch of that is soon enough
                return
            await asyncio.sleep(0)
        await self._side.rest()

    def _look_beside(self) -> None:
        """Sets the side lane to work, where a full batch waits while the main lane is at work."""
        if self._queue_size < self._batch_max or self._beside is not None or self._looked_beside or not self._main.batch:
            return
        self._looked_beside = True
        self._beside = asyncio.create_task(self._run_beside(), name="danbao-engine-beside")
        self._beside.add_done_callback(self._rests_beside)

    def _rests_beside(self, _: "asyncio.Task[None]") -> None:
        self._beside = None
        self._wake_up.set()

    async def _carry_out_on(self, lane: Lane, batch: list[Waiting]) -> None:
        self.metrics.wait_seconds.observe(perf_counter() - batch[0].queued_at)
        lane.batch = batch
        self._looked_beside = False
        self._look_beside()
        try:
            await self._carry_out(lane, batch)
        except BaseException as error:
            # Nothing may leave callers waiting for ever, whatever it was.
            self._refuse(batch, internal_fault("the engine failed", error))
            if not isinstance(error, Exception):
                raise
        finally:
            lane.batch = ()
            self._wake_up.set()  # the main lane may have waited for the side lane's batch

    async def _idle(self) -> None:
        """Waits for work; without a connection, tries to get one meanwhile."""
        self._wake_up.clear()
        connection = self._main.connection
        if connection is not None and self.connected:
            try:
                async with asyncio.timeout(connections.CHAINED_SECONDS if connection.is_in_transaction() else None):
                    await self._wake_up.wait()
            except TimeoutError:
                await self._main.rest()
            return
        try:
            await self._main.connect()
        except Exception as error:
            _log.info("the database does not answer", error=repr(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RECONNECT_SECONDS):
                    await self._wake_up.wait()

    def _next_batch(self) -> list[Waiting]:
        """The next commands, without those whose deadline has passed."""
        batch: list[Waiting] = []
        room, now = self._batch_max, asyncio.get_running_loop().time()
        while self._queue and (self._queue[0].size <= room or not batch):
            if batch and (batch[-1].command.alone or self._queue[0].command.alone):
                break
            waiting = self._take()
            if self._is_in_time(waiting, now):
                batch.append(waiting)
                room -= waiting.size
        return batch

    def _batch_apart(self, lane: Lane) -> list[Waiting]:
        """The next commands that meet none of those on the other lane, nor any that have to wait for these: what meets is
        carried out in the order in which it came. Nothing where nearly all meet, as those of one busy merchant do.

        What rows a command names, others may name later; so that it does not meet one batch after the other for ever, the main
        lane passes over it so often, and no more."""
        other = self._side if lane is self._main else self._main
        in_the_way = Footprint(other.batch)
        book = Book(policies=self.policies, stripe=lane.stripe)
        apart: list[Waiting] = []
        passed_over: list[Waiting] = []
        room = self._batch_max
        for waiting in self._queue:
            if waiting.size > room or waiting.command.alone or len(passed_over) - len(apart) > _PATIENCE:
                break
            name_ahead(waiting, book, self._guard)
            if in_the_way.is_met_by(waiting):
                if waiting.overtaken >= _OVERTAKEN and lane is self._main:
                    break
                in_the_way.add(waiting)
                passed_over.append(waiting)
            else:
                apart.append(waiting)
                room -= waiting.size
        if apart:
            for _ in (*apart, *passed_over):
                self._take()
            self._put_back(passed_over)
            for waiting in passed_over if lane is self._main else ():
                waiting.overtaken += 1
        now = asyncio.get_running_loop().time()
        return [waiting for waiting in apart if self._is_in_time(waiting, now)]

    def _take(self) -> Waiting:
        waiting = self._queue.popleft()
        self._queue_size -= waiting.size
        if self._queue_size <= self._queue_max // 2:
            self._room.set()
        return waiting

    def _put_back(self, commands: Sequence[Waiting]) -> None:
        self._queue.extendleft(reversed(commands))
        self._queue_size += _size(commands)

    def _is_in_time(self, waiting: Waiting, now: float) -> bool:
        """Whether the command's deadline has not passed at this time of the event loop; where it has, its caller is told."""
        if waiting.deadline is None or waiting.deadline > now:
            return True
        waiting.settle(DeadlinePassed())
        self.metrics.commands["dropped"] += 1
        return False

    # --- One batch ---

    async def _carry_out(self, lane: Lane, batch: list[Waiting]) -> None:
        """Commits a batch and answers its callers, whatever the database does meanwhile."""
        last: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                outcomes = await self._commit(lane, batch)
            except CommitInDoubt as doubt:
                taken = await lane.was_taken(doubt, self._doubt_patience_seconds)
                self.metrics.count_doubt(taken)
                if taken is None:
                    self._refuse(batch, DatabaseUnavailable())
                    return
                if not taken:
                    continue
                self.metrics.count_batch("committed", _size(batch))
                outcomes = doubt.outcomes
            except Exception as error:
                match remedy(error):
                    case Remedy.RETRY:
                        self.metrics.count_retry(error)
                        last = error
                        continue
                    case Remedy.WAIT:
                        _log.warning("the database went away", error=repr(error))
                        await lane.disconnect()
                        if lane is self._side:
                            self._put_back(batch)  # nothing of it stays: the main lane finds out whether the database is there
                        else:
                            self._refuse(batch, DatabaseUnavailable())
                    case Remedy.SPLIT:
                        await self._split(lane, batch, error)
                return
            self._answer(batch, outcomes)
            return
        if last is not None and getattr(last, "sqlstate", "") == "23505":  # no other engine's row after all
            await self._split(lane, batch, last)
        else:
            self._refuse(batch, RetriesExhausted())

    async def _split(self, lane: Lane, batch: list[Waiting], error: Exception) -> None:
        """Finds the command that cannot be written; the others are carried out."""
        if len(batch) == 1:
            self._refuse(batch, internal_fault("a command cannot be written", error, batch[0].command))
        else:
            self.metrics.splits += 1
            middle = len(batch) // 2
            await self._carry_out(lane, batch[:middle])
            await self._carry_out(lane, batch[middle:])

    async def _commit(self, lane: Lane, batch: Sequence[Waiting]) -> list[Outcome]:
        """One try: the outcomes, committed. Raises CommitInDoubt, or what the database raised before that."""
        connection = await lane.connect()
        stopwatch = self.metrics.stopwatch(batch)
        connection = stopwatch.watching(connection)
        try:
            await lane.chain.begin(connection)
            book = Book(policies=self.policies, stripe=lane.stripe)
            stopwatch.lap("begin")
            await gather(connection, book, batch, self._guard)
            stopwatch.lap("gather")
            outcomes = self._decider.decide_all(book, batch)
            stopwatch.lap("decide")
            if not book.changed:
                await lane.chain.end(connection, "ROLLBACK")  # so that repeats and refusals write nothing at all
                self.metrics.count_batch("unchanged", _size(batch))
                return outcomes
            lane.batch_no += 1
            await book.persist(connection, NumberedBatch(lane.id, lane.batch_no))
            stopwatch.lap("persist")
        except BaseException as error:
            await roll_back(connection, error)
            raise
        try:
            status = await self._end(lane, connection)
        except Exception as error:
            if is_connection_loss(error):
                raise CommitInDoubt(lane.batch_no, outcomes) from error
            raise
        if status != "COMMIT":
            raise Restart(f"the database answered COMMIT with {status}")
        stopwatch.lap("commit")
        self.metrics.count_batch("committed", _size(batch))
        return outcomes

    async def _end(self, lane: Lane, connection: Connection) -> str:
        """Commits. While Postgres writes to the disk, there is time to ask those who wait for their keys."""
        if not self._queue or self._beside is not None:
            return await lane.chain.end(connection, "COMMIT")
        committing = asyncio.create_task(lane.chain.end(connection, "COMMIT"), name="danbao-engine-commit")
        await _handed_over()
        book = Book(policies=self.policies, stripe=lane.stripe)
        for waiting in itertools.islice(self._queue, self._batch_max):
            name_ahead(waiting, book, self._guard)
        return await committing

    def _answer(self, batch: Sequence[Waiting], outcomes: Sequence[Outcome]) -> None:
        postponed = []
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Postponed):
                postponed.append(waiting)
            else:
                waiting.settle(outcome)
                self.metrics.commands[_told_as(outcome)] += 1
        self._put_back(postponed)
        self.metrics.postponed += len(postponed)

    def _refuse(self, batch: Sequence[Waiting], refusal: Refusal) -> None:
        self.metrics.count_batch("failed", _size(batch))
        self.metrics.commands["failed"] += len(batch)
        for waiting in batch:
            waiting.settle(refusal)


async def _handed_over() -> None:
    """Until what a task that was just begun has to say to the database is on its way: the loop begins the task in one turn, and
    sends at the end of it."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def _deadline(timeout_seconds: float | None) -> float | None:
    """The event loop's time at which a time-out passes."""
    return None if timeout_seconds is None else asyncio.get_running_loop().time() + timeout_seconds


def _size(commands: Sequence[Waiting]) -> int:
    return sum([each.size for each in commands])


def _told_as(outcome: Answer[Any] | Refusal) -> str:
    """The outcome as it is counted."""
    if isinstance(outcome, Answer):
        return "replayed" if outcome.replayed else "answered"
    return "failed" if isinstance(outcome, InternalFault) else "refused"
