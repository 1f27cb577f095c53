"""Refunds: asking for one, and carrying it out step by step. `refund_rows.py` has their life as a table.

Every step locks the payment before the refund, so steps of one payment's refunds come one after the other. A step that finds
nothing to do changes nothing: it may be taken any number of times, by any number of workers at once.
"""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from danbao_core import ledger, trail
from danbao_core.accounts import Account, Balance, Purpose, balance_id
from danbao_core.engine import Book, Command, Decision, Draft, Key, refused_after
from danbao_core.errors import (
    AccountNotFound,
    BankMissing,
    CurrencyMismatch,
    Refusal,
)
from danbao_core.ids import IdSequence
from danbao_core.money import MAX_AMOUNT_MINOR, Money
from danbao_core.payments import refund_counts, refund_steps, steps
from danbao_core.payments.lifecycle import Actor, Event, State, state_after
from danbao_core.payments.refund_rows import (
    Destination,
    Fallback,
    Refund,
    RefundEvent,
    RefundFailure,
    RefundState,
    Source,
    event,
)
from danbao_core.payments.rows import Payment
from danbao_core.people.instruments import Instrument, must_be_bound
from danbao_core.people.proofs import NO_PROOFS, Proofs, must_show_password, proof_keys
from danbao_core.refund_errors import (
    RefundExceedsRemaining,
    RefundWindowClosed,
    TooManyRefunds,
)


class CreateRefund(Command[Refund], frozen=True):
    """Reserves some of a payment, or all that is left of it, to go back to the payer; a worker carries it out.

    What is held is given back from there; what the payee has got is taken from the payee's wallet in the same commit or, where
    the payee lacks it, as soon as it is there. Asked for by the payee, or by a service or operator for them.

    Refused: CurrencyUnknown, AmountNotPositive, AmountOverflow, CurrencyMismatch, PaymentNotFound, InvalidTransition,
    ActorNotAllowed (the payer), RefundWindowClosed, DisputeOpen, TooManyRefunds, RefundExceedsRemaining; to a card, too:
    BankMissing, InstrumentNotFound; of what the payee has got, too: AccountClosed (the payee's), AccountFrozen where the
    payee's own key or session asks. A person is refused, too: ApprovalRequired where no payment password is shown,
    PasswordMissing, PasswordWrong, PasswordLocked.
    """

    result_type = Refund
    keeps_request_for_ever = True
    payment_id: UUID
    amount: Money | None = None
    """None is all that is left."""
    reason: str = ""
    instrument_id: UUID | None = None
    """A card of the payer's that gets the money; None is the payer's wallet."""
    has_bank: bool = True
    """Whether there is a bank to be asked for cards."""
    proofs: Proofs = NO_PROOFS

    def keys(self, book: Book) -> Iterable[Key]:
        yield Payment.key(self.payment_id)
        payment = book.get(Payment, self.payment_id)
        if payment is None:
            return
        yield from steps.due_keys(book, payment)
        if payment.state is State.SUCCEEDED or payment.is_overdue(book.now):  # else no wallet is touched
            yield from ledger.keys(book, payment.currency, refund_steps.taking(payment, 0))
        if self.instrument_id is not None:
            yield Instrument.read_key(self.instrument_id)
        yield from proof_keys(self.origin, self.proofs)

    def decide(self, book: Book) -> Decision[Refund]:
        if self.amount is not None:
            self.amount.must_be_payable()
        payment, actor = steps.payment_of(book, self.payment_id, self.origin)
        ids, draft = self.ids(), Draft(book)
        refund_id = ids.take()
        payment = steps.catch_up(draft, ids, self.origin, payment)
        refund = self._refund(refund_id, payment, draft)
        caught_up = draft.changes
        try:
            self._must_be_possible(draft, payment, refund, actor)
            if self.origin.by_person:
                wrong = must_show_password(draft, self.origin, payment.payee_id, self.proofs)
                if wrong is not None:
                    return Decision(refund, draft.changes, wrong)
        except Refusal as refusal:
            return refused_after(caught_up, refund, refusal)
        return Decision(self._made(draft, ids, payment, refund), draft.changes)

    def _refund(self, refund_id: UUID, payment: Payment, draft: Draft) -> Refund:
        return Refund(
            id=refund_id,
            payment_id=payment.id,
            payer_id=payment.payer_id,
            payee_id=payment.payee_id,
            state=RefundState.PENDING,
            source=Source.PAYEE if payment.state is State.SUCCEEDED else Source.ESCROW,
            destination=Destination.WALLET if self.instrument_id is None else Destination.INSTRUMENT,
            instrument_id=self.instrument_id,
            currency=payment.currency,
            amount_minor=payment.refundable_minor if self.amount is None else self.amount.amount_minor,
            fee_share_minor=0,
            reason=self.reason,
            failure=RefundFailure.NOT_FAILED,
            fallback=Fallback.NONE,
            due_at=draft.now,
            attempts=0,
            next_attempt_at=None if self.instrument_id is None else draft.book.database_time,
            sent_at=None,
            created_at=draft.now,
            updated_at=draft.now,
            ended_at=None,
            version=1,
        )

    def _must_be_possible(self, draft: Draft, payment: Payment, refund: Refund, actor: Actor) -> None:
        over = payment.state is State.SUCCEEDED and payment.is_overdue(draft.now)  # and not finished: it has open refunds
        if actor is not Actor.PAYER and (over or payment.state is State.FINISHED):
            raise RefundWindowClosed(payment=payment.name)
        state_after(payment.mode, payment.state, Event.REFUND, actor)
        payment.must_not_be_disputed()
        if self.amount is not None and self.amount.currency != payment.currency:
            raise CurrencyMismatch(currency=payment.currency)
        if payment.refund_count >= draft.policy.refunds_per_payment:
            raise TooManyRefunds(most=draft.policy.refunds_per_payment)
        if not 0 < refund.amount_minor <= payment.refundable_minor:
            raise RefundExceedsRemaining(remaining_minor=payment.refundable_minor, currency=payment.currency)
        if refund.source is Source.PAYEE:
            payee = _account(draft, payment.payee_id)
            payee.must_not_be_closed()
            if actor is Actor.PAYEE:
                payee.must_not_be_frozen()
        if self.instrument_id is not None:
            if not self.has_bank:
                raise BankMissing
            must_be_bound(draft, self.instrument_id, payment.payer_id)

    def _made(self, draft: Draft, ids: IdSequence, payment: Payment, refund: Refund) -> Refund:
        payment = refund_counts.reserved(payment, refund, draft.now)
        draft.put(payment, refund, event(ids, "created", refund, draft.now))
        if refund.source is Source.ESCROW:
            draft.put(trail.audit_event(ids, self.origin, Refund, refund.id, draft.now))
            return refund
        is_behind = _account(draft, payment.payee_id).lacks_funds(payment.currency)
        if is_behind or not _has_funds(draft, payment, refund):
            return self._waiting(draft, ids, refund)
        return refund_steps.take_funds(draft, ids, self.origin, payment, refund)

    def _waiting(self, draft: Draft, ids: IdSequence, refund: Refund) -> Refund:
        """The refund after the payee was found to lack the money, or to owe earlier refunds their turn."""
        due_at = draft.now + timedelta(seconds=draft.policy.refund_funds_seconds)
        waiting = refund.after(RefundEvent.WAIT, draft.now, due_at=due_at, next_attempt_at=None)
        _count_waiting(draft, refund, 1)
        draft.put(
            waiting,
            trail.audit_event(ids, self.origin, Refund, refund.id, draft.now),
            event(ids, "awaiting_funds", waiting, draft.now),
        )
        return waiting


