"""The services: each method translates, submits or reads, and translates back.

What all calls share is in `interceptor.py`.
"""

from danbao_core.rpc.services.accounts import Accounts
from danbao_core.rpc.services.disputes import Disputes
from danbao_core.rpc.services.notifications import Notifications
from danbao_core.rpc.services.operations import Operations
from danbao_core.rpc.services.payments import Payments
from danbao_core.rpc.services.payouts import Payouts
from danbao_core.rpc.services.sandbox import Sandbox
from danbao_core.rpc.services.sessions import Sessions
from danbao_core.rpc.services.verification import Verification

__all__ = [
    "Accounts",
    "Disputes",
    "Notifications",
    "Operations",
    "Payments",
    "Payouts",
    "Sandbox",
    "Sessions",
    "Verification",
]
