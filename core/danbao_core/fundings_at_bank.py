"""Fundings of cards: their bank is asked after the commit, and what it answers is carried out here.

A worker claims a funding (`claim_funding.sql`), asks the bank under the funding's own id (`bank/asking.py`), and brings back
the outcome. Whatever is not final is asked again after a pause that grows; nothing is guessed, and no other id is ever used.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from danbao_core import ledger, trail
from danbao_core.accounts import Account, Balance, Purpose, balance_id
from danbao_core.bank.port import Answer, DeclineReason, Outcome
from danbao_core.engine import Book, Command, Decision, Draft, Key
from danbao_core.fundings import FailureReason, Funding, FundingKind, FundingState, funding_of, settle, settling_keys
from danbao_core.money import Money

_REASONS: Final = {
    DeclineReason.NONE: FailureReason.NOT_FAILED,
    DeclineReason.OTHER: FailureReason.BANK_DECLINED,
    DeclineReason.INSUFFICIENT_FUNDS: FailureReason.CARD_FUNDS_INSUFFICIENT,
    DeclineReason.CARD_BLOCKED: FailureReason.CARD_BLOCKED,
    DeclineReason.CARD_EXPIRED: FailureReason.CARD_EXPIRED,
    DeclineReason.LIMIT_EXCEEDED: FailureReason.CARD_LIMIT_EXCEEDED,
}

_STATES: Final = {
    Answer.PENDING: FundingState.PENDING,
    Answer.NOT_KNOWN: FundingState.UNKNOWN,
    Answer.NO_ANSWER: FundingState.UNKNOWN,
}
"""What is not final makes of a funding; that nothing was asked makes nothing of it."""


class TakeOutcome(Command[Funding], frozen=True):
    """Carries out what the bank has said to a funding: settles it, or says when the bank is asked again.

    For one that is settled it changes nothing. Where the account has been closed meanwhile, SUSPENSE takes what comes to it.
    Refused: FundingNotFound, AmountOverflow.
    """

    result_type = Funding
    funding_id: UUID
    outcome: Outcome
    ask_again_at: datetime
    """Wall time; for an outcome that is not final."""

    def keys(self, book: Book) -> Iterable[Key]:
        yield from settling_keys(book, self.funding_id, accepted=self.outcome.answer is not Answer.DECLINED)

    def decide(self, book: Book) -> Decision[Funding]:
        funding = funding_of(book, self.funding_id)
        if funding.next_attempt_at is None:
            return Decision(funding)
        draft, ids = Draft(book), self.ids()
        if self.outcome.known:
            return Decision(settle(draft, ids, self.origin, funding, _REASONS[self.outcome.reason]), draft.changes)
        state = _STATES.get(self.outcome.answer, funding.state)
        waiting = funding.replace(state=state, next_attempt_at=self.ask_again_at, version=funding.version + 1)
        if state is not funding.state:
            waiting = waiting.replace(updated_at=book.now)
            draft.put(trail.audit_event(ids, self.origin, Funding, funding.id, book.now, memo=state.name.lower()))
        draft.put(waiting)
        return Decision(waiting, draft.changes)


class ReverseTopUp(Command[Funding], frozen=True):
    """Books that the bank took a top-up back: what the account has of it goes, and the rest it owes, also where it is closed.

    What is no top-up of a card, or of another amount, or has not succeeded, or was reversed before, stays as it is. Refused:
    FundingNotFound, AmountOverflow.
    """

    result_type = Funding
    funding_id: UUID
    amount: Money
    """What the bank says it took."""

    def keys(self, book: Book) -> Iterable[Key]:
        yield Funding.key(self.funding_id)
        funding = book.get(Funding, self.funding_id)
        if funding is None:
            return
        yield Account.key(funding.account_id)
        for purpose in (Purpose.AVAILABLE, Purpose.RECEIVABLE):
            yield Balance.key(balance_id(funding.account_id, funding.currency, purpose))
        yield from ledger.keys(book, funding.currency, [ledger.platform(Purpose.BANK_CLEARING, 0)])

    def decide(self, book: Book) -> Decision[Funding]:
        funding = funding_of(book, self.funding_id)
        from_card = funding.kind is FundingKind.TOP_UP and funding.attempts > 0
        as_booked = self.amount == Money(funding.amount_minor, funding.currency)
        if not from_card or not as_booked or funding.state is not FundingState.SUCCEEDED:
            return Decision(funding)
        draft, ids = Draft(book), self.ids()
        taken_back = funding.replace(state=FundingState.REVERSED, updated_at=book.now, version=funding.version + 1)
        draft.put(taken_back)
        ledger.post(
            draft,
            ids,
            self.origin,
            kind="funding.reverse",
            subject_id=funding.id,
            currency=funding.currency,
            postings=[
                *ledger.debit(draft, funding.account_id, funding.currency, funding.amount_minor),
                ledger.platform(Purpose.BANK_CLEARING, funding.amount_minor),
            ],
        )
        draft.put(trail.event(ids, "funding.reversed", funding.id, taken_back.version, taken_back, book.now))
        return Decision(taken_back, draft.changes)
