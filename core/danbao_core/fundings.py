"""Money that crosses the border of the system: asked for, pending while no bank has answered, and settled by the answer."""

from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

from danbao_core import ledger, sql, trail
from danbao_core.accounts import Account, Purpose, account_of, active_account
from danbao_core.bank.ways import Ways
from danbao_core.bank_errors import FundingAtBank
from danbao_core.engine import Book, Command, Decision, Draft, Key, Origin, Row, table
from danbao_core.engine.reads import fetch_rows
from danbao_core.errors import FundingNotFound, FundingNotPending, Refusal, ScopeMissing
from danbao_core.ids import AFTER_ALL, IdSequence
from danbao_core.money import Money
from danbao_core.people.challenges import Purpose as ApprovalPurpose
from danbao_core.people.challenges import binding
from danbao_core.people.enrolment import owner_of
from danbao_core.people.instruments import Instrument, must_be_bound
from danbao_core.people.person import person_of
from danbao_core.people.proofs import NO_PROOFS, Proofs, Wanted, must_approve, must_show_password, proof_keys
from danbao_core.people.requesting import Approvable, CreateChallenge
from danbao_core.people.spending import Spending, count_withdrawal, give_back, must_not_rest, spending_keys
from danbao_core.sandbox import Bank, BankBehaviour, bank_behaviour

if TYPE_CHECKING:
    import asyncpg


class FundingKind(IntEnum):
    """Which way the money goes; the numbers are those of the contract."""

    TOP_UP = 1
    WITHDRAWAL = 2


class FundingState(IntEnum):
    """How far it is; the numbers are those of the contract."""

    SUCCEEDED = 1
    PENDING = 2
    """No bank has answered. What becomes of the money is not known, and never guessed."""
    FAILED = 3
    UNKNOWN = 4
    """The bank was asked, and nobody knows what it did. As PENDING; it is asked again until it is known."""
    REVERSED = 5
    """A top-up that the bank took back after it had said yes."""

    @property
    def is_open(self) -> bool:
        """Whether an answer may still come."""
        return self in OPEN_STATES


OPEN_STATES: Final = (FundingState.PENDING, FundingState.UNKNOWN)


class FailureReason(IntEnum):
    """Why a funding failed; the numbers are those of the contract."""

    NOT_FAILED = 0
    BANK_DECLINED = 1
    CARD_FUNDS_INSUFFICIENT = 2
    CARD_BLOCKED = 3
    CARD_EXPIRED = 4
    CARD_LIMIT_EXCEEDED = 5


@table("funding", rank=30, key=("id",))
class Funding(Row, frozen=True):
    """Money that comes in from outside, or goes out."""

    id: UUID
    kind: FundingKind
    state: FundingState
    account_id: UUID
    currency: str
    amount_minor: int
    created_at: datetime
    updated_at: datetime
    version: int
    failure_reason: FailureReason = FailureReason.NOT_FAILED
    instrument_id: UUID | None = None
    """The card from or to which the money goes."""
    attempts: int = 0
    """How often a worker set out to ask the bank; 0 where the till of a sandbox answered."""
    next_attempt_at: datetime | None = None
    """When the bank is to be asked next (wall time); None where nobody has to ask."""

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"fundings/{self.id}"

    def settled(self, reason: FailureReason, at: datetime) -> "Funding":
        """Itself after the bank's answer, which is yes without a reason. Raises FundingNotPending."""
        if not self.state.is_open:
            raise FundingNotPending(funding=self.name, state=self.state.name)
        return self.replace(
            state=FundingState.FAILED if reason else FundingState.SUCCEEDED,
            failure_reason=reason,
            updated_at=at,
            next_attempt_at=None,
            version=self.version + 1,
        )


_JOURNALS: Final = {
    (FundingKind.TOP_UP, True): "funding.top_up",
    (FundingKind.WITHDRAWAL, True): "funding.settle",
    (FundingKind.WITHDRAWAL, False): "funding.fail",
}
"""The journal of each answer; a top-up that fails moves nothing."""


