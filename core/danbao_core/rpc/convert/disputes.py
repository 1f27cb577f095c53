"""Disputes."""

from typing import Final
from uuid import UUID

from danbao.v1 import disputes_pb2
from danbao_core.disputes import (
    AcceptDispute,
    AcceptOffer,
    AppealDispute,
    DecideDispute,
    Dispute,
    DisputeState,
    EscalateDispute,
    Evidence,
    OfferSettlement,
    OpenDispute,
    Party,
    Reason,
    RejectDispute,
    Step,
    SubmitEvidence,
    WaiveAppeal,
    WithdrawDispute,
)
from danbao_core.disputes.lists import DisputeFilter, Of
from danbao_core.engine import Origin
from danbao_core.errors import FieldInvalid, Violation
from danbao_core.ids import uuid_of
from danbao_core.people.proofs import Proofs
from danbao_core.rpc.convert.parts import id_of, moment, money_of, put_money, put_time

Respond = AcceptDispute | RejectDispute | OfferSettlement

_SIDES: Final = {
    disputes_pb2.ListDisputesRequest.SIDE_UNSPECIFIED: Of.EITHER,
    disputes_pb2.ListDisputesRequest.SIDE_BUYER: Of.BUYER,
    disputes_pb2.ListDisputesRequest.SIDE_SELLER: Of.SELLER,
}


# --- Commands ---------------------------------------------------------------------------------------------------------------


def open_dispute(request: disputes_pb2.OpenDisputeRequest, origin: Origin) -> OpenDispute:
    """The command for a request."""
    return OpenDispute(
        origin=origin,
        payment_id=id_of(request.payment),
        reason=Reason(request.reason),
        amount=money_of(request.amount) if request.HasField("amount") else None,
        text=request.text,
    )


def respond_dispute(request: disputes_pb2.RespondDisputeRequest, origin: Origin, proofs: Proofs) -> Respond:
    """The command for a request, of which the contract's rules want one of the three answers."""
    dispute_id = id_of(request.name)
    match request.WhichOneof("response"):
        case "accept":
            return AcceptDispute(origin=origin, dispute_id=dispute_id, proofs=proofs)
        case "reject":
            return RejectDispute(origin=origin, dispute_id=dispute_id, text=request.reject.text)
        case _:
            offer = request.offer
            return OfferSettlement(
                origin=origin, dispute_id=dispute_id, amount=money_of(offer.amount), text=offer.text, proofs=proofs
            )


def accept_offer(request: disputes_pb2.AcceptOfferRequest, origin: Origin, proofs: Proofs) -> AcceptOffer:
    """The command for a request."""
    return AcceptOffer(origin=origin, dispute_id=id_of(request.name), proofs=proofs)


def escalate_dispute(request: disputes_pb2.EscalateDisputeRequest, origin: Origin) -> EscalateDispute:
    """The command for a request."""
    return EscalateDispute(origin=origin, dispute_id=id_of(request.name), text=request.text)


def withdraw_dispute(request: disputes_pb2.WithdrawDisputeRequest, origin: Origin) -> WithdrawDispute:
    """The command for a request."""
    return WithdrawDispute(origin=origin, dispute_id=id_of(request.name), text=request.text)


def submit_evidence(request: disputes_pb2.SubmitEvidenceRequest, origin: Origin) -> SubmitEvidence:
    """The command for a request."""
    return SubmitEvidence(
        origin=origin,
        dispute_id=id_of(request.dispute),
        party=_party_of(request.party),
        text=request.text,
        file_name=request.file.file_name,
        media_type=request.file.media_type,
        sha256=request.file.sha256,
        content=request.file.content,
    )


def decide_dispute(request: disputes_pb2.DecideDisputeRequest, origin: Origin) -> DecideDispute:
    """The command for a request."""
    return DecideDispute(
        origin=origin,
        dispute_id=id_of(request.name),
        to_buyer=money_of(request.award),
        compensation=money_of(request.compensation) if request.HasField("compensation") else None,
        text=request.text,
    )


def appeal_dispute(request: disputes_pb2.AppealDisputeRequest, origin: Origin) -> AppealDispute:
    """The command for a request."""
    return AppealDispute(origin=origin, dispute_id=id_of(request.name), party=_party_of(request.party), text=request.text)


def waive_appeal(request: disputes_pb2.WaiveAppealRequest, origin: Origin) -> WaiveAppeal:
    """The command for a request."""
    return WaiveAppeal(origin=origin, dispute_id=id_of(request.name), party=_party_of(request.party))


def _party_of(party: int) -> Party | None:
    return Party(party) if party else None


# --- Lists ------------------------------------------------------------------------------------------------------------------


