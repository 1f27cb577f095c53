"""Payouts for the tests of engines, as `builders` makes payments."""

from typing import Any

from danbao_core.accounts import Account
from danbao_core.bank.ways import Ways
from danbao_core.engine import Engine
from danbao_core.payouts import Cadence, FinishPayout, PayOut, Payout, PayoutSchedule, SetPayoutSchedule
from tests.builders import carried_out, later, origin

AN_HOUR = 3_600
OVER_THE_TILL = Ways()


def set_hourly(shop: Account, **facts: Any) -> SetPayoutSchedule:
    """The setting of a payout at every full hour, from one cent on."""
    given: dict[str, Any] = {"origin": origin(), "account_id": shop.id, "currency": "CNY", "cadence": Cadence.THRESHOLD}
    return SetPayoutSchedule(**(given | facts))


async def a_schedule(engine: Engine, shop: Account, **facts: Any) -> PayoutSchedule:
    """A schedule, every hour and from one cent on where the facts say nothing else."""
    return await carried_out(engine, set_hourly(shop, **facts))


def pay_out(schedule: PayoutSchedule, ways: Ways = OVER_THE_TILL) -> PayOut:
    """What a worker does when it finds the schedule due."""
    by_worker = origin(caller="worker", request_id="")
    return PayOut(origin=by_worker, schedule_id=schedule.id, ways=ways)


def finish(payout: Payout) -> FinishPayout:
    """What a worker does when it finds the withdrawal ended."""
    return FinishPayout(origin=origin(caller="worker", request_id=""), payout_id=payout.id)


async def paid_out(engine: Engine, schedule: PayoutSchedule) -> PayoutSchedule:
    """The schedule after an hour has passed and a worker has come by."""
    await later(engine, AN_HOUR)
    return await carried_out(engine, pay_out(schedule))
