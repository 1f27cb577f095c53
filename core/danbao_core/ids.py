"""Identifiers: UUIDv7 (RFC 9562), made by the application so that no table needs a sequence."""

from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = ["IdSequence", "uuid7"]


class IdSequence:
    """The ids of the rows that one command makes, counted up from the command's own id.

    A decision is pure: it may not draw random ids. UUIDv7 leaves at least 32 random low bits per id, so the few numbers after
    one are free, and rows of one command sort beside each other.
    """

    def __init__(self, first: UUID) -> None:
        self._next = first.int

    def take(self) -> UUID:
        """The next id; the first one taken is the command's own."""
        taken = UUID(int=self._next)
        self._next += 1
        return taken
