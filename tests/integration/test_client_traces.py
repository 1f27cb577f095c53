"""The client's spans: one for each call, all attempts together, which the core's belong to."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from danbao.v1 import payments_pb2
from danbao_client import Danbao, InsufficientFunds, tracing
from tests.integration.test_client import KEY, ScriptedServer, a_refusal
from tests.integration.test_client_watch import StreamingServer, event

BUSY = a_refusal(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE", 0.0)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Where the spans of a program that traces go."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(tracing, "_TRACER", provider.get_tracer("danbao_client"))
    yield exporter
    provider.shutdown()


def facts(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def traceparent(span: ReadableSpan) -> str:
    context = span.context
    assert context is not None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


async def test_a_call_is_one_span_whose_traceparent_goes_with_every_attempt(spans: InMemorySpanExporter) -> None:
    server = ScriptedServer(BUSY, payments_pb2.Payment(name="payments/1"))
    async with server.called() as danbao:
        with trace.get_tracer_provider().get_tracer("shop").start_as_current_span("sell") as selling:
            await danbao.payments.pay("payments/1", request_id="mine")
    call, sell = spans.get_finished_spans()
    assert (call.name, call.kind) == ("danbao.v1.PaymentService/PayPayment", trace.SpanKind.CLIENT)
    assert call.parent is not None
    assert call.parent.span_id == selling.get_span_context().span_id
    assert sell.name == "sell"
    assert [request.metadata["traceparent"] for request in server.received] == [traceparent(call)] * 2
    assert facts(call) == {
        "rpc.system.name": "grpc",
        "rpc.method": "danbao.v1.PaymentService/PayPayment",
        "rpc.response.status_code": "OK",
        "danbao.request_id": "mine",
    }


async def test_a_refusal_is_told_by_its_reason(spans: InMemorySpanExporter) -> None:
    async with ScriptedServer(a_refusal(grpc.StatusCode.FAILED_PRECONDITION, "INSUFFICIENT_FUNDS")).called() as danbao:
        with pytest.raises(InsufficientFunds):
            await danbao.payments.pay("payments/1")
    [call] = spans.get_finished_spans()
    assert call.status.status_code is trace.StatusCode.ERROR
    assert call.status.description == "INSUFFICIENT_FUNDS"
    assert facts(call)["rpc.response.status_code"] == "FAILED_PRECONDITION"
    assert facts(call)["danbao.reason"] == "INSUFFICIENT_FUNDS"


async def test_a_stream_is_a_span_as_long_as_it_is_open(spans: InMemorySpanExporter) -> None:
    server = StreamingServer([event(1)])
    async with server.serving(), Danbao.connect(server.address, key=KEY) as danbao:
        async for message in danbao.payments.WatchPayments(payments_pb2.WatchPaymentsRequest()):
            assert message.event_id == "e1"
    [call] = spans.get_finished_spans()
    assert call.name == "danbao.v1.PaymentService/WatchPayments"
    assert server.received[0].metadata["traceparent"] == traceparent(call)


@pytest.mark.parametrize("missing", ["the package", "a provider"])
async def test_a_program_that_does_not_trace_sends_nothing(
    spans: InMemorySpanExporter, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing == "the package":
        monkeypatch.setattr(tracing, "_TRACER", None)
    else:
        monkeypatch.setattr(trace, "get_tracer_provider", trace.ProxyTracerProvider)
    server = ScriptedServer(payments_pb2.Payment())
    async with server.called() as danbao:
        await danbao.payments.get("payments/1")
    assert not spans.get_finished_spans()
    assert "traceparent" not in server.received[0].metadata
