"""Spans of OpenTelemetry for calls, where the caller's program has `opentelemetry-api` and is set up for it; else nothing."""

import asyncio
from types import TracebackType
from typing import Any, Final, TypeAlias

from danbao_client.errors import DanbaoError

try:
    from opentelemetry import propagate, trace
except ImportError:
    _TRACER: Any = None
else:
    _TRACER = trace.get_tracer("danbao_client")  # of the program's provider, once it has one

Metadata: TypeAlias = tuple[tuple[str, str], ...]

_CANCELLED: Final = "CANCELLED"


def _is_traced() -> bool:
    """Whether the program has set up tracing; spans of one that has not would cost time and go nowhere."""
    return _TRACER is not None and not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


class CallSpan:
    """The client's span of one call, all its attempts together: a child of the caller's span, and the parent of the core's.

    It stays out of the caller's context, so that generators may hold it open.
    """

    def __init__(self, method: str, request_id: str = "") -> None:
        self.carried: Metadata = ()
        """What tells the core of the trace: metadata to send with every attempt."""
        self._span: Any = None
        if _is_traced():
            facts = {"rpc.system.name": "grpc", "rpc.method": method}
            if request_id:
                facts["danbao.request_id"] = request_id
            self._span = _TRACER.start_span(method, kind=trace.SpanKind.CLIENT, attributes=facts)
            carrier: dict[str, str] = {}
            propagate.inject(carrier, trace.set_span_in_context(self._span))
            self.carried = tuple((name.lower(), value) for name, value in carrier.items())

    def end(self, error: BaseException | None = None) -> None:
        """Ends it, with why the call failed where it did."""
        if self._span is None:
            return
        if isinstance(error, DanbaoError):
            self._span.set_attribute("rpc.response.status_code", error.code.name)
            if error.reason:
                self._span.set_attribute("danbao.reason", error.reason)
            self._span.set_status(trace.StatusCode.ERROR, error.reason or error.code.name)
        elif isinstance(error, asyncio.CancelledError):
            self._span.set_attribute("rpc.response.status_code", _CANCELLED)
        elif error is None:
            self._span.set_attribute("rpc.response.status_code", "OK")
        self._span.end()

    def __enter__(self) -> "CallSpan":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace_: TracebackType | None) -> None:
        self.end(error)
