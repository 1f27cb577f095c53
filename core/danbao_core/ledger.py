"""The ledger: double entry, append-only. Money moves by `post` and by nothing else."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from danbao_core import sql, trail
from danbao_core.accounts import PLATFORM_ID, Account, Balance, Purpose, balance_id, platform_balance_id
from danbao_core.accounts.balances import new_balance
from danbao_core.engine import Book, Draft, Key, Origin, Restart, Row, table
from danbao_core.engine.reads import Found, fetch_found, finding, from_record, newest
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
    """The payment, funding or proposal."""
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


class OpenItemState(IntEnum):
    """Whether somebody has seen to it; the numbers are those of the contract."""

    OPEN = 1
    SETTLED = 2


@table("open_item", rank=45, key=("id",))
class OpenItem(Row, frozen=True):
    """Money in SUSPENSE whose owner could not take it, until operators say where it goes. `post` makes it."""

    id: UUID
    state: OpenItemState
    account_id: UUID
    """The owner, whose account was closed."""
    currency: str
    amount_minor: int
    journal_id: UUID
    """The movement by which it came."""
    settled_by: UUID | None
    """The movement by which it went."""
    created_at: datetime
    settled_at: datetime | None
    version: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"openItems/{self.id}"


class Posting(NamedTuple):
    """So much, in minor units, to one balance; negative takes from it."""

    account_id: UUID
    purpose: Purpose
    amount_minor: int
    owner_id: UUID | None = None
    """For whom SUSPENSE keeps it."""


# Names of the module for what every payment asks: Python 3.11 takes far longer for an enum's member.
_AVAILABLE: Final = Purpose.AVAILABLE
_COMPENSATION: Final = Purpose.COMPENSATION


def platform(purpose: Purpose, amount_minor: int) -> Posting:
    """A posting to a balance of the platform."""
    return Posting(PLATFORM_ID, purpose, amount_minor)


def credit(book: Book | Draft, account_id: UUID, currency: str, amount_minor: int) -> list[Posting]:
    """Postings that give money to an account: they first repay what it owes. Where it is closed, SUSPENSE keeps the money."""
    account = book.get(Account, account_id)
    if account is None or not (account.closed or account.ever_owed):
        return [Posting(account_id, _AVAILABLE, amount_minor)]
    if account.closed:
        return [Posting(PLATFORM_ID, Purpose.SUSPENSE, amount_minor, owner_id=account_id)]
    repaid_minor = min(amount_minor, _owed_minor(book, account, currency))
    return [
        Posting(account_id, Purpose.RECEIVABLE, repaid_minor),
        Posting(account_id, Purpose.AVAILABLE, amount_minor - repaid_minor),
    ]


def _owed_minor(book: Book | Draft, account: Account, currency: str) -> int:
    """What an account owes. Few ever do, so no command names that balance beforehand."""
    receivable = book.need(Balance, balance_id(account.id, currency, Purpose.RECEIVABLE))
    return 0 if receivable is None else -receivable.amount_minor


def debit(draft: Draft, account_id: UUID, currency: str, amount_minor: int) -> list[Posting]:
    """Postings that take money from an account whether it has it or not: it owes what it lacks. Puts into the draft that it
    may owe. The account, its AVAILABLE and its RECEIVABLE must be among the command's keys, to be changed."""
    available = draft.get(Balance, balance_id(account_id, currency, Purpose.AVAILABLE))
    account = draft.get(Account, account_id)
    if available is None or account is None:
        raise Restart(f"account {account_id} has just got a wallet in {currency}")
    taken_minor = min(amount_minor, available.amount_minor)
    if taken_minor < amount_minor and not account.ever_owed:
        draft.put(account.replace(ever_owed=True, updated_at=draft.now, version=account.version + 1))
    return [
        Posting(account_id, Purpose.AVAILABLE, -taken_minor),
        Posting(account_id, Purpose.RECEIVABLE, taken_minor - amount_minor),
    ]


def keys(book: Book, currency: str, postings: Iterable[Posting]) -> Iterable[Key]:
    """The balances that postings move."""
    return [_balance_key(book, currency, posting) for posting in postings]