class CarryOutRefund(Command[Refund], frozen=True):
    """Takes the next step of a refund, where it can be taken now without asking a bank; else nothing changes.

    One that awaits funds takes them where they are there, and fails where its time is over; one whose money is set aside
    reaches the payer's wallet. Refused: RefundNotFound, AmountOverflow.
    """

    result_type = Refund
    refund_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield Refund.key(self.refund_id)
        refund = book.get(Refund, self.refund_id)
        payment = None if refund is None else book.get(Payment, refund.payment_id)
        if refund is not None:
            yield Payment.key(refund.payment_id)
        if refund is None or payment is None or not refund.open:
            return
        yield from steps.due_keys(book, payment)
        if refund.state is RefundState.AWAITING_FUNDS:
            yield Account.key(refund.payee_id)
            yield from ledger.keys(book, refund.currency, refund_steps.taking(payment, 0))
        else:
            yield from refund_steps.success_keys(book, refund)

    def decide(self, book: Book) -> Decision[Refund]:
        draft, ids = Draft(book), self.ids()
        payment, refund = refund_steps.caught_up(draft, ids, self.origin, self.refund_id)
        match refund.state:
            case RefundState.AWAITING_FUNDS if refund.due_at is not None and refund.due_at <= draft.now:
                refund = refund_steps.fail(draft, ids, self.origin, payment, refund, RefundFailure.FUNDS_MISSING)
                _count_waiting(draft, refund, -1)
            case RefundState.AWAITING_FUNDS if _has_funds(draft, payment, refund):
                refund = refund_steps.take_funds(draft, ids, self.origin, payment, refund)
                _count_waiting(draft, refund, -1)
            case RefundState.PENDING if refund.destination is Destination.WALLET:
                if not _wallet_is_full(draft, refund):
                    refund = refund_steps.succeed(draft, ids, self.origin, payment, refund)
                elif payment.state is not State.CLOSED:  # else nobody but the payer can have the money
                    refund = refund_steps.fail(draft, ids, self.origin, payment, refund, RefundFailure.WALLET_FULL)
        return Decision(refund, draft.changes)


def _account(draft: Draft, account_id: UUID) -> Account:
    account = draft.get(Account, account_id)
    if account is None:
        raise AccountNotFound(account=f"accounts/{account_id}")
    return account


def _count_waiting(draft: Draft, refund: Refund, by: int) -> None:
    """Counts the refund among those that wait for its payee's money. Raises RowNeeded where the account is not locked."""
    payee = draft.need(Account, refund.payee_id)
    if payee is not None:
        draft.put(payee.with_refund_waiting(refund.currency, by).replace(updated_at=draft.now))


def _has_funds(draft: Draft, payment: Payment, refund: Refund) -> bool:
    """Whether the payee can pay its part of a refund now."""
    wallet = draft.get(Balance, balance_id(refund.payee_id, refund.currency, Purpose.AVAILABLE))
    part_minor = refund.amount_minor - refund_counts.fee_share(payment, refund.amount_minor)
    return wallet is not None and wallet.amount_minor >= part_minor


def _wallet_is_full(draft: Draft, refund: Refund) -> bool:
    """Whether the payer's wallet cannot hold what it would be given."""
    given = ledger.credit(draft, refund.payer_id, refund.currency, refund.amount_minor)
    spendable_minor = sum(posting.amount_minor for posting in given if posting.purpose is Purpose.AVAILABLE)
    wallet = draft.get(Balance, balance_id(refund.payer_id, refund.currency, Purpose.AVAILABLE))
    return wallet is not None and wallet.amount_minor + spendable_minor > MAX_AMOUNT_MINOR
