"""The numbers of a page for Prometheus, and what became of them between two looks. Nothing here asks anybody."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name and its labels, in order."""

_STARTED_AT: Final = "process_start_time_seconds"


class Spread(NamedTuple):
    """Of how large values were: seconds, or commands of a batch. All None where there was none."""

    mean: float | None = None
    p50: float | None = None
    p99: float | None = None


class Samples:
    """What a page says, or several together."""

    def __init__(self, values: Mapping[Key, float]) -> None:
        self.values = dict(values)

    @classmethod
    def parse(cls, text: str) -> "Samples":
        """Reads a page. Raises ValueError where it is none."""
        from prometheus_client.parser import text_string_to_metric_families

        return cls(
            {
                (sample.name, tuple(sorted(sample.labels.items()))): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }
        )

    @classmethod
    def together(cls, pages: Iterable["Samples"]) -> "Samples":
        """The sums over several pages."""
        sums: dict[Key, float] = {}
        for page in pages:
            for key, value in page.values.items():
                sums[key] = sums.get(key, 0.0) + value
        return cls(sums)

    def since(self, before: "Samples | None") -> "Samples":
        """What was added to each number since an earlier look: nothing where there was none, all of it where the process was
        started again meanwhile. Makes sense of what only grows."""
        if before is None:
            return Samples({})
        if before.value(_STARTED_AT) != self.value(_STARTED_AT):
            return self
        return Samples({key: value - before.values.get(key, 0.0) for key, value in self.values.items()})

    def has(self, name: str) -> bool:
        """Whether the page knows of it at all."""
        return any(found == name for found, _ in self.values)

    def value(self, name: str, **labels: str) -> float:
        """The sum of a name over all samples that have these labels; 0 without any."""
        return sum(value for found, value in self._each(name) if labels.items() <= found.items())

    def only(self, name: str, **labels: str) -> "Samples":
        """The samples of a name that have these labels."""
        return Samples(
            {(name, tuple(each.items())): value for each, value in self._each(name) if labels.items() <= each.items()}
        )

    def by(self, name: str, label: str) -> dict[str, float]:
        """The sums of a name by one of its labels, in the order of the page."""
        sums: dict[str, float] = {}
        for labels, value in self._each(name):
            sums[labels[label]] = sums.get(labels[label], 0.0) + value
        return sums

    def spread(self, name: str, **labels: str) -> Spread:
        """Of a histogram. Quantiles are taken to lie evenly within their bucket, as Prometheus takes them."""
        buckets: dict[float, float] = {}
        for found, value in self._each(f"{name}_bucket"):
            if labels.items() <= found.items():
                bound = float(found["le"])
                buckets[bound] = buckets.get(bound, 0.0) + value
        count = max(buckets.values(), default=0.0)
        if not count:
            return Spread()
        quantile = _quantiles(sorted(buckets.items()), count)
        return Spread(self.value(f"{name}_sum", **labels) / count, quantile(0.5), quantile(0.99))

    def _each(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        return ((dict(labels), value) for (found, labels), value in self.values.items() if found == name)


def _quantiles(buckets: list[tuple[float, float]], count: float) -> Callable[[float], float]:
    """Finds quantiles in cumulative buckets; of what lies beyond all bounds only the last bound is known."""

    def quantile(share: float) -> float:
        wanted, low, below = share * count, 0.0, 0.0
        for bound, up_to in buckets:
            if up_to >= wanted and up_to > below:
                return low if bound == float("inf") else low + (bound - low) * (wanted - below) / (up_to - below)
            low, below = (low if bound == float("inf") else bound), up_to
        return low

    return quantile
