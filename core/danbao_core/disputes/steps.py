"""One step in the life of a dispute: the new row, the money that it moves, and what tells of it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from danbao_core import trail
from danbao_core.accounts import Account
from danbao_core.dispute_errors import DisputeNotFound, PartyMissing
from danbao_core.disputes import settling
from danbao_core.disputes.lifecycle import ACTORS, DisputeCloseReason, DisputeEvent, DisputeState, Outcome, Party
from danbao_core.disputes.rows import Dispute, Step
from danbao_core.engine import Book, Draft, Key, Origin
from danbao_core.errors import ActorNotAllowed, ScopeMissing
from danbao_core.ids import IdSequence
from danbao_core.payments.rows import Payment

_TOPICS: Final = {
    DisputeEvent.OPEN: "dispute.opened",
    DisputeEvent.REJECT: "dispute.rejected",
    DisputeEvent.OFFER: "dispute.offered",
    DisputeEvent.ESCALATE: "dispute.escalated",
    DisputeEvent.SUBMIT_EVIDENCE: "dispute.evidence_submitted",
    DisputeEvent.DECIDE: "dispute.decided",
    DisputeEvent.APPEAL: "dispute.appealed",
    DisputeEvent.WAIVE: "dispute.waived",
    DisputeEvent.ANNOUNCE: "dispute.deadline_near",
    DisputeEvent.EVIDENCE_END: "dispute.evidence_closed",
    DisputeEvent.REMIND: "dispute.review_overdue",
    DisputeEvent.CALL_SUPERVISORS: "dispute.supervisors_called",
    DisputeEvent.COMPENSATE: "dispute.compensated",
}
"""What tells of a step that leaves a dispute open, or that follows its end."""

_TOPICS_OF_ENDS: Final = {DisputeState.SETTLED: "dispute.settled", DisputeState.CLOSED: "dispute.closed"}

ENDING: Final = frozenset(
    {DisputeEvent.ACCEPT, DisputeEvent.ACCEPT_OFFER, DisputeEvent.WITHDRAW, DisputeEvent.DECIDE, DisputeEvent.WAIVE}
)
"""The events of others by which a dispute can end."""

_SCOPES: Final = {"disputes.supervise": Party.SUPERVISOR, "disputes.decide": Party.ARBITRATOR}


def keys(book: Book, dispute_id: UUID, event: DisputeEvent | None = None) -> Iterable[Key]:
    """What `take` and `catch_up` need for an event of a dispute; without one, for what time brings about."""
    yield Dispute.key(dispute_id)
    dispute = book.get(Dispute, dispute_id)
    if dispute is None:
        return
    yield Payment.key(dispute.payment_id)
    yield Account.read_key(dispute.buyer_id)
    yield Account.read_key(dispute.seller_id)
    if dispute.open and (event in ENDING or dispute.is_overdue(book.now)):
        yield from settling.keys(book, dispute)


def dispute_of(book: Book, dispute_id: UUID, origin: Origin) -> Dispute:
    """The dispute. Raises DisputeNotFound, also for what is not the caller's."""
    dispute = book.get(Dispute, dispute_id)
    if dispute is None or (origin.account_id is not None and dispute.side_of(origin.account_id) is None):
        raise DisputeNotFound(dispute=f"disputes/{dispute_id}")
    return dispute


def party_of(origin: Origin, own: Party | None, event: DisputeEvent, acting_for: Party | None) -> Party:
    """Who brings an event about: a key that is bound, or a person, is `own` side of the dispute; a service that is bound to
    nobody acts for the side that it names, or for the only one that may; decisions are for those who hold the scope.

    Raises ActorNotAllowed, PartyMissing or ScopeMissing.
    """
    allowed = ACTORS[event]
    if own is not None:
        if acting_for not in (None, own):
            raise ActorNotAllowed(actor=own.name, event=event.name)
        return own
    if event is DisputeEvent.DECIDE:
        if origin.by_system:
            return Party.ARBITRATOR
        for scope, party in _SCOPES.items():
            if scope in origin.scopes:
                return party
        raise ScopeMissing(scope="disputes.decide")
    if acting_for is not None:
        return acting_for
    if len(allowed) > 1:
        raise PartyMissing
    return next(iter(allowed))


