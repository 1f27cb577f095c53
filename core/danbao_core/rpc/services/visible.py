"""What a caller may see: a key that is bound to an account sees that account alone."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from danbao_core.accounts import PLATFORM_ID, Account
from danbao_core.engine import Origin
from danbao_core.engine.reads import fetch_row
from danbao_core.errors import AccountNotFound
from danbao_core.rpc import convert

if TYPE_CHECKING:
    import asyncpg


def may_see(origin: Origin, account_id: UUID) -> bool:
    """Whether what belongs to an account is shown to a caller."""
    return origin.account_id in (None, account_id)


def may_see_one_of(origin: Origin, *account_ids: UUID) -> bool:
    """Whether what belongs to several accounts is shown to a caller."""
    return any(may_see(origin, account_id) for account_id in account_ids)


async def visible_account(pool: "asyncpg.Pool[Any]", origin: Origin, name: str) -> Account:
    """The account with this resource name. Raises AccountNotFound, also for one that the caller may not see."""
    account = await fetch_row(pool, Account, convert.id_of(name))
    if account is None or account.id == PLATFORM_ID or not may_see(origin, account.id):
        raise AccountNotFound(account=name)
    return account


async def account_for_list(pool: "asyncpg.Pool[Any]", origin: Origin, name: str) -> UUID | None:
    """Whose rows a list shows: the named account's, a bound key's own, or None for everybody's. Raises AccountNotFound."""
    return (await visible_account(pool, origin, name)).id if name else origin.account_id
