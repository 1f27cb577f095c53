"""What is seen of a call from outside: a line in the log, numbers for Prometheus and, where the caller samples, a trace.

Every call pays for this, so it is plain numbers that are found once per method, and one line at the end. Nothing that a caller
sends gets into the log but the request id, once the request has kept the rules.
"""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, Final

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from danbao_core import logs
from danbao_core.engine.metrics import PHASE_BOUNDS, Histogram
from danbao_core.errors import InternalFault, Refusal
from danbao_core.rpc.status import CODES
from danbao_core.rpc.tracing import Trace, Tracer, reading, sampled

UNKNOWN_METHOD: Final = "unknown"
"""The one label of every path that the contract does not have."""

ITEMS: Final = ("answered", "replayed", "refused")
"""What becomes of the items of streams."""


class Seen:
    """What is known of a call; the interceptor fills it in as the call goes on."""

    __slots__ = (
        "began_at",
        "caller",
        "code",
        "ended_at",
        "items",
        "method",
        "peer",
        "refusal",
        "replayed",
        "request_id",
        "rpcs",
        "trace",
    )

    def __init__(self, rpcs: "RpcMetrics", method: str, trace: Trace | None = None) -> None:
        self.rpcs = rpcs
        self.trace = trace
        self.method = method
        self.began_at = self.ended_at = perf_counter()
        self.code = "OK"
        self.peer = ""
        self.caller = ""
        """The service, or "person"; empty for who is not known."""
        self.request_id = ""
        self.replayed = False
        self.refusal: Refusal | None = None
        self.items: dict[str, int] | None = None
        """Of a stream, by what became of them."""

    @property
    def reason(self) -> str:
        """Of the refusal, as its caller is told; empty without one."""
        return "" if self.refusal is None else self.refusal.reason

    def refuse(self, refusal: Refusal) -> None:
        """The call ends with a refusal."""
        self.refusal = refusal
        self.code = CODES[refusal.kind].name

    def count_items(self, outcome: str, count: int) -> None:
        """Counts answered items of a stream."""
        if self.items is None:
            self.items = dict.fromkeys(ITEMS, 0)
        self.items[outcome] += count
        self.rpcs.items[outcome] += count


class MethodMetrics:
    """The numbers of one method."""

    __slots__ = ("calls", "seconds")

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], int] = {}
        """Finished, by code and reason: both are of the contract, so there are not many."""
        self.seconds = Histogram(PHASE_BOUNDS)


class RpcMetrics(Collector):
    """The numbers of all calls of a server."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.unknown = 0
        self.items = dict.fromkeys(ITEMS, 0)
        self._methods: dict[str, MethodMetrics] = {}

    def of(self, method: str) -> MethodMetrics:
        """Those of a method; asked for once, when it is wrapped."""
        return self._methods.setdefault(method, MethodMetrics())

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        calls = CounterMetricFamily(
            "danbao_rpc_requests", "Finished calls, by what they came to", labels=["method", "code", "reason"]
        )
        seconds = HistogramMetricFamily("danbao_rpc_seconds", "Seconds that a call took", labels=["method"])
        for method, metrics in self._methods.items():
            for (code, reason), count in metrics.calls.items():
                calls.add_metric([method, code, reason], count)
            seconds.add_metric([method], buckets=metrics.seconds.buckets(), sum_value=metrics.seconds.total)
        if self.unknown:
            calls.add_metric([UNKNOWN_METHOD, "UNIMPLEMENTED", ""], self.unknown)
        yield calls
        yield seconds
        yield GaugeMetricFamily("danbao_rpc_in_flight", "Calls under way", self.in_flight)
        items = CounterMetricFamily("danbao_stream_items", "Items of streams, by what became of them", labels=["outcome"])
        for outcome, count in self.items.items():
            items.add_metric([outcome], count)
        yield items


class Watch:
    """Watches the calls of a server."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self.metrics = RpcMetrics()
        self._tracer = tracer
        self._log = structlog.get_logger("danbao.rpc").bind()  # once: it takes as long as the line itself
        self._write_line = logs.line_writer("danbao.rpc")

    def begin(self, method: str, traceparent: str | None) -> Seen:
        """A call begins."""
        self.metrics.in_flight += 1
        trace = None if traceparent is None or self._tracer is None else sampled(traceparent)
        if trace is not None:
            reading.set(trace)
        return Seen(self.metrics, method, trace)

    def ender(self, method: str) -> Callable[[Seen], None]:
        """What is to be called with each call of a method that is over."""
        metrics = self.metrics.of(method)
        calls = metrics.calls

        def end(seen: Seen) -> None:
            self.metrics.in_flight -= 1
            seen.ended_at = perf_counter()
            seconds = seen.ended_at - seen.began_at
            metrics.seconds.observe(seconds)
            outcome = (seen.code, seen.reason)
            calls[outcome] = calls.get(outcome, 0) + 1
            if seen.trace is not None and self._tracer is not None:
                self._tracer.finish(seen.trace, seen)
            self._write(seen, seconds)

        return end

    def _write(self, seen: Seen, seconds: float) -> None:
        """The line of a call in the log."""
        facts: dict[str, Any] = {
            "method": seen.method,
            "code": seen.code,
            "reason": seen.reason,
            "caller": seen.caller,
            "request_id": seen.request_id,
            "peer": seen.peer,
            "milliseconds": round(seconds * 1e3, 3),
            "replayed": seen.replayed,
        }
        if seen.items is not None:
            facts["items"] = sum(seen.items.values())
            facts["errors"] = seen.items["refused"]
        if isinstance(seen.refusal, InternalFault):
            self._log.error("rpc", **facts, fault_id=seen.refusal.metadata.get("fault_id", ""))
        else:
            facts["event"] = "rpc"
            self._write_line(facts, f"{seen.caller}\n{seen.request_id}\n{seen.peer}")
