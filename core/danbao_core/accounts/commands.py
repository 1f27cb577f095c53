"""Opening accounts and wallets, closing accounts."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final
from uuid import UUID

from danbao_core import trail
from danbao_core.accounts.balances import WALLET, Balance, Purpose, balance_id, new_wallet
from danbao_core.accounts.rows import Account, AccountKind, AccountRef, AccountState, Obligation, Taking, account_of
from danbao_core.dispute_errors import DisputesOpen
from danbao_core.engine import Book, Command, Decision, Key
from danbao_core.errors import (
    BalanceNotZero,
    ExternalIdTaken,
    FundingsOpen,
    NotYourAccount,
    PaymentsOpen,
    TakingsTooRecent,
    TooManyWallets,
)
from danbao_core.money import exponent
from danbao_core.refund_errors import (
    RefundsOpen,
)

MAX_WALLETS: Final = 16


class CreateAccount(Command[Account], frozen=True):
    """Opens an account with a wallet per currency.

    Refused: CurrencyUnknown, ExternalIdTaken; NotYourAccount for a key that is bound.
    """

    result_type = Account
    kind: AccountKind
    display_name: str
    currencies: tuple[str, ...]
    external_id: str = ""
    language: str = ""

    def keys(self, book: Book) -> Iterable[Key]:
        if self.external_id:
            yield AccountRef.read_key(self.external_id)

    def decide(self, book: Book) -> Decision[Account]:
        if self.origin.account_id is not None:
            raise NotYourAccount
        for currency in self.currencies:
            exponent(currency)
        if self.external_id and (taken := book.get(AccountRef, self.external_id)):
            raise ExternalIdTaken(account=f"accounts/{taken.account_id}", external_id=self.external_id)
        ids = self.ids()
        account = Account(
            id=ids.take(),
            kind=self.kind,
            state=AccountState.ACTIVE,
            display_name=self.display_name,
            currencies=" ".join(self.currencies),
            created_at=book.now,
            updated_at=book.now,
            version=1,
            external_id=self.external_id,
            language=self.language,
        )
        refs = [AccountRef(self.external_id, account.id)] if self.external_id else []
        balances = [balance for currency in self.currencies for balance in new_wallet(account.id, currency)]
        trace = trail.audit_event(ids, self.origin, Account, account.id, book.now)
        return Decision(account, [account, *refs, *balances, trace])


class UpdateAccount(Command[Account], frozen=True):
    """Changes the language in which the account's owner is written to; the one that it has changes nothing.

    Refused: AccountNotFound, AccountClosed.
    """

    result_type = Account
    account_id: UUID
    language: str

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.key(self.account_id)

    def decide(self, book: Book) -> Decision[Account]:
        account = account_of(book, self.account_id, self.origin)
        account.must_not_be_closed()
        if account.language == self.language:
            return Decision(account)
        updated = account.replace(language=self.language, updated_at=book.now, version=account.version + 1)
        return Decision(updated, [updated, trail.audit_event(self.ids(), self.origin, Account, account.id, book.now)])


class OpenWallet(Command[Account], frozen=True):
    """Adds a wallet; for a currency that the account has, nothing changes.

    Refused: AccountNotFound, AccountClosed, AccountFrozen, CurrencyUnknown, TooManyWallets.
    """

    result_type = Account
    account_id: UUID
    currency: str

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.key(self.account_id)
        yield from (Balance.key(balance_id(self.account_id, self.currency, purpose)) for purpose in WALLET)

    def decide(self, book: Book) -> Decision[Account]:
        account = account_of(book, self.account_id, self.origin)
        exponent(self.currency)
        account.must_not_be_closed()
        account.must_not_be_frozen()
        currencies = account.currencies.split()
        if self.currency in currencies:
            return Decision(account)
        if len(currencies) >= MAX_WALLETS:
            raise TooManyWallets
        opened = account.replace(
            currencies=" ".join([*currencies, self.currency]), updated_at=book.now, version=account.version + 1
        )
        trace = trail.audit_event(self.ids(), self.origin, Account, account.id, book.now)
        return Decision(opened, [opened, *new_wallet(account.id, self.currency), trace])


class CloseAccount(Command[Account], frozen=True):
    """Closes an account for good; closing a closed one changes nothing.

    Refused: AccountNotFound, AccountFrozen, PaymentsOpen, FundingsOpen, RefundsOpen, DisputesOpen, BalanceNotZero,
    TakingsTooRecent.

    The account and its balances are locked, the balances although they do not change. Whatever moves one of them, or sets money
    aside for the account, has either committed, and is seen here, or comes later and reads the account as closed.
    """

    result_type = Account
    alone = True
    account_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.key(self.account_id)
        account = book.get(Account, self.account_id)
        if account is None or account.state is not AccountState.ACTIVE:
            return
        yield from (Balance.key(each) for each in balance_ids(account))
        if not _in_use(book, account):  # what is sought among all payments and entries is sought only where it decides
            yield Obligation.read_key(self.account_id)
            if account.kind is AccountKind.MERCHANT:
                yield Taking.read_key(self.account_id)

    def decide(self, book: Book) -> Decision[Account]:
        account = account_of(book, self.account_id, self.origin)
        if account.closed:
            return Decision(account)
        account.must_not_be_frozen()
        if in_use := _in_use(book, account):
            raise BalanceNotZero(currency=in_use[0].currency)
        _must_have_nothing_open(book, account)
        if account.kind is AccountKind.MERCHANT:
            _must_not_have_taken_lately(book, account)
        closed = account.replace(state=AccountState.CLOSED, updated_at=book.now, version=account.version + 1)
        ids = self.ids()
        trace = trail.audit_event(ids, self.origin, Account, account.id, book.now)
        return Decision(closed, [closed, trace, trail.account_event(ids, "account.closed", account.id, book.now)])


def _in_use(book: Book, account: Account) -> list[Balance]:
    """The balances that are not zero, but for what is held: that belongs to something open, which is the better reason."""
    return [balance for balance in _not_zero(book, account) if balance.purpose is not Purpose.HELD]


def _not_zero(book: Book, account: Account) -> list[Balance]:
    """Its balances that are not zero, of those that are loaded: none before `keys` has asked for them."""
    balances = [book.get(Balance, each) for each in balance_ids(account)]
    return [balance for balance in balances if balance is not None and balance.amount_minor != 0]


def _must_have_nothing_open(book: Book, account: Account) -> None:
    """Raises PaymentsOpen, FundingsOpen, RefundsOpen, DisputesOpen or, should something be held for nothing, BalanceNotZero."""
    if obligation := book.get(Obligation, account.id):
        if obligation.dispute_id is not None:
            raise DisputesOpen(dispute=f"disputes/{obligation.dispute_id}")
        if obligation.refund_id is not None:
            raise RefundsOpen(refund=f"payments/{obligation.payment_id}/refunds/{obligation.refund_id}")
        if obligation.payment_id is not None:
            raise PaymentsOpen(payment=f"payments/{obligation.payment_id}")
        raise FundingsOpen(funding=f"fundings/{obligation.funding_id}")
    if not_zero := _not_zero(book, account):
        raise BalanceNotZero(currency=not_zero[0].currency)


def _must_not_have_taken_lately(book: Book, account: Account) -> None:
    """Raises TakingsTooRecent while refunds and disputes may still ask back what reached a merchant."""
    taking = book.get(Taking, account.id)
    if taking is None:
        return
    possible_from = taking.taken_at + timedelta(seconds=book.policy.payee_close_wait_seconds)
    if book.now < possible_from:
        raise TakingsTooRecent(possible_from=possible_from.isoformat())


def balance_ids(account: Account) -> list[UUID]:
    """The balances of all its wallets."""
    return [balance_id(account.id, currency, purpose) for currency in account.currencies.split() for purpose in WALLET]
