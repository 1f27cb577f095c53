"""Refunds to cards: their bank is asked after the commit, under the refund's own id, until it is known what it has done.

Until the bank has said yes, the money stays where it was set aside. What the bank declines goes to the payer's wallet instead.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from danbao_core import trail
from danbao_core.bank.port import Answer, Outcome
from danbao_core.engine import Book, Command, Decision, Draft, Key
from danbao_core.ids import IdSequence
from danbao_core.payments import refund_steps, steps
from danbao_core.payments.refund_rows import Destination, Fallback, Refund, RefundState
from danbao_core.payments.rows import Payment
from danbao_core.people.instruments import Instrument


class _StepAtBank(Command[Refund], frozen=True):
    """Something that happens to a refund to a card; one that is not under way to a card stays as it is."""

    result_type = Refund
    refund_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield Refund.key(self.refund_id)
        refund = book.get(Refund, self.refund_id)
        if refund is None:
            return
        yield Payment.key(refund.payment_id)
        payment = book.get(Payment, refund.payment_id)
        if payment is None or not refund.open:
            return
        yield from steps.due_keys(book, payment)
        yield from self._more_keys(book, refund)

    def _more_keys(self, book: Book, refund: Refund) -> Iterable[Key]:
        """What this step needs beside the refund and its payment."""
        raise NotImplementedError

    def decide(self, book: Book) -> Decision[Refund]:
        draft, ids = Draft(book), self.ids()
        payment, refund = refund_steps.caught_up(draft, ids, self.origin, self.refund_id)
        if refund.state is RefundState.PENDING and refund.destination is Destination.INSTRUMENT:
            refund = self._step(draft, ids, payment, refund)
        return Decision(refund, draft.changes)

    def _step(self, draft: Draft, ids: IdSequence, payment: Payment, refund: Refund) -> Refund:
        raise NotImplementedError

    def _fall_back(self, draft: Draft, ids: IdSequence, refund: Refund, fallback: Fallback) -> Refund:
        """The refund when its money goes to the wallet instead, which is a step of its own."""
        fallen = refund.to_wallet(fallback, draft.now)
        draft.put(fallen, trail.audit_event(ids, self.origin, Refund, refund.id, draft.now, memo=fallback.name.lower()))
        return fallen


class TakeRefundOutcome(_StepAtBank, frozen=True):
    """Carries out what the bank has said to a refund: it succeeds, goes to the wallet, or the bank is asked again at some time.

    Refused: RefundNotFound, AmountOverflow.
    """

    outcome: Outcome
    ask_again_at: datetime
    """Wall time; for an outcome that is not final."""

    def _more_keys(self, book: Book, refund: Refund) -> Iterable[Key]:
        return refund_steps.success_keys(book, refund) if self.outcome.answer is Answer.ACCEPTED else ()

    def _step(self, draft: Draft, ids: IdSequence, payment: Payment, refund: Refund) -> Refund:
        match self.outcome.answer:
            case Answer.ACCEPTED:
                return refund_steps.succeed(draft, ids, self.origin, payment, refund)
            case Answer.DECLINED:
                return self._fall_back(draft, ids, refund, Fallback.BANK_DECLINED)
            case _:
                waiting = refund.replace(next_attempt_at=self.ask_again_at, version=refund.version + 1)
                draft.put(waiting)
                return waiting


class LeaveUnboundCard(_StepAtBank, frozen=True):
    """Sends a refund to the wallet whose card was unbound before any bank was asked; else nothing changes.

    Refused: RefundNotFound.
    """

    def _more_keys(self, book: Book, refund: Refund) -> Iterable[Key]:
        if refund.instrument_id is not None:
            yield Instrument.read_key(refund.instrument_id)

    def _step(self, draft: Draft, ids: IdSequence, payment: Payment, refund: Refund) -> Refund:
        card = None if refund.instrument_id is None else draft.get(Instrument, refund.instrument_id)
        if refund.sent_at is not None or (card is not None and card.unbound_at is None):
            return refund
        return self._fall_back(draft, ids, refund, Fallback.INSTRUMENT_UNBOUND)
