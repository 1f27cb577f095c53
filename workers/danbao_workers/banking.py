"""Asking a bank for what is due, and bringing back what it says."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID

from danbao_core.bank.asking import ask, claim, pause_after
from danbao_core.bank.port import Outcome
from danbao_workers.work import Background, each


class BankNotSetUp(Exception):
    """Cards wait for their bank, and this worker has none to ask: set DANBAO_BANK_URL, as for the servers."""


async def ask_for_all(
    background: Background,
    kind: str,
    ids: Sequence[UUID],
    take: Callable[[UUID, Outcome, datetime], Awaitable[object]],
    leave: Callable[[UUID], Awaitable[object]] | None = None,
) -> None:
    """Asks the bank once for each "funding" or "refund" and hands over what it says, with when to ask again where that is not
    final; what cannot be claimed is left, or handed over to be. Raises BankNotSetUp, and ExceptionGroup of what failed.
    """
    bank = background.bank
    if bank is None:
        raise BankNotSetUp

    async def ask_for(transfer_id: UUID) -> None:
        claimed = await claim(background.pool, kind, transfer_id)
        if claimed is not None:
            outcome = await ask(bank, claimed)
            await take(transfer_id, outcome, background.wall_clock() + pause_after(claimed.attempt))
        elif leave is not None:
            await leave(transfer_id)

    await each(ask_for, ids)
