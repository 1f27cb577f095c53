"""The money of a dispute: what is set aside when it is opened, and where everything goes when it ends."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from danbao_core import ledger, trail
from danbao_core.accounts import Account, Balance, Purpose, balance_id, platform_balance_id
from danbao_core.disputes.lifecycle import Reason
from danbao_core.disputes.rows import Dispute, WaitingCompensation
from danbao_core.engine import Book, Draft, Key, Origin
from danbao_core.ids import IdSequence
from danbao_core.money import Money
from danbao_core.payments import awards, refund_counts
from danbao_core.payments import steps as payment_steps
from danbao_core.payments.lifecycle import Event, State
from danbao_core.payments.rows import Payment
from danbao_core.people import spending


def opening_keys(book: Book, payment: Payment) -> Iterable[Key]:
    """What `open_with` needs beside the payment and its two accounts."""
    may_be_released = payment.is_overdue(book.now) or payment.dispute_id is not None  # by what time has brought about
    if payment.state is State.SUCCEEDED or may_be_released:  # else no wallet is touched
        yield from ledger.keys(book, payment.currency, _holding(payment, 0))


def keys(book: Book, dispute: Dispute) -> Iterable[Key]:
    """What `settle` and `give_up` need beside the payment, the dispute and their two accounts, however they end."""
    moved = [
        ledger.Posting(dispute.buyer_id, Purpose.AVAILABLE, 0),
        ledger.Posting(dispute.seller_id, Purpose.AVAILABLE, 0),
        ledger.platform(Purpose.FEES, 0),
    ]
    if dispute.released:
        yield Account.key(dispute.seller_id)  # which may owe for the first time
        moved += [ledger.Posting(dispute.seller_id, each, 0) for each in (Purpose.HELD, Purpose.RECEIVABLE)]
    else:
        moved.append(ledger.platform(Purpose.ESCROW, 0))
    if dispute.reason is Reason.UNAUTHORIZED:  # which alone is compensated
        moved.append(ledger.platform(Purpose.COMPENSATION, 0))
        yield WaitingCompensation.read_key(dispute.currency)
    yield from ledger.keys(book, dispute.currency, moved)
    yield from spending.spending_keys(book.get(Account, dispute.buyer_id), dispute.currency)


def open_with(draft: Draft, ids: IdSequence, origin: Origin, payment: Payment, dispute: Dispute) -> Dispute:
    """The dispute after its payment was stopped and, where the seller has got the money, their part of what is disputed was set
    aside as far as it is there. Raises InvalidTransition."""
    disputed = awards.disputed(payment, dispute.id, dispute.reason.bit, draft.now)
    _step_of_payment(draft, ids, origin, payment, disputed, Event.DISPUTE, draft.now)
    held_minor = 0
    if dispute.released:
        part_minor = dispute.amount_minor - refund_counts.fee_share(payment, dispute.amount_minor)
        held_minor = min(part_minor, _has_minor(draft, balance_id(dispute.seller_id, dispute.currency, Purpose.AVAILABLE)))
    _move(draft, ids, origin, "dispute.hold", dispute, _holding(payment, held_minor))
    return dispute.replace(held_minor=held_minor)


def _holding(payment: Payment, amount_minor: int) -> Sequence[ledger.Posting]:
    return [
        ledger.Posting(payment.payee_id, Purpose.AVAILABLE, -amount_minor),
        ledger.Posting(payment.payee_id, Purpose.HELD, amount_minor),
    ]


def give_up(draft: Draft, ids: IdSequence, origin: Origin, dispute: Dispute, at: datetime) -> Dispute:
    """The dispute, closed at a moment, after what was set aside returned to the seller; its payment goes on."""
    payment = _payment_of(draft, dispute)
    resumed = awards.resumed(payment, dispute.left_seconds, at, draft.book.policies.at(at))
    _step_of_payment(draft, ids, origin, payment, resumed, Event.RESUME, at)
    returning = _returning(draft, dispute, dispute.held_minor) if dispute.held_minor else []
    _move(draft, ids, origin, "dispute.return", dispute, returning)
    return dispute.replace(held_minor=0)


def settle(draft: Draft, ids: IdSequence, origin: Origin, dispute: Dispute, at: datetime) -> Dispute:
    """The dispute, settled at a moment, after everybody got what is theirs, in one journal.

    A compensation for which the fund is short waits, and so does one that comes while others wait. Raises AmountOverflow and
    RowNeeded.
    """
    payment, back_minor = _payment_of(draft, dispute), dispute.award_buyer_minor or 0
    share_minor = refund_counts.fee_share(payment, back_minor) if dispute.released else 0
    policy = draft.book.policies.at(at)
    event, after = awards.awarded(payment, back_minor, share_minor, dispute.left_seconds, at, policy)
    compensation_minor = dispute.award_compensation_minor if _pays_at_once(draft, dispute) else 0
    postings = _to_buyer(draft, dispute, back_minor, compensation_minor)
    if dispute.released:
        postings += _from_seller(draft, dispute, back_minor - share_minor)
        postings.append(ledger.platform(Purpose.FEES, -share_minor))
    else:
        postings += _out_of_escrow(draft, payment, after)
    owed_minor = -sum(posting.amount_minor for posting in postings if _is_debt(posting, dispute))
    _step_of_payment(draft, ids, origin, payment, after, event, at)
    _move(draft, ids, origin, "dispute.settle", dispute, postings)
    buyer = draft.get(Account, dispute.buyer_id)
    if buyer is not None and payment.paid_at is not None:
        spending.give_back(draft, buyer, Money(back_minor, dispute.currency), spent_at=payment.paid_at, at=at)
    return dispute.replace(
        held_minor=0,
        paid_back_minor=back_minor,
        fee_returned_minor=share_minor,
        owed_minor=owed_minor,
        compensated_minor=compensation_minor,
    )


def _is_debt(posting: ledger.Posting, dispute: Dispute) -> bool:
    return (posting.account_id, posting.purpose) == (dispute.seller_id, Purpose.RECEIVABLE) and posting.amount_minor < 0


def _to_buyer(draft: Draft, dispute: Dispute, back_minor: int, compensation_minor: int) -> list[ledger.Posting]:
    """Gives the buyer what went back and what the fund adds; nothing where that is nothing."""
    if not back_minor + compensation_minor:
        return []
    return [
        *ledger.credit(draft, dispute.buyer_id, dispute.currency, back_minor + compensation_minor),
        ledger.platform(Purpose.COMPENSATION, -compensation_minor),
    ]


def _out_of_escrow(draft: Draft, before: Payment, after: Payment) -> list[ledger.Posting]:
    """Empties the escrow but for what refunds are to give back; the rest of the award is the seller's, less the fee on it."""
    out = ledger.platform(Purpose.ESCROW, -before.releasable_minor)
    if not after.released_minor:
        return [out]
    to_seller = ledger.credit(draft, before.payee_id, before.currency, after.released_minor - after.fee_minor)
    return [out, *to_seller, ledger.platform(Purpose.FEES, after.fee_minor)]


