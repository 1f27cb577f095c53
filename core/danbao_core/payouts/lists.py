"""Lists of payouts."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from danbao_core import sql
from danbao_core.engine.reads import fetch_rows
from danbao_core.ids import AFTER_ALL
from danbao_core.payouts.rows import Payout

if TYPE_CHECKING:
    import asyncpg


async def list_payouts(pool: "asyncpg.Pool[Any]", account_id: UUID | None, *, before: UUID | None, limit: int) -> list[Payout]:
    """At most `limit` payouts, of one account or of all, whose ids are smaller than `before`, by descending id."""
    last = before or AFTER_ALL
    if account_id is None:
        return await fetch_rows(pool, Payout, sql.load(__package__, "list_payouts"), last, limit)
    return await fetch_rows(pool, Payout, sql.load(__package__, "list_payouts_of_account"), last, limit, account_id)
