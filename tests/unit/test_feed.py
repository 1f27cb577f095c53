"""The feed reads on, whatever goes wrong and whose call it was begun in."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, cast

import pytest

from danbao_core.ids import uuid7
from danbao_core.notifications.events import Event, EventFilter
from danbao_core.rpc import watching
from danbao_core.rpc.read_pool import ReadPool
from danbao_core.rpc.stream import Outlet
from danbao_core.rpc.tracing import Trace, reading
from danbao_core.rpc.watching import Feed, Watcher

SUBJECT = uuid7()


class Events:
    """A database with one event, which it answers after its errors."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)

    async def fetch(self, text: str, *arguments: Any) -> Sequence[Any]:
        if "event_log" in text:
            return [(0, 0)]
        if "SELECT id FROM event" in text:
            return []
        if self._errors:
            raise self._errors.pop(0)
        event = Event(1, uuid7(), "payment.paid", SUBJECT, SUBJECT, None, None, b"")
        return [event] if arguments[0] == 0 else []


async def what_is_told(pool: Any) -> Any:
    """What somebody is told who watches from the beginning of the feed on."""
    watcher = Watcher(EventFilter(frozenset({"payment"}), ordering_id=SUBJECT), Outlet(cast("Any", None), 60))
    feed = Feed(pool)
    async with feed.running():
        with feed.handing_to(watcher, 0):
            return await watcher.next(20)


async def test_who_begins_now_is_told_at_once_from_where_to_go_on() -> None:
    watcher = Watcher(EventFilter(frozenset({"payment"}), ordering_id=SUBJECT), Outlet(cast("Any", None), 60))
    watch = watching.Watching(cast("Any", Events()), b"key", heartbeat_seconds=3600).watch(watcher, "")
    async with asyncio.timeout(20), contextlib.aclosing(watch):
        first = await anext(watch)
    assert first.event is None
    assert first.cursor


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(watching, "_AFTER_ERROR_SECONDS", 0.0)


@pytest.mark.parametrize("error", [OSError("planted"), RuntimeError("planted")])
async def test_an_error_ends_no_watch(error: Exception) -> None:
    told = await what_is_told(Events(error, error))
    assert told is not None
    assert told.topic == "payment.paid"


async def test_the_trace_of_the_call_that_begins_it_does_not_grow() -> None:
    trace = Trace(1, 2)
    pool = ReadPool(cast("Any", Events()))

    async def traced() -> None:
        reading.set(trace)
        assert await what_is_told(pool) is not None

    await asyncio.create_task(traced())
    assert len(trace.reads) == 1, "where the log stood, and nothing of what the feed reads"
