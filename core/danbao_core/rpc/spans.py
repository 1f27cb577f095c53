"""Spans of OpenTelemetry, made of what was written down of a call when it is over. Imported only where traces are wanted.

danbao.v1.PaymentService/CreatePayment       the call
  queue                                      the command waits for its batch
  batch                                      one for each try, with its size
    begin, gather, decide, persist, commit   phases
      SELECT payment FOR NO KEY UPDATE       statements
  SELECT account                             reads outside the engine
"""

import threading
from pathlib import Path
from typing import Any, Final

from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from danbao_core.engine.timeline import Lap, Try
from danbao_core.rpc.seen import Seen
from danbao_core.rpc.tracing import Trace

FLUSH_SECONDS: Final = 3.0
"""How long a server that stops waits for its last spans to be taken."""

_EXPORT_SECONDS: Final = 2.0

_SERVER_FAULTS: Final = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}


class Spans:
    """Makes spans and sends them to where `DANBAO_TRACES` says: `otlp=URL` or `file=PATH`. Raises OSError for a path that
    cannot be written."""

    def __init__(self, target: str, instance: str) -> None:
        self._file: Any = None
        resource = Resource.create({"service.name": "danbao", "service.instance.id": instance})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter(target), schedule_delay_millis=1000))
        self._tracer = self._provider.get_tracer("danbao")

    def _exporter(self, target: str) -> SpanExporter:
        kind, _, where = target.partition("=")
        if kind == "otlp":
            return OTLPSpanExporter(endpoint=f"{where.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)
        self._file = Path(where).open("a", encoding="utf-8")  # noqa: SIM115  # until `close`
        return ConsoleSpanExporter(out=self._file, formatter=lambda span: f"{span.to_json(indent=None)}\n")

    def close(self) -> None:
        """Sends what is left; gives up after FLUSH_SECONDS. Blocks so long."""
        # In a thread that may be left behind: nothing else bounds the time that an exporter takes.
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(FLUSH_SECONDS)
        if self._file is not None and not sending.is_alive():
            self._file.close()

    def finish(self, trace: Trace, seen: Seen) -> None:
        """Makes the spans of a call that is over."""
        caller = SpanContext(trace.trace_id, trace.parent_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        attributes: dict[str, Any] = {
            "rpc.system.name": "grpc",
            "rpc.method": f"danbao.v1.{seen.method}",
            "rpc.response.status_code": seen.code,
            "danbao.request_id": seen.request_id,
            "danbao.replayed": seen.replayed,
        }
        if seen.refusal is not None:
            attributes["danbao.reason"] = seen.reason
        if seen.items is not None:
            attributes |= {f"danbao.items.{outcome}": count for outcome, count in seen.items.items()}
        server = self._tracer.start_span(
            f"danbao.v1.{seen.method}",
            context=otel.set_span_in_context(NonRecordingSpan(caller)),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=trace.began_ns,
        )
        if seen.code in _SERVER_FAULTS or seen.refusal is not None:
            server.set_status(Status(StatusCode.ERROR, seen.reason or seen.code))
        for read in trace.reads:
            self._statement(trace, server, read)
        self._command(trace, server)
        server.end(trace.ns(seen.ended_at))

    def _command(self, trace: Trace, server: Span) -> None:
        """The command's way through the engine; of one that was not answered yet, because its caller left, nothing."""
        timeline = trace.timeline
        if not timeline.settled_at:
            return
        tries = timeline.tries
        taken_at = tries[0].began_at if tries else timeline.settled_at
        self._span(trace, server, Lap("queue", timeline.queued_at, taken_at))
        ends = [*(each.began_at for each in tries[1:]), timeline.settled_at]
        for number, (each, ended_at) in enumerate(zip(tries, ends, strict=True), 1):
            facts = {"danbao.batch.size": each.size, "danbao.batch.try": number}
            batch = self._open(trace, server, Lap("batch", each.began_at, ended_at), facts)
            self._phases(trace, batch, each)
            batch.end(trace.ns(ended_at))

    def _phases(self, trace: Trace, batch: Span, each: Try) -> None:
        """Phases that succeeded, each with its statements; those of a phase that failed are the batch's own."""
        phases = [(lap, self._open(trace, batch, lap)) for lap in each.laps]
        for statement in each.statements:
            parents = (span for lap, span in phases if lap.began_at <= statement.began_at <= lap.ended_at)
            self._statement(trace, next(parents, batch), statement)
        for lap, span in phases:
            span.end(trace.ns(lap.ended_at))

    def _statement(self, trace: Trace, parent: Span, lap: Lap) -> None:
        self._span(trace, parent, lap, {"db.system.name": "postgresql", "db.query.summary": lap.name}, SpanKind.CLIENT)

    def _span(self, trace: Trace, parent: Span, lap: Lap, facts: Any = None, kind: SpanKind = SpanKind.INTERNAL) -> None:
        self._open(trace, parent, lap, facts, kind).end(trace.ns(lap.ended_at))

    def _open(self, trace: Trace, parent: Span, lap: Lap, facts: Any = None, kind: SpanKind = SpanKind.INTERNAL) -> Span:
        context = otel.set_span_in_context(parent)
        return self._tracer.start_span(
            lap.name, context=context, kind=kind, attributes=facts, start_time=trace.ns(lap.began_at)
        )
