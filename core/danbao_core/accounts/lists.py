"""Reading many accounts, newest first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from danbao_core.accounts.rows import Account, AccountKind, AccountState
from danbao_core.engine.reads import Found, fetch_found, finding, from_record, newest

if TYPE_CHECKING:
    import asyncpg

TEXT: Final = finding("kind = ANY($4::smallint[]) AND state = ANY($5::smallint[])", newest(Account.table))


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
    wanted = (list(kinds or (AccountKind.PERSONAL, AccountKind.MERCHANT)), list(states or AccountState))
    return await fetch_found(pool, from_record(Account), TEXT, *wanted, before=before, limit=limit)
