"""The commit engine: many callers' commands, one transaction.

One engine per process owns one connection and has one batch in flight; the next batch forms while it commits, so a hot account
costs no more than any other and an idle engine commits a single command at once. A batch goes this way:

    begin     a transaction, where the end of the last one has not begun it already
    gather    which rows do the commands need? read without locks until they name nothing new, then lock, then read the rest;
              learn the time (gathering.py)
    decide    each command in turn, on the book that the ones before it left (deciding.py); of a large batch, what is final is
              written meanwhile
    persist   everything else that changed, set by set; count the batch on the engine's row
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

import msgspec
import structlog

from danbao_core.engine import connection as connections
from danbao_core.engine.book import Book
from danbao_core.engine.command import AnyCommand, Command, Guard
from danbao_core.engine.connection import Connection
from danbao_core.engine.deciding import ATTEMPTS, Decider, handed_over
from danbao_core.engine.failures import CommitInDoubt, Remedy, Restart, internal_fault, is_connection_loss, remedy
from danbao_core.engine.gathering import gather, name_ahead
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
from danbao_core.ids import uuid7
from danbao_core.policy import PolicySchedule

_RECONNECT_SECONDS: Final = 0.5

_TURNS_BETWEEN_BATCHES: Final = 10
"""So often the event loop turns between one batch and the next: those who were answered ask again, and share the next batch. A
batch costs as much as some of its payments, and a turn in which nothing happens some microseconds."""

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
        self.id = uuid7()
        self._database_url = database_url
        self.policies = policies
        """The figures of every time."""
        self._guard = guard
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._decider = Decider(guard, request_retention)
        self._connect_timeout_seconds = connect_timeout_seconds
        self._doubt_patience_seconds = doubt_patience_seconds
        self._queue: deque[Waiting] = deque()
        self._queue_size = 0
        self._room = asyncio.Event()
        self._wake_up = asyncio.Event()
        self._stopping = False
        self._connection: Connection | None = None
        self._chain = connections.Chain()
        self._stripe = 0
        self._batch_no = 0
        """Of the last batch that was written, taken or not."""
        self._task: asyncio.Task[None] | None = None
        self.metrics = EngineMetrics(waiting=lambda: self._queue_size)

    # --- For callers ---

    @property
    def connected(self) -> bool:
        """Whether the engine has its connection to the database."""
        return self._connection is not None and not self._connection.is_closed()

    async def start(self) -> None:
        """Connects and begins to work. Raises what asyncpg raises where the database cannot be reached."""
        await self._connect()
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
        await self._disconnect()

    def _enqueue(
        self, commands: Sequence[AnyCommand], deadline: float | None, timeline: Timeline | None = None
    ) -> "list[asyncio.Future[Answer[Any]]]":
        loop = asyncio.get_running_loop()
        now = perf_counter()
        waiting = [Waiting(command, deadline, loop.create_future(), now, timeline) for command in commands]
        self._queue.extend(waiting)
        self._queue_size += _size(waiting)
        self._wake_up.set()
        return [each.answer for each in waiting]

    # --- The loop ---

    async def _run(self) -> None:
        while self._queue or not self._stopping:
            if not self._queue:
                await self._idle()
                continue
            batch = self._next_batch()
            if not batch:
                continue
            self.metrics.wait_seconds.observe(perf_counter() - batch[0].queued_at)
            try:
                await self._carry_out(batch)
            except BaseException as error:
                # Nothing may leave callers waiting for ever, whatever it was.
                self._refuse(batch, internal_fault("the engine failed", error))
                if not isinstance(error, Exception):
                    raise
            for _ in range(_TURNS_BETWEEN_BATCHES):
                await asyncio.sleep(0)

    async def _idle(self) -> None:
        """Waits for work; without a connection, tries to get one meanwhile."""
        self._wake_up.clear()
        if self._connection is not None and self.connected:
            try:
                async with asyncio.timeout(connections.CHAINED_SECONDS if self._connection.is_in_transaction() else None):
                    await self._wake_up.wait()
            except TimeoutError:
                await self._roll_back(self._connection)
            return
        try:
            await self._connect()
        except Exception as error:
            _log.info("the database does not answer", error=repr(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RECONNECT_SECONDS):
                    await self._wake_up.wait()

    def _next_batch(self) -> list[Waiting]:
        """The next commands, without those whose deadline has passed."""
        now = asyncio.get_running_loop().time()
        batch: list[Waiting] = []
        room = self._batch_max
        while self._queue and (self._queue[0].size <= room or not batch):
            if batch and (batch[-1].command.alone or self._queue[0].command.alone):
                break
            waiting = self._queue.popleft()
            self._queue_size -= waiting.size
            if waiting.deadline is not None and waiting.deadline <= now:
                waiting.settle(DeadlinePassed())
                self.metrics.commands["dropped"] += 1
            else:
                batch.append(waiting)
                room -= waiting.size
        if self._queue_size <= self._queue_max // 2:
            self._room.set()
        return batch

    # --- One batch ---

    async def _carry_out(self, batch: list[Waiting]) -> None:
        """Commits a batch and answers its callers, whatever the database does meanwhile."""
        last: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                outcomes = await self._commit(batch)
            except CommitInDoubt as doubt:
                taken = await self._was_taken(doubt)
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
                        await self._disconnect()
                        self._refuse(batch, DatabaseUnavailable())
                    case Remedy.SPLIT:
                        await self._split(batch, error)
                return
            self._answer(batch, outcomes)
            return
        if last is not None and getattr(last, "sqlstate", "") == "23505":  # no other engine's row after all
            await self._split(batch, last)
        else:
            self._refuse(batch, RetriesExhausted())

    async def _split(self, batch: list[Waiting], error: Exception) -> None:
        """Finds the command that cannot be written; the others are carried out."""
        if len(batch) == 1:
            self._refuse(batch, internal_fault("a command cannot be written", error, batch[0].command))
        else:
            self.metrics.splits += 1
            middle = len(batch) // 2
            await self._carry_out(batch[:middle])
            await self._carry_out(batch[middle:])

    async def _commit(self, batch: Sequence[Waiting]) -> list[Outcome]:
        """One try: the outcomes, committed. Raises CommitInDoubt, or what the database raised before that."""
        connection = await self._connect()
        stopwatch = self.metrics.stopwatch(batch)
        connection = stopwatch.watching(connection)
        try:
            await self._chain.begin(connection)
            book = Book(policies=self.policies, stripe=self._stripe)
            stopwatch.lap("begin")
            await gather(connection, book, batch, self._guard)
            stopwatch.lap("gather")
            outcomes = await self._decider.decide_all(connection, book, batch)
            stopwatch.lap("decide")
            if not book.changed:
                await self._chain.end(connection, "ROLLBACK")  # so that repeats and refusals write nothing at all
                self.metrics.count_batch("unchanged", _size(batch))
                return outcomes
            self._batch_no += 1
            await book.persist(connection, NumberedBatch(self.id, self._batch_no))
            stopwatch.lap("persist")
        except BaseException as error:
            await self._roll_back(connection, error)
            raise
        try:
            status = await self._end(connection)
        except Exception as error:
            if is_connection_loss(error):
                raise CommitInDoubt(self._batch_no, outcomes) from error
            raise
        if status != "COMMIT":
            raise Restart(f"the database answered COMMIT with {status}")
        stopwatch.lap("commit")
        self.metrics.count_batch("committed", _size(batch))
        return outcomes

    async def _end(self, connection: Connection) -> str:
        """Commits. While Postgres writes to the disk, there is time to ask those who wait for their keys."""
        if not self._queue:
            return await self._chain.end(connection, "COMMIT")
        committing = asyncio.create_task(self._chain.end(connection, "COMMIT"), name="danbao-engine-commit")
        await handed_over()
        book = Book(policies=self.policies, stripe=self._stripe)
        name_ahead(itertools.islice(self._queue, self._batch_max), book, self._guard)
        return await committing

    def _answer(self, batch: Sequence[Waiting], outcomes: Sequence[Outcome]) -> None:
        postponed = []
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Postponed):
                postponed.append(waiting)
            else:
                waiting.settle(outcome)
                self.metrics.commands[_told_as(outcome)] += 1
        self._queue.extendleft(reversed(postponed))
        self._queue_size += _size(postponed)
        self.metrics.postponed += len(postponed)

    def _refuse(self, batch: Sequence[Waiting], refusal: Refusal) -> None:
        self.metrics.count_batch("failed", _size(batch))
        self.metrics.commands["failed"] += len(batch)
        for waiting in batch:
            waiting.settle(refusal)

    # --- The connection ---

    async def _connect(self) -> Connection:
        """The engine's connection, made anew where it was lost."""
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        connection = await connections.connect(self._database_url, timeout_seconds=self._connect_timeout_seconds)
        try:
            await connections.register(connection, self.id)
            self._stripe = await connections.lease_stripe(connection)
        except BaseException:
            connection.terminate()
            raise
        connection.add_termination_listener(lambda _: self._wake_up.set())
        self._connection = connection
        self.metrics.connections += 1
        return connection

    async def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                await connection.close(timeout=1)
            except Exception:
                connection.terminate()

    async def _roll_back(self, connection: Connection, error: BaseException | None = None) -> None:
        if error is not None and is_connection_loss(error):
            connection.terminate()  # asking it for anything more may take as long again
            return
        try:
            await connection.execute("ROLLBACK")
        except Exception:
            connection.terminate()

    async def _was_taken(self, doubt: CommitInDoubt) -> bool | None:
        """Whether the database took a batch whose COMMIT was lost; None where it cannot be asked in time."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._doubt_patience_seconds
        while loop.time() < give_up_at:
            await self._disconnect()
            try:
                return await connections.last_batch(await self._connect(), self.id) >= doubt.batch_no
            except Exception as error:
                _log.warning("a commit is in doubt and the database does not answer", error=repr(error))
                await asyncio.sleep(0.1)
        return None


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
