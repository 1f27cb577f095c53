"""All that is done in the background."""

from typing import Final

from danbao_workers.deliveries import DELIVERIES
from danbao_workers.dispute_timers import COMPENSATIONS, DISPUTE_TIMERS
from danbao_workers.endpoints import OLD_SECRETS, RESUMPTIONS
from danbao_workers.forgetting import FORGETTING
from danbao_workers.fundings import FUNDINGS
from danbao_workers.messages import MESSAGES
from danbao_workers.news import NEWS
from danbao_workers.payment_timers import PAYMENT_TIMERS
from danbao_workers.payouts import PAYOUT_ENDS, PAYOUTS
from danbao_workers.reconciliations import RECONCILIATIONS
from danbao_workers.refund_transfers import REFUND_TRANSFERS
from danbao_workers.refunds import REFUNDS
from danbao_workers.relay import RELAY
from danbao_workers.work import Singleton, Work

WORKS: Final[tuple[Work, ...]] = (
    COMPENSATIONS,
    DELIVERIES,
    DISPUTE_TIMERS,
    FUNDINGS,
    MESSAGES,
    OLD_SECRETS,
    PAYMENT_TIMERS,
    PAYOUTS,
    PAYOUT_ENDS,
    REFUNDS,
    REFUND_TRANSFERS,
    RESUMPTIONS,
)

SINGLETONS: Final[tuple[Singleton, ...]] = (FORGETTING, NEWS, RECONCILIATIONS, RELAY)
