"""What the two sides and arbitrators do in a dispute, and what time does."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from danbao_core.accounts import Account
from danbao_core.dispute_errors import AlreadyDecidedByYou, AwardExceedsDisputed, CompensationNotPossible
from danbao_core.disputes import settling, steps
from danbao_core.disputes.lifecycle import DisputeCloseReason, DisputeEvent, Outcome, Party, Reason, state_after
from danbao_core.disputes.rows import Dispute
from danbao_core.engine import Book, Command, Decision, Draft, Key, refused_after
from danbao_core.errors import AmountNotPositive, CurrencyMismatch, Refusal
from danbao_core.money import Money
from danbao_core.people.proofs import NO_PROOFS, Proofs, must_show_password, proof_keys


class _Step(Command[Dispute], frozen=True):
    """An event that somebody brings about in a dispute.

    What time has brought about before is done first, and stays done even where the event itself is refused then.
    """

    result_type = Dispute
    dispute_id: UUID

    def event(self) -> DisputeEvent:
        raise NotImplementedError

    def acting_for(self) -> Party | None:
        """For whom a service says that it acts."""
        return None

    def words(self) -> str:
        """What is said with it."""
        return ""

    def facts(self, draft: Draft, dispute: Dispute, actor: Party) -> dict[str, Any]:
        """Checks what only this event asks for, and answers what becomes true by it."""
        return {}

    def prove(self, draft: Draft, dispute: Dispute, actor: Party) -> Refusal | None:
        """Checks what a person shows for it. What counts is put into the draft, and answered with the refusal."""

    def keys(self, book: Book) -> Iterable[Key]:
        yield from steps.keys(book, self.dispute_id, self.event())

    def decide(self, book: Book) -> Decision[Dispute]:
        dispute = steps.dispute_of(book, self.dispute_id, self.origin)
        event, own = self.event(), dispute.side_of(self.origin.account_id)
        actor = steps.party_of(self.origin, own, event, self.acting_for())
        ids, draft = self.ids(), Draft(book)
        dispute = steps.catch_up(draft, ids, self.origin, dispute)
        caught_up = draft.changes
        try:
            state_after(dispute.state, event, actor)
            facts = self.facts(draft, dispute, actor)
            if self.origin.by_person and (wrong := self.prove(draft, dispute, actor)) is not None:
                return Decision(dispute, draft.changes, wrong)
            dispute = steps.take(draft, ids, self.origin, dispute, event, actor, text=self.words(), **facts)
        except Refusal as refusal:
            return refused_after(caught_up, dispute, refusal)
        return Decision(dispute, draft.changes)


class _ProvenStep(_Step, frozen=True):
    """A step by which money moves, or is promised: a person shows the payment password for it."""

    proofs: Proofs = NO_PROOFS

    def keys(self, book: Book) -> Iterable[Key]:
        yield from super().keys(book)
        yield from proof_keys(self.origin, self.proofs)

    def prove(self, draft: Draft, dispute: Dispute, actor: Party) -> Refusal | None:
        account_id = dispute.buyer_id if actor is Party.BUYER else dispute.seller_id
        return must_show_password(draft, self.origin, account_id, self.proofs)


class _SideStep(_Step, frozen=True):
    """A step that either side may take."""

    party: Party | None = None
    """The side for which a service acts that is bound to nobody."""

    def acting_for(self) -> Party | None:
        return self.party


# --- The seller -------------------------------------------------------------------------------------------------------------


def _must_dispose(draft: Draft, dispute: Dispute, own: Party | None) -> None:
    """Raises AccountFrozen where a seller whose account is frozen would give away of what it has got."""
    seller = draft.get(Account, dispute.seller_id)
    if dispute.released and own is Party.SELLER and seller is not None:
        seller.must_not_be_frozen()


class AcceptDispute(_ProvenStep, frozen=True):
    """The seller gives back all that is disputed, at once.

    Refused: DisputeNotFound, InvalidTransition, ActorNotAllowed, AmountOverflow; AccountFrozen where the seller's own key or
    session asks after the release. A person is refused, too: ApprovalRequired where no payment password is shown,
    PasswordMissing, PasswordWrong, PasswordLocked.
    """

    def event(self) -> DisputeEvent:
        return DisputeEvent.ACCEPT

    def facts(self, draft: Draft, dispute: Dispute, actor: Party) -> dict[str, Any]:
        _must_dispose(draft, dispute, dispute.side_of(self.origin.account_id))
        return {"award_buyer_minor": dispute.amount_minor, "outcome": Outcome.ACCEPTED}


class RejectDispute(_Step, frozen=True):
    """The seller gives nothing back, and says why. Refused: DisputeNotFound, InvalidTransition, ActorNotAllowed."""

    text: str = ""

    def event(self) -> DisputeEvent:
        return DisputeEvent.REJECT

    def words(self) -> str:
        return self.text


class OfferSettlement(_ProvenStep, frozen=True, kw_only=True):
    """The seller offers some of what is disputed, which the buyer can take.

    Refused: CurrencyUnknown, AmountNotPositive, AmountOverflow, CurrencyMismatch, AwardExceedsDisputed, and as AcceptDispute.
    """

    amount: Money
    text: str = ""

    def event(self) -> DisputeEvent:
        return DisputeEvent.OFFER

    def words(self) -> str:
        return self.text

    def facts(self, draft: Draft, dispute: Dispute, actor: Party) -> dict[str, Any]:
        _must_dispose(draft, dispute, dispute.side_of(self.origin.account_id))
        self.amount.must_be_payable()
        _must_be_disputed(dispute, self.amount, None)
        return {"offer_minor": self.amount.amount_minor}


# --- The buyer --------------------------------------------------------------------------------------------------------------


class AcceptOffer(_ProvenStep, frozen=True):
    """The buyer takes what the seller offers; it goes back at once.

    Refused: DisputeNotFound, InvalidTransition (also where nothing was offered), ActorNotAllowed, AmountOverflow. A person is
    refused, too: ApprovalRequired where no payment password is shown, PasswordMissing, PasswordWrong, PasswordLocked.
    """

    def event(self) -> DisputeEvent:
        return DisputeEvent.ACCEPT_OFFER

    def facts(self, draft: Draft, dispute: Dispute, actor: Party) -> dict[str, Any]:
        return {"award_buyer_minor": dispute.offer_minor, "outcome": Outcome.OFFER_ACCEPTED}


class EscalateDispute(_Step, frozen=True):
    """The buyer asks for an award. Refused: DisputeNotFound, InvalidTransition, ActorNotAllowed."""

    text: str = ""

    def event(self) -> DisputeEvent:
        return DisputeEvent.ESCALATE

    def words(self) -> str:
        return self.text


class WithdrawDispute(_Step, frozen=True):
    """The buyer lets it be, at any time before it ends; the payment goes on.

    Refused: DisputeNotFound, InvalidTransition, ActorNotAllowed.
    """

    text: str = ""

    def event(self) -> DisputeEvent:
        return DisputeEvent.WITHDRAW

    def words(self) -> str:
        return self.text

    def facts(self, draft: Draft, dispute: Dispute, actor: Party) -> dict[str, Any]:
        return {"close_reason": DisputeCloseReason.WITHDRAWN}


# --- Arbitrators ------------------------------------------------------------------------------------------------------------


class DecideDispute(_Step, frozen=True):
    """An arbitrator awards what is disputed. Either side may appeal against the first award; the second settles the dispute.

    Refused: CurrencyUnknown, AmountNotPositive (below 0), CurrencyMismatch, AwardExceedsDisputed, CompensationNotPossible,
    DisputeNotFound, InvalidTransition, ActorNotAllowed, ScopeMissing, AlreadyDecidedByYou, AmountOverflow.
    """

    to_buyer: Money
    """0 and more; the rest is the seller's."""
    compensation: Money | None = None
    """What the platform's fund gives the buyer besides, of a payment that nobody authorized."""
    text: str = ""

    def event(self) -> DisputeEvent:
        return DisputeEvent.DECIDE

    def words(self) -> str:
        return self.text

    def facts(self, draft: Draft, dispute: Dispute, actor: Party) -> dict[str, Any]:
        final = dispute.is_final(DisputeEvent.DECIDE, actor)
        if final and dispute.decided_by == self.origin.caller:
            raise AlreadyDecidedByYou(dispute=dispute.name)
        compensation_minor = 0 if self.compensation is None else self.compensation.amount_minor
        _must_be_disputed(dispute, self.to_buyer, self.compensation)
        if compensation_minor and dispute.reason is not Reason.UNAUTHORIZED:
            raise CompensationNotPossible(dispute=dispute.name)
        return {
            "award_buyer_minor": self.to_buyer.amount_minor,
            "award_compensation_minor": compensation_minor,
            "redecided_by" if final else "decided_by": self.origin.caller,
            "outcome": Outcome.AWARDED if final else Outcome.NOT_SETTLED,
        }


