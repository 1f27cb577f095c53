"""Reading many proposals, newest first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from danbao_core import sql
from danbao_core.engine.reads import MOST_LOOKED_AT, Found, fetch_found
from danbao_core.ids import AFTER_ALL
from danbao_core.proposals.rows import Proposal, ProposalState

if TYPE_CHECKING:
    import asyncpg


async def list_proposals(
    pool: "asyncpg.Pool[Any]", states: Sequence[ProposalState], *, before: UUID | None, limit: int
) -> Found[Proposal]:
    """At most `limit` proposals whose ids are smaller than `before`, by descending id, among the first MOST_LOOKED_AT
    of these. No states are all of them.
    """
    text = sql.load("danbao_core.proposals", "list_proposals")
    arguments = (before or AFTER_ALL, limit, list(states or ProposalState), MOST_LOOKED_AT)
    return await fetch_found(pool, Proposal, text, *arguments, limit=limit, most=MOST_LOOKED_AT)
