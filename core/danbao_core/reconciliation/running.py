"""One day: the bank's statement is fetched and matched with what is booked.

A day's movements here are the entries of BANK_CLEARING by their business time, those of the bank the lines of its statement;
both count days in Asia/Shanghai. A movement that both sides have on the day with the same amount is matched. Any other becomes
a `Difference`, in which the other side meets it when that comes on another day: an answer that came after midnight, a bank
whose clock differs. What the bank has taken back is booked first, because the statement is what tells of it.
"""

import itertools
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from danbao_core import sql
from danbao_core.accounts import PLATFORM_ID, Purpose
from danbao_core.bank.port import Bank, LineKind, StatementLine
from danbao_core.clock import shanghai_day, shanghai_midnight
from danbao_core.engine import Engine, Origin
from danbao_core.errors import FundingNotFound
from danbao_core.fundings import Funding, FundingState
from danbao_core.fundings_at_bank import ReverseTopUp
from danbao_core.ledger import Line, list_entries
from danbao_core.money import Money
from danbao_core.reconciliation.commands import CompareSides, FinishReconciliation, Sides
from danbao_core.reconciliation.rows import Movement, Reconciliation, difference_id, reconciliation_id

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[Any]

_CHUNK: Final = 200
_PAGE: Final = 1_000
_NOT_AT_A_BANK: Final = "proposal."
"""Journals of operators move BANK_CLEARING as well; no bank knows of them."""


class DayResult(NamedTuple):
    """A day that was reconciled, and how many of the movements that did not match are open."""

    reconciliation: Reconciliation
    open: int


async def reconcile(engine: Engine, pool: "Pool", bank: Bank, day: int, origin: Origin) -> DayResult:
    """Reconciles a day that was started (StartReconciliation). Doing it again, or two at once, finds nothing twice.

    Where it was asked for again meanwhile, it waits to be done once more. Raises BankNotAnswering, and what the engine raises;
    the day then waits as before.
    """
    asked_version = await pool.fetchval("SELECT version FROM reconciliation WHERE id = $1", reconciliation_id(day))
    lines = await bank.statement(day)
    there = _summed((Movement(line.transfer_id, line.kind, line.currency), line.amount_minor) for line in lines)
    booked_later = await _book_reversals(engine, pool, lines, day, origin)
    here, entries = await _booked(pool, day)
    here |= booked_later
    known_open = {row["id"] for row in await pool.fetch("SELECT id FROM difference WHERE state = 1")}
    told = [
        Sides(*movement, here.get(movement), there.get(movement))
        for movement in sorted({*here, *there})
        if here.get(movement) != there.get(movement)
        or movement in booked_later  # or their own day would miss them on its statement
        or difference_id(movement) in known_open
    ]
    open_now = 0
    for chunk in _chunks(told):
        answer = await engine.submit(CompareSides(origin=origin, day=day, sides=tuple(chunk)))
        open_now += answer.result.open
    differences = sum(each.here_minor != each.there_minor for each in told)
    finish = FinishReconciliation(
        origin=origin, day=day, asked_version=asked_version, lines=len(lines), entries=entries, differences=differences
    )
    return DayResult((await engine.submit(finish)).result, open_now)


async def _book_reversals(
    engine: Engine, pool: "Pool", lines: Iterable[StatementLine], day: int, origin: Origin
) -> Mapping[Movement, int]:
    """Books the debits that the bank took back, by this statement or by one of which that was not possible yet, because nobody
    knew of the debit; answers those that are booked on another day than this.
    """
    missing = await pool.fetch(sql.load(__package__, "list_reversals_missing"))
    told = {transfer_id: Money(abs(there_minor), currency) for transfer_id, there_minor, currency in missing}
    told |= {line.transfer_id: Money(line.amount_minor, line.currency) for line in lines if line.kind is LineKind.REVERSAL}
    booked = {}
    for transfer_id, amount in sorted(told.items()):
        try:
            reversal = ReverseTopUp(origin=origin, funding_id=transfer_id, amount=amount)
            funding: Funding = (await engine.submit(reversal)).result
        except FundingNotFound:
            continue
        if funding.state is FundingState.REVERSED and shanghai_day(funding.updated_at) != day:
            booked[Movement(funding.id, LineKind.REVERSAL, funding.currency)] = funding.amount_minor
    return booked


async def _booked(pool: "Pool", day: int) -> tuple[dict[Movement, int], int]:
    """What is booked to BANK_CLEARING on a day, by movement, and how many entries that is."""
    first, last = shanghai_midnight(day), shanghai_midnight(day + 1)
    found: list[tuple[str, Line]] = []
    balances = await pool.fetch(sql.load(__package__, "list_clearing"), PLATFORM_ID, int(Purpose.BANK_CLEARING))
    for balance in balances:
        found += [(balance["currency"], line) async for line in _entries(pool, balance["id"], first, last)]
    tills = {
        row["id"]
        for row in await pool.fetch(sql.load(__package__, "list_over_the_till"), [line.subject_id for _, line in found])
    }
    at_bank = [(currency, line) for currency, line in found if line.subject_id not in tills]
    sums = _summed((_movement(currency, line), abs(line.amount_minor)) for currency, line in at_bank)
    return sums, len(at_bank)


async def _entries(pool: "Pool", balance: Any, first: datetime, last: datetime) -> AsyncIterator[Line]:
    """A balance's entries of a time, read from the newest one back: a day long ago takes as long as all since then."""
    before: int | None = None
    while page := await list_entries(pool, balance, before=before, limit=_PAGE):
        for line in page:
            if line.created_at < first:
                return
            if line.created_at < last and not line.kind.startswith(_NOT_AT_A_BANK):
                yield line
        before = page[-1].version


def _movement(currency: str, line: Line) -> Movement:
    if line.kind == "funding.reverse":
        return Movement(line.subject_id, LineKind.REVERSAL, currency)
    return Movement(line.subject_id, LineKind.DEBIT if line.amount_minor < 0 else LineKind.CREDIT, currency)


def _summed(movements: Iterable[tuple[Movement, int]]) -> dict[Movement, int]:
    sums: dict[Movement, int] = {}
    for movement, amount_minor in movements:
        sums[movement] = sums.get(movement, 0) + amount_minor
    return sums


def _chunks(sides: list[Sides]) -> Iterable[list[Sides]]:
    iterator = iter(sides)
    while chunk := list(itertools.islice(iterator, _CHUNK)):
        yield chunk


async def pending_days(pool: "Pool") -> list[int]:
    """The days that wait to be reconciled, oldest first."""
    return [row["day"] for row in await pool.fetch("SELECT day FROM reconciliation WHERE state = 1 ORDER BY id")]


async def next_day(pool: "Pool") -> int | None:
    """The first day that nobody asked for, once it is over; they begin with that on which a card was bound first."""
    row = await pool.fetchrow(sql.load(__package__, "next_day"))
    if row is None or row["first_at"] is None:
        return None
    day: int = await pool.fetchval(sql.load(__package__, "first_missing"), shanghai_day(row["first_at"]))
    return day if day < shanghai_day(row["time"]) else None
