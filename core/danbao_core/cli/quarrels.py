"""The third part of `danbao demo`: three disputes, from a complaint to the last cent, with the sandbox's clock."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from google.protobuf.duration_pb2 import Duration

from danbao.v1.accounts_pb2 import Account, TopUpRequest
from danbao.v1.common_pb2 import Money
from danbao.v1.disputes_pb2 import (
    AcceptOfferRequest,
    AppealDisputeRequest,
    DecideDisputeRequest,
    Dispute,
    EscalateDisputeRequest,
    EvidenceFile,
    GetDisputeRequest,
    OpenDisputeRequest,
    RespondDisputeRequest,
    SubmitEvidenceRequest,
)
from danbao.v1.operations_pb2 import CreateServiceKeyRequest, RevokeServiceKeyRequest
from danbao.v1.payments_pb2 import ConfirmPaymentRequest, Payment, PayPaymentRequest
from danbao.v1.sandbox_pb2 import AdvanceClockRequest
from danbao_client import Danbao
from danbao_core.cli.output import CommandFailed
from danbao_core.cli.story import CURRENCY, Step, Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

_TOP_UP_MINOR: Final = 1_000_00
_VASE_MINOR: Final = 160_00
_LAMP_MINOR: Final = 100_00
_CLOCK_MINOR: Final = 200_00
_OFFER_MINOR: Final = 40_00
_FIRST_AWARD_MINOR: Final = 50_00
_LAST_AWARD_MINOR: Final = 80_00
_SELLERS_TIME: Final = 48 * 3_600
_WORKERS_SECONDS: Final = 30.0
_LOOK_EVERY_SECONDS: Final = 0.05
_NOTE: Final = b"Parcel 0000005: weighed 1.2 kg at collection, 1.2 kg at delivery."


class Quarrels(Told):
    """A buyer and a seller who disagree three times. With accounts of their own, so that it can be told again."""

    def __init__(self, danbao: Danbao, on_step: Callable[[Step], None]) -> None:
        super().__init__(danbao, on_step)
        self._disputes: list[str] = []

    async def begin(self) -> None:
        """Brings the two together. Raises DanbaoError and CommandFailed, as all that follows."""
        self._buyer = await self._account(Account.KIND_PERSONAL, "Lin Xiao")
        self._seller = await self._account(Account.KIND_MERCHANT, "Curiosity Shop")
        amount = Money(amount_minor=_TOP_UP_MINOR, currency_code=CURRENCY)
        await self._danbao.accounts.TopUp(TopUpRequest(account=self._buyer, amount=amount))
        self._topped_up_minor = _TOP_UP_MINOR

    async def silent_seller(self) -> None:
        """The seller says nothing, and time decides."""
        payment = await self._paid("CURIOSITY-1", "A vase", _VASE_MINOR)
        dispute = await self._open(payment, Dispute.REASON_NOT_RECEIVED, "Nothing came.")
        await self._step(
            "The buyer paid for a vase that does not come, and opens a dispute",
            "From this commit on the money cannot leave escrow. The seller has 48 hours to answer.",
        )
        await self._danbao.sandbox.AdvanceClock(AdvanceClockRequest(by=Duration(seconds=_SELLERS_TIME)))
        await self._settled_by_time(dispute)
        await self._step(
            "Two days later the seller has said nothing",
            "A worker carries out what time has brought about: all of it goes back. The seller was warned 12 hours before.",
        )

    async def accepted_offer(self) -> None:
        """The seller offers a part, and the buyer takes it."""
        payment = await self._paid("CURIOSITY-2", "A lamp", _LAMP_MINOR)
        await self._ship(payment, "SF0000000000004")
        dispute = await self._open(payment, Dispute.REASON_NOT_AS_DESCRIBED, "The shade has a scratch.")
        offer = RespondDisputeRequest.Offer(amount=_yuan(_OFFER_MINOR), text="Keep it for 60.")
        await self._danbao.disputes.RespondDispute(RespondDisputeRequest(name=dispute, offer=offer))
        await self._step(
            "A lamp comes with a scratch; the seller offers 40 of 100 back",
            "An offer moves nothing. The buyer has 72 hours to take it, or to ask for a decision.",
        )
        await self._danbao.disputes.AcceptOffer(AcceptOfferRequest(name=dispute))
        await self._step(
            "The buyer takes it",
            "In that commit escrow is empty: 40 to the buyer, 60 to the seller, less the fee on 60 alone.",
        )

    async def arbitration(self) -> None:
        """Two arbitrators, one after another, because one side appeals."""
        payment = await self._paid("CURIOSITY-3", "A clock", _CLOCK_MINOR)
        await self._ship(payment, "SF0000000000005")
        await self._danbao.payments.ConfirmPayment(ConfirmPaymentRequest(name=payment))
        await self._step("The buyer confirms that a clock came", "The seller has the money, the platform its fee.")
        dispute = await self._open(payment, Dispute.REASON_NOT_AS_DESCRIBED, "It runs backwards.")
        await self._step(
            "It runs backwards: the buyer opens a dispute after all",
            "Up to 15 days after the release that is possible. The seller's part is set aside in the seller's own wallet.",
        )
        await self._both_speak(dispute)
        async with self._arbitrators() as (first, second):
            await first.disputes.DecideDispute(
                DecideDisputeRequest(name=dispute, award=_yuan(_FIRST_AWARD_MINOR), text="A repair costs 50.")
            )
            await self._step(
                "Both show what they have; an arbitrator gives the buyer 50 of 200",
                "Nothing moves yet: for 7 days either side may appeal, once.",
            )
            await self._danbao.disputes.AppealDispute(
                AppealDisputeRequest(name=dispute, party=Dispute.PARTY_BUYER, text="The repair was quoted at 80.")
            )
            await second.disputes.DecideDispute(
                DecideDisputeRequest(name=dispute, award=_yuan(_LAST_AWARD_MINOR), text="The quote is right.")
            )
        await self._step(
            "The buyer appeals, and another arbitrator gives them 80",
            "That is final: in one journal 80 to the buyer, the fee on it back from the platform, the rest to the seller.",
        )

    async def _paid(self, order_no: str, subject: str, amount_minor: int) -> str:
        name = await self._order(order_no, subject, amount_minor)
        await self._danbao.payments.PayPayment(PayPaymentRequest(name=name))
        return name

    async def _open(self, payment: str, reason: Dispute.Reason.ValueType, text: str) -> str:
        opened = await self._danbao.disputes.OpenDispute(OpenDisputeRequest(payment=payment, reason=reason, text=text))
        self._disputes.append(opened.name)
        return opened.name

    async def _both_speak(self, dispute: str) -> None:
        disputes = self._danbao.disputes
        rejected = RespondDisputeRequest.Reject(text="It ran well when it left us.")
        await disputes.RespondDispute(RespondDisputeRequest(name=dispute, reject=rejected))
        await disputes.EscalateDispute(EscalateDisputeRequest(name=dispute, text="Let somebody look."))
        await disputes.SubmitEvidence(
            SubmitEvidenceRequest(dispute=dispute, party=Dispute.PARTY_BUYER, text="At noon it showed eleven.")
        )
        file = EvidenceFile(
            file_name="carrier.txt", media_type="text/plain", sha256=hashlib.sha256(_NOTE).digest(), content=_NOTE
        )
        await disputes.SubmitEvidence(SubmitEvidenceRequest(dispute=dispute, party=Dispute.PARTY_SELLER, file=file))

    @asynccontextmanager
    async def _arbitrators(self) -> "AsyncIterator[Sequence[Danbao]]":
        """Two services that decide, each with a key for as long as it is needed."""
        made = [
            await self._danbao.operations.CreateServiceKey(
                CreateServiceKeyRequest(service=service, scopes=["disputes.decide", "disputes.read"])
            )
            for service in ("arbitrator-wang", "arbitrator-zhao")
        ]
        try:
            yield [self._danbao.with_token(each.token) for each in made]
        finally:
            for each in made:
                await self._danbao.operations.RevokeServiceKey(RevokeServiceKeyRequest(name=each.service_key.name))

    async def _settled_by_time(self, dispute: str) -> None:
        """Waits for a worker. Raises CommandFailed where none works."""
        give_up_at = time.monotonic() + _WORKERS_SECONDS
        while time.monotonic() < give_up_at:
            found = await self._danbao.disputes.GetDispute(GetDisputeRequest(name=dispute))
            if found.state == Dispute.STATE_SETTLED:
                return
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        raise CommandFailed("NO_WORKER", f"No worker carried out the deadline of {dispute} in {_WORKERS_SECONDS:.0f} seconds.")

    async def _fees_minor(self, payments: "Sequence[Payment]") -> int:
        """What the platform kept, less what it gave back with awards after the release."""
        disputes = [await self._danbao.disputes.GetDispute(GetDisputeRequest(name=name)) for name in self._disputes]
        return await super()._fees_minor(payments) - sum(dispute.fee_returned.amount_minor for dispute in disputes)


def _yuan(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency_code=CURRENCY)
