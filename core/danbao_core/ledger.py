"""The ledger: double entry, append-only. Money moves by `post` and by nothing else."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from danbao_core import sql
from danbao_core.accounts import PLATFORM_ID, Account, Balance, Purpose, balance_id, platform_balance_id
from danbao_core.accounts.balances import new_balance
from danbao_core.engine import Book, Draft, Key, Origin, Restart, Row, table
from danbao_core.ids import IdSequence

if TYPE_CHECKING:
    import asyncpg


@table("journal", rank=60, key=("id",))
class Journal(Row, frozen=True):
    """One movement of money: why, for whom, and who asked for it."""

    id: UUID
    kind: str
    """Such as "payment.pay" or "funding.top_up"."""
    subject_id: UUID
    """The payment or funding."""
    memo: str
    caller: str
    method: str
    key_id: UUID | None
    peer: str
    request_id: str
    created_at: datetime


@table("entry", rank=70, key=("balance_id", "version"))
class Entry(Row, frozen=True):
    """One balance's part in a journal; `version` counts the entries of the balance from 1 without a gap."""

    balance_id: UUID
    version: int
    journal_id: UUID
    amount_minor: int
    balance_after_minor: int


class Posting(NamedTuple):
    """So much, in minor units, to one balance; negative takes from it."""

    account_id: UUID
    purpose: Purpose
    amount_minor: int


def platform(purpose: Purpose, amount_minor: int) -> Posting:
    """A posting to a balance of the platform."""
    return Posting(PLATFORM_ID, purpose, amount_minor)


def credit(book: Book | Draft, account_id: UUID, amount_minor: int) -> Posting:
    """A posting that gives money to an account; where the account is closed, SUSPENSE keeps it for its owner."""
    account = book.get(Account, account_id)
    if account is not None and account.closed:
        return platform(Purpose.SUSPENSE, amount_minor)
    return Posting(account_id, Purpose.AVAILABLE, amount_minor)


def keys(book: Book, currency: str, postings: Iterable[Posting]) -> Iterable[Key]:
    """The balances that postings move."""
    return [Balance.key(_balance_id(book, currency, posting)) for posting in postings]


def post(
    draft: Draft,
    ids: IdSequence,
    origin: Origin,
    *,
    kind: str,
    subject_id: UUID,
    currency: str,
    postings: Sequence[Posting],
) -> None:
    """Moves money of one currency between balances, in one journal; postings of zero are left out.

    Raises InsufficientFunds or AmountOverflow, and ValueError where the postings do not add up to zero or move one balance
    twice.
    """
    moving = [posting for posting in postings if posting.amount_minor]
    targets = [_balance_id(draft.book, currency, posting) for posting in moving]
    if sum(posting.amount_minor for posting in moving) != 0 or len(moving) < 2:
        raise ValueError(f"a journal needs two or more entries that sum to zero: {moving}")
    if len(set(targets)) < len(targets):
        raise ValueError(f"a journal moves each balance once: {moving}")
    journal = Journal(
        id=ids.take(),
        kind=kind,
        subject_id=subject_id,
        memo="",
        caller=origin.caller,
        method=origin.method,
        key_id=origin.key_id,
        peer=origin.peer,
        request_id=origin.request_id,
        created_at=draft.now,
    )
    draft.put(journal)
    for target, posting in zip(targets, moving, strict=True):
        balance = draft.get(Balance, target)
        if balance is None:
            balance = _first_use(draft.book, currency, posting)
        moved = balance.moved(posting.amount_minor)
        draft.put(moved, Entry(target, moved.version, journal.id, posting.amount_minor, moved.amount_minor))


def _balance_id(book: Book, currency: str, posting: Posting) -> UUID:
    if posting.account_id == PLATFORM_ID:
        return platform_balance_id(currency, posting.purpose, book.stripe)
    return balance_id(posting.account_id, currency, posting.purpose)


def _first_use(book: Book, currency: str, posting: Posting) -> Balance:
    """A stripe of the platform comes into being when it is first moved; a wallet has been opened.

    Whoever posts has seen that the account has the wallet. Where its balance was absent a moment before, another engine has
    just opened it: Restart, to lock it.
    """
    if posting.account_id != PLATFORM_ID:
        raise Restart(f"account {posting.account_id} has just got a wallet in {currency}")
    return new_balance(PLATFORM_ID, currency, posting.purpose, book.stripe)


class Line(NamedTuple):
    """One line of a balance's statement: an entry, and the journal that tells why. Amounts are minor units."""

    version: int
    journal_id: UUID
    amount_minor: int
    balance_after_minor: int
    kind: str
    subject_id: UUID
    created_at: datetime


async def list_entries(pool: "asyncpg.Pool[Any]", balance: UUID, *, before: int | None, limit: int) -> list[Line]:
    """At most `limit` lines of a balance, with versions smaller than `before` where one is given, newest first."""
    records = await pool.fetch(sql.load("danbao_core", "list_entries"), balance, before, limit)
    return [Line(*record) for record in records]
