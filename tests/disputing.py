"""People who quarrel: a buyer and a merchant with keys of their own, a payment between them, and those who decide.

quarrel = await a_quarrel(core, 1_000, ship)
dispute = await quarrel.as_buyer.ask(open_dispute(quarrel.payment))
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.message import Message

from danbao.v1 import disputes_pb2, payments_pb2
from tests.rpc_client import Caller, Core, a_merchant, an_account
from tests.rpc_requests import a_payment, decide, escalate, open_dispute, reject_dispute

Dispute = disputes_pb2.Dispute
Step = disputes_pb2.DisputeStep

SCOPES = ("disputes.read", "disputes.write", "payments.read", "payments.write")


class Quarrel(NamedTuple):
    """A payment, its two sides, and their keys."""

    core: Core
    buyer: str
    seller: str
    as_buyer: Caller
    as_seller: Caller
    payment: str

    async def opened(self, amount_minor: int | None = None, **fields: Any) -> disputes_pb2.Dispute:
        """A dispute of the payment."""
        made: disputes_pb2.Dispute = await self.as_buyer.ask(open_dispute(self.payment, amount_minor, **fields))
        return made

    async def in_review(self, amount_minor: int | None = None, **fields: Any) -> disputes_pb2.Dispute:
        """One about which the platform is to decide."""
        name = (await self.opened(amount_minor, **fields)).name
        await self.as_seller.ask(reject_dispute(name))
        asked: disputes_pb2.Dispute = await self.as_buyer.ask(escalate(name))
        return asked

    async def decided(self, award_minor: int, amount_minor: int | None = None, **fields: Any) -> disputes_pb2.Dispute:
        """One about which an arbitrator has decided."""
        name = (await self.in_review(amount_minor, **fields)).name
        made: disputes_pb2.Dispute = await (await an_arbitrator(self.core)).ask(decide(name, award_minor))
        return made

    async def paid(self) -> payments_pb2.Payment:
        """The payment as it is now."""
        found: payments_pb2.Payment = await self.core.operator.ask(payments_pb2.GetPaymentRequest(name=self.payment))
        return found


async def a_quarrel(core: Core, amount_minor: int = 1_000, *steps: Callable[[str], Message], **fields: Any) -> Quarrel:
    """A payment of so much, after some steps, that nobody has disputed yet."""
    buyer, seller = await an_account(core, funds_minor=amount_minor), await a_merchant(core)
    payment = await core.operator.ask(a_payment(buyer, seller, amount_minor, **fields))
    for step in steps:
        await core.operator.ask(step(payment.name))
    as_buyer = await core.caller(*SCOPES, account=buyer, service="app")
    as_seller = await core.caller(*SCOPES, account=seller, service="shop")
    return Quarrel(core, buyer, seller, as_buyer, as_seller, payment.name)


async def an_arbitrator(core: Core, service: str = "arbitration") -> Caller:
    """Somebody who decides; two with one service are the same arbitrator."""
    return await core.caller("disputes.read", "disputes.decide", service=service)
