"""Deliveries of webhooks: endpoints to which something is due are handed to the worker's `Deliverer`, which sees to them."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from danbao_core import sql
from danbao_workers.work import Background, Work


async def _carry_out(background: Background, ids: Sequence[UUID]) -> None:
    """Hands endpoints over. Nobody waits for them here: one that hangs would keep others from being looked after."""
    background.deliverer.see_to(ids)


DELIVERIES: Final = Work(
    name="deliveries",
    due=sql.load("danbao_workers", "due_endpoints"),
    carry_out=_carry_out,
    every_seconds=0.5,
    at_a_time=64,
    again_after_seconds=5.0,
)