def dispute_filter(request: disputes_pb2.ListDisputesRequest, account_id: UUID | None) -> DisputeFilter:
    """Which disputes a request asks for, of a payment, of `account_id` or of all.

    Raises FieldInvalid for a side without an account, an account, a side or an order with a payment, and for two currencies.
    """
    wanted = DisputeFilter(
        states=[DisputeState(state) for state in request.states],
        reasons=[Reason(reason) for reason in request.reasons],
        respond_before=moment("respond_before", request.respond_before) if request.HasField("respond_before") else None,
        currency=_currency(request),
        min_minor=request.min_amount.amount_minor if request.HasField("min_amount") else None,
        max_minor=request.max_amount.amount_minor if request.HasField("max_amount") else None,
        awaits_compensation=request.awaiting_compensation,
    )
    if request.payment:
        wrong = [field for field in ("account", "side", "order") if getattr(request, field)]
        if wrong:
            raise FieldInvalid([Violation(field, "does not go with a payment") for field in wrong])
        return wanted._replace(of=Of.PAYMENT, id=id_of(request.payment))
    if request.side and account_id is None:
        raise FieldInvalid([Violation("side", "needs an account")])
    return wanted._replace(of=Of.ALL if account_id is None else _SIDES[request.side], id=account_id)


def _currency(request: disputes_pb2.ListDisputesRequest) -> str | None:
    """That of the amounts that are sought. Raises FieldInvalid where they differ."""
    found = [getattr(request, field).currency_code for field in ("min_amount", "max_amount") if request.HasField(field)]
    if len(set(found)) > 1:
        raise FieldInvalid([Violation("max_amount.currency_code", "must be that of min_amount")])
    return found[0] if found else None


# --- Resources --------------------------------------------------------------------------------------------------------------


_MONEYS: Final = (
    ("amount", "amount_minor"),
    ("offer", "offer_minor"),
    ("award", "award_buyer_minor"),
    ("award_compensation", "award_compensation_minor"),
    ("held", "held_minor"),
    ("paid_back", "paid_back_minor"),
    ("fee_returned", "fee_returned_minor"),
    ("owed", "owed_minor"),
    ("compensated", "compensated_minor"),
)
"""Where a dispute's amounts stand: in the message and on the row."""

_TIMES: Final = (
    ("respond_by", "respond_by"),
    ("evidence_end_time", "evidence_until"),
    ("create_time", "created_at"),
    ("update_time", "updated_at"),
    ("end_time", "ended_at"),
)
"""Where its times stand."""

_PARTIES: Final = (Party.BUYER, Party.SELLER)
_Party = disputes_pb2.Dispute.Party.ValueType
_State = disputes_pb2.Dispute.State.ValueType


def dispute(row: Dispute) -> disputes_pb2.Dispute:
    """The resource for a row."""
    message = disputes_pb2.Dispute(
        name=row.name,
        payment=f"payments/{row.payment_id}",
        buyer=f"accounts/{row.buyer_id}",
        seller=f"accounts/{row.seller_id}",
        reason=disputes_pb2.Dispute.Reason.ValueType(row.reason),
        state=_State(row.state),
        appealed_by=_Party(row.appealed_by),
        waived_by=[_Party(party) for party in _PARTIES if row.waived & party.bit],
        outcome=disputes_pb2.Dispute.Outcome.ValueType(row.outcome),
        close_reason=disputes_pb2.Dispute.CloseReason.ValueType(row.close_reason),
        after_release=row.released,
        buyer_evidence_count=row.buyer_evidence,
        seller_evidence_count=row.seller_evidence,
    )
    for field, column in _MONEYS:
        amount_minor = getattr(row, column)
        if amount_minor is not None:
            put_money(amount_minor, row.currency, getattr(message, field))
    for field, column in _TIMES:
        at = getattr(row, column)
        if at is not None:
            put_time(at, getattr(message, field))
    return message


def dispute_step(row: Step, currency: str, *, with_caller: bool) -> disputes_pb2.DisputeStep:
    """The message for a row of a dispute in a currency; who called is left out but for those who see all disputes."""
    message = disputes_pb2.DisputeStep(
        number=row.version,
        event=disputes_pb2.DisputeStep.Event.ValueType(row.event),
        actor=_Party(row.actor),
        state=_State(row.state),
        text=row.text,
        caller=row.caller if with_caller else "",
    )
    if row.amount_minor is not None:
        put_money(row.amount_minor, currency, message.amount)
    if row.compensation_minor:
        put_money(row.compensation_minor, currency, message.compensation)
    put_time(row.at, message.create_time)
    return message


def evidence(row: Evidence, content: bytes = b"") -> disputes_pb2.Evidence:
    """The resource for a row, with what is in its file where that is given."""
    message = disputes_pb2.Evidence(
        name=f"disputes/{row.dispute_id}/evidence/{row.id}",
        party=_Party(row.party),
        text=row.text,
    )
    if row.size_bytes:
        message.file.file_name = row.file_name
        message.file.media_type = row.media_type
        message.file.sha256 = row.sha256
        message.file.size_bytes = row.size_bytes
        message.file.content = content
    put_time(row.created_at, message.create_time)
    return message


def evidence_ids(name: str) -> tuple[UUID, UUID]:
    """The ids of the dispute and of the evidence in a name that the contract's rules have let pass."""
    _, dispute_id, _, evidence_id = name.split("/")
    return uuid_of(dispute_id), uuid_of(evidence_id)
