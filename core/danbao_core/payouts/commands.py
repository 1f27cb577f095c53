"""Setting when a merchant is paid out, paying out what is due, and finishing a payout with its withdrawal."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

import msgspec

from danbao_core import trail
from danbao_core.accounts import Account, AccountKind, Balance, Purpose, account_of, active_account, balance_id
from danbao_core.bank.ways import Ways
from danbao_core.engine import Book, Command, Decision, Draft, Key, Restart
from danbao_core.errors import AccountFrozen, BankMissing, Refusal, ScopeMissing
from danbao_core.fundings import Funding, FundingState, Withdraw
from danbao_core.ids import IdSequence, uuid7
from danbao_core.money import Money
from danbao_core.payout_errors import PayoutsForMerchants
from danbao_core.payouts.rows import Cadence, Payout, PayoutSchedule, PayoutState, Skip, schedule_id
from danbao_core.people.instruments import Instrument, must_be_bound
from danbao_core.people_errors import InstrumentNotFound
from danbao_core.refund_errors import RefundsWaiting

_SKIPS: Final[dict[type[Refusal], Skip]] = {
    AccountFrozen: Skip.ACCOUNT_FROZEN,
    RefundsWaiting: Skip.REFUNDS_WAITING,
    InstrumentNotFound: Skip.INSTRUMENT_MISSING,
    BankMissing: Skip.BANK_MISSING,
}
"""For what a withdrawal is refused that is not anybody's fault: the next one may be possible."""

_STATES: Final = {FundingState.SUCCEEDED: PayoutState.SUCCEEDED, FundingState.FAILED: PayoutState.FAILED}
"""What becomes of a payout, by what became of its withdrawal; it is pending while that is open."""

_TOPICS: Final = {
    PayoutState.PENDING: "payout.created",
    PayoutState.SUCCEEDED: "payout.succeeded",
    PayoutState.FAILED: "payout.failed",
}


def _event(ids: IdSequence, payout: Payout, book: Book) -> trail.Outbox:
    return trail.event(ids, _TOPICS[payout.state], payout.id, payout.version, payout, book.now)


class SetPayoutSchedule(Command[PayoutSchedule], frozen=True):
    """Says when what a merchant can spend in a currency is paid out, and to which card; NEVER ends it.

    As to withdraw, a key that is bound to no account needs `fundings.withdraw_any`. What is there when the schedule is first
    made is part of the first payout, as what it begins with.

    Refused: ScopeMissing, BankMissing unless it ends, AccountNotFound, AccountClosed, AccountFrozen, WalletMissing,
    PayoutsForMerchants, InstrumentNotFound.
    """

    result_type = PayoutSchedule
    account_id: UUID
    currency: str
    cadence: Cadence
    weekday: int = 0
    least_minor: int = 1
    instrument_id: UUID | None = None
    ways: Ways = Ways()

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.read_key(self.account_id)
        yield PayoutSchedule.key(schedule_id(self.account_id, self.currency))
        yield Balance.read_key(balance_id(self.account_id, self.currency, Purpose.AVAILABLE))
        if self.instrument_id is not None:
            yield Instrument.read_key(self.instrument_id)

    def decide(self, book: Book) -> Decision[PayoutSchedule]:
        origin = self.origin
        if origin.key_id is not None and origin.account_id is None and "fundings.withdraw_any" not in origin.scopes:
            raise ScopeMissing(scope="fundings.withdraw_any")
        if self.cadence is not Cadence.NEVER:
            self.ways.must_lead_out(self.instrument_id)
        account_of(book, self.account_id, origin)
        account = active_account(book, self.account_id, self.currency)
        account.must_not_be_frozen()
        if account.kind is not AccountKind.MERCHANT or origin.by_person:
            raise PayoutsForMerchants(account=account.name)
        if self.instrument_id is not None:
            must_be_bound(book, self.instrument_id, account.id)
        before = book.get(PayoutSchedule, schedule_id(self.account_id, self.currency)) or self._new(book)
        wanted = before.replace(
            cadence=self.cadence,
            weekday=self.weekday,
            least_minor=self.least_minor,
            instrument_id=self.instrument_id,
            updated_at=book.now,
            version=before.version + 1,
        )
        schedule = wanted.replace(due_at=wanted.due_after(book.now))
        return Decision(schedule, [schedule, trail.audit_event(self.ids(), origin, PayoutSchedule, schedule.id, book.now)])

    def _new(self, book: Book) -> PayoutSchedule:
        """A schedule before anybody set it; it begins with the wallet as it is."""
        wallet = book.get(Balance, balance_id(self.account_id, self.currency, Purpose.AVAILABLE))
        if wallet is None:
            raise Restart(f"account {self.account_id} has just got a wallet in {self.currency}")
        return PayoutSchedule(
            id=schedule_id(self.account_id, self.currency),
            account_id=self.account_id,
            currency=self.currency,
            cadence=Cadence.NEVER,
            weekday=0,
            least_minor=1,
            instrument_id=None,
            due_at=None,
            covered_version=wallet.version,
            covered_minor=wallet.amount_minor,
            open_payout_id=None,
            skip=Skip.NONE,
            skipped_at=None,
            created_at=book.now,
            updated_at=book.now,
            version=0,
        )


