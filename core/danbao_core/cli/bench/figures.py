"""What is measured, what is set against what, and how good it is meant to be. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

Unit = Literal["1/s", "ms", "s"]


class Contender(NamedTuple):
    """Something whose speed is measured: a rate per second, the median time of one call, or the time of a start.

    Most goals are of ratios; a figure has one, at most that, where the measure is a person's patience.
    """

    name: str
    what: str
    unit: Unit
    goal: float | None = None


CONTENDERS: Final = {
    contender.name: contender
    for contender in (
        Contender("echo", "bare grpc.aio echo, same messages, 64 in flight", "1/s"),
        Contender("pgbench", "pgbench TPC-B, prepared, 8 clients", "1/s"),
        Contender("pgbench_single", "pgbench TPC-B, prepared, 1 client: p50", "ms"),
        Contender("unary", "CreatePayment, instant, paid, 64 in flight", "1/s"),
        Contender("single", "CreatePayment, instant, paid, one caller: p50", "ms"),
        Contender("bulk", "StreamPayments, spread over many accounts", "1/s"),
        Contender("bulk_hot", "StreamPayments, all to one merchant", "1/s"),
        Contender("bulk_two", "StreamPayments, spread, two server processes", "1/s"),
        Contender("bulk_empty", "StreamPayments, spread, into an empty database", "1/s"),
        Contender("bulk_stored", "StreamPayments, spread, beside what is stored", "1/s"),
        Contender("cold_start", "danbao up in an empty folder, to the first payment", "s", 5.0),
    )
}
"""By name, in the order in which they take their turns."""

OF_STORED: Final = frozenset({"bulk_empty", "bulk_stored"})
"""Those that need payments stored before."""

OF_EMBEDDED: Final = frozenset({"cold_start"})
"""Those that are of the embedded Postgres alone."""

MEMORY_GOAL_MEBIBYTES: Final = 200.0
"""Of a server process, after all payments of an endurance."""


class Rule(NamedTuple):
    """A ratio of two contenders, its first mark and its goal: at least that, or with `at_most` at most that."""

    name: str
    what: str
    over: str
    under: str
    first_mark: float | None
    goal: float | None
    at_most: bool = False


RULES: Final = (
    Rule("unary_to_echo", "unary / echo", "unary", "echo", 0.4, 0.75),
    Rule("bulk_to_pgbench", "bulk / pgbench, 8 clients", "bulk", "pgbench", 1.5, 3.0),
    Rule("hot_to_spread", "one merchant / spread, bulk", "bulk_hot", "bulk", 0.9, 0.95),
    Rule("single_p50_to_pgbench", "one caller's p50 / pgbench's, 1 client", "single", "pgbench_single", 4.0, 2.5, at_most=True),
    Rule("two_processes_to_one", "two server processes / one, bulk", "bulk_two", "bulk", None, 1.6),
    Rule("stored_to_empty", "payments stored / empty, bulk", "bulk_stored", "bulk_empty", None, 0.9),
)

CORES_FOR_TWO_PROCESSES: Final = 4
"""On fewer, two server processes share cores with their database and their callers: the ratio is told, and has no goal."""


class Spread(NamedTuple):
    """Values of rounds: their median, and between which bounds they lay."""

    median: float
    min: float
    max: float


class Ratio(NamedTuple):
    """A rule, and what the rounds came to: every round's own ratio."""

    rule: Rule
    per_round: tuple[float, ...]

    @property
    def spread(self) -> Spread:
        return spread(self.per_round)

    def meets(self, mark: float) -> bool:
        """Whether the median is at least, or for `at_most` at most, that."""
        median = self.spread.median
        return median <= mark if self.rule.at_most else median >= mark


def spread(values: Sequence[float]) -> Spread:
    """Median, smallest and largest. Raises ValueError where there are none."""
    if not values:
        raise ValueError("there are no values")
    return Spread(statistics.median(values), min(values), max(values))


def ratios(per_round: Mapping[str, Sequence[float]], cores: int) -> list[Ratio]:
    """The ratios of which both sides were measured.

    A round's figures are divided by those of the same round, and the median is taken of these: what slows a whole round down
    then leaves its ratios alone.
    """
    found = []
    for rule in RULES:
        if rule.over not in per_round or rule.under not in per_round:
            continue
        paired = zip(per_round[rule.over], per_round[rule.under], strict=True)
        has_goal = rule.name != "two_processes_to_one" or cores >= CORES_FOR_TWO_PROCESSES
        found.append(Ratio(rule if has_goal else rule._replace(goal=None), tuple([over / under for over, under in paired])))
    return found
