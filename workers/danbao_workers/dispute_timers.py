"""What time brings about in disputes: deadlines and what announces them; and compensations for which the fund was short."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from danbao_core import sql
from danbao_core.disputes import CatchUpDispute, PayCompensation
from danbao_workers.work import Background, Work, each


async def _catch_up(background: Background, ids: Sequence[UUID]) -> None:
    """All that is due in each, in its order, each step at the time when it was due."""
    origin = background.origin(DISPUTE_TIMERS.name)
    await each(lambda dispute_id: background.engine.submit(CatchUpDispute(origin=origin, dispute_id=dispute_id)), ids)


async def _compensate(background: Background, ids: Sequence[UUID]) -> None:
    origin = background.origin(COMPENSATIONS.name)
    await each(lambda dispute_id: background.engine.submit(PayCompensation(origin=origin, dispute_id=dispute_id)), ids)


DISPUTE_TIMERS: Final = Work(
    name="dispute_timers",
    due=sql.load("danbao_workers", "due_disputes"),
    carry_out=_catch_up,
    every_seconds=0.5,
    at_a_time=64,
)

COMPENSATIONS: Final = Work(
    name="compensations",
    due=sql.load("danbao_workers", "due_compensations"),
    carry_out=_compensate,
    every_seconds=1,
)
