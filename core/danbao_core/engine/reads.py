"""Reading rows outside a batch, for answers that decide nothing."""

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar, cast
from uuid import UUID

from danbao_core import sql
from danbao_core.engine import statements
from danbao_core.engine.connection import INDEXES_ONLY
from danbao_core.engine.rows import Row, Table, loader
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
    return list(map(from_record(row_type), await pool.fetch(text, *arguments)))


def from_record(row_type: type[R]) -> Callable[["asyncpg.Record"], R]:
    """What makes a row of a record that has all columns of its table, in whatever order and with whatever others."""
    load = loader(row_type)
    names = [column.name for column in row_type.table.columns]
    return lambda record: cast("R", load([record[name] for name in names]))


def newest(table: Table) -> str:
    """The rows of a table that a list of all of it looks at; see `finding`."""
    return f"SELECT * FROM {table.name} WHERE id < $1 ORDER BY id DESC LIMIT $3"


@cache
def finding(sought: str, looked_at: str, order: str = "id DESC") -> str:
    """The text of a query for what is sought, by a condition, among the rows that another query looks at.

    The other query answers the newest $3 rows before the id $1, by descending id, or the first $3 behind a place in another
    order. $2 is how many are wanted, and what comes after $3 belongs to the condition and the other query. The last row that
    was looked at is answered in any case, so that the next page can go on behind it.
    """
    return f"""
        SELECT *
        FROM (
            SELECT
                *,
                row_number() OVER (ORDER BY {order}) AS number,
                ({sought}) AS sought
            FROM ({looked_at}) AS looked_at
        ) AS numbered
        WHERE sought OR number = $3
        ORDER BY {order}
        LIMIT $2
    """


async def fetch_found(
    pool: "asyncpg.Pool[Any]",
    load: Callable[["asyncpg.Record"], T],
    text: str,
    *arguments: Any,
    before: UUID | None,
    limit: int,
) -> Found[T]:
    """What a text of `finding` seeks, at most `limit`, among the first MOST_LOOKED_AT rows before an id, or of all."""
    records = await pool.fetch(text, before or AFTER_ALL, limit, MOST_LOOKED_AT, *arguments)
    rows = [load(record) for record in records if record["sought"]]
    stopped = len(rows) < limit and records and records[-1]["number"] == MOST_LOOKED_AT
    return Found(rows, records[-1]["id"] if stopped else None)


async def ids_of_time(
    pool: "asyncpg.Pool[Any]", created_from: datetime | None, created_before: datetime | None, before: UUID | None
) -> tuple[UUID, UUID]:
    """Ids between which all rows of a business time are that come before an id (the first is among them), so that no others
    are looked at.

    Business time is wall time, which the ids hold, or ahead of it, now as far as it ever was.
    """
    first, last = BEFORE_ALL, before or AFTER_ALL
    if created_before is not None:
        last = min(last, first_at(created_before + CLOCKS_DIFFER))
    if created_from is not None:
        (clock,) = await pool.fetch(sql.load("danbao_core", "read_clock"))
        with contextlib.suppress(OverflowError):  # before the year 1, where a sandbox's clock is thousands of years ahead
            first = first_at(created_from - timedelta(seconds=clock["offset_seconds"]) - CLOCKS_DIFFER)
    return first, last
