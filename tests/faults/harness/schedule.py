"""What is injected, from a seed alone: the same seed gives the same schedule, on any machine.

Times are counted in calls that ended, answered or not, so that a slow machine meets the faults at the same places of the work.
"""

import random
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

PROCESSES: Final = ("server 0", "server 1", "worker 0", "worker 1", "valkey", "postgres", "bank")
LINKS: Final = (
    "clients",
    "server 0 to postgres",
    "server 1 to postgres",
    "worker 0 to postgres",
    "worker 1 to postgres",
    "worker 0 to valkey",
    "worker 1 to valkey",
)
_TO_POSTGRES: Final = tuple(link for link in LINKS if link.endswith("to postgres"))

A_DAY: Final = 86_400


class Fault(StrEnum):
    """What can be done to a stack."""

    KILL = "kill -9"
    PAUSE = "SIGSTOP, later SIGCONT"
    DROP = "connections are cut"
    STALL = "nothing passes for a while, then all of it"
    BLACK_HOLE = "nothing passes for a while, then the connections are cut"
    WIPE = "FLUSHALL"
    LOSE = "killed, its files gone"
    CLOCK = "the sandbox's clock jumps"
    DEADLOCK = "a rival locks rows the other way round"
    SERIALIZATION = "writes end with serialization_failure"
    TIME_OUT = "running statements are cancelled, as by statement_timeout"
    TERMINATE = "sessions are terminated"
    DISK_FULL = "no space is left for Postgres"
    CRASH_BEFORE_COMMIT = "immediate shutdown as a COMMIT arrives"
    CRASH_IN_COMMIT = "immediate shutdown when a COMMIT was passed on"
    RECEIVER = "the receiver of webhooks answers 500"


_TARGETS: Final[dict[Fault, Sequence[str]]] = {
    Fault.KILL: PROCESSES,
    Fault.PAUSE: PROCESSES,
    Fault.DROP: LINKS,
    Fault.STALL: LINKS,
    Fault.BLACK_HOLE: LINKS,
    Fault.WIPE: ("valkey",),
    Fault.LOSE: ("valkey",),
    Fault.CLOCK: ("sandbox",),
    Fault.CRASH_BEFORE_COMMIT: _TO_POSTGRES[:2],
    Fault.CRASH_IN_COMMIT: _TO_POSTGRES[:2],
    Fault.RECEIVER: ("receiver",),
}
"""At what it is aimed; everything else at Postgres."""

_LASTING: Final = frozenset(
    {Fault.PAUSE, Fault.STALL, Fault.BLACK_HOLE, Fault.SERIALIZATION, Fault.DISK_FULL, Fault.RECEIVER, Fault.DEADLOCK}
)
_LONG_PROBABILITY: Final = 0.06


class Injection(NamedTuple):
    """One fault: it strikes when so many calls have ended, and is over when `lasts_calls` more have, or `most_seconds` are
    over: where nothing is answered any more, no call ends."""

    after_calls: int
    fault: Fault
    target: str
    lasts_calls: int
    most_seconds: float
    amount: int
    """Seconds by which the clock jumps; for all others it chooses between rows."""

    def __str__(self) -> str:
        lasts = f", for {self.lasts_calls} calls or {self.most_seconds:g} s" if self.lasts_calls else ""
        by = f", by {self.amount / A_DAY:.1f} days" if self.fault is Fault.CLOCK else ""
        return f"after {self.after_calls} calls: {self.target}: {self.fault}{by}{lasts}"


def schedule_of(seed: int, faults: int = 6) -> list[Injection]:
    """What the seed injects, in order. No kind comes twice before each came once."""
    chance = random.Random(f"danbao faults {seed}")
    injections: list[Injection] = []
    after_calls, kinds = 0, list[Fault]()
    for _ in range(faults):
        kinds = kinds or chance.sample(list(Fault), len(Fault))
        fault = kinds.pop()
        after_calls += chance.randint(10, 60)
        lasts_calls, most_seconds = 0, 0.0
        if fault in _LASTING:
            lasts_calls, most_seconds = chance.randint(10, 60), round(chance.uniform(0.3, 1.5), 1)
            if chance.random() < _LONG_PROBABILITY:  # longer than any lease, lock or statement may last
                lasts_calls, most_seconds = 5_000, 13.0
        target = chance.choice(_TARGETS.get(fault, ("postgres",)))
        amount = chance.choice([3_600, A_DAY, 3 * A_DAY, 11 * A_DAY]) if fault is Fault.CLOCK else chance.randrange(1_000)
        injections.append(Injection(after_calls, fault, target, lasts_calls, most_seconds, amount))
        after_calls += lasts_calls if lasts_calls < 5_000 else 0
    return injections


def days_after(seed: int) -> int:
    """How many days pass when the faults are over: beyond every deadline but the end of the refund window, a year on; with one
    seed in eight beyond that, too. Each day takes time, because it is matched with the bank's statement."""
    return 420 if seed % 8 == 0 else 33