def _settling(book: Book | Draft, funding: Funding, *, accepted: bool) -> list[ledger.Posting]:
    """The money that the bank's answer moves."""
    amount_minor = funding.amount_minor
    match funding.kind, accepted:
        case FundingKind.TOP_UP, True:
            return [
                ledger.platform(Purpose.BANK_CLEARING, -amount_minor),
                *ledger.credit(book, funding.account_id, funding.currency, amount_minor),
            ]
        case FundingKind.WITHDRAWAL, True:
            return [
                ledger.Posting(funding.account_id, Purpose.HELD, -amount_minor),
                ledger.platform(Purpose.BANK_CLEARING, amount_minor),
            ]
        case FundingKind.WITHDRAWAL, False:
            return [
                ledger.Posting(funding.account_id, Purpose.HELD, -amount_minor),
                *ledger.credit(book, funding.account_id, funding.currency, amount_minor),
            ]
        case _:
            return []


def settle(draft: Draft, ids: IdSequence, origin: Origin, funding: Funding, reason: FailureReason) -> Funding:
    """Carries out the bank's answer, which is yes without a reason why not: puts the new row, the journal and the event into
    the draft, and answers the new row.

    Raises FundingNotPending, AmountOverflow and, for a person's, RowNeeded.
    """
    settled, accepted = funding.settled(reason, draft.now), not reason
    moving = _settling(draft, funding, accepted=accepted)
    draft.put(settled)
    account = draft.get(Account, funding.account_id)
    if account is not None and funding.kind is FundingKind.WITHDRAWAL and not accepted:
        amount = Money(funding.amount_minor, funding.currency)
        give_back(draft, account, amount, spent_at=funding.created_at, at=draft.now, withdrawn=True)
    if moving:
        _post(draft, ids, origin, funding, _JOURNALS[funding.kind, accepted], moving)
    else:
        draft.put(trail.audit_event(ids, origin, Funding, funding.id, draft.now))
    draft.put(trail.event(ids, f"funding.{settled.state.name.lower()}", settled.id, settled.version, settled, draft.now))
    return settled


def _post(draft: Draft, ids: IdSequence, origin: Origin, funding: Funding, kind: str, postings: list[ledger.Posting]) -> None:
    ledger.post(draft, ids, origin, kind=kind, subject_id=funding.id, currency=funding.currency, postings=postings)


class _Funding(Command[Funding], frozen=True):
    """Asks the bank for a funding, and settles it where the answer comes at once."""

    result_type = Funding
    keeps_request_for_ever = True
    kind: ClassVar[FundingKind]
    account_id: UUID
    amount: Money
    instrument_id: UUID | None = None
    """The card of the account from or to which the money goes."""
    ways: Ways = Ways()

    @property
    def _at_bank(self) -> bool:
        """Whether the card's bank is asked, by a worker after the commit; else the till of the sandbox answers at once."""
        return self.ways.ask_bank(self.instrument_id)

    def _set_aside(self) -> list[ledger.Posting]:
        """The money that waits for the bank's answer."""
        raise NotImplementedError

    def keys(self, book: Book) -> Iterable[Key]:
        return asking_keys(book, self.account_id, self.amount.currency, self.instrument_id, at_bank=self._at_bank)

    def prove(self, draft: Draft, account: Account) -> Refusal | None:
        """Checks what a person shows for it. What counts is put into the draft, and answered with the refusal."""

    def decide(self, book: Book) -> Decision[Funding]:
        return self.decided(Draft(book), self.ids())

    def decided(self, draft: Draft, ids: IdSequence) -> Decision[Funding]:
        """The decision, on what was changed before in the same commit; raises what the command is refused with."""
        self.ways.must_lead_out(self.instrument_id)
        self.amount.must_be_payable()
        account_of(draft, self.account_id, self.origin)
        account = active_account(draft, self.account_id, self.amount.currency)
        account.must_not_be_frozen()
        if self.instrument_id is not None:
            must_be_bound(draft, self.instrument_id, account.id)
        wrong = self.prove(draft, account)
        funding = Funding(
            id=ids.take(),
            kind=self.kind,
            state=FundingState.PENDING,
            account_id=self.account_id,
            currency=self.amount.currency,
            amount_minor=self.amount.amount_minor,
            created_at=draft.now,
            updated_at=draft.now,
            version=1,
            instrument_id=self.instrument_id,
            next_attempt_at=self.origin.received_at if self._at_bank else None,
        )
        if wrong is not None:
            return Decision(funding, draft.changes, wrong)
        if setting_aside := self._set_aside():
            _post(draft, ids, self.origin, funding, "funding.withdraw", setting_aside)
        behaviour = BankBehaviour.NO_ANSWER if self._at_bank else bank_behaviour(draft)
        if behaviour is not BankBehaviour.NO_ANSWER:
            reason = FailureReason.NOT_FAILED if behaviour is BankBehaviour.ACCEPT else FailureReason.BANK_DECLINED
            return Decision(settle(draft, ids, self.origin, funding, reason), draft.changes)
        draft.put(funding, trail.event(ids, "funding.created", funding.id, funding.version, funding, draft.now))
        if not setting_aside:
            draft.put(trail.audit_event(ids, self.origin, Funding, funding.id, draft.now))
        return Decision(funding, draft.changes)


