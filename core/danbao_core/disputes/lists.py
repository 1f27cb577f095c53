"""Reading many disputes, newest first or by deadline; the steps and the evidence of one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from danbao_core import sql
from danbao_core.disputes.lifecycle import DisputeState, Reason
from danbao_core.disputes.rows import Dispute, Evidence, Step
from danbao_core.engine.reads import MOST_LOOKED_AT, Found, fetch_found, fetch_rows, finding, from_record, newest
from danbao_core.ids import AFTER_ALL, BEFORE_ALL, uuid_of

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[Any]

_PACKAGE: Final = "danbao_core.disputes"
_BEFORE_ALL_TIMES: Final = datetime(1, 1, 1, tzinfo=UTC)


class Of(Enum):
    """Whose disputes are read; each is a query of its own, so that each has its index."""

    ALL = ""
    BUYER = "_of_buyer"
    SELLER = "_of_seller"
    EITHER = "_of_party"
    PAYMENT = "_of_payment"
    """Newest first alone."""


class DisputeFilter(NamedTuple):
    """Which disputes are read; what is empty or None does not matter."""

    of: Of = Of.ALL
    id: UUID | None = None
    """Of the account, or of the payment; given but for ALL."""
    states: Sequence[DisputeState] = ()
    reasons: Sequence[Reason] = ()
    respond_before: datetime | None = None
    currency: str | None = None
    """Given where an amount is."""
    min_minor: int | None = None
    max_minor: int | None = None
    awaits_compensation: bool = False


class Place(NamedTuple):
    """Where a dispute stands in the order of deadlines."""

    respond_by: datetime
    id: UUID

    @classmethod
    def of(cls, row: Dispute) -> "Place":
        """That of a dispute that is open."""
        assert row.respond_by is not None, "a dispute that is open has a deadline"
        return cls(row.respond_by, row.id)

    @classmethod
    def parse(cls, text: str) -> "Place":
        """The place that a text stands for."""
        respond_by, _, row_id = text.partition(" ")
        return cls(datetime.fromisoformat(respond_by), uuid_of(row_id))

    def __str__(self) -> str:
        return f"{self.respond_by.isoformat()} {self.id}"


class Queue(NamedTuple):
    """What a reading by deadlines came upon."""

    rows: list[Dispute]
    stopped_at: Place | None
    """The last place that was looked at, where there may be more behind it; None where none are, or enough were found."""


_SOUGHT: Final = """
    state = ANY($4::smallint[])
    AND reason = ANY($5::smallint[])
    AND ($6::timestamptz IS NULL OR respond_by < $6)
    AND ($7::text IS NULL OR currency = $7)
    AND ($8::bigint IS NULL OR amount_minor >= $8)
    AND ($9::bigint IS NULL OR amount_minor <= $9)
    AND (NOT $10::boolean OR (compensated_minor < award_compensation_minor AND state = 5))
"""


def text_of(of: Of, *, short: bool = False) -> str:
    """The query for what is sought among the disputes of $11, newest first; `short` among all that wait for compensation."""
    if of is Of.ALL:
        return finding(_SOUGHT, sql.load(_PACKAGE, "list_short_of_compensation") if short else newest(Dispute.table))
    return finding(_SOUGHT, sql.load(_PACKAGE, f"list{of.value}"))


def text_by_deadline(of: Of) -> str:
    """The query for what is sought among the open disputes of $12 behind the place $1, $11, by their deadlines."""
    return finding(_SOUGHT, sql.load(_PACKAGE, f"list_by_deadline{of.value}"), "respond_by, id")


async def list_disputes(pool: "Pool", wanted: DisputeFilter, *, before: UUID | None, limit: int) -> Found[Dispute]:
    """At most `limit` disputes whose ids are smaller than `before`, by descending id, among the first MOST_LOOKED_AT
    of these."""
    text = text_of(wanted.of, short=wanted.awaits_compensation)
    arguments = [*_arguments(wanted), *_whose(wanted)]
    return await fetch_found(pool, from_record(Dispute), text, *arguments, before=before, limit=limit)


async def list_by_deadline(pool: "Pool", wanted: DisputeFilter, *, after: Place | None, limit: int) -> Queue:
    """At most `limit` open disputes behind a place, those whose deadline is next first, among the first MOST_LOOKED_AT
    of these."""
    after = after or Place(_BEFORE_ALL_TIMES, BEFORE_ALL)
    arguments = [after.respond_by, limit, MOST_LOOKED_AT, *_arguments(wanted), after.id, *_whose(wanted)]
    records = await pool.fetch(text_by_deadline(wanted.of), *arguments)
    load = from_record(Dispute)
    rows = [load(record) for record in records if record["sought"]]
    stopped = len(rows) < limit and records and records[-1]["number"] == MOST_LOOKED_AT
    return Queue(rows, Place.of(load(records[-1])) if stopped else None)


def _arguments(wanted: DisputeFilter) -> list[Any]:
    """What _SOUGHT asks for."""
    return [
        list(wanted.states or DisputeState),
        list(wanted.reasons or Reason),
        wanted.respond_before,
        wanted.currency,
        wanted.min_minor,
        wanted.max_minor,
        wanted.awaits_compensation,
    ]


def _whose(wanted: DisputeFilter) -> tuple[UUID | None, ...]:
    return () if wanted.of is Of.ALL else (wanted.id,)


async def list_steps(pool: "Pool", dispute_id: UUID, *, before: int | None, limit: int) -> list[Step]:
    """At most `limit` steps of a dispute with smaller versions than `before`, the last first."""
    return await fetch_rows(pool, Step, sql.load(_PACKAGE, "list_steps"), dispute_id, before, limit)


async def list_evidence(pool: "Pool", dispute_id: UUID, *, before: UUID | None, limit: int) -> list[Evidence]:
    """At most `limit` pieces of evidence of a dispute with smaller ids than `before`, by descending id; without their files."""
    return await fetch_rows(pool, Evidence, sql.load(_PACKAGE, "list_evidence"), dispute_id, before or AFTER_ALL, limit)
