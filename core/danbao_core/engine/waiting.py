"""Commands that wait for their batch, and what they come to."""

import asyncio
from time import perf_counter
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from danbao_core.engine.command import AnyCommand
from danbao_core.engine.rows import READ, STRIPE, WRITE, Key, Place
from danbao_core.engine.timeline import Timeline
from danbao_core.errors import Refusal

ANY_STRIPE: Final = -1

R = TypeVar("R", bound=msgspec.Struct)


class Answer(NamedTuple, Generic[R]):
    """What a command came to, and whether it had been carried out before."""

    result: R
    replayed: bool


class Postponed(Exception):
    """The command needs rows that it could only name in its decision: it goes into the next batch."""


class Waiting:
    """A command, who waits for it, and what is known of it while its batch is made."""

    __slots__ = (
        "answer",
        "changed",
        "command",
        "deadline",
        "fault",
        "keys",
        "named_for",
        "needed",
        "overtaken",
        "postponements",
        "queued_at",
        "read",
        "shared",
        "size",
        "striped",
        "timeline",
    )

    def __init__(
        self,
        command: AnyCommand,
        deadline: float | None,
        answer: "asyncio.Future[Answer[Any]]",
        queued_at: float,
        timeline: Timeline | None = None,
    ) -> None:
        self.command = command
        self.deadline = deadline
        self.answer = answer
        self.queued_at = queued_at  # of perf_counter
        self.timeline = timeline
        if timeline is not None:
            timeline.queued_at = queued_at
        self.size = command.size
        self.keys: list[Key] = []
        self.changed: list[Place] = []  # of the keys, by how the rows are needed
        self.striped: list[Place] = []
        self.shared: list[Place] = []
        self.read: list[Place] = []
        self.named_for: int | None = None
        """The stripe for which the keys were named, where they depend on nothing else, or ANY_STRIPE; None where they have to
        be named yet."""
        self.needed: list[Key] = []  # what its decision found out to need beyond them
        self.postponements = 0
        self.overtaken = 0
        """How often the main lane took others instead, because of the side lane's batch."""
        self.fault: Refusal | None = None

    def sort_keys(self) -> None:
        """Sorts the keys by how they need their rows."""
        self.changed, self.striped, self.shared, self.read = [], [], [], []
        for place, hold in self.keys:
            if hold is READ:
                self.read.append(place)
            elif hold is WRITE:
                self.changed.append(place)
            elif hold is STRIPE:
                self.striped.append(place)
            else:
                self.shared.append(place)

    def settle(self, outcome: Answer[Any] | Refusal) -> None:
        if self.timeline is not None:
            self.timeline.settled_at = perf_counter()
        # A caller that went away has cancelled its future; setting it then would raise here and stop the engine.
        if self.answer.done():
            return
        if isinstance(outcome, Refusal):
            self.answer.set_exception(outcome)
            self.answer.exception()  # marks it as seen: a caller that left is no "exception was never retrieved"
        else:
            self.answer.set_result(outcome)


Outcome = Answer[Any] | Refusal | Postponed
