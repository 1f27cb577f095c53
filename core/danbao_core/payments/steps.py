"""One step in the life of a payment: the new row, the money that it moves, and the event that tells of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from danbao_core import ledger, trail
from danbao_core.accounts import Account, Purpose
from danbao_core.engine import Book, Draft, Key, Origin
from danbao_core.errors import ActorNotAllowed, PaymentNotFound, ScopeMissing
from danbao_core.ids import IdSequence
from danbao_core.money import Money, fee_minor
from danbao_core.payments import refund_counts
from danbao_core.payments.lifecycle import Actor, Event, Mode, State
from danbao_core.payments.refund_rows import Refund, RefundFailure
from danbao_core.payments.refund_rows import event as refund_event
from danbao_core.payments.rows import Payment
from danbao_core.people import spending

_TOPICS: Final = {
    State.PAID: "payment.paid",
    State.SHIPPED: "payment.shipped",
    State.SUCCEEDED: "payment.succeeded",
    State.FINISHED: "payment.finished",
    State.CLOSED: "payment.closed",
    State.AUTHORIZED: "payment.authorized",
}
"""The event that tells of a step is named after the state that it leads to."""

_KINDS: Final = {event: f"payment.{event.name.lower()}" for event in Event}
"""The journal of a step is named after its event."""

_TOPICS_WITHIN_A_STATE: Final = {
    Event.CORRECT: "payment.shipment_corrected",
    Event.EXTEND: "payment.confirmation_extended",
    Event.DISPUTE: "payment.disputed",
    Event.RESUME: "payment.resumed",
    Event.AWARD: "payment.awarded",
}
"""Where steps leave the state as it is, they are named after what they change."""


# Names of the module for what every payment asks: Python 3.11 takes far longer for an enum's member.
_PAY: Final = Event.PAY
_INSTANT: Final = Mode.INSTANT
_AVAILABLE: Final = Purpose.AVAILABLE
_FEES: Final = Purpose.FEES

_SPENDING: Final = frozenset(
    {Event.PAY, Event.CANCEL, Event.CAPTURE, Event.VOID, Event.SHIP_BY, Event.HOLD_EXPIRY},
)
"""The events that take money from the payer, or give it back."""

_CALLING_OFF: Final = frozenset({Event.CANCEL, Event.SHIP_BY})
"""The events by which everything goes back, so that refunds of it are superseded."""


def postings(book: Book | Draft, payment: Payment, event: Event) -> Sequence[ledger.Posting]:
    """The money that an event moves, none where it moves none."""
    if event is _PAY:
        return [ledger.Posting(payment.payer_id, _AVAILABLE, -payment.amount_minor), *_paid_to(book, payment)]
    match event:
        case Event.CONFIRM | Event.AUTO_CONFIRM:
            return [
                ledger.platform(Purpose.ESCROW, -payment.releasable_minor),
                *_to_payee(book, payment, payment.releasable_minor),
            ]
        case Event.CANCEL | Event.SHIP_BY if payment.held_minor:
            return [
                ledger.platform(Purpose.ESCROW, -payment.releasable_minor),
                *ledger.credit(book, payment.payer_id, payment.currency, payment.releasable_minor),
            ]
        case Event.CAPTURE:
            return [
                ledger.Posting(payment.payer_id, Purpose.HELD, -payment.held_minor),
                *_to_payee(book, payment, payment.released_minor),
                *ledger.credit(book, payment.payer_id, payment.currency, payment.held_minor - payment.released_minor),
            ]
        case Event.VOID | Event.HOLD_EXPIRY:
            return [
                ledger.Posting(payment.payer_id, Purpose.HELD, -payment.held_minor),
                *ledger.credit(book, payment.payer_id, payment.currency, payment.held_minor),
            ]
        case _:
            return ()


def _paid_to(book: Book | Draft, payment: Payment) -> list[ledger.Posting]:
    """Where the money goes that is taken from the payer."""
    if payment.mode is _INSTANT:
        return _to_payee(book, payment, payment.amount_minor)
    if payment.mode is Mode.ESCROW:
        return [ledger.platform(Purpose.ESCROW, payment.amount_minor)]
    return [ledger.Posting(payment.payer_id, Purpose.HELD, payment.amount_minor)]


def _to_payee(book: Book | Draft, payment: Payment, amount_minor: int) -> list[ledger.Posting]:
    of_platform_minor = fee_minor(amount_minor, payment.fee_bps)
    return [
        *ledger.credit(book, payment.payee_id, payment.currency, amount_minor - of_platform_minor),
        ledger.platform(_FEES, of_platform_minor),
    ]


def keys(book: Book, payment_id: UUID, event: Event | None) -> Iterable[Key]:
    """What `take` and `catch_up` need for an event of a payment; without one, for what time brings about."""
    yield Payment.key(payment_id)
    payment = book.get(Payment, payment_id)
    if payment is None:
        return
    yield payee_key(payment.payee_id, payment.mode, paying=event is Event.PAY)
    if event is not None:
        yield from _event_keys(book, payment, event)
    yield from due_keys(book, payment)


def due_keys(book: Book, payment: Payment) -> Iterable[Key]:
    """What `catch_up` needs of a payment, also where open refunds or a dispute have put its due event off: a command may end
    these first."""
    yield Account.read_key(payment.payer_id)
    yield Account.read_key(payment.payee_id)
    if payment.due_event is not None and (payment.is_overdue(book.now) or payment.dispute_id is not None):
        yield from _event_keys(book, payment, payment.due_event)


def _event_keys(book: Book, payment: Payment, event: Event) -> Iterable[Key]:
    yield from ledger.keys(book, payment.currency, postings(book, payment, event))
    if event in _SPENDING:
        yield from spending.spending_keys(book.get(Account, payment.payer_id), payment.currency)
    if event in _CALLING_OFF:
        yield from map(Refund.key, payment.open_refund_ids)


def payee_key(payee_id: UUID, mode: Mode, *, paying: bool) -> Key:
    """The payee's account, shared while money is set aside for it, so that it does not close meanwhile.

    Paying at once locks a balance of the payee, which does the same, and before that nothing is promised.
    """
    return Account.shared_key(payee_id) if paying and mode is not _INSTANT else Account.read_key(payee_id)


def take(draft: Draft, ids: IdSequence, origin: Origin, payment: Payment, event: Event, actor: Actor) -> Payment:
    """Takes a step: puts the new row, the journal and the event into the draft, and answers the new row.

    Raises InsufficientFunds, AmountOverflow, and what `Payment.after` raises.
    """
    at = _moment(draft, payment, event)
    if event in _CALLING_OFF:
        payment = _supersede(draft, ids, origin, payment, at)
    after = payment.after(event, actor, at, draft.book.policies.at(at))
    moving = [posting for posting in postings(draft, payment, event) if posting.amount_minor]
    draft.put(after)
    _count(draft, payment, after, event, at)
    if moving:
        ledger.post(
            draft,
            ids,
            origin,
            kind=_KINDS[event],
            subject_id=payment.id,
            currency=payment.currency,
            postings=moving,
        )
    else:
        draft.put(trail.audit_event(ids, origin, Payment, payment.id, draft.now))
    tell(draft, ids, payment, after, event, at)
    return after


def tell(draft: Draft, ids: IdSequence, before: Payment, after: Payment, event: Event, at: datetime) -> None:
    """Puts into the draft what tells of a step."""
    within_a_state = _TOPICS_WITHIN_A_STATE.get(event) if after.state is before.state else None
    draft.put(trail.event(ids, within_a_state or _TOPICS[after.state], after.id, after.version, after, at))


def _moment(draft: Draft, payment: Payment, event: Event) -> datetime:
    """When an event takes place: one that time brings about when it was due, or when refunds that put it off had ended."""
    if event is payment.due_event and payment.due_at is not None:
        return max(payment.due_at, payment.updated_at)
    return draft.now


def _supersede(draft: Draft, ids: IdSequence, origin: Origin, payment: Payment, at: datetime) -> Payment:
    """Ends the refunds of a payment that is called off but those that a bank may have: their money waits for its answer."""
    for refund_id in payment.open_refund_ids:
        refund = draft.get(Refund, refund_id)
        if refund is not None and not refund.at_bank:
            payment = refund_counts.given_up(payment, refund, at)
            failed = refund.failed(RefundFailure.SUPERSEDED, at)
            draft.put(
                failed,
                trail.audit_event(ids, origin, Refund, failed.id, draft.now),
                refund_event(ids, "failed", failed, at),
            )
    return payment


def _count(draft: Draft, before: Payment, after: Payment, event: Event, at: datetime) -> None:
    """Counts what a person pays, and counts back what returns to them. Raises LimitExceeded and RowNeeded."""
    if event not in _SPENDING:
        return
    payer = draft.get(Account, before.payer_id)
    if payer is None or not payer.personal:
        return
    if event is Event.PAY:
        spending.count_payment(draft, payer, before.amount)
    elif before.paid_at is not None:
        returned = Money(after.returned_minor - before.returned_minor, before.currency)
        spending.give_back(draft, payer, returned, spent_at=before.paid_at, at=at)


def catch_up(draft: Draft, ids: IdSequence, origin: Origin, payment: Payment) -> Payment:
    """Takes the steps that time has brought about, so that whoever acts late meets the right state."""
    by_time = trail.as_timer(origin)
    while payment.is_due(draft.now) and payment.due_event is not None:
        payment = take(draft, ids, by_time, payment, payment.due_event, Actor.TIMER)
    return payment


def payment_of(book: Book, payment_id: UUID, origin: Origin) -> tuple[Payment, Actor]:
    """The payment, and which side of it the caller is. Raises PaymentNotFound, also for what is not the caller's."""
    payment = book.get(Payment, payment_id)
    actor = None if payment is None else actor_of(origin, payment)
    if payment is None or actor is None:
        raise PaymentNotFound(payment=f"payments/{payment_id}")
    return payment, actor


def actor_of(origin: Origin, payment: Payment) -> Actor | None:
    """Which side of a payment a caller is; None for a stranger."""
    if origin.account_id is None:
        return Actor.OPERATOR if "operations" in origin.scopes else Actor.SERVICE
    if origin.account_id == payment.payer_id:
        return Actor.PAYER
    return Actor.PAYEE if origin.account_id == payment.payee_id else None


def must_may_pay(origin: Origin, payer_id: UUID) -> None:
    """Raises ActorNotAllowed or ScopeMissing where the caller may not take money from the payer's wallet.

    A key that is bound to the payer needs `payments.pay`, one that is bound to nobody `payments.pay_any`; the system itself
    needs nothing. A person in a session needs no scope but what `proofs` ask for.
    """
    if origin.by_system:
        return
    if origin.account_id not in (None, payer_id):
        raise ActorNotAllowed(actor=Actor.PAYEE.name, event=Event.PAY.name)
    if origin.by_person:
        return
    if "payments.pay_any" in origin.scopes:
        return
    if origin.account_id is None:
        raise ScopeMissing(scope="payments.pay_any")
    if "payments.pay" not in origin.scopes:
        raise ScopeMissing(scope="payments.pay")
