"""Opening a dispute."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from danbao_core.accounts import Account
from danbao_core.dispute_errors import AlreadyDisputed, DisputeExceedsRemaining, DisputeWindowClosed
from danbao_core.disputes import schedule, settling
from danbao_core.disputes import steps as dispute_steps
from danbao_core.disputes.lifecycle import (
    ACTORS,
    DisputeCloseReason,
    DisputeEvent,
    DisputeState,
    Outcome,
    Party,
    Reason,
)
from danbao_core.disputes.rows import Dispute
from danbao_core.engine import Book, Command, Decision, Draft, Key, refused_after
from danbao_core.errors import AccountNotFound, ActorNotAllowed, CurrencyMismatch, Refusal
from danbao_core.ids import IdSequence
from danbao_core.money import Money
from danbao_core.payments import steps as payment_steps
from danbao_core.payments.lifecycle import Actor, Event, State, state_after
from danbao_core.payments.rows import Payment


class OpenDispute(Command[Dispute], frozen=True):
    """The payer disputes a payment, all that can go back of it or so much; the payment stands still until the dispute ends.

    After the release the payee's part of what is disputed is set aside, as far as it is there. Asked for by the payer, or by a
    service or operator for them.

    Refused: CurrencyUnknown, AmountNotPositive, AmountOverflow, CurrencyMismatch, PaymentNotFound, InvalidTransition,
    ActorNotAllowed (the payee), DisputeOpen, AlreadyDisputed, DisputeWindowClosed, DisputeExceedsRemaining, AccountClosed
    (either side's).
    """

    result_type = Dispute
    keeps_request_for_ever = True
    payment_id: UUID
    reason: Reason
    amount: Money | None = None
    """None is all that can go back."""
    text: str = ""
    party: Party | None = None
    """For whom a service asks, where it says so; the payer is the only one who can."""

    def keys(self, book: Book) -> Iterable[Key]:
        yield Payment.key(self.payment_id)
        payment = book.get(Payment, self.payment_id)
        if payment is None:
            return
        yield Account.shared_key(payment.payer_id)  # neither closes meanwhile
        yield Account.shared_key(payment.payee_id)
        yield from payment_steps.due_keys(book, payment)
        yield from settling.opening_keys(book, payment)
        if payment.dispute_id is not None:
            yield from dispute_steps.keys(book, payment.dispute_id)

    def decide(self, book: Book) -> Decision[Dispute]:
        if self.amount is not None:
            self.amount.must_be_payable()
        payment, of_payment = payment_steps.payment_of(book, self.payment_id, self.origin)
        own = {Actor.PAYER: Party.BUYER, Actor.PAYEE: Party.SELLER}.get(of_payment)
        actor = dispute_steps.party_of(self.origin, own, DisputeEvent.OPEN, self.party)
        ids, draft = self.ids(), Draft(book)
        dispute_id = ids.take()
        payment = self._caught_up(draft, ids, payment)
        dispute = self._dispute(dispute_id, payment, draft)
        caught_up = draft.changes
        try:
            if actor not in ACTORS[DisputeEvent.OPEN]:
                raise ActorNotAllowed(actor=actor.name, event=DisputeEvent.OPEN.name)
            self._must_be_possible(draft, payment, dispute)
        except Refusal as refusal:
            return refused_after(caught_up, dispute, refusal)
        dispute = settling.open_with(draft, ids, self.origin, payment, dispute)
        dispute_steps.tell(draft, ids, self.origin, dispute, DisputeEvent.OPEN, actor, at=draft.now, text=self.text)
        return Decision(dispute, draft.changes)

    def _caught_up(self, draft: Draft, ids: IdSequence, payment: Payment) -> Payment:
        """The payment after what time has brought about for its open dispute and for itself."""
        before = None if payment.dispute_id is None else draft.get(Dispute, payment.dispute_id)
        if before is not None:
            dispute_steps.catch_up(draft, ids, self.origin, before)
            payment = draft.get(Payment, payment.id) or payment
        return payment_steps.catch_up(draft, ids, self.origin, payment)

    def _dispute(self, dispute_id: UUID, payment: Payment, draft: Draft) -> Dispute:
        left = timedelta() if payment.due_at is None else payment.due_at - draft.now
        due = schedule.entering(DisputeState.AWAITING_SELLER, draft.now, draft.policy)
        return Dispute(
            id=dispute_id,
            payment_id=payment.id,
            buyer_id=payment.payer_id,
            seller_id=payment.payee_id,
            reason=self.reason,
            state=DisputeState.AWAITING_SELLER,
            currency=payment.currency,
            amount_minor=payment.refundable_minor if self.amount is None else self.amount.amount_minor,
            released=payment.state is State.SUCCEEDED,
            left_seconds=max(0, left // timedelta(seconds=1)),
            held_minor=0,
            offer_minor=None,
            award_buyer_minor=None,
            award_compensation_minor=0,
            decided_by="",
            redecided_by="",
            appealed_by=Party.NOBODY,
            waived=0,
            outcome=Outcome.NOT_SETTLED,
            close_reason=DisputeCloseReason.NOT_CLOSED,
            evidence_until=None,
            buyer_evidence=0,
            seller_evidence=0,
            due_event=due.event,
            due_at=due.at,
            respond_by=due.respond_by,
            paid_back_minor=0,
            fee_returned_minor=0,
            owed_minor=0,
            compensated_minor=0,
            created_at=draft.now,
            updated_at=draft.now,
            ended_at=None,
            version=1,
        )

    def _must_be_possible(self, draft: Draft, payment: Payment, dispute: Dispute) -> None:
        if payment.state is State.FINISHED or self._too_late(draft, payment):
            raise DisputeWindowClosed(payment=payment.name)
        state_after(payment.mode, payment.state, Event.DISPUTE, Actor.TIMER)
        payment.must_not_be_disputed()
        if payment.disputes_had & self.reason.bit:
            raise AlreadyDisputed(payment=payment.name)
        if self.amount is not None and self.amount.currency != payment.currency:
            raise CurrencyMismatch(currency=payment.currency)
        if not 0 < dispute.amount_minor <= payment.refundable_minor:
            raise DisputeExceedsRemaining(remaining_minor=payment.refundable_minor, currency=payment.currency)
        for account_id in (payment.payer_id, payment.payee_id):
            account = draft.get(Account, account_id)
            if account is None:
                raise AccountNotFound(account=f"accounts/{account_id}")
            account.must_not_be_closed()

    def _too_late(self, draft: Draft, payment: Payment) -> bool:
        """Whether the time after the release is over in which such a dispute is possible."""
        if payment.state is not State.SUCCEEDED or payment.succeeded_at is None:
            return False
        policy = draft.policy
        unauthorized = self.reason is Reason.UNAUTHORIZED
        seconds = policy.dispute_unauthorized_window_seconds if unauthorized else policy.dispute_window_seconds
        return draft.now >= payment.succeeded_at + timedelta(seconds=seconds)
