"""Reading single rows outside a batch, for answers that decide nothing."""

from typing import TYPE_CHECKING, Any, TypeVar, cast

from danbao_core.engine import statements
from danbao_core.engine.rows import Row, loader

if TYPE_CHECKING:
    import asyncpg

R = TypeVar("R", bound=Row)


async def fetch_row(pool: "asyncpg.Pool[Any]", row_type: type[R], *values: Any) -> R | None:
    """The committed row with this key, or None."""
    record = await pool.fetchrow(statements.read_rows(row_type.table), *([value] for value in values))
    return None if record is None else cast("R", loader(row_type)(record))


async def fetch_all(pool: "asyncpg.Pool[Any]", row_type: type[R]) -> list[R]:
    """Every row of a small table, in key order."""
    records = await pool.fetch(statements.all_rows(row_type.table))
    return [cast("R", row) for row in map(loader(row_type), records)]
