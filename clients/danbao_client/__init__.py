"""The Python client of Danbao, an escrow payment core: the contract's RPCs, with deadlines and safe retries.

    async with Danbao.connect("127.0.0.1:50051", key="dbk_...") as danbao:
        payment = await danbao.payments.create(payer=..., payee=..., amount=Money("12.50", "CNY"))

Answers are the messages of `danbao.v1`. What fails raises DanbaoError, or the class of its reason: `except InsufficientFunds`.
`danbao_client.webhooks` verifies what the core sends.
"""

# Names are imported as themselves, which says that they are this module's own, because type checkers cannot add the names
# of errors to an `__all__`.
from danbao_client.channels import Pem as Pem
from danbao_client.channels import Tls as Tls
from danbao_client.client import Danbao as Danbao
from danbao_client.errors import DanbaoError as DanbaoError
from danbao_client.errors import FieldViolation as FieldViolation
from danbao_client.errors.reasons import *  # noqa: F403 - a class for each reason
from danbao_client.money import Money as Money
from danbao_client.pages import Pages as Pages
from danbao_client.rpc import Rpc as Rpc
from danbao_client.rpc import StreamRpc as StreamRpc
from danbao_client.rpc import WatchRpc as WatchRpc
from danbao_client.services import Accounts as Accounts
from danbao_client.services import Disputes as Disputes
from danbao_client.services import Notifications as Notifications
from danbao_client.services import Operations as Operations
from danbao_client.services import Payments as Payments
from danbao_client.services import Payouts as Payouts
from danbao_client.services import Sandbox as Sandbox
from danbao_client.services import Sessions as Sessions
from danbao_client.services import Verification as Verification
from danbao_client.watching import Watch as Watch
