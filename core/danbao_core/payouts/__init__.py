"""Scheduled payouts of merchants: what is due is paid out as a withdrawal, with a report of what it is made of."""

from danbao_core.payouts.commands import FinishPayout, PayOut, SetPayoutSchedule
from danbao_core.payouts.rows import Cadence, Payout, PayoutSchedule, PayoutState, Skip, schedule_id

__all__ = [
    "Cadence",
    "FinishPayout",
    "PayOut",
    "Payout",
    "PayoutSchedule",
    "PayoutState",
    "SetPayoutSchedule",
    "Skip",
    "schedule_id",
]
