"""`/metrics`: what a process tells Prometheus, on a port of its own.

Served by the event loop itself: the page is a few milliseconds of work every few seconds, which a thread would only take from
the same core. It is for machines that watch, so it knows one path, reads nothing but the first line of a request and closes.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

PATH: Final = "/metrics"
MOST_REQUEST_BYTES: Final = 8 * 1024
REQUEST_SECONDS: Final = 5.0


class _Build(Collector):
    """Which Danbao this is."""

    def collect(self) -> Iterable[Metric]:
        """What Prometheus is told: `danbao_build_info`, always 1."""
        try:
            built = version("danbao")
        except PackageNotFoundError:  # run from its sources
            built = "unknown"
        yield InfoMetricFamily("danbao_build", "The version that runs", {"version": built})


def registry_of(*collectors: Collector) -> CollectorRegistry:
    """These, with what every process tells of itself: memory, processor time, open files, versions."""
    registry = CollectorRegistry()
    for collector in (*collectors, _Build()):
        registry.register(collector)
    PlatformCollector(registry)
    ProcessCollector(registry=registry)
    return registry


@contextlib.asynccontextmanager
async def serving(listen: str, registry: CollectorRegistry) -> AsyncIterator[str]:
    """Serves the page on HOST:PORT (port 0: any free one) and yields its URL; with "" it serves nothing and yields "".

    Raises OSError where it cannot listen there.
    """
    if not listen:
        yield ""
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(head.partition(b"\r\n")[0], registry))
                await writer.drain()
        writer.close()

    host, _, port = listen.rpartition(":")
    server = await asyncio.start_server(answer, host.strip("[]"), int(port), limit=MOST_REQUEST_BYTES)
    async with server:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}{PATH}"


def _response(request_line: bytes, registry: CollectorRegistry) -> bytes:
    method, _, rest = request_line.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if method not in (b"GET", b"HEAD"):
        return _http("405 Method Not Allowed", "text/plain", b"GET only\n")
    if path != PATH.encode():
        return _http("404 Not Found", "text/plain", b"see /metrics\n")
    page = generate_latest(registry)
    return _http("200 OK", CONTENT_TYPE_PLAIN_0_0_4, page, with_body=method == b"GET")


def _http(status: str, content_type: str, body: bytes, *, with_body: bool = True) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + (body if with_body else b"")
