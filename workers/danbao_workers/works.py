"""All that is done in the background."""

from typing import Final

from danbao_workers.deliveries import DELIVERIES
from danbao_workers.forgetting import FORGETTING
from danbao_workers.fundings import FUNDINGS
from danbao_workers.payment_timers import PAYMENT_TIMERS
from danbao_workers.payouts import PAYOUT_ENDS, PAYOUTS
from danbao_workers.reconciliations import RECONCILIATIONS
from danbao_workers.refunds import REFUNDS
from danbao_workers.relay import RELAY
from danbao_workers.work import Singleton, Work

WORKS: Final[tuple[Work, ...]] = (DELIVERIES, PAYMENT_TIMERS, REFUNDS, FUNDINGS, PAYOUTS, PAYOUT_ENDS)

SINGLETONS: Final[tuple[Singleton, ...]] = (FORGETTING, RECONCILIATIONS, RELAY)
