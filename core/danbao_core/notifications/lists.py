"""Reading endpoints and deliveries, newest first."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from danbao_core import sql
from danbao_core.engine.reads import Found, fetch_found, fetch_rows, finding, from_record
from danbao_core.ids import AFTER_ALL
from danbao_core.notifications.deliveries import Delivery, DeliveryState
from danbao_core.notifications.endpoints import WebhookEndpoint

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[Any]

MOST_ATTEMPTS: Final = 20
"""Of each delivery that are shown."""

_PACKAGE: Final = "danbao_core.notifications"

DELIVERIES: Final = finding(
    "state = ANY($4::smallint[]) AND ($5::uuid IS NULL OR event_id = $5)", sql.load(_PACKAGE, "list_deliveries_of_endpoint")
)


class Attempt(NamedTuple):
    """One try of a delivery."""

    delivery_id: UUID
    number: int
    started_at: datetime
    milliseconds: int
    status: int
    """Of HTTP; 0 where there was no answer."""
    failure: str
    """Why it failed; empty where it did not."""
    body: str
    """How the answer began."""


async def list_endpoints(pool: "Pool", account_id: UUID | None, *, before: UUID | None, limit: int) -> list[WebhookEndpoint]:
    """At most `limit` endpoints that are not deleted, of one account or of all, whose ids are smaller than `before`, by
    descending id."""
    last = before or AFTER_ALL
    if account_id is None:
        return await fetch_rows(pool, WebhookEndpoint, sql.load(_PACKAGE, "list_endpoints"), last, limit)
    text = sql.load(_PACKAGE, "list_endpoints_of_account")
    return await fetch_rows(pool, WebhookEndpoint, text, last, limit, account_id)


async def list_deliveries(
    pool: "Pool",
    endpoint_id: UUID,
    states: Sequence[DeliveryState],
    event_id: UUID | None,
    *,
    before: UUID | None,
    limit: int,
) -> Found[Delivery]:
    """At most `limit` deliveries to an endpoint whose ids are smaller than `before`, by descending id, among the first
    MOST_LOOKED_AT of these. No states are all of them, no event is any.
    """
    wanted = (list(states or DeliveryState), event_id, endpoint_id)
    return await fetch_found(pool, from_record(Delivery), DELIVERIES, *wanted, before=before, limit=limit)


async def attempts_of(pool: "Pool", delivery_ids: Sequence[UUID]) -> dict[UUID, list[Attempt]]:
    """The last attempts of each delivery, the last one first."""
    attempts: defaultdict[UUID, list[Attempt]] = defaultdict(list)
    for record in await pool.fetch(sql.load(_PACKAGE, "list_attempts"), delivery_ids, MOST_ATTEMPTS):
        attempt = Attempt(*record)
        attempts[attempt.delivery_id].append(attempt)
    return attempts
