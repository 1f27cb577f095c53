"""What an engine counts: plain numbers, which cost next to nothing, and how Prometheus reads them.

Nothing is computed for Prometheus until somebody asks; then the numbers are told as they stand. Every engine has a registry of
its own, so that several in one process are told apart.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any, Final, cast

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from danbao_core.engine.connection import Connection
from danbao_core.engine.failures import RETRY_CAUSES, retry_cause
from danbao_core.engine.timeline import Lap, TimedConnection, Try
from danbao_core.engine.waiting import Waiting

BATCHES: Final = ("committed", "unchanged", "failed")
"""What becomes of a batch, or of a part of one that was split: `unchanged` was rolled back because nothing changed (all
repeats or refusals), `failed` could not be carried out."""

COMMANDS: Final = ("answered", "replayed", "refused", "failed", "dropped", "turned_away")
"""What becomes of a command: `replayed` was answered from its first attempt, `refused` by a decision, `failed` by a fault or
the database, `dropped` because its deadline had passed, `turned_away` by a full queue."""

PHASES: Final = ("begin", "gather", "decide", "persist", "commit")

DOUBTS: Final = ("taken", "lost", "unknown")
"""What a COMMIT whose answer was lost turned out to be."""

BATCH_BOUNDS: Final = tuple(float(2**power) for power in range(9))
PHASE_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """How often values were how large."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """By the first bound that is not below the value; those above all bounds last."""
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus has them: up to each bound, then all."""
        count, buckets = 0, []
        for bound, more in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            count += more
            buckets.append((bound, float(count)))
        return buckets


class Stopwatch:
    """Times one try of a batch, phase by phase. A phase that fails is not counted."""

    __slots__ = ("_at", "_phases", "_try")

    def __init__(self, phases: Mapping[str, Histogram], batch: Sequence[Waiting]) -> None:
        self._phases = phases
        self._try: Try | None = None
        if timelines := [waiting.timeline for waiting in batch if waiting.timeline is not None]:
            self._try = Try(sum(waiting.size for waiting in batch))
            for timeline in timelines:
                timeline.tries.append(self._try)
        self._at = perf_counter()

    def lap(self, phase: str) -> None:
        """Ends a phase; the next one begins."""
        now = perf_counter()
        self._phases[phase].observe(now - self._at)
        if self._try is not None:
            self._try.laps.append(Lap(phase, self._at, now))
        self._at = now

    def watching(self, connection: Connection) -> Connection:
        """The connection; where a command of the batch is traced, one whose statements are timed."""
        return connection if self._try is None else cast("Connection", TimedConnection(connection, self._try.statements))


class EngineMetrics(Collector):
    """The counts of one engine since it was made. `registry` holds them for `prometheus_client.generate_latest`."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        """`waiting` tells how many commands wait now."""
        self.batches = dict.fromkeys(BATCHES, 0)
        self.commands = dict.fromkeys(COMMANDS, 0)
        self.retries = dict.fromkeys(RETRY_CAUSES, 0)
        self.doubts = dict.fromkeys(DOUBTS, 0)
        self.splits = 0
        self.postponed = 0
        self.beside = 0
        """Batches of the side lane."""
        self.reconnects = 0
        """Connections made in place of lost ones."""
        self.batch_commands = Histogram(BATCH_BOUNDS)
        self.wait_seconds = Histogram(PHASE_BOUNDS)
        """How long the command that was first in a batch had waited for it."""
        self.phase_seconds = {phase: Histogram(PHASE_BOUNDS) for phase in PHASES}
        self._waiting = waiting
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def stopwatch(self, batch: Sequence[Waiting]) -> Stopwatch:
        """Started, for a try of a batch."""
        return Stopwatch(self.phase_seconds, batch)

    def count_batch(self, outcome: str, size: int) -> None:
        self.batches[outcome] += 1
        self.batch_commands.observe(size)

    def count_retry(self, error: Exception) -> None:
        """Counts a try that another transaction was in the way of."""
        self.retries[retry_cause(error)] += 1

    def count_doubt(self, taken: bool | None) -> None:
        self.doubts["unknown" if taken is None else "taken" if taken else "lost"] += 1

    def count_reconnect(self) -> None:
        self.reconnects += 1

    def totals(self) -> dict[str, Any]:
        """The figures for a log line; of what did not happen, nothing."""
        return {
            "batches": _happened(self.batches),
            "commands": _happened(self.commands),
            "retries": _happened(self.retries),
            "reconnects": self.reconnects,
            "phase_seconds": {phase: round(histogram.total, 6) for phase, histogram in self.phase_seconds.items()},
        }

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        yield _counters("batches", "Batches, by what became of them", "outcome", self.batches)
        yield _counters("commands", "Commands, by what became of them", "outcome", self.commands)
        yield _counters("retries", "Tries of a batch that others were in the way of, by cause", "cause", self.retries)
        yield _counters("commits_in_doubt", "COMMITs whose answer was lost, by what was found out", "found", self.doubts)
        yield _counter("splits", "Batches that were halved to find a command that cannot be written", self.splits)
        yield _counter("postponed", "Commands that were put off to the next batch", self.postponed)
        yield _counter("beside", "Batches that were carried out beside others", self.beside)
        yield _counter("reconnects", "Connections made in place of lost ones", self.reconnects)
        yield GaugeMetricFamily(
            "danbao_engine_queue_commands", "Commands that wait; one of many payments counts as many", self._waiting()
        )
        help_text = "Commands of a batch; one of many payments counts as many"
        yield _histogram("batch_commands", help_text, (), [((), self.batch_commands)])
        help_text = "Seconds that the first command of a batch had waited for it"
        yield _histogram("wait_seconds", help_text, (), [((), self.wait_seconds)])
        phases = [((phase,), histogram) for phase, histogram in self.phase_seconds.items()]
        yield _histogram("phase_seconds", "Seconds that a phase of a batch took, where it succeeded", ("phase",), phases)


def _happened(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _counter(name: str, help_text: str, count: int) -> Metric:
    return CounterMetricFamily(f"danbao_engine_{name}", help_text, value=count)


def _counters(name: str, help_text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"danbao_engine_{name}", help_text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _histogram(
    name: str, help_text: str, labels: tuple[str, ...], histograms: Iterable[tuple[tuple[str, ...], Histogram]]
) -> Metric:
    family = HistogramMetricFamily(f"danbao_engine_{name}", help_text, labels=labels)
    for values, histogram in histograms:
        family.add_metric(values, buckets=histogram.buckets(), sum_value=histogram.total)
    return family
