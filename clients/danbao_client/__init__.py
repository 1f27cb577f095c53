"""The Python client of Danbao, an escrow payment core: the contract's RPCs, with deadlines and safe retries.

    async with Danbao.connect("127.0.0.1:50051", key="dbk_...") as danbao:
        payment = await danbao.payments.CreatePayment(payments_pb2.CreatePaymentRequest(...))

Requests and answers are the messages of `danbao.v1`.
"""

from danbao_client.channels import Pem, Tls
from danbao_client.client import Danbao
from danbao_client.errors import DanbaoError, FieldViolation
from danbao_client.rpc import Rpc, StreamRpc, WatchRpc
from danbao_client.services import (
    Accounts,
    Disputes,
    Notifications,
    Operations,
    Payments,
    Payouts,
    Sandbox,
    Sessions,
    Verification,
)

__all__ = [
    "Accounts",
    "Danbao",
    "DanbaoError",
    "Disputes",
    "FieldViolation",
    "Notifications",
    "Operations",
    "Payments",
    "Payouts",
    "Pem",
    "Rpc",
    "Sandbox",
    "Sessions",
    "StreamRpc",
    "Tls",
    "Verification",
    "WatchRpc",
]
