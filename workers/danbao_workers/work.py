"""What is done in the background, as data: rows that are due, and how they are carried out.

Postgres holds the truth: work is lost with nobody, because what is due can be read again at any time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from danbao_core.clock import WallClock
from danbao_core.engine import Engine, Origin
from danbao_core.keyring import Keyring
from danbao_core.settings import Settings

if TYPE_CHECKING:
    import asyncpg
    from arq.connections import ArqRedis

    from danbao_workers.deliverer import Deliverer
    from danbao_workers.event_numbers import EventNumbers
    from danbao_workers.postman import Postman

CALLER = "worker"
"""By what name the books call whatever the workers do of themselves."""


class Background(NamedTuple):
    """What work has at hand; one for each worker process."""

    settings: Settings
    engine: Engine
    pool: "asyncpg.Pool[Any]"
    """Connections in the servers' role, for what is read and for claims; facts of the books change by commands."""
    queue: "ArqRedis"
    keyring: Keyring
    wall_clock: WallClock
    deliverer: "Deliverer"
    numbers: "EventNumbers"
    postman: "Postman | None" = None
    """Sends messages to people; every worker has one."""

    def origin(self, work: str) -> Origin:
        """Who asks, in the commands of some work: the system itself."""
        return Origin(caller=CALLER, method=work, received_at=self.wall_clock())


class Due(NamedTuple):
    """Something that is due."""

    id: UUID
    mark: int
    """The same id with another mark is other work: the row's version, say."""
    late_seconds: float
    """How long it has been due."""


class Work(NamedTuple):
    """One kind of work.

    `carry_out` must bear to be called twice for the same ids, at the same time and by two workers: jobs are lost, and delivered
    twice. Where it raises, that is logged, and the ids that are still due come again.
    """

    name: str
    """Of the jobs, and of the metrics."""
    due: str
    """A query for what is due, longest first, without locks: `id`, `mark` and `late_seconds` (see `Due`) of at most $2 rows, at
    the business time $1."""
    carry_out: Callable[[Background, Sequence[UUID]], Awaitable[None]]
    every_seconds: float
    """How often somebody looks."""
    at_a_time: int = 16
    """How many ids make a job."""
    most_jobs: int = 30
    """How many jobs wait or run at once, in all workers together: one kind that is slow leaves room for the others."""
    again_after_seconds: float = 30.0
    """When a job is made again for what is still due: it was lost, or failed."""
    timeout_seconds: float = 60.0
    """After this a job is cancelled."""


class Singleton(NamedTuple):
    """Something that goes on for ever, in one worker at a time but for a moment in which another takes over."""

    name: str
    run: Callable[[Background], Awaitable[None]]
    """Where it raises, that is logged, and it is run again a second later."""


async def each(carry_out: Callable[[UUID], Awaitable[object]], ids: Sequence[UUID]) -> None:
    """Carries each out, at the same time; one that fails keeps none of the others. Raises ExceptionGroup of what failed."""
    outcomes = await asyncio.gather(*(carry_out(each_id) for each_id in ids), return_exceptions=True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    if failed:
        raise ExceptionGroup(f"{len(failed)} of {len(ids)} failed", failed)