def asking_keys(
    book: Book, account_id: UUID, currency: str, instrument_id: UUID | None, *, at_bank: bool = False
) -> Iterable[Key]:
    """What a funding needs that is asked for: the balances of every answer, named without a look at any row (the account is
    open, or nothing moves), and how the till behaves, unless the bank is asked.
    """
    yield Account.read_key(account_id)
    if instrument_id is not None:
        yield Instrument.read_key(instrument_id)
    if not at_bank:
        yield Bank.read_key(1)
    may_move = [
        ledger.Posting(account_id, Purpose.AVAILABLE, 0),
        ledger.Posting(account_id, Purpose.HELD, 0),
        ledger.platform(Purpose.BANK_CLEARING, 0),
    ]
    yield from ledger.keys(book, currency, may_move)


class TopUp(_Funding, frozen=True):
    """Brings money in from outside; booked when the bank has said yes, and not before.

    Refused: BankMissing, AmountNotPositive, AmountOverflow, CurrencyUnknown, AccountNotFound, AccountClosed, AccountFrozen,
    WalletMissing, InstrumentNotFound.
    """

    kind = FundingKind.TOP_UP

    def _set_aside(self) -> list[ledger.Posting]:
        return []


class Withdraw(_Funding, frozen=True):
    """Pays money out; the account holds it until the bank has answered.

    A key that is bound to no account needs `fundings.withdraw_any`.

    Refused: ScopeMissing, BankMissing, AmountNotPositive, AmountOverflow, CurrencyUnknown, AccountNotFound, AccountClosed,
    AccountFrozen, WalletMissing, InstrumentNotFound, RefundsWaiting, InsufficientFunds. A person is refused, too:
    PasswordMissing, PasswordWrong, PasswordLocked (wrong ones are counted); ApprovalRequired (`factors`) and what
    `challenges.consume` raises; LimitExceeded, ChangedTooRecently.
    """

    kind = FundingKind.WITHDRAWAL
    proofs: Proofs = NO_PROOFS

    def keys(self, book: Book) -> Iterable[Key]:
        yield from super().keys(book)
        if self.origin.by_person and self.instrument_id is not None:
            yield Spending.key(self.account_id, self.amount.currency)
            yield from proof_keys(self.origin, self.proofs)

    def prove(self, draft: Draft, account: Account) -> Refusal | None:
        account.must_not_lack_funds(self.amount.currency)
        if self.origin.by_person:
            must_be_bound(draft, self.instrument_id, account.id)
            must_not_rest(person_of(draft, account.id), draft.now, draft.policy)
            if (wrong := must_show_password(draft, self.origin, account.id, self.proofs)) is not None:
                return wrong
            wanted = withdrawal_of(account.id, self.instrument_id, self.amount)
            must_approve(draft, self.origin, account.id, self.proofs, wanted)
        count_withdrawal(draft, account, self.amount)
        return None

    def decide(self, book: Book) -> Decision[Funding]:
        origin = self.origin
        if origin.key_id is not None and origin.account_id is None and "fundings.withdraw_any" not in origin.scopes:
            raise ScopeMissing(scope="fundings.withdraw_any")
        return _Funding.decide(self, book)

    def _set_aside(self) -> list[ledger.Posting]:
        return [
            ledger.Posting(self.account_id, Purpose.AVAILABLE, -self.amount.amount_minor),
            ledger.Posting(self.account_id, Purpose.HELD, self.amount.amount_minor),
        ]


