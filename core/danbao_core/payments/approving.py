"""What a payer approves with a second factor, and whom they have paid before."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from danbao_core import sql
from danbao_core.engine import Book, Draft, Key, NotLoaded, Row, RowNeeded, table
from danbao_core.errors import PaymentNotFound
from danbao_core.payments.lifecycle import Actor, Event, state_after
from danbao_core.payments.rows import Payment
from danbao_core.people.challenges import Purpose, binding
from danbao_core.people.person import person_of
from danbao_core.people.proofs import Wanted
from danbao_core.people.requesting import Approvable, CreateChallenge
from danbao_core.people.spending import must_not_rest
from danbao_core.people_errors import ChangedTooRecently


@table("known_payee", rank=98, key=("payer_id", "payee_id"), reading=sql.load("danbao_core.payments", "read_known_payee"))
class KnownPayee(Row, frozen=True):
    """Somebody whom a payer has paid before. It is sought among the payments, for there is seldom need to know."""

    payer_id: UUID
    payee_id: UUID
    paid_at: datetime
    """First, as far as is looked back."""


def approval_of(payment: Payment) -> Wanted:
    """What an approval to pay a payment approves: it fits no other payer, payee, amount or currency."""
    facts = (payment.id, payment.payer_id, payment.payee_id, payment.amount_minor, payment.currency)
    return Wanted(Purpose.PAY, binding(Purpose.PAY, *facts), payment.amount)


def must_know_payee(draft: Draft, payment: Payment) -> None:
    """Raises ChangedTooRecently where the payer's proofs were changed lately and they never paid the payee before that.

    For what the payee has, or can take, without another word of the payer; what is paid into escrow takes the payment password
    once more. Raises RowNeeded where it has to be sought.
    """
    person = person_of(draft, payment.payer_id)
    try:
        must_not_rest(person, draft.now, draft.policy)
    except ChangedTooRecently:
        try:
            known = draft.get(KnownPayee, payment.payer_id, payment.payee_id)
        except NotLoaded:
            raise RowNeeded(KnownPayee.read_key(payment.payer_id, payment.payee_id)) from None
        if known is None or person.changed_at is None or known.paid_at >= person.changed_at:
            raise


class AskToPay(CreateChallenge, frozen=True):
    """Asks to approve the paying of a payment. Refused, too: PaymentNotFound, also for one that another pays; InvalidTransition
    for one that is not to be paid."""

    payment_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield from super().keys(book)
        yield Payment.read_key(self.payment_id)

    def approvable(self, book: Book) -> Approvable:
        payment = book.get(Payment, self.payment_id)
        if payment is None or payment.payer_id != self.origin.account_id:
            raise PaymentNotFound(payment=f"payments/{self.payment_id}")
        state_after(payment.mode, payment.state, Event.PAY, Actor.PAYER)
        wanted = approval_of(payment)
        return Approvable(wanted.purpose, wanted.bound_to, payment.name, payment.amount)