def _must_be_disputed(dispute: Dispute, to_buyer: Money, compensation: Money | None) -> None:
    """Raises CurrencyMismatch, AmountNotPositive or AwardExceedsDisputed where so much cannot be awarded."""
    parts = [to_buyer] if compensation is None else [to_buyer, compensation]
    for part in parts:
        if part.currency != dispute.currency:
            raise CurrencyMismatch(currency=dispute.currency)
        if part.amount_minor < 0:
            raise AmountNotPositive(amount_minor=part.amount_minor)
    if sum(part.amount_minor for part in parts) > dispute.amount_minor:
        raise AwardExceedsDisputed(disputed_minor=dispute.amount_minor, currency=dispute.currency)


class AppealDispute(_SideStep, frozen=True):
    """A side does not accept the award: somebody else reviews it, once per dispute.

    Refused: DisputeNotFound, InvalidTransition, PartyMissing, ActorNotAllowed, AppealWaived.
    """

    text: str = ""

    def event(self) -> DisputeEvent:
        return DisputeEvent.APPEAL

    def words(self) -> str:
        return self.text

    def facts(self, draft: Draft, dispute: Dispute, actor: Party) -> dict[str, Any]:
        return {"appealed_by": actor}


class WaiveAppeal(_SideStep, frozen=True):
    """A side accepts the award; when both have, it is settled at once.

    Refused: DisputeNotFound, InvalidTransition, PartyMissing, ActorNotAllowed, AppealWaived, AmountOverflow.
    """

    def event(self) -> DisputeEvent:
        return DisputeEvent.WAIVE

    def facts(self, draft: Draft, dispute: Dispute, actor: Party) -> dict[str, Any]:
        final = dispute.is_final(DisputeEvent.WAIVE, actor)
        return {"waived": dispute.waived | actor.bit, "outcome": Outcome.AWARDED if final else Outcome.NOT_SETTLED}


