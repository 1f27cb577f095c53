"""Refunds to cards: the bank is asked, and asked again until what it has done is known."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from danbao_core import sql
from danbao_core.bank.port import Outcome
from danbao_core.refunds_at_bank import LeaveUnboundCard, TakeRefundOutcome
from danbao_workers.banking import ask_for_all
from danbao_workers.work import Background, Work


async def _carry_out(background: Background, ids: Sequence[UUID]) -> None:
    origin, engine = background.origin(REFUND_TRANSFERS.name), background.engine

    async def take(refund_id: UUID, outcome: Outcome, again_at: datetime) -> None:
        await engine.submit(TakeRefundOutcome(origin=origin, refund_id=refund_id, outcome=outcome, ask_again_at=again_at))

    async def leave(refund_id: UUID) -> None:
        """Somebody else asks, or the card was unbound and the wallet gets it."""
        await engine.submit(LeaveUnboundCard(origin=origin, refund_id=refund_id))

    await ask_for_all(background, "refund", ids, take, leave)


REFUND_TRANSFERS: Final = Work(
    name="refund_transfers",
    due=sql.load("danbao_workers", "due_refund_transfers"),
    carry_out=_carry_out,
    every_seconds=0.25,
    at_a_time=8,
)
