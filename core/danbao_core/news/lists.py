"""Reading what people were told, and how they want to be."""

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from danbao_core import sql
from danbao_core.engine.reads import fetch_rows
from danbao_core.news.commands import Preferences, preferences_of
from danbao_core.news.rows import InboxMessage, Preference

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[Any]

MOST_COUNTED: Final = 1_000
"""Of messages that were not read."""

_PACKAGE: Final = "danbao_core.news"
_AFTER_ALL: Final = 2**63 - 1


async def list_inbox(
    pool: "Pool", account_id: UUID, *, unread_only: bool, before: int | None, limit: int
) -> list[InboxMessage]:
    """At most `limit` messages of an account whose positions are smaller than `before`, newest first."""
    text = sql.load(_PACKAGE, "list_unread" if unread_only else "list_inbox")
    return await fetch_rows(pool, InboxMessage, text, account_id, _AFTER_ALL if before is None else before, limit)


async def count_unread(pool: "Pool", account_id: UUID) -> int:
    """How many messages of an account were not read, MOST_COUNTED at most."""
    [(count,)] = await pool.fetch(sql.load(_PACKAGE, "count_unread"), account_id, MOST_COUNTED)
    return int(count)


async def read_preferences(pool: "Pool", account_id: UUID) -> Preferences:
    """How an account's person is told of every category."""
    text = "SELECT * FROM preference WHERE account_id = $1"
    return preferences_of(account_id, await fetch_rows(pool, Preference, text, account_id))
