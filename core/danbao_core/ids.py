"""Identifiers: UUIDv7 (RFC 9562), made by the application so that no table needs a sequence.

Everywhere the type is `uuid.UUID`; what is made here is asyncpg's subclass of it, which hashes and compares four times as fast
and needs no conversion on its way to Postgres. An engine does little else with ids.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

import uuid_utils
from asyncpg.pgproto.pgproto import UUID as FastUUID  # noqa: N811  # it is a UUID, too

__all__ = ["AFTER_ALL", "BEFORE_ALL", "PLURALS", "IdSequence", "first_at", "resource_name", "uuid7", "uuid_of"]


def uuid7() -> UUID:
    """A new id; later ones sort after earlier ones."""
    return uuid_of(uuid_utils.uuid7().bytes)


def uuid_of(source: str | bytes) -> UUID:
    """The UUID with this text or these 16 bytes. Raises ValueError for others."""
    made: UUID = FastUUID(source)  # type: ignore[type-var]  # it takes either
    return made


BEFORE_ALL: Final = uuid_of(bytes(16))
AFTER_ALL: Final = uuid_of(b"\xff" * 16)
"""No id sorts before the one or after the other; what is made has neither."""


def first_at(at: datetime) -> UUID:
    """The id before all that are made at a moment or later by a clock that shows it; BEFORE_ALL for one before 1970."""
    milliseconds = max(0, int(at.timestamp() * 1000))
    return uuid_of((milliseconds << 80).to_bytes(16, "big"))


PLURALS: Final = {"delivery": "deliveries"}
"""Of resources, where it takes more than an s."""


def resource_name(kind: str, row_id: UUID) -> str:
    """The name of a resource, by the name of its table or by what happened to it: "serviceKeys/..." of a "service_key"."""
    first, *others = kind.partition(".")[0].split("_")
    singular = f"{first}{''.join(other.capitalize() for other in others)}"
    return f"{PLURALS.get(singular, f'{singular}s')}/{row_id}"


class IdSequence:
    """The ids of the rows that one command makes, counted up from the command's own id.

    A decision is pure: it may not draw random ids. UUIDv7 leaves at least 32 random low bits per id, so the few numbers after
    one are free, and rows of one command sort beside each other.
    """

    def __init__(self, first: UUID) -> None:
        self._next = first.int

    def take(self) -> UUID:
        """The next id; the first one taken is the command's own."""
        taken: UUID = FastUUID(self._next.to_bytes(16, "big"))
        self._next += 1
        return taken
