"""Watching what happens: events to whoever has a stream open, from a cursor on, without a gap.

A server reads new events once for all who watch, and only while somebody does (`Feed`). Who begins further back reads pages of
their own until they have come to where the feed is. Each has a bounded buffer: who does not read as fast as it happens is cut
off, and goes on from the last cursor.
"""

import asyncio
import contextlib
import contextvars
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import structlog

from danbao_core.database_errors import DATABASE_ERRORS
from danbao_core.notification_errors import CursorExpired, WatchTooSlow
from danbao_core.notifications.events import Event, EventFilter, read_event_id, read_events, read_log
from danbao_core.rpc.cursors import BEGINNING, Cursors
from danbao_core.rpc.stream import Outlet

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[Any]

_log = structlog.get_logger("danbao.watching")

MOST_OF_A_CALLER: Final = 64
"""Watches at a time, at one server: each looks at every event, and costs a server memory while nobody reads."""

MOST_BUFFERED: Final = 1_024
"""Events that wait for one who watches."""

_EVERY_SECONDS: float = 0.05
_AFTER_ERROR_SECONDS: float = 1.0
_PAGE: Final = 500


class Seen(NamedTuple):
    """What is told: an event, or that up to a cursor there was none."""

    cursor: str
    event: Event | None


class Watcher:
    """One who watches, and what waits for them."""

    def __init__(self, wanted: EventFilter, outlet: Outlet) -> None:
        self.wanted = wanted
        self.outlet = outlet
        self.position = 0
        """Up to here everything was told, or waits."""
        self.event_id: UUID | None = None
        """Of the event at that position, whether it was wanted or not; None where it is not kept."""
        self._waiting: deque[Event] = deque()
        self._woken = asyncio.Event()
        outlet.on_end = self._woken.set

    def take(self, events: Sequence[Event], position: int) -> None:
        """Takes over the wanted ones of the events up to a position, where it has not come so far yet."""
        wanted = [event for event in events if event.position > self.position and self.wanted.wants(event)]
        if position > self.position:
            self.position, self.event_id = position, events[-1].id
        if len(self._waiting) + len(wanted) > MOST_BUFFERED:
            self.outlet.end(WatchTooSlow())
        elif wanted:
            self._waiting.extend(wanted)
            self._woken.set()

    async def next(self, patience_seconds: float) -> Event | None:
        """The next event; None where none came in time. Raises what ended the outlet."""
        self.outlet.must_go_on()
        if not self._waiting:
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_seconds):
                    await self._woken.wait()
            self.outlet.must_go_on()
        return self._waiting.popleft() if self._waiting else None


class Feed:
    """New events, read once for all who watch."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._users = 0
        self._watchers: set[Watcher] = set()
        self._reading: asyncio.Task[None] | None = None
        self._begun = asyncio.Lock()
        self.position = 0
        """Up to here events were handed on."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reads while the block lasts; for several at once, once."""
        async with self._begun:
            if self._reading is None:
                self.position = (await read_log(self._pool)).last_position
                # In a context of its own: it outlasts the call that it is begun in, whose trace would grow for ever.
                self._reading = asyncio.create_task(self._read_on(), name="danbao-feed", context=contextvars.Context())
            self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users and self._reading is not None:
                self._reading.cancel()
                self._reading = None

    @contextlib.contextmanager
    def handing_to(self, watcher: Watcher, after: int) -> Iterator[None]:
        """Hands new events on to it while the block lasts, those behind a position; it must have all up to the feed's own."""
        watcher.position = after
        self._watchers.add(watcher)
        try:
            yield
        finally:
            self._watchers.discard(watcher)

    async def _read_on(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                while await self._read():
                    pass
            except Exception as error:  # whatever it is: those who watch would be told nothing, and not know it
                if isinstance(error, DATABASE_ERRORS):
                    _log.warning("cannot see what happens", error=type(error).__name__)
                else:
                    _log.exception("cannot see what happens")
                await asyncio.sleep(_AFTER_ERROR_SECONDS)

    async def _read(self) -> bool:
        """Hands new events on; answers whether there may be more."""
        events = [Event(*record) for record in await self._pool.fetch(_NEW, self.position, _PAGE)]
        if not events:
            return False
        self.position = events[-1].position
        for watcher in tuple(self._watchers):
            watcher.take(events, self.position)
        return len(events) == _PAGE


_NEW: Final = """
    SELECT position, id, topic, ordering_id, subject_id, account_id, other_account_id, payload
    FROM event
    WHERE position > $1
    ORDER BY position
    LIMIT $2
"""


class Watching:
    """What a server needs to let callers watch."""

    def __init__(self, pool: "Pool", hash_key: bytes, heartbeat_seconds: float) -> None:
        self._pool = pool
        self._feed = Feed(pool)
        self._cursors = Cursors(hash_key)
        self._heartbeat_seconds = heartbeat_seconds

    async def watch(self, watcher: Watcher, cursor: str) -> AsyncGenerator[Seen, None]:
        """What happens from a cursor on, and a sign of life where nothing does. Without a cursor one comes first.

        Raises CursorInvalid, CursorExpired, WatchTooSlow, and what else ends the watcher's outlet.
        """
        async with self._feed.running():
            after = await self._begin(cursor)
            if not cursor:  # whoever lost the connection before anything happens would begin anew, and miss what did meanwhile
                yield Seen(self._cursors.cursor(after, await read_event_id(self._pool, after)), None)
            while after < self._feed.position:
                watcher.outlet.must_go_on()
                events, seen_up_to = await read_events(
                    self._pool, watcher.wanted, after=after, up_to=self._feed.position, limit=_PAGE
                )
                await self._must_be_kept(after)  # afterwards: what was not forgotten now, was there to be read
                after = seen_up_to
                for event in events:
                    yield self._seen(event)
            with self._feed.handing_to(watcher, after):
                event_id = await read_event_id(self._pool, after)
                if watcher.position == after:  # the feed has not gone on meanwhile
                    watcher.event_id = event_id
                while True:
                    told = await watcher.next(self._heartbeat_seconds)
                    if told is not None:
                        yield self._seen(told)
                    else:
                        yield Seen(self._cursors.cursor(watcher.position, watcher.event_id), None)

    def _seen(self, event: Event) -> Seen:
        return Seen(self._cursors.cursor(event.position, event.id), event)

    async def _begin(self, cursor: str) -> int:
        """The position behind which a watch begins."""
        log = await read_log(self._pool)
        if not cursor:
            return max(self._feed.position, log.last_position)
        if cursor == BEGINNING:
            return log.forgotten_position
        place = self._cursors.place(cursor)
        if not log.forgotten_position <= place.position <= log.last_position:
            raise CursorExpired
        event_id = await read_event_id(self._pool, place.position)
        if event_id is not None and not place.is_of(event_id):
            raise CursorExpired  # the database was brought back to an earlier moment
        return place.position

    async def _must_be_kept(self, position: int) -> None:
        """Raises CursorExpired where events behind a position are forgotten."""
        if position < (await read_log(self._pool)).forgotten_position:
            raise CursorExpired
