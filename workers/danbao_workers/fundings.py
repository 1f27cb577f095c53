"""Fundings of cards: the bank is asked, and asked again until what it has done is known."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from danbao_core import sql
from danbao_core.bank.port import Bank
from danbao_core.fundings_at_bank import TakeOutcome, ask, claim, pause_after
from danbao_workers.work import Background, Work, each


class BankNotSetUp(Exception):
    """Fundings of cards wait, and this worker has no bank to ask: set DANBAO_BANK_URL, as for the servers."""


async def _carry_out(background: Background, ids: Sequence[UUID]) -> None:
    bank = background.bank
    if bank is None:
        raise BankNotSetUp
    await each(lambda funding_id: _ask(background, bank, funding_id), ids)


async def _ask(background: Background, bank: Bank, funding_id: UUID) -> None:
    claimed = await claim(background.pool, funding_id)
    if claimed is None:
        return
    outcome = await ask(bank, claimed)
    again_at = background.wall_clock() + pause_after(claimed.attempt)
    origin = background.origin(FUNDINGS.name)
    await background.engine.submit(TakeOutcome(origin=origin, funding_id=funding_id, outcome=outcome, ask_again_at=again_at))


FUNDINGS: Final = Work(
    name="fundings",
    due=sql.load("danbao_workers", "due_fundings"),
    carry_out=_carry_out,
    every_seconds=0.2,
    at_a_time=8,
)
