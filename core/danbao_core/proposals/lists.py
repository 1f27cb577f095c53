"""Reading many proposals, newest first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from danbao_core import sql
from danbao_core.engine.reads import fetch_rows
from danbao_core.ids import AFTER_ALL
from danbao_core.proposals.rows import Proposal, ProposalState

if TYPE_CHECKING:
    import asyncpg


async def list_proposals(
    pool: "asyncpg.Pool[Any]", states: Sequence[ProposalState], *, before: UUID | None, limit: int
) -> list[Proposal]:
    """At most `limit` proposals whose ids are smaller than `before`, by descending id; no states are all of them."""
    text = sql.load("danbao_core.proposals", "list_proposals")
    return await fetch_rows(pool, Proposal, text, before or AFTER_ALL, limit, list(states or ProposalState))
