"""What a proposal's terms know of the proposal when they are carried out."""

from uuid import UUID

import msgspec

from danbao_core.bank.ways import Ways
from danbao_core.people.messages import Letter


class Why(msgspec.Struct, frozen=True):
    """For what something is done: it is written down with it."""

    proposal_id: UUID
    reason: str
    letter: Letter | None = None
    """What tells whom it is about."""
    ways: Ways = Ways()
    """By what money can go out."""