def post(
    draft: Draft,
    ids: IdSequence,
    origin: Origin,
    *,
    kind: str,
    subject_id: UUID,
    currency: str,
    postings: Sequence[Posting],
    memo: str = "",
) -> Journal:
    """Moves money of one currency between balances, in one journal; postings of zero are left out. What goes to SUSPENSE for an
    owner becomes an open item.

    Raises InsufficientFunds or AmountOverflow, and ValueError where the postings do not add up to zero or move one balance
    twice; what goes to SUSPENSE for two owners is one entry of it and two open items.
    """
    moving = [posting for posting in _merged(postings) if posting.amount_minor]
    targets = [_balance_id(draft.book, currency, posting) for posting in moving]
    if sum([posting.amount_minor for posting in moving]) != 0 or len(moving) < 2:
        raise ValueError(f"a journal needs two or more entries that sum to zero: {moving}")
    if len(set(targets)) < len(targets):
        raise ValueError(f"a journal moves each balance once: {moving}")
    journal = Journal(
        id=ids.take(),
        kind=kind,
        subject_id=subject_id,
        memo=memo,
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
    for posting in postings:
        if posting.owner_id is not None and posting.amount_minor:
            _open_item(draft, ids, journal, currency, posting.owner_id, posting.amount_minor)
    return journal


def _merged(postings: Sequence[Posting]) -> Sequence[Posting]:
    """The postings, those for owners who cannot take their money in one."""
    kept = [posting for posting in postings if posting.owner_id is not None]
    if len(kept) < 2:
        return postings
    total_minor = sum(posting.amount_minor for posting in kept)
    return [*(posting for posting in postings if posting.owner_id is None), platform(Purpose.SUSPENSE, total_minor)]


def _open_item(draft: Draft, ids: IdSequence, journal: Journal, currency: str, owner_id: UUID, amount_minor: int) -> None:
    item = OpenItem(
        id=ids.take(),
        state=OpenItemState.OPEN,
        account_id=owner_id,
        currency=currency,
        amount_minor=amount_minor,
        journal_id=journal.id,
        settled_by=None,
        created_at=draft.now,
        settled_at=None,
        version=1,
    )
    draft.put(item, trail.event(ids, "open_item.created", item.id, item.version, item, draft.now))


def _balance_key(book: Book, currency: str, posting: Posting) -> Key:
    striped = posting.account_id == PLATFORM_ID and posting.purpose is not _COMPENSATION
    return (Balance.stripe_key if striped else Balance.key)(_balance_id(book, currency, posting))


def _balance_id(book: Book, currency: str, posting: Posting) -> UUID:
    if posting.account_id == PLATFORM_ID:
        return platform_balance_id(currency, posting.purpose, _stripe(book, posting.purpose))
    return balance_id(posting.account_id, currency, posting.purpose)


def _first_use(book: Book, currency: str, posting: Posting) -> Balance:
    """A stripe of the platform comes into being when it is first moved; a wallet has been opened.

    Whoever posts has seen that the account has the wallet. Where its balance was absent a moment before, another engine has
    just opened it: Restart, to lock it.
    """
    if posting.account_id != PLATFORM_ID:
        raise Restart(f"account {posting.account_id} has just got a wallet in {currency}")
    return new_balance(PLATFORM_ID, currency, posting.purpose, _stripe(book, posting.purpose))


def _stripe(book: Book, purpose: Purpose) -> int:
    """Which stripe of a platform balance a batch moves; the fund that must not go below zero has one for all."""
    return 0 if purpose is _COMPENSATION else book.stripe


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


OPEN_ITEMS: Final = finding("state = ANY($4::smallint[])", newest(OpenItem.table))


async def list_open_items(
    pool: "asyncpg.Pool[Any]", states: Sequence[OpenItemState], *, before: UUID | None, limit: int
) -> Found[OpenItem]:
    """At most `limit` open items whose ids are smaller than `before`, by descending id, among the first MOST_LOOKED_AT
    of these. No states are all of them.
    """
    wanted = list(states or OpenItemState)
    return await fetch_found(pool, from_record(OpenItem), OPEN_ITEMS, wanted, before=before, limit=limit)