def _from_seller(draft: Draft, dispute: Dispute, part_minor: int) -> list[ledger.Posting]:
    """Takes the seller's part from what was set aside, then from the wallet, and then as a debt; what was set aside beyond it
    returns."""
    if dispute.held_minor > part_minor:
        returning = _returning(draft, dispute, dispute.held_minor - part_minor)
        return [returning[0]._replace(amount_minor=-dispute.held_minor), *returning[1:]]
    taken = [ledger.Posting(dispute.seller_id, Purpose.HELD, -dispute.held_minor)]
    if part_minor > dispute.held_minor:
        taken += ledger.debit(draft, dispute.seller_id, dispute.currency, part_minor - dispute.held_minor)
    return taken


def _returning(draft: Draft, dispute: Dispute, amount_minor: int) -> list[ledger.Posting]:
    return [
        ledger.Posting(dispute.seller_id, Purpose.HELD, -amount_minor),
        *ledger.credit(draft, dispute.seller_id, dispute.currency, amount_minor),
    ]


def compensation_keys(book: Book, dispute: Dispute) -> Iterable[Key]:
    """What `compensate` needs, also where the buyer has closed the account since."""
    given = ledger.credit(book, dispute.buyer_id, dispute.currency, dispute.award_compensation_minor)
    yield from ledger.keys(book, dispute.currency, [ledger.platform(Purpose.COMPENSATION, 0), *given])


def can_compensate(draft: Draft, dispute: Dispute) -> bool:
    """Whether a compensation waits, and the fund has it."""
    return dispute.awaits_compensation and _fund_has(draft, dispute)


def compensate(draft: Draft, ids: IdSequence, origin: Origin, dispute: Dispute) -> Dispute:
    """The dispute after the fund paid what it was short of. Raises AmountOverflow and RowNeeded."""
    amount_minor = dispute.award_compensation_minor - dispute.compensated_minor
    _move(draft, ids, origin, "dispute.compensate", dispute, _to_buyer(draft, dispute, 0, amount_minor))
    return dispute.replace(compensated_minor=dispute.award_compensation_minor)


def _pays_at_once(draft: Draft, dispute: Dispute) -> bool:
    """Whether the fund has the compensation, and nobody waits for theirs, whose turn it is first."""
    return _fund_has(draft, dispute) and draft.get(WaitingCompensation, dispute.currency) is None


def _fund_has(draft: Draft, dispute: Dispute) -> bool:
    wanted_minor = dispute.award_compensation_minor - dispute.compensated_minor
    fund = platform_balance_id(dispute.currency, Purpose.COMPENSATION, 0)
    return wanted_minor > 0 and _has_minor(draft, fund) >= wanted_minor


def _has_minor(draft: Draft, balance: UUID) -> int:
    """What is in a balance; it is locked, because the answer is acted on."""
    found = draft.need(Balance, balance)
    return 0 if found is None else found.amount_minor


def _payment_of(draft: Draft, dispute: Dispute) -> Payment:
    payment = draft.get(Payment, dispute.payment_id)
    assert payment is not None, "a dispute is of a payment"
    return payment


def _step_of_payment(
    draft: Draft, ids: IdSequence, origin: Origin, before: Payment, after: Payment, event: Event, at: datetime
) -> None:
    draft.put(after, trail.audit_event(ids, origin, Payment, after.id, draft.now))
    payment_steps.tell(draft, ids, before, after, event, at)


def _move(
    draft: Draft, ids: IdSequence, origin: Origin, kind: str, dispute: Dispute, postings: Sequence[ledger.Posting]
) -> None:
    """Moves money for a dispute; where there is none to move, writes down that the step was taken."""
    if any(posting.amount_minor for posting in postings):
        ledger.post(draft, ids, origin, kind=kind, subject_id=dispute.id, currency=dispute.currency, postings=postings)
    else:
        draft.put(trail.audit_event(ids, origin, Dispute, dispute.id, draft.now))
