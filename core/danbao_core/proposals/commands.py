"""Proposing, approving and rejecting."""

from collections.abc import Iterable
from typing import ClassVar, Final
from uuid import UUID

from danbao_core import trail
from danbao_core.bank.ways import Ways
from danbao_core.engine import Book, Command, Decision, Draft, Key, Origin
from danbao_core.errors import ProposalNotFound, ProposalNotPending, ProposalWaits, ScopeMissing, SecondOperatorNeeded
from danbao_core.ids import IdSequence
from danbao_core.people.messages import Letter
from danbao_core.proposals.rows import Proposal, ProposalState, expires_at, json_of
from danbao_core.proposals.terms import FactorRecovery, Terms, waiting_time
from danbao_core.proposals.why import Why
from danbao_core.service_keys import ServiceKey

_TOPICS: Final = {
    ProposalState.APPROVED: "proposal.approved",
    ProposalState.REJECTED: "proposal.rejected",
    ProposalState.EXPIRED: "proposal.expired",
}


class CreateProposal(Command[Proposal], frozen=True):
    """Proposes something, which changes nothing yet. Refused: ScopeMissing, and what the terms' `must_be_possible` raises."""

    result_type = Proposal
    keeps_request_for_ever = True
    terms: Terms
    reason: str
    letter: Letter | None = None
    """What tells whom it is about."""

    def keys(self, book: Book) -> Iterable[Key]:
        yield from _operator_keys(self.origin)
        yield from self.terms.keys(book)

    def decide(self, book: Book) -> Decision[Proposal]:
        operator = _operator(book, self.origin)
        ids, draft = self.ids(), Draft(book)
        self.terms.must_be_possible(draft)
        proposal = Proposal(
            id=ids.take(),
            state=ProposalState.PENDING,
            terms=json_of(self.terms),
            reason=self.reason,
            proposer_key_id=operator.id,
            proposer_root_id=operator.root_id,
            decider_key_id=None,
            due_at=expires_at(book.now, book.policy),
            created_at=book.now,
            decided_at=None,
            version=1,
        )
        draft.put(
            proposal,
            trail.audit_event(ids, self.origin, Proposal, proposal.id, book.now, self.reason),
            trail.event(ids, "proposal.created", proposal.id, proposal.version, proposal, book.now),
        )
        if self.letter is not None:
            draft.put(self.letter.sent(book.now))
        return Decision(proposal, draft.changes)


class _Decide(Command[Proposal], frozen=True):
    """An operator's word on a proposal. One that expired meanwhile is written down as such, and the operator is refused."""

    result_type = Proposal
    keeps_request_for_ever = True
    state: ClassVar[ProposalState]
    proposal_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield from _operator_keys(self.origin)
        yield Proposal.key(self.proposal_id)

    def carry_out(self, draft: Draft, ids: IdSequence, proposal: Proposal, operator: ServiceKey) -> None:
        """What the decision brings about."""

    def decide(self, book: Book) -> Decision[Proposal]:
        operator = _operator(book, self.origin)
        ids, draft = self.ids(), Draft(book)
        proposal = book.get(Proposal, self.proposal_id)
        if proposal is None:
            raise ProposalNotFound(proposal=f"proposals/{self.proposal_id}")
        if proposal.is_due(book.now):
            return _expired(draft, ids, self.origin, proposal)
        decided = proposal.decided(self.state, book.now, operator.id)
        self.carry_out(draft, ids, proposal, operator)
        _put(draft, ids, self.origin, decided)
        return Decision(decided, draft.changes)


class ApproveProposal(_Decide, frozen=True):
    """Approves a proposal and carries it out.

    It has a batch for itself: terms may look at what all stripes come to. Refused: ScopeMissing, ProposalNotFound,
    ProposalNotPending, SecondOperatorNeeded, ProposalWaits, and what the terms raise; the proposal is then left as it was.
    """

    state = ProposalState.APPROVED
    alone = True
    letter: Letter | None = None
    """What tells whom it is about."""
    ways: Ways = Ways()

    def keys(self, book: Book) -> Iterable[Key]:
        yield from super().keys(book)
        proposal = book.get(Proposal, self.proposal_id)
        if proposal is not None:
            yield from proposal.parsed_terms.keys(book)

    def carry_out(self, draft: Draft, ids: IdSequence, proposal: Proposal, operator: ServiceKey) -> None:
        if operator.root_id == proposal.proposer_root_id:
            raise SecondOperatorNeeded
        terms = proposal.parsed_terms
        possible_from = proposal.created_at + waiting_time(terms, draft.policy)
        if draft.now < possible_from:
            raise ProposalWaits(possible_from=possible_from.isoformat())
        terms.must_be_possible(draft)
        if isinstance(terms, FactorRecovery):
            terms.must_be_lost(draft, proposal.created_at)
        terms.carry_out(draft, ids, self.origin, Why(proposal.id, proposal.reason, self.letter, self.ways))


class RejectProposal(_Decide, frozen=True):
    """Ends a proposal; its proposer may do so, too. Refused: ScopeMissing, ProposalNotFound, ProposalNotPending."""

    state = ProposalState.REJECTED


def _expired(draft: Draft, ids: IdSequence, origin: Origin, proposal: Proposal) -> Decision[Proposal]:
    expired = proposal.decided(ProposalState.EXPIRED, proposal.due_at or draft.now)
    _put(draft, ids, trail.as_timer(origin), expired)
    return Decision(expired, draft.changes, ProposalNotPending(state=expired.state.name))


def _put(draft: Draft, ids: IdSequence, origin: Origin, decided: Proposal) -> None:
    draft.put(
        decided,
        trail.audit_event(ids, origin, Proposal, decided.id, draft.now, decided.reason),
        trail.event(ids, _TOPICS[decided.state], decided.id, decided.version, decided, draft.now),
    )


def _operator_keys(origin: Origin) -> Iterable[Key]:
    if origin.key_id is not None:
        yield ServiceKey.read_key(origin.key_id)


def _operator(book: Book, origin: Origin) -> ServiceKey:
    """The operator who asks. Raises ScopeMissing for anybody else."""
    key = None if origin.key_id is None else book.get(ServiceKey, origin.key_id)
    if key is None or "operations" not in key.scopes.split():
        raise ScopeMissing(scope="operations")
    return key
