"""Reading many accounts, newest first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from danbao_core import sql
from danbao_core.accounts.rows import Account, AccountKind, AccountState
from danbao_core.engine.reads import MOST_LOOKED_AT, Found, fetch_found
from danbao_core.ids import AFTER_ALL

if TYPE_CHECKING:
    import asyncpg


async def list_accounts(
    pool: "asyncpg.Pool[Any]",
    kinds: Sequence[AccountKind],
    states: Sequence[AccountState],
    *,
    before: UUID | None,
    limit: int,
) -> Found[Account]:
    """At most `limit` accounts whose ids are smaller than `before`, by descending id, among the first MOST_LOOKED_AT of
    these; no kinds or states are all of them.

    The platform's own account is not among them.
    """
    return await fetch_found(
        pool,
        Account,
        sql.load("danbao_core.accounts", "list_accounts"),
        before or AFTER_ALL,
        limit,
        list(kinds or (AccountKind.PERSONAL, AccountKind.MERCHANT)),
        list(states or AccountState),
        MOST_LOOKED_AT,
        limit=limit,
        most=MOST_LOOKED_AT,
    )
