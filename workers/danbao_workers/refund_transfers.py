"""Refunds to cards: the bank is asked, and asked again until what it has done is known."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from danbao_core import sql
from danbao_core.bank.port import Bank
from danbao_core.fundings_at_bank import pause_after
from danbao_core.refunds_at_bank import LeaveUnboundCard, TakeRefundOutcome, ask, claim
from danbao_workers.work import Background, Work, each


class BankNotSetUp(Exception):
    """Refunds to cards wait, and this worker has no bank to ask: set DANBAO_BANK_URL, as for the servers."""


async def _carry_out(background: Background, ids: Sequence[UUID]) -> None:
    bank = background.bank
    if bank is None:
        raise BankNotSetUp
    await each(lambda refund_id: _ask(background, bank, refund_id), ids)


async def _ask(background: Background, bank: Bank, refund_id: UUID) -> None:
    """Asks for one; where it cannot be claimed, somebody else does, or its card was unbound and the wallet gets it."""
    origin = background.origin(REFUND_TRANSFERS.name)
    claimed = await claim(background.pool, refund_id)
    if claimed is None:
        await background.engine.submit(LeaveUnboundCard(origin=origin, refund_id=refund_id))
        return
    outcome = await ask(bank, claimed)
    again_at = background.wall_clock() + pause_after(claimed.attempt)
    command = TakeRefundOutcome(origin=origin, refund_id=refund_id, outcome=outcome, ask_again_at=again_at)
    await background.engine.submit(command)


REFUND_TRANSFERS: Final = Work(
    name="refund_transfers",
    due=sql.load("danbao_workers", "due_refund_transfers"),
    carry_out=_carry_out,
    every_seconds=0.25,
    at_a_time=8,
)
