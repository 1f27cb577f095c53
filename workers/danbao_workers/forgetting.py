"""Forgetting events, deliveries and messages to people that are older than anybody asks for, a few at a time."""

import asyncio
from datetime import timedelta
from typing import Final

from danbao_core import sql
from danbao_core.ids import first_at
from danbao_workers.work import Background, Singleton

KEPT_DAYS: Final = 90
"""Wall time: moving the sandbox's clock forgets nothing. The last retry of a delivery is long over by then."""

ROWS_AT_ONCE: Final = 1_000

_PAUSE_SECONDS: Final = 0.2
_EVERY_SECONDS: Final = 600.0


async def forget(background: Background) -> None:
    """Goes on until it is cancelled. Raises what the database raises."""
    while True:
        while await forget_some(background):
            await asyncio.sleep(_PAUSE_SECONDS)
        await asyncio.sleep(_EVERY_SECONDS)


async def forget_some(background: Background) -> int:
    """Forgets the oldest of what is too old; answers how much that was. Deliveries go first: what they need goes last."""
    before = first_at(background.wall_clock() - timedelta(days=KEPT_DAYS))
    pool = background.pool
    messages: int = await pool.fetchval(sql.load("danbao_workers", "forget_messages"), before, ROWS_AT_ONCE)
    if messages:
        return messages
    deliveries: int = await pool.fetchval(sql.load("danbao_workers", "forget_deliveries"), before, ROWS_AT_ONCE)
    if deliveries:
        return deliveries
    events: int = await pool.fetchval(sql.load("danbao_workers", "forget_events"), KEPT_DAYS, ROWS_AT_ONCE)
    return events


FORGETTING: Final = Singleton("forgetting", forget)
