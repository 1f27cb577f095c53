"""Money that crosses the border of the system."""

from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from danbao_core import ledger, sql, trail
from danbao_core.accounts import Account, Purpose, account_of, active_account
from danbao_core.engine import Book, Command, Decision, Draft, Key, Row, table
from danbao_core.engine.reads import fetch_rows
from danbao_core.ids import AFTER_ALL
from danbao_core.money import Money

if TYPE_CHECKING:
    import asyncpg


class FundingKind(IntEnum):
    """Which way the money goes; the numbers are those of the contract."""

    TOP_UP = 1


class FundingState(IntEnum):
    """How far it is; the numbers are those of the contract."""

    SUCCEEDED = 1


@table("funding", rank=30, key=("id",))
class Funding(Row, frozen=True):
    """Money that came in from outside."""

    id: UUID
    kind: FundingKind
    state: FundingState
    account_id: UUID
    currency: str
    amount_minor: int
    created_at: datetime
    updated_at: datetime
    version: int


class TopUp(Command[Funding], frozen=True):
    """Books money from outside at once, as a sandbox does, where no bank has to say yes first.

    Refused: AmountNotPositive, AmountOverflow, CurrencyUnknown, AccountNotFound, AccountClosed, WalletMissing.
    """

    result_type = Funding
    keeps_request_for_ever = True
    account_id: UUID
    amount: Money

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.read_key(self.account_id)
        moved = [ledger.platform(Purpose.BANK_CLEARING, 0), ledger.Posting(self.account_id, Purpose.AVAILABLE, 0)]
        yield from ledger.keys(book, self.amount.currency, moved)

    def decide(self, book: Book) -> Decision[Funding]:
        self.amount.must_be_payable()
        account_of(book, self.account_id, self.origin)
        active_account(book, self.account_id, self.amount.currency)
        ids, draft = self.ids(), Draft(book)
        funding = Funding(
            id=ids.take(),
            kind=FundingKind.TOP_UP,
            state=FundingState.SUCCEEDED,
            account_id=self.account_id,
            currency=self.amount.currency,
            amount_minor=self.amount.amount_minor,
            created_at=book.now,
            updated_at=book.now,
            version=1,
        )
        draft.put(funding)
        ledger.post(
            draft,
            ids,
            self.origin,
            kind="funding.top_up",
            subject_id=funding.id,
            currency=funding.currency,
            postings=[
                ledger.platform(Purpose.BANK_CLEARING, -funding.amount_minor),
                *ledger.credit(draft, funding.account_id, funding.currency, funding.amount_minor),
            ],
        )
        draft.put(trail.event(ids, "funding.succeeded", funding.id, funding.version, funding, book.now))
        return Decision(funding, draft.changes)


async def list_fundings(
    pool: "asyncpg.Pool[Any]", account_id: UUID | None, *, before: UUID | None, limit: int
) -> list[Funding]:
    """At most `limit` fundings, of one account or of all, whose ids are smaller than `before`, by descending id."""
    last = before or AFTER_ALL
    if account_id is None:
        return await fetch_rows(pool, Funding, sql.load("danbao_core", "list_fundings"), last, limit)
    return await fetch_rows(pool, Funding, sql.load("danbao_core", "list_fundings_of_account"), last, limit, account_id)
