"""Fundings of cards: the bank is asked, and asked again until what it has done is known."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from danbao_core import sql
from danbao_core.bank.port import Outcome
from danbao_core.fundings_at_bank import TakeOutcome
from danbao_workers.banking import ask_for_all
from danbao_workers.work import Background, Work


async def _carry_out(background: Background, ids: Sequence[UUID]) -> None:
    origin, engine = background.origin(FUNDINGS.name), background.engine

    async def take(funding_id: UUID, outcome: Outcome, again_at: datetime) -> None:
        await engine.submit(TakeOutcome(origin=origin, funding_id=funding_id, outcome=outcome, ask_again_at=again_at))

    await ask_for_all(background, "funding", ids, take)


FUNDINGS: Final = Work(
    name="fundings",
    due=sql.load("danbao_workers", "due_fundings"),
    carry_out=_carry_out,
    every_seconds=0.2,
    at_a_time=8,
)
