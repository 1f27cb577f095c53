"""Reading many accounts, newest first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from danbao_core import sql
from danbao_core.accounts.rows import Account, AccountKind, AccountState
from danbao_core.engine.reads import fetch_rows
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
) -> list[Account]:
    """At most `limit` accounts whose ids are smaller than `before`, by descending id; no kinds or states are all of them.

    The platform's own account is not among them.
    """
    return await fetch_rows(
        pool,
        Account,
        sql.load("danbao_core.accounts", "list_accounts"),
        before or AFTER_ALL,
        limit,
        list(kinds or (AccountKind.PERSONAL, AccountKind.MERCHANT)),
        list(states or AccountState),
    )
