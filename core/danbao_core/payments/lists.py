"""Reading many payments, newest first."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from danbao_core import sql
from danbao_core.engine.reads import Found, fetch_found, finding, from_record, ids_of_time
from danbao_core.payments.lifecycle import Mode, State
from danbao_core.payments.rows import Payment

if TYPE_CHECKING:
    import asyncpg


class Side(Enum):
    """Whose payments are read; each is a query of its own, so that each has its index."""

    ALL = "list_of_all"
    PAYER = "list_of_payer"
    PAYEE = "list_of_payee"
    EITHER = "list_of_party"


class PaymentFilter(NamedTuple):
    """Which payments are read. Empty states or modes are all of them; times are business time, from and before."""

    side: Side = Side.ALL
    account_id: UUID | None = None
    """Given on every side but ALL."""
    states: Sequence[State] = ()
    modes: Sequence[Mode] = ()
    created_from: datetime | None = None
    created_before: datetime | None = None


_SOUGHT: Final = """
    state = ANY($4::smallint[])
    AND mode = ANY($5::smallint[])
    AND ($6::timestamptz IS NULL OR created_at >= $6)
    AND ($7::timestamptz IS NULL OR created_at < $7)
"""


def text_of(side: Side) -> str:
    """The query for one side's payments: of what is sought, those from the id $8 on, and of the account $9."""
    return finding(_SOUGHT, sql.load("danbao_core.payments", side.value))


async def list_payments(pool: "asyncpg.Pool[Any]", wanted: PaymentFilter, *, before: UUID | None, limit: int) -> Found[Payment]:
    """At most `limit` payments whose ids are smaller than `before`, by descending id, among the first MOST_LOOKED_AT
    of these."""
    first, last = await ids_of_time(pool, wanted.created_from, wanted.created_before, before)
    arguments = [
        list(wanted.states or State),
        list(wanted.modes or Mode),
        wanted.created_from,
        wanted.created_before,
        first,
        *(() if wanted.side is Side.ALL else (wanted.account_id,)),
    ]
    return await fetch_found(pool, from_record(Payment), text_of(wanted.side), *arguments, before=last, limit=limit)
