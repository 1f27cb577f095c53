"""Who did what, when and from where: the facts of both tables that hold them, in one order.

What moves money is a journal, and what does not an audit event; every change leaves one or the other, in its own commit.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from danbao_core import sql
from danbao_core.engine.reads import Found, fetch_found, finding, ids_of_time

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


_SOUGHT: Final = """
    ($4 = '' OR caller = $4)
    AND ($5 = '' OR method = $5)
    AND ($6::timestamptz IS NULL OR created_at >= $6)
    AND ($7::timestamptz IS NULL OR created_at < $7)
"""

EVERYBODYS: Final = finding(_SOUGHT, sql.load("danbao_core", "list_audit_events"))
"""The query for what is sought of all facts from the id $8 on."""
OF_SUBJECT: Final = finding(_SOUGHT, sql.load("danbao_core", "list_audit_events_of_subject"))
"""The same for the facts of the subject $9 of the kind $10."""


async def list_facts(pool: "asyncpg.Pool[Any]", wanted: FactFilter, *, before: UUID | None, limit: int) -> Found[Fact]:
    """At most `limit` facts whose ids are smaller than `before`, by descending id, among the first MOST_LOOKED_AT of these."""
    first, last = await ids_of_time(pool, wanted.created_from, wanted.created_before, before)
    arguments = [wanted.caller, wanted.method, wanted.created_from, wanted.created_before, first]
    text = EVERYBODYS
    if wanted.subject is not None:
        text = OF_SUBJECT
        kind, subject_id = wanted.subject
        arguments += [subject_id, kind]
    return await fetch_found(pool, _fact, text, *arguments, before=last, limit=limit)


def _fact(record: "asyncpg.Record") -> Fact:
    return Fact(*[record[name] for name in Fact._fields])
