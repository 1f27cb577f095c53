"""A proposal, and what becomes of it."""

from datetime import datetime, timedelta
from enum import IntEnum
from uuid import UUID

import msgspec

from danbao_core.engine import Json, Row, table
from danbao_core.errors import ProposalNotPending
from danbao_core.policy import Policy
from danbao_core.proposals.terms import Terms


class ProposalState(IntEnum):
    """Where a proposal stands; the numbers are those of the contract."""

    PENDING = 1
    APPROVED = 2
    REJECTED = 3
    EXPIRED = 4


@table("proposal", rank=27, key=("id",))
class Proposal(Row, frozen=True):
    """What one operator wants done. Times are business time."""

    id: UUID
    state: ProposalState
    terms: Json
    reason: str
    proposer_key_id: UUID
    proposer_root_id: UUID
    """The root of the proposer's key: who approves must have another."""
    decider_key_id: UUID | None
    """Who approved or rejected it."""
    due_at: datetime | None
    """When it expires; None where it is no longer pending."""
    created_at: datetime
    decided_at: datetime | None
    """When it was approved or rejected, or expired."""
    version: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"proposals/{self.id}"

    @property
    def parsed_terms(self) -> Terms:
        terms: Terms = msgspec.json.decode(self.terms, type=Terms)
        return terms

    def is_due(self, now: datetime) -> bool:
        """Whether time has ended it."""
        return self.due_at is not None and self.due_at <= now

    def decided(self, state: ProposalState, at: datetime, decider_key_id: UUID | None = None) -> "Proposal":
        """Itself after it was approved or rejected, or expired. Raises ProposalNotPending."""
        if self.state is not ProposalState.PENDING:
            raise ProposalNotPending(state=self.state.name)
        return self.replace(state=state, decider_key_id=decider_key_id, due_at=None, decided_at=at, version=self.version + 1)


def json_of(terms: Terms) -> Json:
    """Terms as a proposal keeps them."""
    return Json(msgspec.json.encode(terms).decode())


def expires_at(now: datetime, policy: Policy) -> datetime:
    """When a proposal that is made now expires."""
    return now + timedelta(seconds=policy.proposal_seconds)
