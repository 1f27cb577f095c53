"""Reading rows outside a batch, for answers that decide nothing."""

import contextlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar, cast
from uuid import UUID

from danbao_core import sql
from danbao_core.engine import statements
from danbao_core.engine.connection import INDEXES_ONLY
from danbao_core.engine.rows import Row, loader
from danbao_core.ids import AFTER_ALL, BEFORE_ALL, first_at
from danbao_core.server_role import AS_SERVER

if TYPE_CHECKING:
    import asyncpg

R = TypeVar("R", bound=Row)
T = TypeVar("T")

# A bitmap of all that matches would be sorted for every page of a list; an index has the order.
SETTINGS: Final = {
    "application_name": "danbao-reads",
    **AS_SERVER,
    **INDEXES_ONLY,
    "enable_bitmapscan": "off",
}
"""The role and the planner of connections that read lists."""

CLOCKS_DIFFER: Final = timedelta(days=1)
"""More than the clocks of servers, from which ids come, and the database's, from which times come, are ever apart."""


MOST_LOOKED_AT: Final = 5_000
"""How many rows one reading of a list with a filter looks at, whatever it seeks: no index leads to what few rows have."""


class Found(NamedTuple, Generic[T]):
    """What a reading of a list came upon."""

    rows: list[T]
    stopped_at: UUID | None
    """The last row that was looked at, where there may be more behind it; None where none are, or enough were found."""


async def fetch_row(pool: "asyncpg.Pool[Any]", row_type: type[R], *values: Any) -> R | None:
    """The committed row with this key, or None."""
    record = await pool.fetchrow(statements.read_rows(row_type.table), *([value] for value in values))
    return None if record is None else cast("R", loader(row_type)(record))


async def fetch_rows(pool: "asyncpg.Pool[Any]", row_type: type[R], text: str, *arguments: Any) -> list[R]:
    """The rows that a query answers, in its order; it selects all columns of their table."""
    load = loader(row_type)
    names = [column.name for column in row_type.table.columns]
    records = await pool.fetch(text, *arguments)
    return [cast("R", load([record[name] for name in names])) for record in records]


async def fetch_found(
    pool: "asyncpg.Pool[Any]", row_type: type[R], text: str, *arguments: Any, limit: int, most: int
) -> Found[R]:
    """The rows that a query seeks, at most `limit`, among the first `most` that it looks at.

    It says of each row that it answers whether it is `sought` and what `number` it is, and answers the last one in any case.
    """
    load = loader(row_type)
    names = [column.name for column in row_type.table.columns]
    records = await pool.fetch(text, *arguments)
    rows = [cast("R", load([record[name] for name in names])) for record in records if record["sought"]]
    return Found(rows, stopped_at(records, len(rows), limit=limit, most=most))


def stopped_at(records: list[Any], found: int, *, limit: int, most: int) -> UUID | None:
    """The id of the last of such records, where the reading stopped at it although fewer than `limit` were found."""
    return records[-1]["id"] if found < limit and records and records[-1]["number"] == most else None


async def fetch_all(pool: "asyncpg.Pool[Any]", row_type: type[R]) -> list[R]:
    """Every row of a small table, in key order."""
    records = await pool.fetch(statements.all_rows(row_type.table))
    return [cast("R", row) for row in map(loader(row_type), records)]


async def ids_of_time(
    pool: "asyncpg.Pool[Any]", created_from: datetime | None, created_before: datetime | None
) -> tuple[UUID, UUID]:
    """Ids between which all rows of a business time are (the first is among them), so that no others are looked at.

    Business time is wall time, which the ids hold, or ahead of it, now as far as it ever was.
    """
    first, last = BEFORE_ALL, AFTER_ALL
    if created_before is not None:
        last = first_at(created_before + CLOCKS_DIFFER)
    if created_from is not None:
        (clock,) = await pool.fetch(sql.load("danbao_core", "read_clock"))
        with contextlib.suppress(OverflowError):  # before the year 1, where a sandbox's clock is thousands of years ahead
            first = first_at(created_from - timedelta(seconds=clock["offset_seconds"]) - CLOCKS_DIFFER)
    return first, last
