"""Reading many days and differences, newest first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from danbao_core.engine.reads import Found, fetch_found, fetch_rows, finding, from_record, newest
from danbao_core.ids import AFTER_ALL
from danbao_core.reconciliation.rows import Difference, DifferenceState, Reconciliation

if TYPE_CHECKING:
    import asyncpg

DIFFERENCES: Final = finding("state = ANY($4::smallint[])", newest(Difference.table))
RECONCILIATIONS: Final = "SELECT * FROM reconciliation WHERE id < $1 ORDER BY id DESC LIMIT $2"


async def list_reconciliations(pool: "asyncpg.Pool[Any]", *, before: UUID | None, limit: int) -> list[Reconciliation]:
    """At most `limit` days whose ids are smaller than `before`, newest first."""
    return await fetch_rows(pool, Reconciliation, RECONCILIATIONS, before or AFTER_ALL, limit)


async def list_differences(
    pool: "asyncpg.Pool[Any]", states: Sequence[DifferenceState], *, before: UUID | None, limit: int
) -> Found[Difference]:
    """At most `limit` differences whose ids are smaller than `before`, by descending id, among the first MOST_LOOKED_AT
    of these. No states are all of them.
    """
    wanted = list(states or DifferenceState)
    return await fetch_found(pool, from_record(Difference), DIFFERENCES, wanted, before=before, limit=limit)
