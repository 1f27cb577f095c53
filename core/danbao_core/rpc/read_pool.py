"""The connections for reads, as handlers use them: counted, and their statements timed where a call is traced."""

from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from danbao_core.engine.timeline import Lap, summary
from danbao_core.rpc.tracing import reading

if TYPE_CHECKING:
    import asyncpg


class ReadPool(Collector):
    """A pool; of asyncpg's methods it has the two that reads use."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self._asking = 0

    async def fetch(self, text: str, *arguments: Any) -> Any:
        return await self._answer(text, self._pool.fetch(text, *arguments))

    async def fetchrow(self, text: str, *arguments: Any) -> Any:
        return await self._answer(text, self._pool.fetchrow(text, *arguments))

    async def _answer(self, text: str, asking: Any) -> Any:
        trace = reading.get()
        began_at = 0.0 if trace is None else perf_counter()
        self._asking += 1
        try:
            return await asking
        finally:
            self._asking -= 1
            if trace is not None:
                trace.reads.append(Lap(summary(text), began_at, perf_counter()))

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        pool = self._pool
        yield GaugeMetricFamily("danbao_read_pool_connections", "Connections for reads", pool.get_size())
        yield GaugeMetricFamily("danbao_read_pool_idle", "Connections for reads that nobody uses", pool.get_idle_size())
        waiting = max(0, self._asking - pool.get_max_size())
        yield GaugeMetricFamily("danbao_read_pool_waiting", "Reads that wait for a connection", waiting)
