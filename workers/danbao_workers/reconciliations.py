"""The bank's statement of every day that is over, matched with the books; days that operators ask for come first."""

import asyncio
from typing import Final

import structlog

from danbao_core.bank.port import Bank, BankNotAnswering
from danbao_core.reconciliation import StartReconciliation, next_day, pending_days, reconcile
from danbao_workers.work import Background, Singleton

_log = structlog.get_logger("danbao.worker")

_LOOK_SECONDS: Final = 1.0
_BANK_AWAY_SECONDS: Final = 30.0


async def _run(background: Background) -> None:
    bank = background.bank
    if bank is None:
        await asyncio.Event().wait()  # there is nothing to match with
        return
    while True:
        try:
            done = await reconcile_what_waits(background, bank)
        except BankNotAnswering as error:
            _log.warning("no statement of the bank", why=str(error))
            await asyncio.sleep(_BANK_AWAY_SECONDS)
        else:
            if not done:
                await asyncio.sleep(_LOOK_SECONDS)


async def reconcile_what_waits(background: Background, bank: Bank) -> int:
    """Reconciles the days that wait, or starts the next one that is over; answers how many days that were.

    Raises BankNotAnswering.
    """
    engine, pool, origin = background.engine, background.pool, background.origin(RECONCILIATIONS.name)
    days = await pending_days(pool)
    if not days and (day := await next_day(pool)) is not None:
        await engine.submit(StartReconciliation(origin=origin, day=day))
        days = [day]
    for day in days:
        result = await reconcile(engine, pool, bank, day, origin)
        found = result.reconciliation
        _log.info("day reconciled", day=found.day, lines=found.lines, entries=found.entries, open=result.open)
    return len(days)


RECONCILIATIONS: Final = Singleton("reconciliations", _run)
