"""Messages to people, as work: those that wait to be sent, at first or again."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from danbao_core import sql
from danbao_workers.work import Background, Work


async def _carry_out(background: Background, ids: Sequence[UUID]) -> None:
    assert background.postman is not None  # or nobody takes jobs
    await background.postman.send(ids)


MESSAGES: Final = Work(
    name="messages",
    due=sql.load("danbao_workers", "due_messages"),
    carry_out=_carry_out,
    every_seconds=0.2,
    timeout_seconds=180.0,
)
