"""What a worker tells of events and deliveries."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

OUTCOMES = ("succeeded", "to_be_retried", "failed")


class EventNumbers(Collector):
    """Plain numbers since the worker was started."""

    def __init__(self) -> None:
        self.relayed = 0
        self.outbox_lag_seconds = 0.0
        """How long the oldest event had waited for the relay when it last looked; 0 where this worker does not lead."""
        self.deliveries: Counter[str] = Counter()

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        yield CounterMetricFamily("danbao_events_relayed", "Events that left the outbox", self.relayed)
        yield GaugeMetricFamily(
            "danbao_outbox_lag_seconds", "How long the oldest event has waited for the relay", self.outbox_lag_seconds
        )
        deliveries = CounterMetricFamily("danbao_deliveries", "Attempts to deliver, by what became of them", labels=["outcome"])
        for outcome in OUTCOMES:
            deliveries.add_metric([outcome], self.deliveries[outcome])
        yield deliveries
