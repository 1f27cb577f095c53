"""Reading many proposals, newest first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from danbao_core.engine.reads import Found, fetch_found, finding, from_record, newest
from danbao_core.proposals.rows import Proposal, ProposalState

if TYPE_CHECKING:
    import asyncpg

TEXT: Final = finding("state = ANY($4::smallint[])", newest(Proposal.table))


async def list_proposals(
    pool: "asyncpg.Pool[Any]", states: Sequence[ProposalState], *, before: UUID | None, limit: int
) -> Found[Proposal]:
    """At most `limit` proposals whose ids are smaller than `before`, by descending id, among the first MOST_LOOKED_AT
    of these. No states are all of them.
    """
    wanted = list(states or ProposalState)
    return await fetch_found(pool, from_record(Proposal), TEXT, wanted, before=before, limit=limit)
