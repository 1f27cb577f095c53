"""Endpoints, as work: to those that were enabled again, what they did not take is due anew; secrets that were replaced are
forgotten."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from danbao_core import sql
from danbao_core.engine.reads import fetch_row
from danbao_core.ids import BEFORE_ALL
from danbao_core.notifications.endpoints import EndResumption, ForgetOldSecret, WebhookEndpoint
from danbao_workers.work import Background, Work, each

ROWS_AT_ONCE: Final = 2_000
"""Deliveries that are taken up in one statement: a moment for whoever writes attempts to the same."""

_WELL_AGAIN: Final = """
    UPDATE webhook_health SET failures = 0, failing_since = NULL, rests_until = NULL WHERE endpoint_id = $1
"""


async def _resume(background: Background, endpoint_id: UUID) -> None:
    endpoint = await fetch_row(background.pool, WebhookEndpoint, endpoint_id)
    if endpoint is None or endpoint.resumes_at is None:
        return
    last, text = BEFORE_ALL, sql.load("danbao_workers", "resume_deliveries")
    while taken_up := await background.pool.fetch(text, endpoint_id, last, ROWS_AT_ONCE):
        last = max(row["id"] for row in taken_up)
    await background.pool.execute(_WELL_AGAIN, endpoint_id)
    origin = background.origin("resumptions")
    await background.engine.submit(EndResumption(origin=origin, endpoint_id=endpoint_id, resumes_at=endpoint.resumes_at))
    background.deliverer.see_to([endpoint_id])


async def _carry_out(background: Background, ids: Sequence[UUID]) -> None:
    await each(lambda endpoint_id: _resume(background, endpoint_id), ids)


async def _forget_secrets(background: Background, ids: Sequence[UUID]) -> None:
    origin = background.origin("old_secrets")
    await each(lambda endpoint_id: background.engine.submit(ForgetOldSecret(origin=origin, endpoint_id=endpoint_id)), ids)


RESUMPTIONS: Final = Work(
    name="resumptions",
    due=sql.load("danbao_workers", "due_resumptions"),
    carry_out=_carry_out,
    every_seconds=0.5,
    at_a_time=1,
    most_jobs=4,
)

OLD_SECRETS: Final = Work(
    name="old_secrets",
    due=sql.load("danbao_workers", "due_old_secrets"),
    carry_out=_forget_secrets,
    every_seconds=60.0,
)
