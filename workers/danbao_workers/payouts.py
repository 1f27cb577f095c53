"""Payouts of merchants: made when they are due, and ended when their withdrawals have ended."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from danbao_core import sql
from danbao_core.bank.ways import Ways
from danbao_core.payouts import FinishPayout, PayOut
from danbao_core.settings import Mode
from danbao_workers.work import Background, Work, each


async def _pay_out(background: Background, ids: Sequence[UUID]) -> None:
    origin = background.origin(PAYOUTS.name)
    ways = Ways(bank=background.bank is not None, till=background.settings.mode is Mode.SANDBOX)

    async def pay_out(schedule_id: UUID) -> None:
        await background.engine.submit(PayOut(origin=origin, schedule_id=schedule_id, ways=ways))

    await each(pay_out, ids)


async def _finish(background: Background, ids: Sequence[UUID]) -> None:
    origin = background.origin(PAYOUT_ENDS.name)
    await each(lambda payout_id: background.engine.submit(FinishPayout(origin=origin, payout_id=payout_id)), ids)


PAYOUTS: Final = Work(
    name="payouts", due=sql.load("danbao_workers", "due_payouts"), carry_out=_pay_out, every_seconds=1, at_a_time=64
)

PAYOUT_ENDS: Final = Work(
    name="payout_ends", due=sql.load("danbao_workers", "due_payout_ends"), carry_out=_finish, every_seconds=1, at_a_time=64
)
