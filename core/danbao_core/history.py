"""Who did what, when and from where: the facts of both tables that hold them, in one order.

What moves money is a journal, and what does not an audit event; every change leaves one or the other, in its own commit.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from danbao_core import sql
from danbao_core.engine.reads import MOST_LOOKED_AT, Found, ids_of_time, stopped_at

if TYPE_CHECKING:
    import asyncpg


class Fact(NamedTuple):
    """Somebody did something to a subject. Times are business time."""

    id: UUID
    kind: str
    """What the subject is, the name of its table; of a journal, and what happened to it, such as "payment.pay"."""
    subject_id: UUID
    method: str
    caller: str
    key_id: UUID | None
    peer: str
    request_id: str
    memo: str
    created_at: datetime
    moves_money: bool
    """Whether it is a journal."""


class FactFilter(NamedTuple):
    """Which facts are read; what is empty does not matter."""

    subject: tuple[str, UUID] | None = None
    """The name of its table, and its id."""
    caller: str = ""
    method: str = ""
    created_from: datetime | None = None
    created_before: datetime | None = None


async def list_facts(pool: "asyncpg.Pool[Any]", wanted: FactFilter, *, before: UUID | None, limit: int) -> Found[Fact]:
    """At most `limit` facts whose ids are smaller than `before`, by descending id, among the first MOST_LOOKED_AT of these."""
    first, last = await ids_of_time(pool, wanted.created_from, wanted.created_before)
    arguments = [
        last if before is None else min(before, last),
        first,
        limit,
        MOST_LOOKED_AT,
        wanted.caller,
        wanted.method,
        wanted.created_from,
        wanted.created_before,
    ]
    query = "list_audit_events"
    if wanted.subject is not None:
        query = "list_audit_events_of_subject"
        kind, subject_id = wanted.subject
        arguments += [subject_id, kind]
    records = await pool.fetch(sql.load("danbao_core", query), *arguments)
    facts = [Fact(*[record[name] for name in Fact._fields]) for record in records if record["sought"]]
    return Found(facts, stopped_at(records, len(facts), limit=limit, most=MOST_LOOKED_AT))
