"""Spans of deliveries, which go on with the trace of the call that brought the event about."""

from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from danbao_core.notifications.webhooks import Sent
from danbao_core.telemetry import Telemetry

_PROPAGATOR = TraceContextTextMapPropagator()


class DeliverySpans(Telemetry):
    """Makes a span for each attempt to deliver an event of a sampled call."""

    def begin(self, traceparent: str, topic: str, event_id: str) -> Span:
        """The span of an attempt."""
        return self.tracer.start_span(
            "webhook",
            context=_PROPAGATOR.extract({"traceparent": traceparent}),
            kind=SpanKind.CLIENT,
            attributes={"http.request.method": "POST", "danbao.topic": topic, "danbao.event_id": event_id},
        )

    def end(self, span: Span, sent: Sent) -> None:
        """Ends it."""
        span.set_attribute("http.response.status_code", sent.status)
        if sent.failure:
            span.set_status(Status(StatusCode.ERROR, sent.failure))
        span.end()