# --- Workers ----------------------------------------------------------------------------------------------------------------


class CatchUpDispute(Command[Dispute], frozen=True):
    """What time has brought about; a repeat, and one beside somebody's own step, changes nothing.

    Refused: DisputeNotFound, AmountOverflow.
    """

    result_type = Dispute
    dispute_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield from steps.keys(book, self.dispute_id)

    def decide(self, book: Book) -> Decision[Dispute]:
        dispute = steps.dispute_of(book, self.dispute_id, self.origin)
        draft = Draft(book)
        return Decision(steps.catch_up(draft, self.ids(), self.origin, dispute), draft.changes)


class PayCompensation(Command[Dispute], frozen=True):
    """Pays a compensation for which the fund was short, once the fund has it; else nothing changes, as by a repeat.

    Refused: DisputeNotFound, AmountOverflow.
    """

    result_type = Dispute
    dispute_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield from steps.keys(book, self.dispute_id)
        dispute = book.get(Dispute, self.dispute_id)
        if dispute is not None and dispute.awaits_compensation:
            yield from settling.compensation_keys(book, dispute)

    def decide(self, book: Book) -> Decision[Dispute]:
        dispute = steps.dispute_of(book, self.dispute_id, self.origin)
        ids, draft = self.ids(), Draft(book)
        if settling.can_compensate(draft, dispute):
            dispute = steps.take(draft, ids, self.origin, dispute, DisputeEvent.COMPENSATE, Party.TIMER)
        return Decision(dispute, draft.changes)
