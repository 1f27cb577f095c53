"""Who can hold money."""

from datetime import datetime
from enum import IntEnum
from typing import Final
from uuid import UUID

from danbao_core import sql
from danbao_core.engine import Book, Draft, Origin, Row, table
from danbao_core.errors import (
    AccountClosed,
    AccountFrozen,
    AccountNotFound,
    NotYourAccount,
    WalletMissing,
)
from danbao_core.ids import uuid_of
from danbao_core.policy import Policy
from danbao_core.refund_errors import (
    RefundsWaiting,
)

PLATFORM_ID: Final = uuid_of("00000000-0000-8000-8000-00000000da0b")
"""The platform itself, which owns the striped balances; made by the first migration."""


class AccountKind(IntEnum):
    """What an account is for; the numbers are those of the contract."""

    PERSONAL = 1
    MERCHANT = 2
    PLATFORM = 99


class AccountState(IntEnum):
    """What an account may do; the numbers are those of the contract."""

    ACTIVE = 1
    CLOSED = 2
    FROZEN = 3
    """What the owner starts is refused; what settles, or gives back, goes on."""


# Names of the module for what every payment asks: Python 3.11 takes far longer for an enum's member.
_MERCHANT: Final = AccountKind.MERCHANT
_PLATFORM: Final = AccountKind.PLATFORM
_CLOSED: Final = AccountState.CLOSED
_FROZEN: Final = AccountState.FROZEN


@table("account", rank=20, key=("id",))
class Account(Row, frozen=True):
    """Somebody who can hold money. `currencies` are separated by blanks, in the order in which wallets were opened."""

    id: UUID
    kind: AccountKind
    state: AccountState
    display_name: str
    currencies: str
    created_at: datetime
    updated_at: datetime
    version: int
    external_id: str = ""
    """The caller's own number for it, unique among all accounts; empty where none was given."""
    fee_bps: int | None = None
    """A merchant's own fee, in basis points; None is the policy's."""
    next_fee_bps: int | None = None
    """The fee from `next_fee_at` on; None is the policy's."""
    next_fee_at: datetime | None = None
    """When the fee changes, or changed without anybody having written it down; None where no change was set."""
    ever_owed: bool = False
    """Whether it owed anything once, in any currency: what it owes now says RECEIVABLE, which is looked at only then."""
    personal: bool = False
    """Whether a person registered it as theirs, so that limits and proofs apply (`people`); others are in a service's hands."""
    waiting_refunds: str = ""
    """How many refunds wait for money of its wallets, by currency, such as "CNY:2 EUR:1": meanwhile these pay nothing out."""
    language: str = ""
    """In which its owner is written to, such as "zh-CN"; empty where none was stated."""

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"accounts/{self.id}"

    @property
    def closed(self) -> bool:
        return self.state is _CLOSED

    @property
    def frozen(self) -> bool:
        return self.state is _FROZEN

    def must_not_be_closed(self) -> None:
        """Raises AccountClosed."""
        if self.closed:
            raise AccountClosed(account=self.name)

    def must_not_be_frozen(self) -> None:
        """Raises AccountFrozen. For what the owner starts: whoever asks for it, it would be the owner's doing."""
        if self.frozen:
            raise AccountFrozen(account=self.name)

    def must_not_lack_funds(self, currency: str) -> None:
        """Raises RefundsWaiting while refunds wait for the money of its wallet in a currency."""
        if self.lacks_funds(currency):
            raise RefundsWaiting(account=self.name, currency=currency)

    def lacks_funds(self, currency: str) -> bool:
        """Whether refunds wait for the money of its wallet in a currency."""
        return bool(self.waiting_refunds) and currency in self._waiting_counts

    def with_refund_waiting(self, currency: str, by: int) -> "Account":
        """Itself with so many more refunds, or fewer, that wait for the money of a wallet."""
        counts = self._waiting_counts
        counts[currency] = counts.get(currency, 0) + by
        text = " ".join(f"{each}:{count}" for each, count in sorted(counts.items()) if count)
        return self.replace(waiting_refunds=text, version=self.version + 1)

    @property
    def _waiting_counts(self) -> dict[str, int]:
        """How many wait, by currency."""
        pairs = (each.split(":") for each in self.waiting_refunds.split())
        return {currency: int(count) for currency, count in pairs}

    def with_plan_at(self, now: datetime) -> "Account":
        """Itself with the plan as it is at a time: a change that has come into force by then is no longer ahead."""
        if self.next_fee_at is None or now < self.next_fee_at:
            return self
        return self.replace(fee_bps=self.next_fee_bps, next_fee_bps=None, next_fee_at=None)

    def fee_bps_at(self, now: datetime, policy: Policy) -> int:
        """What the platform keeps, in basis points, of a payment to it that is made at a time; nothing of one to a person."""
        if self.kind is not _MERCHANT:
            return 0
        fee_bps = self.with_plan_at(now).fee_bps
        return policy.merchant_fee_bps if fee_bps is None else fee_bps


@table("account_ref", rank=22, key=("external_id",))
class AccountRef(Row, frozen=True):
    """A caller's own number for an account; the table is what makes it unique, for ever."""

    external_id: str
    account_id: UUID


@table("obligation", rank=95, key=("account_id",), reading=sql.load("danbao_core.accounts", "read_obligation"))
class Obligation(Row, frozen=True):
    """A payment under way, a pending funding, an open refund or an open dispute that keeps an account from being closed; one of
    them is enough to know of."""

    account_id: UUID
    payment_id: UUID | None
    funding_id: UUID | None
    refund_id: UUID | None = None
    """With its payment's id."""
    dispute_id: UUID | None = None
    """With its payment's id."""


@table("earnings", rank=99, key=("currency",), reading=sql.load("danbao_core.accounts", "read_earnings"))
class Earnings(Row, frozen=True):
    """What the platform has of fees in a currency, over all stripes, less what refunds under way give back of them."""

    currency: str
    amount_minor: int


@table("taking", rank=96, key=("account_id",), reading=sql.load("danbao_core.accounts", "read_taking"))
class Taking(Row, frozen=True):
    """When money of a payment last reached an account."""

    account_id: UUID
    taken_at: datetime


def account_of(book: Book | Draft, account_id: UUID, origin: Origin) -> Account:
    """The account with this id. Raises AccountNotFound, also where the caller's key is bound to another account."""
    account = book.get(Account, account_id)
    hidden = origin.account_id is not None and origin.account_id != account_id
    if account is None or account.kind is _PLATFORM or hidden:
        raise AccountNotFound(account=f"accounts/{account_id}")
    return account


def active_account(book: Book | Draft, account_id: UUID, currency: str) -> Account:
    """An account that can be paid in a currency, whoever asks; one that is frozen can, too.

    Raises AccountNotFound, AccountClosed or WalletMissing.
    """
    account = book.get(Account, account_id)
    if account is None or account.kind is _PLATFORM:
        raise AccountNotFound(account=f"accounts/{account_id}")
    account.must_not_be_closed()
    if currency not in account.currencies.split():
        raise WalletMissing(account=account.name, currency=currency)
    return account


def must_act_for(origin: Origin, *account_ids: UUID) -> None:
    """Raises NotYourAccount where the caller's key is bound to none of these accounts."""
    if origin.account_id is not None and origin.account_id not in account_ids:
        raise NotYourAccount