class PayOut(Command[PayoutSchedule], frozen=True):
    """Pays out all that a merchant can spend, where that is due: a withdrawal, and the payout that tells what it is made of.

    In the same commit the schedule is due anew, so whoever comes again finds nothing due, and changes nothing. Where it is not
    possible now, the schedule says why, and what is there is part of the next payout.
    """

    result_type = PayoutSchedule
    schedule_id: UUID
    ways: Ways
    funding_id: UUID = msgspec.field(default_factory=uuid7)
    """The withdrawal's id."""

    def keys(self, book: Book) -> Iterable[Key]:
        yield PayoutSchedule.key(self.schedule_id)
        schedule = book.get(PayoutSchedule, self.schedule_id)
        if schedule is not None:
            yield from self._withdrawal(schedule, 1).keys(book)

    def _withdrawal(self, schedule: PayoutSchedule, amount_minor: int) -> Withdraw:
        return Withdraw(
            origin=self.origin,
            id=self.funding_id,
            account_id=schedule.account_id,
            amount=Money(amount_minor, schedule.currency),
            instrument_id=schedule.instrument_id,
            ways=self.ways,
        )

    def decide(self, book: Book) -> Decision[PayoutSchedule]:
        schedule = book.get(PayoutSchedule, self.schedule_id)
        if schedule is None:
            raise ValueError(f"there is no payout schedule {self.schedule_id}")
        if not schedule.is_due(book.now) or schedule.due_at is None:
            return Decision(schedule)
        wallet = book.get(Balance, balance_id(schedule.account_id, schedule.currency, Purpose.AVAILABLE))
        if wallet is None:
            raise ValueError(f"account {schedule.account_id} has no wallet in {schedule.currency}")
        after = schedule.replace(due_at=schedule.due_after(book.now), updated_at=book.now, version=schedule.version + 1)
        if schedule.open_payout_id is not None:
            return self._skipped(book, after, Skip.PAYOUT_UNDER_WAY)
        account = book.get(Account, schedule.account_id)
        if account is not None and account.closed:  # which has nothing, but that is not why
            return self._skipped(book, after, Skip.ACCOUNT_CLOSED)
        if wallet.amount_minor < schedule.least_minor:
            return self._skipped(book, after, Skip.TOO_LITTLE)
        try:
            withdrawn = self._withdrawal(schedule, wallet.amount_minor).decide(book)
        except tuple(_SKIPS) as refusal:
            return self._skipped(book, after, _SKIPS[type(refusal)])
        return self._paid(book, after, schedule, wallet, withdrawn)

    def _paid(
        self, book: Book, after: PayoutSchedule, before: PayoutSchedule, wallet: Balance, withdrawn: Decision[Funding]
    ) -> Decision[PayoutSchedule]:
        """All that the wallet held has left it, and a payout says since when it had come."""
        draft, ids, funding = Draft(book), self.ids(), withdrawn.result
        draft.put(*withdrawn.changes)
        payout = Payout(
            id=ids.take(),
            schedule_id=before.id,
            account_id=before.account_id,
            currency=before.currency,
            state=_STATES.get(funding.state, PayoutState.PENDING),
            amount_minor=funding.amount_minor,
            carried_minor=before.covered_minor,
            after_version=before.covered_version,
            until_version=wallet.version,
            funding_id=funding.id,
            due_at=before.due_at or book.now,
            created_at=book.now,
            updated_at=book.now,
            version=1,
        )
        schedule = after.replace(
            covered_version=wallet.version + 1,
            covered_minor=0,
            open_payout_id=payout.id if payout.state is PayoutState.PENDING else None,
            skip=Skip.NONE,
            skipped_at=None,
        )
        draft.put(payout, schedule, _event(ids, payout, book), trail.audit_event(ids, self.origin, Payout, payout.id, book.now))
        return Decision(schedule, draft.changes)

    def _skipped(self, book: Book, after: PayoutSchedule, skip: Skip) -> Decision[PayoutSchedule]:
        """Nothing is paid out this time."""
        skipped = after.replace(skip=skip, skipped_at=book.now)
        if skip is Skip.ACCOUNT_CLOSED:
            skipped = skipped.replace(cadence=Cadence.NEVER, weekday=0, due_at=None)
        trace = trail.audit_event(self.ids(), self.origin, PayoutSchedule, skipped.id, book.now, skip.name.lower())
        return Decision(skipped, [skipped, trace])


class FinishPayout(Command[Payout], frozen=True):
    """Ends a payout as its withdrawal has ended; one that is still open, or whose withdrawal is, stays as it is."""

    result_type = Payout
    payout_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield Payout.key(self.payout_id)
        payout = book.get(Payout, self.payout_id)
        if payout is not None:
            yield PayoutSchedule.key(payout.schedule_id)
            yield Funding.read_key(payout.funding_id)

    def decide(self, book: Book) -> Decision[Payout]:
        payout = book.get(Payout, self.payout_id)
        if payout is None:
            raise ValueError(f"there is no payout {self.payout_id}")
        schedule, funding = book.get(PayoutSchedule, payout.schedule_id), book.get(Funding, payout.funding_id)
        if schedule is None or funding is None:
            raise ValueError(f"{payout.name} lacks its schedule or its withdrawal")
        if payout.state is not PayoutState.PENDING or funding.state not in _STATES:
            return Decision(payout)
        ids = self.ids()
        ended = payout.replace(state=_STATES[funding.state], updated_at=book.now, version=payout.version + 1)
        free = schedule.replace(open_payout_id=None, updated_at=book.now, version=schedule.version + 1)
        trace = trail.audit_event(ids, self.origin, Payout, payout.id, book.now)
        return Decision(ended, [ended, free, _event(ids, ended, book), trace])
