"""The services of the contract. Written by `make protos`: change the protos, not these files."""

from danbao_client.services.accounts import Accounts
from danbao_client.services.disputes import Disputes
from danbao_client.services.notifications import Notifications
from danbao_client.services.operations import Operations
from danbao_client.services.payments import Payments
from danbao_client.services.payouts import Payouts
from danbao_client.services.sandbox import Sandbox
from danbao_client.services.sessions import Sessions
from danbao_client.services.verification import Verification

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
