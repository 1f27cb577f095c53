"""Looking for what is due, again and again, and giving it out as jobs."""

import asyncio
import contextlib
from collections.abc import Sequence
from time import monotonic
from typing import Final
from uuid import UUID, uuid4

import structlog

from danbao_core import sql
from danbao_core.database_errors import DATABASE_ERRORS
from danbao_workers.work import Background, Due, Work

_log = structlog.get_logger("danbao.worker")

_PAGE: Final = 1_000
"""Most that one look gives out."""

_FULL_SECONDS: Final = 0.2
_AFTER_ERROR_SECONDS: Final = 1.0

_MARKER: Final = "danbao:leader"
"""A key that a leader sets: where it is gone, Valkey has lost the jobs, too."""


class GivenOut:
    """What of one kind of work was given out, and when."""

    def __init__(self, again_after_seconds: float) -> None:
        self._again_after_seconds = again_after_seconds
        self._at: dict[tuple[UUID, int], float] = {}

    def __len__(self) -> int:
        return len(self._at)

    def fresh(self, due: Sequence[Due], now: float, most: int) -> list[UUID]:
        """The first `most` that were not given out lately, which they then are. What is no longer due is forgotten."""
        at: dict[tuple[UUID, int], float] = {}
        fresh: list[UUID] = []
        for each in due:
            lately = self._at.get((each.id, each.mark))
            if lately is None or now - lately >= self._again_after_seconds:
                if len(fresh) == most:
                    continue
                fresh.append(each.id)
                lately = now
            at[each.id, each.mark] = lately
        self._at = at
        return fresh

    def forget(self) -> None:
        """All of it is lost."""
        self._at.clear()


class Lateness:
    """What the leader last found of each kind of work: how much is due, and how long the first of it has been."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[int, float]] = {}

    def tell(self, work: Work, due: Sequence[Due]) -> None:
        """Takes what a look has found."""
        self.found[work.name] = (len(due), max((each.late_seconds for each in due), default=0.0))


class Sweep:
    """One kind of work, looked for in the leader."""

    def __init__(self, background: Background, work: Work, lateness: Lateness) -> None:
        self._background = background
        self._work = work
        self._lateness = lateness
        self._given_out = GivenOut(work.again_after_seconds)
        self._marker = str(uuid4())

    async def run(self, stop: asyncio.Event) -> None:
        """Goes on until `stop` is set, and ends what it is at. Raises RedisError where Valkey does not answer; waits where the
        database does not."""
        while not stop.is_set():
            try:
                found = await self._look()
                rest_seconds = _FULL_SECONDS if found >= _PAGE else self._work.every_seconds
            except DATABASE_ERRORS as error:
                _log.warning("cannot see what is due", work=self._work.name, error=type(error).__name__)
                rest_seconds = _AFTER_ERROR_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest_seconds):
                    await stop.wait()

    async def _look(self) -> int:
        """Gives out what is due and was not given out lately; answers how much that was."""
        pool, queue, work = self._background.pool, self._background.queue, self._work
        if not await self._jobs_are_kept():
            self._given_out.forget()
        [(time, _)] = await pool.fetch(sql.load("danbao_core", "read_clock"))
        # Beyond what was given out before and is still due, or a thousand that fail for ever would hide all others.
        due = [Due(*record) for record in await pool.fetch(work.due, time, _PAGE + len(self._given_out))]
        self._lateness.tell(work, due)
        room = work.most_jobs - await self._jobs_under_way() if due else 0
        fresh = self._given_out.fresh(due, monotonic(), max(0, room) * work.at_a_time)
        for first in range(0, len(fresh), work.at_a_time):
            ids = [str(each) for each in fresh[first : first + work.at_a_time]]
            await queue.enqueue_job(work.name, ids, _job_id=f"{work.name}:{uuid4()}")
        return len(fresh)

    async def _jobs_under_way(self) -> int:
        """How many jobs of this kind wait or run; arq keeps a job in its queue until it has ended."""
        queue, prefix = self._background.queue, f"{self._work.name}:".encode()
        return sum(job_id.startswith(prefix) for job_id in await queue.zrange(queue.default_queue_name, 0, -1))

    async def _jobs_are_kept(self) -> bool:
        """Whether Valkey still has what this sweep has put there."""
        key = f"{_MARKER}:{self._work.name}"
        kept: bytes | None = await self._background.queue.getset(key, self._marker)
        return kept == self._marker.encode()