def take(
    draft: Draft,
    ids: IdSequence,
    origin: Origin,
    before: Dispute,
    event: DisputeEvent,
    actor: Party,
    *,
    at: datetime | None = None,
    text: str = "",
    **facts: Any,
) -> Dispute:
    """Takes a step, by which `facts` become true: puts the new rows, the money and the event into the draft, and answers the
    dispute as it is then.

    Raises AmountOverflow, RowNeeded, and what `Dispute.after` raises.
    """
    at = draft.now if at is None else at
    dispute = before.after(event, actor, at, draft.book.policies.at(at), **facts)
    if before.open and dispute.state is DisputeState.SETTLED:
        dispute = settling.settle(draft, ids, origin, dispute, at)
    elif before.open and dispute.state is DisputeState.CLOSED:
        dispute = settling.give_up(draft, ids, origin, dispute, at)
    elif event is DisputeEvent.COMPENSATE:
        dispute = settling.compensate(draft, ids, origin, dispute)
    else:
        draft.put(trail.audit_event(ids, origin, Dispute, dispute.id, draft.now))
    tell(draft, ids, origin, dispute, event, actor, at=at, text=text)
    return dispute


def tell(
    draft: Draft,
    ids: IdSequence,
    origin: Origin,
    dispute: Dispute,
    event: DisputeEvent,
    actor: Party,
    *,
    at: datetime,
    text: str = "",
) -> None:
    """Puts a dispute after an event into the draft, with its step and what tells of it."""
    topic = _TOPICS[event] if dispute.open or event is DisputeEvent.COMPENSATE else _TOPICS_OF_ENDS[dispute.state]
    draft.put(
        dispute,
        _step(dispute, event, actor, text, origin.caller, at),
        trail.event(ids, topic, dispute.id, dispute.version, dispute, at, dispute.payment_id),
    )


def _step(dispute: Dispute, event: DisputeEvent, actor: Party, text: str, caller: str, at: datetime) -> Step:
    amount_minor, compensation_minor = None, 0
    match event:
        case DisputeEvent.OPEN:
            amount_minor = dispute.amount_minor
        case DisputeEvent.OFFER:
            amount_minor = dispute.offer_minor
        case DisputeEvent.DECIDE:
            amount_minor, compensation_minor = dispute.award_buyer_minor, dispute.award_compensation_minor
        case DisputeEvent.COMPENSATE:
            compensation_minor = dispute.compensated_minor
        case _ if dispute.state is DisputeState.SETTLED:
            amount_minor, compensation_minor = dispute.paid_back_minor, dispute.compensated_minor
    return Step(
        dispute_id=dispute.id,
        version=dispute.version,
        event=event,
        actor=actor,
        state=dispute.state,
        text=text,
        amount_minor=amount_minor,
        compensation_minor=compensation_minor,
        caller=caller,
        at=at,
    )


def catch_up(draft: Draft, ids: IdSequence, origin: Origin, dispute: Dispute) -> Dispute:
    """Takes the steps that time has brought about, each at the moment when it was due.

    Raises AmountOverflow and RowNeeded.
    """
    by_time = trail.as_timer(origin)
    while dispute.is_overdue(draft.now) and dispute.due_event is not None:
        event, at = dispute.due_event, dispute.due_at
        dispute = take(draft, ids, by_time, dispute, event, Party.TIMER, at=at, **_facts(dispute, event))
    return dispute


def _facts(dispute: Dispute, event: DisputeEvent) -> dict[str, Any]:
    """What is true after an event that time brings about."""
    match event:
        case DisputeEvent.SELLER_SILENT:
            return {"award_buyer_minor": dispute.amount_minor, "outcome": Outcome.DEFAULT_JUDGMENT}
        case DisputeEvent.BUYER_SILENT:
            return {"close_reason": DisputeCloseReason.BUYER_SILENT}
        case DisputeEvent.APPEAL_END:
            return {"outcome": Outcome.AWARDED}
        case _:
            return {}
