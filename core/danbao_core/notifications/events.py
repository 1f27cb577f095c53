"""Reading events by their positions."""

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from danbao_core import sql
from danbao_core.notifications.topics import kind_of

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[Any]

_PACKAGE: Final = "danbao_core.notifications"


class Event(NamedTuple):
    """Something that happened."""

    position: int
    """Its place among all events: the relay gives them without gaps, and none becomes visible before a smaller one."""
    id: UUID
    topic: str
    ordering_id: UUID
    subject_id: UUID
    account_id: UUID | None
    other_account_id: UUID | None
    payload: bytes


class EventFilter(NamedTuple):
    """Which events are wanted; what is None does not matter."""

    kinds: frozenset[str]
    """The first words of their topics."""
    account_id: UUID | None = None
    ordering_id: UUID | None = None
    """The payment that they belong to, say: what they are told in order with."""
    subject_id: UUID | None = None
    """What they are about; given together with what that belongs to, by which they are found."""

    def wants(self, event: Event) -> bool:
        """Whether an event is one of them."""
        return (
            kind_of(event.topic) in self.kinds
            and (self.account_id is None or self.account_id in (event.account_id, event.other_account_id))
            and (self.ordering_id is None or self.ordering_id == event.ordering_id)
            and (self.subject_id is None or self.subject_id == event.subject_id)
        )


class EventLog(NamedTuple):
    """Which events there are."""

    last_position: int
    forgotten_position: int
    """Those up to here are no longer kept."""


async def read_log(pool: "Pool") -> EventLog:
    """Which events there are now."""
    [record] = await pool.fetch("SELECT last_position, forgotten_position FROM event_log WHERE id = 1")
    return EventLog(*record)


async def read_event_id(pool: "Pool", position: int) -> UUID | None:
    """The event at a position; None where it is no longer kept."""
    found = await pool.fetch("SELECT id FROM event WHERE position = $1", position)
    return found[0][0] if found else None


async def read_events(pool: "Pool", wanted: EventFilter, *, after: int, up_to: int, limit: int) -> tuple[list[Event], int]:
    """The first events behind a position, up to another one, and the position up to which that is all of them."""
    arguments: list[Any] = [after, up_to, limit]
    name = "read_events"
    if wanted.ordering_id is not None:
        name, arguments = "read_events_of_ordering", [*arguments, wanted.ordering_id]
    elif wanted.account_id is not None:
        name, arguments = "read_events_of_account", [*arguments, wanted.account_id]
    found = [Event(*record) for record in await pool.fetch(sql.load(_PACKAGE, name), *arguments)]
    seen_up_to = found[-1].position if len(found) == limit else up_to
    return [event for event in found if wanted.wants(event)], seen_up_to
