"""Refunds that can be carried out without asking a bank: to wallets, and what becomes of those that await funds."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from danbao_core import sql
from danbao_core.payments import CarryOutRefund
from danbao_workers.work import Background, Work, each


async def _carry_out(background: Background, ids: Sequence[UUID]) -> None:
    """One step of each; what is due then is given out again."""
    origin = background.origin(REFUNDS.name)
    await each(lambda refund_id: background.engine.submit(CarryOutRefund(origin=origin, refund_id=refund_id)), ids)


REFUNDS: Final = Work(
    name="refunds",
    due=sql.load("danbao_workers", "due_refunds"),
    carry_out=_carry_out,
    every_seconds=0.25,
    at_a_time=64,
)
