"""The steps of a refund: the new rows, the money that each moves, and the event that tells of it."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from danbao_core import ledger, trail
from danbao_core.accounts import Account, Purpose
from danbao_core.engine import Book, Draft, Key, Origin, RowNeeded
from danbao_core.ids import IdSequence
from danbao_core.money import Money
from danbao_core.payments import refund_counts, steps
from danbao_core.payments.lifecycle import Actor, Event, State
from danbao_core.payments.refund_rows import Destination, Refund, RefundEvent, RefundFailure, RefundState, Source, event
from danbao_core.payments.rows import Payment
from danbao_core.people import spending
from danbao_core.refund_errors import (
    RefundNotFound,
)


def caught_up(draft: Draft, ids: IdSequence, origin: Origin, refund_id: UUID) -> tuple[Payment, Refund]:
    """A refund and its payment after what time has brought about for the payment. Raises RefundNotFound."""
    refund = draft.get(Refund, refund_id)
    payment = None if refund is None else draft.get(Payment, refund.payment_id)
    if refund is None or payment is None:
        raise RefundNotFound(refund=f"payments/-/refunds/{refund_id}")
    if not refund.open:
        return payment, refund
    payment = steps.catch_up(draft, ids, origin, payment)
    return payment, draft.get(Refund, refund_id) or refund


def taking(payment: Payment, amount_minor: int) -> Sequence[ledger.Posting]:
    """Sets the payee's part of a refund aside."""
    return [
        ledger.Posting(payment.payee_id, Purpose.AVAILABLE, -amount_minor),
        ledger.Posting(payment.payee_id, Purpose.HELD, amount_minor),
    ]


def take_funds(draft: Draft, ids: IdSequence, origin: Origin, payment: Payment, refund: Refund) -> Refund:
    """Sets the payee's part aside; from then on the refund can lack nothing. The payee must have it."""
    share_minor = refund_counts.fee_share(payment, refund.amount_minor)
    asked_at = draft.book.database_time if refund.destination is Destination.INSTRUMENT else None
    facts = {"fee_share_minor": share_minor, "due_at": draft.now, "next_attempt_at": asked_at}
    funded = refund.after(RefundEvent.TAKE, draft.now, **facts)
    draft.put(funded, refund_counts.taken(payment, funded, draft.now))
    _move(draft, ids, origin, "refund.hold", funded, taking(payment, funded.payees_part_minor))
    return funded


def success_keys(book: Book, refund: Refund) -> Iterable[Key]:
    """What `succeed` needs beside the payment and the refund."""
    yield from ledger.keys(book, refund.currency, _giving(book, refund))
    yield from spending.spending_keys(book.get(Account, refund.payer_id), refund.currency)


def _giving(book: Book | Draft, refund: Refund) -> Sequence[ledger.Posting]:
    """Brings the money of a refund where it is to go."""
    amount_minor = refund.amount_minor
    taken = [ledger.platform(Purpose.ESCROW, -amount_minor)]
    if refund.source is Source.PAYEE:
        taken = [
            ledger.Posting(refund.payee_id, Purpose.HELD, -refund.payees_part_minor),
            ledger.platform(Purpose.FEES, -refund.fee_share_minor),
        ]
    if refund.destination is Destination.INSTRUMENT:
        return [*taken, ledger.platform(Purpose.BANK_CLEARING, amount_minor)]
    return [*taken, *ledger.credit(book, refund.payer_id, refund.currency, amount_minor)]


def succeed(draft: Draft, ids: IdSequence, origin: Origin, payment: Payment, refund: Refund) -> Refund:
    """Gives the money back; a payment of which that was the last is closed.

    Raises AmountOverflow and, for a person's, RowNeeded.
    """
    after = refund.after(RefundEvent.SUCCEED, draft.now)
    payment = refund_counts.refunded(payment, refund, draft.now)
    draft.put(after, payment)
    _move(draft, ids, origin, "refund.succeed", refund, _giving(draft, refund))
    payer = draft.get(Account, refund.payer_id)
    if payer is not None and payment.paid_at is not None:
        amount = Money(refund.amount_minor, refund.currency)
        spending.give_back(draft, payer, amount, spent_at=payment.paid_at, at=draft.now)
    draft.put(event(ids, "succeeded", after, draft.now))
    if payment.given_back_minor == payment.paid_minor and payment.state is not State.CLOSED:
        payment = steps.take(draft, ids, origin, payment, Event.RETURN, Actor.TIMER)
    steps.catch_up(draft, ids, origin, payment)
    return after


def fail(draft: Draft, ids: IdSequence, origin: Origin, payment: Payment, refund: Refund, failure: RefundFailure) -> Refund:
    """Ends a refund by which nothing goes back. What was set aside for it is the payee's, less the fee on it, once the payment
    is released; before, it stays held. Raises AmountOverflow, and RowNeeded where money moves."""
    after = refund.failed(failure, draft.now)
    kind, moving = "", list[ledger.Posting]()
    match refund.source, refund.state:
        case Source.ESCROW, _ if payment.state is State.SUCCEEDED:
            released = refund_counts.released_instead(payment, refund, draft.now)
            kind, moving = "refund.release", _releasing(draft, payment, released)
            payment = released
        case Source.PAYEE, RefundState.PENDING:
            kind, moving = "refund.return", _returning(draft, refund)
            payment = refund_counts.returned_to_payee(payment, refund, draft.now)
        case _:
            payment = refund_counts.given_up(payment, refund, draft.now)
    draft.put(after, payment)
    _need(draft, ledger.keys(draft.book, refund.currency, moving))
    _move(draft, ids, origin, kind, refund, moving)
    draft.put(event(ids, "failed", after, draft.now))
    steps.catch_up(draft, ids, origin, payment)
    return after


def _releasing(draft: Draft, before: Payment, after: Payment) -> list[ledger.Posting]:
    """Gives the payee what a refund of what was held did not give back, less the fee on it."""
    amount_minor, share_minor = after.released_minor - before.released_minor, after.fee_minor - before.fee_minor
    return [
        ledger.platform(Purpose.ESCROW, -amount_minor),
        *ledger.credit(draft, before.payee_id, before.currency, amount_minor - share_minor),
        ledger.platform(Purpose.FEES, share_minor),
    ]


def _returning(draft: Draft, refund: Refund) -> list[ledger.Posting]:
    """Gives the payee back what was set aside."""
    return [
        ledger.Posting(refund.payee_id, Purpose.HELD, -refund.payees_part_minor),
        *ledger.credit(draft, refund.payee_id, refund.currency, refund.payees_part_minor),
    ]


def _need(draft: Draft, keys: Iterable[Key]) -> None:
    """Raises RowNeeded for rows that are not locked: failing is too rare to name them beforehand."""
    if missing := [key for key in keys if not draft.book.holds(key)]:
        raise RowNeeded(*missing)


def _move(draft: Draft, ids: IdSequence, origin: Origin, kind: str, refund: Refund, postings: Sequence[ledger.Posting]) -> None:
    """Moves money for a refund; where there is none to move, writes down that the step was taken."""
    if any(posting.amount_minor for posting in postings):
        ledger.post(draft, ids, origin, kind=kind, subject_id=refund.id, currency=refund.currency, postings=postings)
    else:
        draft.put(trail.audit_event(ids, origin, Refund, refund.id, draft.now))
