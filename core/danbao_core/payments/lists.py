"""Reading many payments, newest first."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from danbao_core import sql
from danbao_core.engine.reads import MOST_LOOKED_AT, Found, fetch_found, ids_of_time
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


async def list_payments(pool: "asyncpg.Pool[Any]", wanted: PaymentFilter, *, before: UUID | None, limit: int) -> Found[Payment]:
    """At most `limit` payments whose ids are smaller than `before`, by descending id, among the first MOST_LOOKED_AT
    of these."""
    first, last = await ids_of_time(pool, wanted.created_from, wanted.created_before)
    account = () if wanted.side is Side.ALL else (wanted.account_id,)
    return await fetch_found(
        pool,
        Payment,
        sql.load("danbao_core.payments", wanted.side.value),
        last if before is None else min(before, last),
        first,
        limit,
        list(wanted.states or State),
        list(wanted.modes or Mode),
        wanted.created_from,
        wanted.created_before,
        MOST_LOOKED_AT,
        *account,
        limit=limit,
        most=MOST_LOOKED_AT,
    )
