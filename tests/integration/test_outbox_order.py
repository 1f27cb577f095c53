"""Events are numbered in the order in which they happened, however they are written."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from danbao_core.engine import Book, Command, Decision, Engine, Key, Origin
from danbao_core.ids import IdSequence
from danbao_core.trail import Outbox, event

AT = datetime(2026, 3, 1, tzinfo=UTC)


class Thing(msgspec.Struct):
    """What something happened to."""


class Told(Command[Thing], frozen=True):
    """Writes events whose ids are counted down, like those of commands that overtook each other on their way."""

    result_type = Thing
    topics: tuple[str, ...]

    def keys(self, book: Book) -> Iterable[Key]:
        return ()

    def decide(self, book: Book) -> Decision[Thing]:
        return Decision(Thing(), [self._event(number, topic) for number, topic in enumerate(self.topics)])

    def _event(self, number: int, topic: str) -> Outbox:
        ids = IdSequence(UUID(int=self.id.int - number))
        return event(ids, topic, self.id, number, Thing(), AT)


@pytest.mark.parametrize("small_batch_rows", [256, 0], ids=["at once", "by table"])
async def test_events_of_a_batch_are_numbered_as_they_were_decided(
    engine: Engine, connection: "asyncpg.Connection[Any]", monkeypatch: pytest.MonkeyPatch, small_batch_rows: int
) -> None:
    monkeypatch.setattr("danbao_core.engine.book.SMALL_BATCH_ROWS", small_batch_rows)
    topics = tuple(f"test.{number}" for number in range(20))
    await engine.submit(Told(origin=Origin(caller="core", method="test", received_at=AT), topics=topics))
    rows = await connection.fetch("SELECT topic FROM outbox ORDER BY sequence")
    assert [row["topic"] for row in rows] == list(topics)


async def test_only_events_of_sampled_calls_say_so(engine: Engine, connection: "asyncpg.Connection[Any]") -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for given in ("", traceparent):
        origin = Origin(caller="core", method="test", received_at=AT, traceparent=given)
        await engine.submit(Told(origin=origin, topics=(f"test.of_{len(given)}",)))
    rows = await connection.fetch("SELECT topic, traceparent FROM outbox ORDER BY sequence")
    assert [tuple(row) for row in rows] == [("test.of_0", ""), ("test.of_55", traceparent)]
