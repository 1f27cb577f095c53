"""What of a balance's entries a statement shows.

Entries are numbered without a gap and never change. So which they are is settled once, first; their lines are then read in
batches, each by a query of its own, and come to the same however long that takes and whatever is booked meanwhile. No snapshot
is held open for a slow reader, which would keep Postgres from cleaning up, nor a connection.
"""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from danbao_core import sql
from danbao_core.accounts import AccountKind, Purpose, balance_id
from danbao_core.ids import resource_name
from danbao_core.people.masks import mask_name
from danbao_core.statements.parts import Line
from danbao_core.statements.period import Period

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[Any]

BATCH: Final = 500
"""Lines that are read, and held, at once."""

OUT_OF_ORDER: Final = timedelta(seconds=30)
"""More than the times of two entries are ever apart whose numbers say the contrary: a batch takes its time when it begins, and
waits for locks afterwards, two seconds at most for each."""

RELEASES: Final = frozenset({"payment.pay", "payment.confirm", "payment.auto_confirm", "payment.capture"})
"""The journals by which a payee gets a payment, less its fee."""

LATE_RELEASE: Final = "refund.release"
"""The journal by which a payee gets what a refund that failed after the release had kept in escrow, less the fee on it."""


class Extract(NamedTuple):
    """A row of a balance's entries without a gap. Amounts are minor units."""

    account_id: UUID
    currency: str
    after: int
    """The number of the entry before the first one; 0 where there is none."""
    until: int
    """The number of the last one; as `after` where there are none."""
    opening_minor: int
    closing_minor: int
    made_at: datetime
    """Business time: what is booked later is not in it."""

    @property
    def balance_id(self) -> UUID:
        """Whose entries: what the account can spend."""
        return balance_id(self.account_id, self.currency, Purpose.AVAILABLE)

    @property
    def line_count(self) -> int:
        return self.until - self.after


async def extract_of(pool: "Pool", account_id: UUID, currency: str, period: Period) -> Extract:
    """What moved the money that an account can spend in a period; the account has the wallet.

    An entry belongs to the day in which it was booked, or one that comes after it; so periods that follow each other neither
    share an entry nor miss one.
    """
    balance = balance_id(account_id, currency, Purpose.AVAILABLE)
    record = await pool.fetchrow(sql.load(__package__, "read_balance"), balance)
    assert record is not None, "a wallet has its balances"
    after = await _last_before(pool, balance, period.begins_at, record["version"])
    until = await _last_before(pool, balance, period.ends_at, record["version"])
    return await extract_between(pool, account_id, currency, after, until, record["time"])


async def extract_between(pool: "Pool", account_id: UUID, currency: str, after: int, until: int, made_at: datetime) -> Extract:
    """The entries of what an account can spend from the one after `after` up to `until`."""
    balance = balance_id(account_id, currency, Purpose.AVAILABLE)
    opening_minor, closing_minor = [(await _entry(pool, balance, version))[1] if version else 0 for version in (after, until)]
    return Extract(account_id, currency, after, until, opening_minor, closing_minor, made_at)


async def _last_before(pool: "Pool", balance: UUID, at: datetime, count: int) -> int:
    """The number of the last entry before a moment, of the first `count`; 0 where none is.

    Found by halving, which needs an order of time; near the moment, where there may be none, all are looked at.
    """
    surely = await _halved(pool, balance, at - OUT_OF_ORDER, 0, count)
    perhaps = await _halved(pool, balance, at + OUT_OF_ORDER, surely, count)
    record = await pool.fetchrow(sql.load(__package__, "read_last_before"), balance, surely, perhaps, at)
    assert record is not None, "it answers one row"
    version: int = record["version"]
    return version


async def _halved(pool: "Pool", balance: UUID, at: datetime, low: int, high: int) -> int:
    """A number from `low` to `high` whose entry was booked before a moment, and the next one was not."""
    while low < high:
        middle = (low + high + 1) // 2
        booked_at, _ = await _entry(pool, balance, middle)
        if booked_at < at:
            low = middle
        else:
            high = middle - 1
    return low


async def _entry(pool: "Pool", balance: UUID, version: int) -> tuple[datetime, int]:
    record = await pool.fetchrow(sql.load(__package__, "read_entry"), balance, version)
    assert record is not None, "entries have no gap"
    return record["created_at"], record["balance_after_minor"]


async def lines_of(pool: "Pool", extract: Extract) -> AsyncGenerator[list[Line], None]:
    """The lines of an extract, oldest first, BATCH at a time."""
    after = extract.after
    while after < extract.until:
        records = await pool.fetch(
            sql.load(__package__, "list_lines"), extract.balance_id, after, extract.until, extract.account_id, BATCH
        )
        assert records, "entries have no gap"
        yield [_line(record) for record in records]
        after = records[-1]["version"]


def _line(record: "asyncpg.Record") -> Line:
    kind, amount_minor = record["kind"], record["amount_minor"]
    reference, refunded_id = resource_name(kind, record["subject_id"]), record["refunded_id"]
    released = record["payee"] and (kind in RELEASES or kind == LATE_RELEASE or record["ends_escrow"])
    return Line(
        version=record["version"],
        amount_minor=amount_minor,
        balance_after_minor=record["balance_after_minor"],
        kind=kind,
        reference=reference if refunded_id is None else f"payments/{refunded_id}/{reference}",
        created_at=record["created_at"],
        order_no=record["order_no"] or "",
        subject=record["subject"] or "",
        counterparty=_shown(record["other_kind"], record["other_name"]),
        fee_minor=-record["fee_minor"] if released else 0,
    )


def _shown(kind: int | None, name: str | None) -> str:
    """An account as the other side of a payment sees it: merchants by their name, people by the beginning of theirs."""
    if kind is None or name is None:
        return ""
    return name if kind == AccountKind.MERCHANT else mask_name(name)
