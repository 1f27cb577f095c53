"""Spans of OpenTelemetry, made of what was written down of a call when it is over. Imported only where traces are wanted.

danbao.v1.PaymentService/CreatePayment       the call
  queue                                      the command waits for its batch
  batch                                      one for each try, with its size
    begin, gather, decide, persist, commit   phases
      SELECT payment FOR NO KEY UPDATE       statements
  SELECT account                             reads outside the engine
"""

from typing import Any, Final

from opentelemetry import trace as otel
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from danbao_core.engine.timeline import Lap, Try
from danbao_core.rpc.seen import Seen
from danbao_core.rpc.tracing import Trace
from danbao_core.telemetry import Telemetry

_SERVER_FAULTS: Final = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}


class Spans(Telemetry):
    """Makes spans of calls and sends them to where `DANBAO_TRACES` says."""

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
        server = self.tracer.start_span(
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
        return self.tracer.start_span(lap.name, context=context, kind=kind, attributes=facts, start_time=trace.ns(lap.began_at))
