"""`danbao.disputes`. Written by `make protos`: change the protos, not this file."""

from __future__ import annotations

from collections.abc import Sequence

from danbao.v1 import disputes_pb2
from danbao_client.money import AnyMoney
from danbao_client.pages import Pages
from danbao_client.rpc import Rpc, WatchRpc
from danbao_client.service import Service
from danbao_client.values import AnyTime, request_of
from danbao_client.watching import Watch


class Disputes(Service):
    """Who gets the money of a payment when buyer and seller disagree.

    AWAITING_SELLER -accept-> SETTLED, all of it to the buyer
                    -reject / offer-> AWAITING_BUYER
                    -48 hours silent-> SETTLED, all of it to the buyer
    AWAITING_BUYER  -accept the offer-> SETTLED
                    -escalate-> UNDER_REVIEW
                    -72 hours silent-> CLOSED
    UNDER_REVIEW    -decide-> DECIDED; after an appeal -> SETTLED
    DECIDED         -appeal, once-> UNDER_REVIEW
                    -7 days / both waive-> SETTLED
    all of them but SETTLED -withdraw-> CLOSED

    Opening a dispute stops, in the same commit, the payment's timer, its release and further refunds: steps on the payment
    are refused with DISPUTE_OPEN until the dispute ends. After the release, what is disputed is set aside on the seller's
    account as far as it is there. Money moves when the dispute is SETTLED, in that commit; one that is CLOSED moves none,
    and the payment goes on.

    A service key that is bound to an account, and a person, act for their own side: a dispute of others is answered
    NOT_FOUND. A key that is bound to no account says in `party` for which side it acts where either may. A step that the
    state does not declare is refused with INVALID_TRANSITION, one of the other side with ACTOR_NOT_ALLOWED. Before each
    step, what time has brought about is carried out, and stays so where the step is refused.
    """

    descriptor = disputes_pb2.DESCRIPTOR.services_by_name["DisputeService"]

    OpenDispute: Rpc[disputes_pb2.OpenDisputeRequest, disputes_pb2.Dispute]
    GetDispute: Rpc[disputes_pb2.GetDisputeRequest, disputes_pb2.Dispute]
    ListDisputes: Rpc[disputes_pb2.ListDisputesRequest, disputes_pb2.ListDisputesResponse]
    ListDisputeSteps: Rpc[disputes_pb2.ListDisputeStepsRequest, disputes_pb2.ListDisputeStepsResponse]
    RespondDispute: Rpc[disputes_pb2.RespondDisputeRequest, disputes_pb2.Dispute]
    AcceptOffer: Rpc[disputes_pb2.AcceptOfferRequest, disputes_pb2.Dispute]
    EscalateDispute: Rpc[disputes_pb2.EscalateDisputeRequest, disputes_pb2.Dispute]
    WithdrawDispute: Rpc[disputes_pb2.WithdrawDisputeRequest, disputes_pb2.Dispute]
    SubmitEvidence: Rpc[disputes_pb2.SubmitEvidenceRequest, disputes_pb2.Evidence]
    GetEvidence: Rpc[disputes_pb2.GetEvidenceRequest, disputes_pb2.Evidence]
    ListEvidence: Rpc[disputes_pb2.ListEvidenceRequest, disputes_pb2.ListEvidenceResponse]
    DecideDispute: Rpc[disputes_pb2.DecideDisputeRequest, disputes_pb2.Dispute]
    AppealDispute: Rpc[disputes_pb2.AppealDisputeRequest, disputes_pb2.Dispute]
    WaiveAppeal: Rpc[disputes_pb2.WaiveAppealRequest, disputes_pb2.Dispute]
    WatchDisputes: WatchRpc[disputes_pb2.WatchDisputesRequest, disputes_pb2.WatchDisputesResponse]

    async def open(
        self,
        *,
        payment: str,
        reason: disputes_pb2.Dispute.Reason.ValueType,
        text: str,
        amount: AnyMoney | None = None,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> disputes_pb2.Dispute:
        """Opens a dispute of a payment that is PAID, SHIPPED or, until 15 days after its success (60 where it is
        UNAUTHORIZED), SUCCEEDED; later it is refused with DISPUTE_WINDOW_CLOSED. For the payer. A payment has at most one
        UNAUTHORIZED dispute and one other (ALREADY_DISPUTED), one at a time (DISPUTE_OPEN). Refused with
        DISPUTE_EXCEEDS_REMAINING for more than is left of the payment after refunds and awards, those under way included.

        - `payment`: `payments/{uuid}`.
        - `reason`: What is wrong.
        - `text`: What happened, shown to the seller: 1 to 4,000 characters without control characters but tabs and line
          feeds.
        - `amount`: How much of the payment is disputed, more than zero, in its currency; all that is left of it where
          absent.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            disputes_pb2.OpenDisputeRequest,
            payment=payment,
            reason=reason,
            text=text,
            amount=amount,
            request_id=request_id,
        )
        return await self.OpenDispute(request, deadline_seconds=deadline_seconds)

    async def get(
        self,
        name: str,
        *,
        deadline_seconds: float | None = None,
    ) -> disputes_pb2.Dispute:
        """Answers one dispute as it is now.

        - `name`: `disputes/{uuid}`.
        """
        request = request_of(
            disputes_pb2.GetDisputeRequest,
            name=name,
        )
        return await self.GetDispute(request, deadline_seconds=deadline_seconds)

    def list(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        payment: str = "",
        account: str = "",
        side: disputes_pb2.ListDisputesRequest.Side.ValueType | None = None,
        states: Sequence[disputes_pb2.Dispute.State.ValueType] = (),
        reasons: Sequence[disputes_pb2.Dispute.Reason.ValueType] = (),
        respond_before: AnyTime | None = None,
        min_amount: AnyMoney | None = None,
        max_amount: AnyMoney | None = None,
        awaiting_compensation: bool = False,
        order: disputes_pb2.ListDisputesRequest.Order.ValueType | None = None,
        deadline_seconds: float | None = None,
    ) -> Pages[disputes_pb2.ListDisputesResponse, disputes_pb2.Dispute]:
        """Lists disputes, newest first or by deadline; see "Lists" at the head of common.proto. A key that is bound to an
        account is shown those that the account opened or answers.

        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        - `payment`: `payments/{uuid}`: only its disputes. Not together with an account or a side.
        - `account`: `accounts/{uuid}`: only its disputes. Empty for those of all accounts or, for a key that is bound to
          one, of that.
        - `side`: Only disputes in which the account is on this side. Needs an account, or a key that is bound to one.
        - `states`: Only disputes in these states; in any where none is named.
        - `reasons`: Only disputes for these reasons; for any where none is named.
        - `respond_before`: Only disputes whose deadline is before that moment (business time, from 1970 to the year 9000,
          to the microsecond).
        - `min_amount`: Only disputes of that amount or more, in its currency.
        - `max_amount`: Only disputes of that amount or less, in its currency.
        - `awaiting_compensation`: Only disputes that wait for compensation because the platform's fund is short.
        - `order`: In which order.
        """
        request = request_of(
            disputes_pb2.ListDisputesRequest,
            page_size=page_size,
            page_token=page_token,
            payment=payment,
            account=account,
            side=side,
            states=states,
            reasons=reasons,
            respond_before=respond_before,
            min_amount=min_amount,
            max_amount=max_amount,
            awaiting_compensation=awaiting_compensation,
            order=order,
        )
        return Pages(self.ListDisputes, request, "disputes", deadline_seconds)

    def list_steps(
        self,
        *,
        dispute: str,
        page_size: int = 0,
        page_token: str = "",
        deadline_seconds: float | None = None,
    ) -> Pages[disputes_pb2.ListDisputeStepsResponse, disputes_pb2.DisputeStep]:
        """Lists what was done in a dispute, the last first; see "Lists" at the head of common.proto.

        - `dispute`: `disputes/{uuid}`.
        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        """
        request = request_of(
            disputes_pb2.ListDisputeStepsRequest,
            dispute=dispute,
            page_size=page_size,
            page_token=page_token,
        )
        return Pages(self.ListDisputeSteps, request, "steps", deadline_seconds)

    async def respond(
        self,
        name: str,
        *,
        accept: disputes_pb2.RespondDisputeRequest.Accept | None = None,
        reject: disputes_pb2.RespondDisputeRequest.Reject | None = None,
        offer: disputes_pb2.RespondDisputeRequest.Offer | None = None,
        payment_password: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> disputes_pb2.Dispute:
        """The seller accepts, rejects, or offers the buyer a part. A person needs the payment password to accept or to offer.
        After the release a frozen seller's own key or session can do neither (ACCOUNT_FROZEN).

        - `name`: `disputes/{uuid}`.
        - `accept`: All of it.
        - `reject`: None of it.
        - `offer`: A part of it.
        - `payment_password`: The payment password, where a person accepts or offers. Refused with PASSWORD_WRONG (metadata
          `attempts_left`) and PASSWORD_LOCKED.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            disputes_pb2.RespondDisputeRequest,
            name=name,
            accept=accept,
            reject=reject,
            offer=offer,
            payment_password=payment_password,
            request_id=request_id,
        )
        return await self.RespondDispute(request, deadline_seconds=deadline_seconds)

    async def accept_offer(
        self,
        name: str,
        *,
        payment_password: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> disputes_pb2.Dispute:
        """The buyer takes what the seller offers; it is paid in the same commit. A person needs the payment password. Where
        the seller offered nothing: INVALID_TRANSITION.

        - `name`: `disputes/{uuid}`.
        - `payment_password`: The payment password, where a person calls.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            disputes_pb2.AcceptOfferRequest,
            name=name,
            payment_password=payment_password,
            request_id=request_id,
        )
        return await self.AcceptOffer(request, deadline_seconds=deadline_seconds)

    async def escalate(
        self,
        name: str,
        *,
        text: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> disputes_pb2.Dispute:
        """The buyer asks an arbitrator to decide.

        - `name`: `disputes/{uuid}`.
        - `text`: Why, shown to the seller: at most 4,000 characters without control characters but tabs and line feeds.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            disputes_pb2.EscalateDisputeRequest,
            name=name,
            text=text,
            request_id=request_id,
        )
        return await self.EscalateDispute(request, deadline_seconds=deadline_seconds)

    async def withdraw(
        self,
        name: str,
        *,
        text: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> disputes_pb2.Dispute:
        """The buyer gives the dispute up; what was set aside returns to the seller, and the payment goes on with what was left
        of its time, 24 hours at least. Possible until it is settled.

        - `name`: `disputes/{uuid}`.
        - `text`: Why, shown to the seller: at most 4,000 characters without control characters but tabs and line feeds.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            disputes_pb2.WithdrawDisputeRequest,
            name=name,
            text=text,
            request_id=request_id,
        )
        return await self.WithdrawDispute(request, deadline_seconds=deadline_seconds)

    async def submit_evidence(
        self,
        *,
        dispute: str,
        party: disputes_pb2.Dispute.Party.ValueType | None = None,
        text: str = "",
        file: disputes_pb2.EvidenceFile | None = None,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> disputes_pb2.Evidence:
        """Adds evidence of one side, which stays as it is. Possible until `evidence_end_time` (EVIDENCE_CLOSED), at most 20
        for each side (TOO_MUCH_EVIDENCE). Refused with EVIDENCE_HASH_MISMATCH where the file is not the one whose SHA-256
        is given.

        - `dispute`: `disputes/{uuid}`.
        - `party`: For which side a key acts that is bound to no account: PARTY_BUYER or PARTY_SELLER (else PARTY_MISSING).
        - `text`: What it says, shown to both sides: at most 4,000 characters without control characters but tabs and line
          feeds.
        - `file`: A file.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            disputes_pb2.SubmitEvidenceRequest,
            dispute=dispute,
            party=party,
            text=text,
            file=file,
            request_id=request_id,
        )
        return await self.SubmitEvidence(request, deadline_seconds=deadline_seconds)

    async def get_evidence(
        self,
        name: str,
        *,
        deadline_seconds: float | None = None,
    ) -> disputes_pb2.Evidence:
        """Answers one piece of evidence, its file included. Both sides see that of both.

        - `name`: `disputes/{uuid}/evidence/{uuid}`.
        """
        request = request_of(
            disputes_pb2.GetEvidenceRequest,
            name=name,
        )
        return await self.GetEvidence(request, deadline_seconds=deadline_seconds)

    def list_evidence(
        self,
        *,
        dispute: str,
        page_size: int = 0,
        page_token: str = "",
        deadline_seconds: float | None = None,
    ) -> Pages[disputes_pb2.ListEvidenceResponse, disputes_pb2.Evidence]:
        """Lists the evidence of a dispute without what is in the files, newest first; see "Lists" at the head of common.proto.

        - `dispute`: `disputes/{uuid}`.
        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        """
        request = request_of(
            disputes_pb2.ListEvidenceRequest,
            dispute=dispute,
            page_size=page_size,
            page_token=page_token,
        )
        return Pages(self.ListEvidence, request, "evidence", deadline_seconds)

    async def decide(
        self,
        name: str,
        *,
        award: AnyMoney,
        text: str,
        compensation: AnyMoney | None = None,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> disputes_pb2.Dispute:
        """An arbitrator decides what of the disputed amount goes to the buyer; the seller gets the rest. For keys that hold
        the scope `disputes.decide`; one that also holds `disputes.supervise` decides as a supervisor. Refused with
        AWARD_EXCEEDS_DISPUTED for more than is disputed, compensation included, with COMPENSATION_NOT_POSSIBLE for
        compensation of a dispute that is not UNAUTHORIZED, and with ALREADY_DECIDED_BY_YOU after an appeal for the service
        that made the decision that was appealed.

        - `name`: `disputes/{uuid}`.
        - `award`: What of the disputed amount the buyer gets, zero or more.
        - `text`: Why, shown to both sides: 1 to 4,000 characters without control characters but tabs and line feeds.
        - `compensation`: What the buyer gets on top of it from the platform's fund, where the dispute is UNAUTHORIZED;
          nothing where absent.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            disputes_pb2.DecideDisputeRequest,
            name=name,
            award=award,
            text=text,
            compensation=compensation,
            request_id=request_id,
        )
        return await self.DecideDispute(request, deadline_seconds=deadline_seconds)

    async def appeal(
        self,
        name: str,
        *,
        text: str,
        party: disputes_pb2.Dispute.Party.ValueType | None = None,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> disputes_pb2.Dispute:
        """Either side asks for another decision by another arbitrator. Possible once in a dispute, for whoever is first, but
        not for who gave it up (APPEAL_WAIVED).

        - `name`: `disputes/{uuid}`.
        - `text`: Why, shown to both sides: 1 to 4,000 characters without control characters but tabs and line feeds.
        - `party`: For which side a key acts that is bound to no account: PARTY_BUYER or PARTY_SELLER (else PARTY_MISSING).
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            disputes_pb2.AppealDisputeRequest,
            name=name,
            text=text,
            party=party,
            request_id=request_id,
        )
        return await self.AppealDispute(request, deadline_seconds=deadline_seconds)

    async def waive_appeal(
        self,
        name: str,
        *,
        party: disputes_pb2.Dispute.Party.ValueType | None = None,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> disputes_pb2.Dispute:
        """One side gives up its right to appeal; when both have, the decision is carried out in the same commit. A second time
        it is refused with APPEAL_WAIVED.

        - `name`: `disputes/{uuid}`.
        - `party`: For which side a key acts that is bound to no account: PARTY_BUYER or PARTY_SELLER (else PARTY_MISSING).
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            disputes_pb2.WaiveAppealRequest,
            name=name,
            party=party,
            request_id=request_id,
        )
        return await self.WaiveAppeal(request, deadline_seconds=deadline_seconds)

    def watch(
        self,
        *,
        account: str = "",
        dispute: str = "",
        cursor: str = "",
    ) -> Watch[disputes_pb2.WatchDisputesResponse]:
        """Tells what happens to disputes, as it happens; see PaymentService.WatchPayments, whose rules hold here, and whose
        cursors are the same.

        - `account`: `accounts/{uuid}`: only its disputes. Empty for those of all accounts or, for a key that is bound to
          one, of that.
        - `dispute`: `disputes/{uuid}`: only this one. Empty for any.
        - `cursor`: Behind which event to begin, as in WatchPaymentsRequest.
        """
        request = request_of(
            disputes_pb2.WatchDisputesRequest,
            account=account,
            dispute=dispute,
            cursor=cursor,
        )
        return Watch(self.WatchDisputes, request, self._settings)
