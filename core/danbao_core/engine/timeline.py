"""When what happened to a command: written down only for commands of calls that are traced. Times are of `perf_counter`."""

import re
from time import perf_counter
from typing import Any, Final, NamedTuple

_TARGETS: Final = re.compile(r"\b(?:(INSERT INTO|UPDATE)\s+([a-z_]+)|(FROM|JOIN)\s+([a-z_]+)\b(?!\s*\())")
_LOCKS: Final = re.compile(r"FOR (NO KEY UPDATE|SHARE|UPDATE)")


class Lap(NamedTuple):
    """A phase of a batch, or a statement."""

    name: str
    began_at: float
    ended_at: float


class Try:
    """One try of a batch, the same for all its commands. It lasts until the next try, or until the command is answered."""

    __slots__ = ("began_at", "laps", "size", "statements")

    def __init__(self, size: int) -> None:
        self.began_at = perf_counter()
        self.size = size
        """Commands of the batch; one of many payments counts as many."""
        self.laps: list[Lap] = []
        """Phases that succeeded."""
        self.statements: list[Lap] = []


class Timeline:
    """A command's way through the engine."""

    __slots__ = ("queued_at", "settled_at", "tries")

    def __init__(self) -> None:
        self.queued_at = 0.0
        self.tries: list[Try] = []
        self.settled_at = 0.0
        """0 while the command is under way."""


class TimedConnection:
    """A connection whose statements are written down; all else it hands on."""

    def __init__(self, connection: Any, statements: list[Lap]) -> None:
        self._connection = connection
        self._statements = statements

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, text: str, *arguments: Any) -> Any:
        return await self._timed(summary(text), self._connection.execute(text, *arguments))

    async def fetch(self, text: str, *arguments: Any) -> Any:
        return await self._timed(summary(text), self._connection.fetch(text, *arguments))

    async def fetchrow(self, text: str, *arguments: Any) -> Any:
        return await self._timed(summary(text), self._connection.fetchrow(text, *arguments))

    async def fetchval(self, text: str, *arguments: Any) -> Any:
        return await self._timed(summary(text), self._connection.fetchval(text, *arguments))

    async def copy_records_to_table(self, table: str, **given: Any) -> Any:
        return await self._timed(f"COPY {table}", self._connection.copy_records_to_table(table, **given))

    async def _timed(self, name: str, answering: Any) -> Any:
        began_at = perf_counter()
        try:
            return await answering
        finally:
            self._statements.append(Lap(name, began_at, perf_counter()))


def summary(text: str) -> str:
    """A statement in a few words: what it does to which tables. Only words of the text, which has parameters for all values."""
    told: dict[str, None] = {}
    for verb, written, reading, read in _TARGETS.findall(text):
        if not (reading and read.startswith("update_")):  # a part of the statement that writes everything at once
            told[f"{verb} {written}" if verb else f"SELECT {read}"] = None
    if not told:
        return text.partition(" ")[0].upper()
    lock = _LOCKS.search(text)
    return ", ".join(told) + (f" {lock[0]}" if lock else "")
