"""What can be done with a payment."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec

from danbao_core import ledger, trail
from danbao_core.accounts import Account, Purpose, active_account
from danbao_core.accounts.rows import must_act_for
from danbao_core.engine import Book, Command, Decision, Draft, Json, Key, refused_after
from danbao_core.errors import CurrencyMismatch, OrderNoTaken, PayerIsPayee, Refusal
from danbao_core.money import Money, fee_minor
from danbao_core.payments import steps
from danbao_core.payments.approving import approval_of, must_know_payee
from danbao_core.payments.lifecycle import Actor, CloseReason, Event, Mode, State, state_after
from danbao_core.payments.rows import OrderRef, Payment, ShipmentMethod
from danbao_core.people.passwords import FACTOR as PASSWORD_FACTOR
from danbao_core.people.proofs import NO_PROOFS, Proofs, must_approve, must_show_password, proof_keys
from danbao_core.people_errors import ApprovalRequired, OrderNoOfPayee

# Names of the module for what every payment asks: Python 3.11 takes far longer for an enum's member.
_PAY: Final = Event.PAY
_EXPIRE: Final = Event.EXPIRE
_SERVICE: Final = Actor.SERVICE
_AWAITING_PAYMENT: Final = State.AWAITING_PAYMENT
_NOT_SHIPPED: Final = ShipmentMethod.NONE
_NOT_CLOSED: Final = CloseReason.NOT_CLOSED
_INSTANT: Final = Mode.INSTANT
_AVAILABLE: Final = Purpose.AVAILABLE
_FEES: Final = Purpose.FEES


class Shipment(msgspec.Struct, frozen=True):
    """How goods are sent."""

    method: ShipmentMethod
    carrier: str = ""
    tracking_no: str = ""

    def put_on(self, payment: Payment) -> Payment:
        """The payment with these as its shipment."""
        return payment.replace(shipment_method=self.method, carrier=self.carrier, tracking_no=self.tracking_no)


class CreatePayment(Command[Payment], frozen=True):
    """Creates a payment and, with `pay`, pays it in the same commit.

    Refused: PayerIsPayee, CurrencyUnknown, AmountNotPositive, NotYourAccount, ScopeMissing, AccountNotFound, AccountClosed,
    AccountFrozen (the payer's, where it pays or its own key asks), WalletMissing, OrderNoTaken; where it pays,
    RefundsWaiting, InsufficientFunds, AmountOverflow, LimitExceeded; ApprovalRequired where a person asks to pay at once, who
    pays by PayPayment, and OrderNoOfPayee where a person who is not the payee gives a number.
    """

    result_type = Payment
    payer_id: UUID
    payee_id: UUID
    amount: Money
    mode: Mode
    order_no: str = ""
    subject: str = ""
    metadata: Json = Json("{}")
    expire_after_seconds: int | None = None
    pay: bool = False

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.read_key(self.payer_id)
        yield steps.payee_key(self.payee_id, self.mode, paying=self.pay)
        if self.order_no:
            yield OrderRef.read_key(self.payee_id, self.order_no)
        if self.pay:
            yield from ledger.keys(book, self.amount.currency, self._moved())

    def _moved(self) -> Iterable[ledger.Posting]:
        """The balances that paying moves; named without a look at any row, so that the hot path needs no discovery."""
        yield ledger.Posting(self.payer_id, _AVAILABLE, 0)
        if self.mode is _INSTANT:
            yield ledger.Posting(self.payee_id, _AVAILABLE, 0)
            yield ledger.platform(_FEES, 0)
        elif self.mode is Mode.ESCROW:
            yield ledger.platform(Purpose.ESCROW, 0)
        else:
            yield ledger.Posting(self.payer_id, Purpose.HELD, 0)

    def decide(self, book: Book) -> Decision[Payment]:
        draft = Draft(book)
        return Decision(self.create(draft), draft.changes)

    def create(self, draft: Draft) -> Payment:
        """Puts the payment into a draft, paid where that is asked for, and answers it. Raises what `decide` raises."""
        if self.payer_id == self.payee_id:
            raise PayerIsPayee
        self.amount.must_be_payable()
        must_act_for(self.origin, self.payer_id, self.payee_id)
        if self.origin.by_person and self.order_no and self.origin.account_id != self.payee_id:
            raise OrderNoOfPayee  # else anybody who can register could use up a merchant's numbers, for ever
        if self.pay:
            steps.must_may_pay(self.origin, self.payer_id)
            if self.origin.by_person:  # who sees what they pay, and to whom, before they approve it
                raise ApprovalRequired(factors=PASSWORD_FACTOR, call="PayPayment")
        payer = active_account(draft, self.payer_id, self.amount.currency)
        payee = active_account(draft, self.payee_id, self.amount.currency)
        if self.pay or self.origin.account_id == self.payer_id:
            payer.must_not_be_frozen()
        if self.pay:
            payer.must_not_lack_funds(self.amount.currency)
        if self.order_no and (taken := draft.get(OrderRef, self.payee_id, self.order_no)):
            raise OrderNoTaken(payment=f"payments/{taken.payment_id}", order_no=self.order_no)
        ids = self.ids()
        payment = self._payment(ids.take(), payee, draft)
        if self.order_no:
            draft.put(OrderRef(self.payee_id, self.order_no, payment.id))
        if self.pay:
            actor = steps.actor_of(self.origin, payment) or _SERVICE
            payment = steps.take(draft, ids, self.origin, payment, _PAY, actor)
        else:
            draft.put(
                payment,
                trail.audit_event(ids, self.origin, Payment, payment.id, draft.now),
                trail.event(ids, "payment.created", payment.id, payment.version, payment, draft.now),
            )
        return payment

    def _payment(self, payment_id: UUID, payee: Account, draft: Draft) -> Payment:
        fee_bps = payee.fee_bps_at(draft.now, draft.policy)
        expire_after_seconds = self.expire_after_seconds or draft.policy.expire_seconds
        return Payment(
            id=payment_id,
            payer_id=self.payer_id,
            payee_id=self.payee_id,
            mode=self.mode,
            state=_AWAITING_PAYMENT,
            currency=self.amount.currency,
            amount_minor=self.amount.amount_minor,
            fee_bps=fee_bps,
            fee_minor=fee_minor(self.amount.amount_minor, fee_bps),
            held_minor=0,
            released_minor=0,
            returned_minor=0,
            order_no=self.order_no,
            subject=self.subject,
            metadata=self.metadata,
            shipment_method=_NOT_SHIPPED,
            carrier="",
            tracking_no="",
            close_reason=_NOT_CLOSED,
            due_event=_EXPIRE,
            due_at=draft.now + timedelta(seconds=expire_after_seconds),
            created_at=draft.now,
            updated_at=draft.now,
            paid_at=None,
            shipped_at=None,
            succeeded_at=None,
            closed_at=None,
            version=1,
        )


class CatchUp(Command[Payment], frozen=True):
    """What time has brought about; a repeat, and one beside somebody's own step, changes nothing. Refused: PaymentNotFound."""

    result_type = Payment
    payment_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield from steps.keys(book, self.payment_id, None)

    def decide(self, book: Book) -> Decision[Payment]:
        payment, _ = steps.payment_of(book, self.payment_id, self.origin)
        draft = Draft(book)
        return Decision(steps.catch_up(draft, self.ids(), self.origin, payment), draft.changes)


class _Step(Command[Payment], frozen=True):
    """An event that somebody brings about on a payment.

    What time has brought about before is done first, and stays done even where the event itself is refused then.
    """

    result_type = Payment
    payment_id: UUID

    def event(self) -> Event:
        raise NotImplementedError

    def prepare(self, book: Book, payment: Payment) -> Payment:
        """Checks what only this event asks for, and adds its facts to the payment."""
        return payment

    def prove(self, draft: Draft, payment: Payment, actor: Actor) -> Refusal | None:
        """Checks what a person shows for it. What counts is put into the draft, and answered with the refusal."""

    def keys(self, book: Book) -> Iterable[Key]:
        yield from steps.keys(book, self.payment_id, self.event())

    def decide(self, book: Book) -> Decision[Payment]:
        payment, actor = steps.payment_of(book, self.payment_id, self.origin)
        ids, draft = self.ids(), Draft(book)
        payment = steps.catch_up(draft, ids, self.origin, payment)
        caught_up = draft.changes
        try:
            prepared = self.prepare(book, payment)
            if self.origin.by_person and (wrong := self.prove(draft, prepared, actor)) is not None:
                return Decision(payment, draft.changes, wrong)
            payment = steps.take(draft, ids, self.origin, prepared, self.event(), actor)
        except Refusal as refusal:
            return refused_after(caught_up, payment, refusal)
        return Decision(payment, draft.changes)


class _ProvenStep(_Step, frozen=True):
    """A step for which a person shows proofs."""

    proofs: Proofs = NO_PROOFS

    def keys(self, book: Book) -> Iterable[Key]:
        yield from super().keys(book)
        yield from proof_keys(self.origin, self.proofs)

    def prove(self, draft: Draft, payment: Payment, actor: Actor) -> Refusal | None:
        state_after(payment.mode, payment.state, self.event(), actor)  # no guess at the password where nothing would come of it
        payment.must_not_be_disputed()
        return must_show_password(draft, self.origin, payment.payer_id, self.proofs)


class PayPayment(_ProvenStep, frozen=True):
    """Takes the money from the payer.

    Refused: PaymentNotFound, InvalidTransition, ActorNotAllowed, ScopeMissing, AccountClosed, AccountFrozen (the payer's),
    RefundsWaiting (for the payer's money), InsufficientFunds, AmountOverflow, LimitExceeded. A person is refused, too:
    PasswordMissing, PasswordWrong, PasswordLocked (wrong ones are counted); ApprovalRequired (`factors`) and what
    `challenges.consume` raises; ChangedTooRecently for an INSTANT payment or an AUTHORIZATION to a payee whom they never paid.
    """

    def event(self) -> Event:
        return Event.PAY

    def prove(self, draft: Draft, payment: Payment, actor: Actor) -> Refusal | None:
        if (wrong := super().prove(draft, payment, actor)) is not None:
            return wrong
        if payment.mode is not Mode.ESCROW:
            must_know_payee(draft, payment)
        must_approve(draft, self.origin, payment.payer_id, self.proofs, approval_of(payment))
        return None

    def prepare(self, book: Book, payment: Payment) -> Payment:
        steps.must_may_pay(self.origin, payment.payer_id)
        payer = active_account(book, payment.payer_id, payment.currency)
        active_account(book, payment.payee_id, payment.currency)
        payer.must_not_be_frozen()
        payer.must_not_lack_funds(payment.currency)
        return payment


class ShipPayment(_Step, frozen=True):
    """The payee sends the goods. Refused: PaymentNotFound, InvalidTransition, ActorNotAllowed, DisputeOpen."""

    shipment: Shipment

    def event(self) -> Event:
        return Event.SHIP

    def prepare(self, book: Book, payment: Payment) -> Payment:
        return self.shipment.put_on(payment)


class CorrectShipment(_Step, frozen=True):
    """The payee corrects how the goods are sent, once; the time to confirm begins anew, by the new method.

    Refused: PaymentNotFound, InvalidTransition, ActorNotAllowed, DisputeOpen, AlreadyCorrected.
    """

    shipment: Shipment

    def event(self) -> Event:
        return Event.CORRECT

    def prepare(self, book: Book, payment: Payment) -> Payment:
        return self.shipment.put_on(payment)


class ExtendConfirmation(_Step, frozen=True):
    """The payer takes longer to confirm, once.

    Refused: PaymentNotFound, InvalidTransition, ActorNotAllowed, DisputeOpen, AlreadyExtended.
    """

    def event(self) -> Event:
        return Event.EXTEND


class ConfirmPayment(_ProvenStep, frozen=True):
    """The payer has the goods; the money leaves escrow.

    Refused: PaymentNotFound, InvalidTransition, ActorNotAllowed, DisputeOpen, AccountFrozen (the payer's, unless an operator
    confirms). A person is refused, too: ApprovalRequired where no payment password is shown, PasswordMissing, PasswordWrong,
    PasswordLocked.
    """

    def event(self) -> Event:
        return Event.CONFIRM

    def prepare(self, book: Book, payment: Payment) -> Payment:
        if steps.actor_of(self.origin, payment) in (Actor.PAYER, Actor.SERVICE):
            payer: Account = book[Account, payment.payer_id]
            payer.must_not_be_frozen()
        return payment


class CapturePayment(_Step, frozen=True):
    """The payee takes what was authorized, or part of it, and the rest returns to the payer; once.

    Refused: CurrencyUnknown, AmountNotPositive, CurrencyMismatch, PaymentNotFound, InvalidTransition, ActorNotAllowed,
    CaptureExceedsAuthorization, AmountOverflow.
    """

    amount: Money | None = None
    """None is all of it."""

    def event(self) -> Event:
        return Event.CAPTURE

    def prepare(self, book: Book, payment: Payment) -> Payment:
        amount = payment.amount if self.amount is None else self.amount.must_be_payable()
        if amount.currency != payment.currency:
            raise CurrencyMismatch(currency=payment.currency)
        return payment.to_capture(amount.amount_minor)


class VoidPayment(_Step, frozen=True):
    """Gives up what was authorized; all of it returns to the payer. Refused: PaymentNotFound, InvalidTransition,
    ActorNotAllowed."""

    def event(self) -> Event:
        return Event.VOID


class CancelPayment(_Step, frozen=True):
    """Calls the payment off before shipment. Refused: PaymentNotFound, InvalidTransition, ActorNotAllowed, DisputeOpen."""

    def event(self) -> Event:
        return Event.CANCEL
