"""What time brings about for payments: expiry, ship-by, auto-confirm, the end of a hold and of the refund window."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from danbao_core import sql
from danbao_core.payments import CatchUp
from danbao_workers.work import Background, Work, each


async def _carry_out(background: Background, ids: Sequence[UUID]) -> None:
    origin = background.origin(PAYMENT_TIMERS.name)
    await each(lambda payment_id: background.engine.submit(CatchUp(origin=origin, payment_id=payment_id)), ids)


PAYMENT_TIMERS: Final = Work(
    name="payment_timers",
    due=sql.load("danbao_workers", "due_payment_timers"),
    carry_out=_carry_out,
    every_seconds=0.5,
    at_a_time=64,
)
