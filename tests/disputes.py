"""Disputes for tests, made through the engine by the commands that everybody uses; `builders.py` has the rest.

    dispute = await a_dispute(engine, await a_shipped_payment(engine))
    dispute = await decided(engine, await under_review(engine, dispute), 300)

The system itself asks, for the side whose step it is.
"""

import hashlib
from typing import Any

from danbao_core.accounts import Purpose
from danbao_core.disputes import (
    AcceptDispute,
    AcceptOffer,
    AppealDispute,
    CatchUpDispute,
    DecideDispute,
    Dispute,
    EscalateDispute,
    Evidence,
    OfferSettlement,
    OpenDispute,
    Party,
    PayCompensation,
    Reason,
    RejectDispute,
    SubmitEvidence,
    WaiveAppeal,
    WithdrawDispute,
)
from danbao_core.engine import Engine
from danbao_core.money import Money
from danbao_core.payments import Payment
from danbao_core.proposals import Adjustment, Side
from tests.builders import an_account, approved, carried_out, origin

FILE = b"%PDF-1.7 of a parcel"
"""The content of a file that is shown."""


def arbitrator(name: str = "anna") -> Any:
    """Somebody who decides."""
    return origin(caller=f"service:{name}")


async def a_dispute(
    engine: Engine, payment: Payment, amount_minor: int | None = None, reason: Reason = Reason.NOT_AS_DESCRIBED, **facts: Any
) -> Dispute:
    """A dispute of all that is left of a payment, or of so much."""
    amount = None if amount_minor is None else Money(amount_minor, payment.currency)
    command = OpenDispute(origin=origin(), payment_id=payment.id, reason=reason, amount=amount, text="It is broken.", **facts)
    return await carried_out(engine, command)


async def accepted(engine: Engine, dispute: Dispute) -> Dispute:
    """The dispute after the seller gave in."""
    return await carried_out(engine, AcceptDispute(origin=origin(), dispute_id=dispute.id))


async def rejected(engine: Engine, dispute: Dispute) -> Dispute:
    """The dispute after the seller refused."""
    return await carried_out(engine, RejectDispute(origin=origin(), dispute_id=dispute.id, text="It was not."))


async def offered(engine: Engine, dispute: Dispute, amount_minor: int) -> Dispute:
    """The dispute after the seller offered so much."""
    amount = Money(amount_minor, dispute.currency)
    return await carried_out(engine, OfferSettlement(origin=origin(), dispute_id=dispute.id, amount=amount))


async def offer_accepted(engine: Engine, dispute: Dispute) -> Dispute:
    """The dispute after the buyer took the offer."""
    return await carried_out(engine, AcceptOffer(origin=origin(), dispute_id=dispute.id))


async def escalated(engine: Engine, dispute: Dispute) -> Dispute:
    """The dispute after the buyer asked for an award."""
    return await carried_out(engine, EscalateDispute(origin=origin(), dispute_id=dispute.id, text="I want my money back."))


async def under_review(engine: Engine, dispute: Dispute) -> Dispute:
    """The dispute after the seller refused and the buyer asked for an award."""
    return await escalated(engine, await rejected(engine, dispute))


async def withdrawn(engine: Engine, dispute: Dispute) -> Dispute:
    """The dispute after the buyer let it be."""
    return await carried_out(engine, WithdrawDispute(origin=origin(), dispute_id=dispute.id))


async def shown(engine: Engine, dispute: Dispute, party: Party = Party.BUYER, content: bytes = b"") -> Evidence:
    """What a side shows: a text, and a file where there is content."""
    return await carried_out(engine, evidence(dispute, party, content))


def evidence(dispute: Dispute, party: Party | None = Party.BUYER, content: bytes = b"", **facts: Any) -> SubmitEvidence:
    """The showing of a text, and of a file where there is content."""
    file = {"file_name": "a.pdf", "media_type": "application/pdf", "sha256": hashlib.sha256(content).digest()}
    given: dict[str, Any] = {"origin": origin(), "text": "Look."} | (file if content else {}) | facts
    return SubmitEvidence(dispute_id=dispute.id, party=party, content=content, **given)


async def decided(
    engine: Engine, dispute: Dispute, to_buyer_minor: int, compensation_minor: int | None = None, by: Any = None
) -> Dispute:
    """The dispute after an arbitrator awarded so much to the buyer."""
    compensation = None if compensation_minor is None else Money(compensation_minor, dispute.currency)
    command = DecideDispute(
        origin=by or arbitrator(),
        dispute_id=dispute.id,
        to_buyer=Money(to_buyer_minor, dispute.currency),
        compensation=compensation,
        text="So be it.",
    )
    return await carried_out(engine, command)


async def appealed(engine: Engine, dispute: Dispute, party: Party = Party.SELLER) -> Dispute:
    """The dispute after a side did not accept the award."""
    command = AppealDispute(origin=origin(), dispute_id=dispute.id, party=party, text="That is not fair.")
    return await carried_out(engine, command)


async def waived(engine: Engine, dispute: Dispute, *parties: Party) -> Dispute:
    """The dispute after sides, by default both, accepted the award."""
    for party in parties or (Party.BUYER, Party.SELLER):
        dispute = await carried_out(engine, WaiveAppeal(origin=origin(), dispute_id=dispute.id, party=party))
    return dispute


async def caught_up(engine: Engine, dispute: Dispute) -> Dispute:
    """The dispute after a worker came by."""
    return await carried_out(engine, CatchUpDispute(origin=origin(), dispute_id=dispute.id))


async def compensated(engine: Engine, dispute: Dispute) -> Dispute:
    """The dispute after a worker looked whether the fund has its compensation."""
    return await carried_out(engine, PayCompensation(origin=origin(), dispute_id=dispute.id))


async def a_fund(engine: Engine, amount_minor: int, currency: str = "CNY") -> None:
    """Money for compensations, which operators move there."""
    giver = await an_account(engine, currencies=(currency,), funds_minor=amount_minor)
    terms = Adjustment(
        debit=Side(Purpose.AVAILABLE, giver.id), credit=Side(Purpose.COMPENSATION), amount=Money(amount_minor, currency)
    )
    await approved(engine, terms)