def withdrawal_of(account_id: UUID, instrument_id: UUID | None, amount: Money) -> Wanted:
    """What an approval to withdraw approves: it fits no other card, amount or currency."""
    facts = (account_id, instrument_id, amount.amount_minor, amount.currency)
    purpose = ApprovalPurpose.WITHDRAW
    return Wanted(purpose, binding(purpose, *facts), amount)


class AskToWithdraw(CreateChallenge, frozen=True):
    """Asks to approve a withdrawal. Refused, too: AmountNotPositive, AmountOverflow, CurrencyUnknown, InstrumentNotFound."""

    instrument_id: UUID
    amount: Money

    def keys(self, book: Book) -> Iterable[Key]:
        yield from super().keys(book)
        yield Instrument.read_key(self.instrument_id)

    def approvable(self, book: Book) -> Approvable:
        self.amount.must_be_payable()
        must_be_bound(book, self.instrument_id, owner_of(self.origin))
        wanted = withdrawal_of(owner_of(self.origin), self.instrument_id, self.amount)
        return Approvable(wanted.purpose, wanted.bound_to, f"instruments/{self.instrument_id}", self.amount)


class SettleFunding(Command[Funding], frozen=True):
    """Carries out an answer to a funding that the till of a sandbox had left open.

    Where the account has been closed meanwhile, SUSPENSE takes what comes to it.
    Refused: FundingNotFound, FundingNotPending, FundingAtBank, AmountOverflow.
    """

    result_type = Funding
    keeps_request_for_ever = True
    funding_id: UUID
    accepted: bool

    def keys(self, book: Book) -> Iterable[Key]:
        yield from settling_keys(book, self.funding_id, accepted=self.accepted)

    def decide(self, book: Book) -> Decision[Funding]:
        funding = funding_of(book, self.funding_id)
        if funding.next_attempt_at is not None:
            raise FundingAtBank(funding=funding.name)
        draft = Draft(book)
        reason = FailureReason.NOT_FAILED if self.accepted else FailureReason.BANK_DECLINED
        settled = settle(draft, self.ids(), self.origin, funding, reason)
        return Decision(settled, draft.changes)


def settling_keys(book: Book, funding_id: UUID, *, accepted: bool) -> Iterable[Key]:
    """What `settle` needs for an answer to a funding, and the funding itself."""
    yield Funding.key(funding_id)
    funding = book.get(Funding, funding_id)
    if funding is None:
        return
    yield Account.read_key(funding.account_id)
    if funding.kind is FundingKind.WITHDRAWAL and not accepted:
        yield from spending_keys(book.get(Account, funding.account_id), funding.currency)
    yield from ledger.keys(book, funding.currency, _settling(book, funding, accepted=accepted))


def funding_of(book: Book, funding_id: UUID) -> Funding:
    """The funding with this id. Raises FundingNotFound."""
    funding = book.get(Funding, funding_id)
    if funding is None:
        raise FundingNotFound(funding=f"fundings/{funding_id}")
    return funding


async def list_fundings(
    pool: "asyncpg.Pool[Any]", account_id: UUID | None, *, before: UUID | None, limit: int
) -> list[Funding]:
    """At most `limit` fundings, of one account or of all, whose ids are smaller than `before`, by descending id."""
    last = before or AFTER_ALL
    if account_id is None:
        return await fetch_rows(pool, Funding, sql.load("danbao_core", "list_fundings"), last, limit)
    return await fetch_rows(pool, Funding, sql.load("danbao_core", "list_fundings_of_account"), last, limit, account_id)
