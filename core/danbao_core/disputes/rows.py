"""A dispute, its steps and its evidence, and what an event makes of a dispute."""

from datetime import datetime
from typing import Any
from uuid import UUID

from danbao_core import sql
from danbao_core.dispute_errors import AppealWaived
from danbao_core.disputes import schedule
from danbao_core.disputes.lifecycle import (
    OPEN_STATES,
    DisputeCloseReason,
    DisputeEvent,
    DisputeState,
    Outcome,
    Party,
    Reason,
    state_after,
)
from danbao_core.engine import Row, table
from danbao_core.errors import InvalidTransition
from danbao_core.policy import Policy


@table("dispute", rank=53, key=("id",))
class Dispute(Row, frozen=True):
    """A payment about whose money its two sides disagree. Amounts are minor units of `currency`; times are business time."""

    id: UUID
    payment_id: UUID
    buyer_id: UUID
    """The payer."""
    seller_id: UUID
    """The payee."""
    reason: Reason
    state: DisputeState
    currency: str
    amount_minor: int
    """What is disputed."""
    released: bool
    """Whether the seller had got the money when the dispute was opened."""
    left_seconds: int
    """How much of the payment's time was left then, which goes on when the dispute ends."""
    held_minor: int
    """What of the seller's wallet is set aside now."""
    offer_minor: int | None
    """What the seller offers the buyer."""
    award_buyer_minor: int | None
    """What the buyer is to have of what is disputed; None until that is known."""
    award_compensation_minor: int
    """What the platform's fund is to give the buyer besides."""
    decided_by: str
    """The caller who decided first, and who decided after the appeal."""
    redecided_by: str
    appealed_by: Party
    waived: int
    """Who will not appeal: the sum of `Party.bit`."""
    outcome: Outcome
    close_reason: DisputeCloseReason
    evidence_until: datetime | None
    """Until when both sides may show evidence for the review; None before there is one."""
    buyer_evidence: int
    """How often the buyer, and the seller, showed something."""
    seller_evidence: int
    due_event: DisputeEvent | None
    """What time brings about next."""
    due_at: datetime | None
    respond_by: datetime | None
    """The deadline of whoever is to act now."""
    paid_back_minor: int
    """What went back to the buyer when it was settled, compensation apart."""
    fee_returned_minor: int
    """What of that the platform gave back of its fee."""
    owed_minor: int
    """What of that the seller lacked, and owes since."""
    compensated_minor: int
    """What the fund has paid."""
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    version: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"disputes/{self.id}"

    @property
    def open(self) -> bool:
        """Whether nobody knows yet who gets the money."""
        return self.state in OPEN_STATES

    @property
    def awaits_compensation(self) -> bool:
        """Whether the fund was short when it was settled."""
        return self.state is DisputeState.SETTLED and self.compensated_minor < self.award_compensation_minor

    def is_overdue(self, now: datetime) -> bool:
        """Whether its due event's time has come."""
        return self.due_at is not None and self.due_at <= now

    def side_of(self, account_id: UUID | None) -> Party | None:
        """Which side of it an account is; None for a stranger."""
        if account_id == self.buyer_id:
            return Party.BUYER
        return Party.SELLER if account_id == self.seller_id else None

    def is_final(self, event: DisputeEvent, actor: Party) -> bool:
        """Whether an event is the last word: a decision after the appeal, or the second side's waiver."""
        match event:
            case DisputeEvent.DECIDE:
                return self.appealed_by is not Party.NOBODY
            case DisputeEvent.WAIVE:
                return actor in (Party.BUYER, Party.SELLER) and self.waived | actor.bit == Party.BUYER.bit | Party.SELLER.bit
            case _:
                return False

    def after(self, event: DisputeEvent, actor: Party, at: datetime, policy: Policy, **facts: Any) -> "Dispute":
        """Itself after an event with these facts, with what is due next; what `settling` moves is not yet counted.

        Raises InvalidTransition, ActorNotAllowed or AppealWaived.
        """
        state = state_after(self.state, event, actor, final=self.is_final(event, actor))
        self._must_allow(event, actor)
        return self.replace(
            state=state,
            updated_at=at,
            version=self.version + 1,
            **(facts | self._due(event, state, at, policy)),
        )

    def _must_allow(self, event: DisputeEvent, actor: Party) -> None:
        """What an event asks for beyond the table of transitions."""
        match event:
            case DisputeEvent.ACCEPT_OFFER if self.offer_minor is None:
                raise InvalidTransition(state=self.state.name, event=event.name)
            case DisputeEvent.APPEAL | DisputeEvent.WAIVE if self.waived & actor.bit:
                raise AppealWaived(dispute=self.name)

    def _due(self, event: DisputeEvent, state: DisputeState, at: datetime, policy: Policy) -> dict[str, Any]:
        """What time brings about next after an event at `at` that led to a state; nothing where the dispute has ended."""
        if state not in OPEN_STATES:
            nothing = {"due_event": None, "due_at": None, "respond_by": None}
            return nothing | ({"ended_at": at} if self.open else {})
        if event in schedule.BY_TIME:
            due = schedule.following(event, state, at, self.respond_by or at, policy)
        elif state is not self.state:
            due = schedule.entering(state, at, policy)
        else:
            return {}
        until = {"evidence_until": due.respond_by} if state is DisputeState.UNDER_REVIEW and state is not self.state else {}
        return {"due_event": due.event, "due_at": due.at, "respond_by": due.respond_by} | until


@table("waiting_compensation", rank=94, key=("currency",), reading=sql.load("danbao_core.disputes", "read_waiting"))
class WaitingCompensation(Row, frozen=True):
    """The settled dispute that has waited longest for the fund of a currency to have its compensation."""

    currency: str
    dispute_id: UUID


@table("dispute_step", rank=54, key=("dispute_id", "version"))
class Step(Row, frozen=True):
    """One thing that happened to a dispute; the last one's version is the dispute's."""

    dispute_id: UUID
    version: int
    event: DisputeEvent
    actor: Party
    state: DisputeState
    """Where the dispute stood afterwards."""
    text: str
    """Why, in the words of who did it."""
    amount_minor: int | None
    """What was disputed, offered, or is to go to the buyer."""
    compensation_minor: int
    """What the fund is to give besides, or gave."""
    caller: str
    at: datetime


@table("evidence", rank=55, key=("id",))
class Evidence(Row, frozen=True):
    """What a side shows: a text, a file, or both. It never changes."""

    id: UUID
    dispute_id: UUID
    party: Party
    text: str
    file_name: str
    media_type: str
    size_bytes: int
    """Of the file; 0 where there is none."""
    sha256: bytes
    """Of the file; empty where there is none."""
    created_at: datetime


@table("evidence_file", rank=56, key=("id",))
class EvidenceFile(Row, frozen=True):
    """The file of the evidence with the same id."""

    id: UUID
    content: bytes
