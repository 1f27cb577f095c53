"""Traces, from the RPC to its SQL: of the calls whose callers sample, and of no others."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from danbao.v1 import payments_pb2
from danbao_core import telemetry
from danbao_core.accounts import Purpose, balance_id
from danbao_core.engine import Engine
from danbao_core.engine.timeline import summary
from danbao_core.errors import OrderNoTaken
from danbao_core.opening import StartFailed
from danbao_core.rpc import spans
from danbao_core.rpc.seen import Watch
from danbao_core.rpc.tracing import sampled
from danbao_core.server import Server
from danbao_core.settings import SettingsError
from tests.builders import a_merchant as make_merchant
from tests.builders import an_account as make_account
from tests.integration.test_engine_metrics import Meanwhile, an_order
from tests.integration.test_metrics_page import samples
from tests.rpc_client import Core, a_core, a_locked_row, a_merchant, an_account, engines_waiting, id_of, settings_for, until
from tests.rpc_requests import a_message, a_payment, a_transfer, path_of

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SERVER = "danbao.v1.PaymentService/CreatePayment"
PHASES = ["begin", "gather", "decide", "persist", "commit"]


def traced(trace: str = TRACE) -> list[tuple[str, str]]:
    """The metadata of a call that its caller samples."""
    return [("traceparent", f"00-{trace}-{CALLER}-01")]


class Spans:
    """The spans of a trace."""

    def __init__(self, found: list[dict[str, Any]], trace: str) -> None:
        self.all = [span for span in found if span["context"]["trace_id"] == f"0x{trace}"]

    def under(self, parent_id: str) -> list[dict[str, Any]]:
        """The spans of a parent, in order of their beginnings."""
        return sorted((span for span in self.all if span["parent_id"] == parent_id), key=lambda span: span["start_time"])

    def names(self, parent: dict[str, Any]) -> list[str]:
        return [span["name"] for span in self.under(parent["context"]["span_id"])]

    def child(self, parent: dict[str, Any], name: str) -> dict[str, Any]:
        (span,) = [span for span in self.under(parent["context"]["span_id"]) if span["name"] == name]
        return span

    @property
    def root(self) -> dict[str, Any]:
        (span,) = self.under(f"0x{CALLER}")
        return span

    def must_be_inside_one_another(self) -> None:
        by_id = {span["context"]["span_id"]: span for span in self.all}
        for span in self.all:
            assert span["start_time"] <= span["end_time"]
            if span is not self.root:
                parent = by_id[span["parent_id"]]
                assert parent["start_time"] <= span["start_time"], (parent["name"], span["name"])
                assert span["end_time"] <= parent["end_time"], (parent["name"], span["name"])


@pytest.fixture
def tracing(database_url: str, tmp_path: Path) -> Callable[[], Any]:
    """A core that writes spans into a file, and what reads them once it has stopped."""
    file = tmp_path / "spans.jsonl"

    @asynccontextmanager
    async def running(**given: Any) -> AsyncIterator[tuple[Core, Callable[..., Spans]]]:
        async with a_core(database_url, traces=f"file={file}", **given) as core:
            yield core, lambda trace=TRACE: Spans(list(map(json.loads, file.read_text().splitlines())), trace)

    return running


# --- What a trace tells -----------------------------------------------------------------------------------------------------


async def test_a_payment_has_exactly_these_spans(tracing: Any) -> None:
    async with tracing() as (core, spans_of):
        payer, payee = await an_account(core, funds_minor=100), await a_merchant(core)
        request = a_transfer(payer, payee)
        await core.operator.ask(request, metadata=traced())
    found = spans_of()
    found.must_be_inside_one_another()
    root = found.root
    assert (root["name"], root["kind"], root["status"]["status_code"]) == (SERVER, "SpanKind.SERVER", "UNSET")
    assert root["attributes"] == {
        "rpc.system.name": "grpc",
        "rpc.method": SERVER,
        "rpc.response.status_code": "OK",
        "danbao.request_id": request.request_id,
        "danbao.replayed": False,
    }
    assert [name for name in found.names(root) if name != "SELECT service_key"] == ["queue", "batch"]
    batch = found.child(root, "batch")
    assert batch["attributes"] == {"danbao.batch.size": 1, "danbao.batch.try": 1}
    assert found.names(batch) == PHASES
    statements = {phase: found.names(found.child(batch, phase)) for phase in PHASES}
    (written,) = statements.pop("persist")
    # A new balance is that of the platform's fees, which this payment is the first to move.
    rows = {f"INSERT INTO {table}" for table in ("payment", "balance", "journal", "entry", "outbox", "request")}
    assert set(written.split(", ")) == rows | {"UPDATE balance", "UPDATE engine"}
    assert statements.pop("gather")[0] == "SELECT balance FOR NO KEY UPDATE"
    assert statements == {"begin": ["BEGIN"], "decide": [], "commit": ["COMMIT"]}
    for span in found.all:
        assert span["resource"]["attributes"]["service.name"] == "danbao"
        if span["name"].startswith(("SELECT", "INSERT")):
            assert span["attributes"] == {"db.system.name": "postgresql", "db.query.summary": span["name"]}


async def test_a_read_has_its_statements(tracing: Any) -> None:
    async with tracing() as (core, spans_of):
        payer, payee = await an_account(core, funds_minor=100), await a_merchant(core)
        payment = await core.operator.ask(a_payment(payer, payee, order_no="A-1"))
        reader = await core.caller("payments.read")  # whose token the server has not seen yet
        request = payments_pb2.GetPaymentByOrderNoRequest(payee=payee, order_no=payment.order_no)
        await reader.ask(request, metadata=traced())
    found = spans_of()
    found.must_be_inside_one_another()
    assert found.names(found.root) == ["SELECT service_key", "SELECT order_ref", "SELECT payment"]
    assert len(found.all) == 4


async def test_calls_that_are_not_sampled_have_none(tracing: Any) -> None:
    async with tracing() as (core, spans_of):
        payer, payee = await an_account(core, funds_minor=1_000), await a_merchant(core)
        await core.operator.ask(a_transfer(payer, payee))
        await core.operator.ask(a_transfer(payer, payee), metadata=[("traceparent", f"00-{TRACE}-{CALLER}-00")])
        for broken in ("", "01", "00-0-0-01", f"00-{TRACE}-{CALLER}-0x", "~" * 55, "1" * 3_000):
            await core.operator.ask(a_transfer(payer, payee), metadata=[("traceparent", broken)])
    assert spans_of().all == []


async def test_a_server_that_traces_nothing_minds_no_traceparent(database_url: str) -> None:
    async with a_core(database_url) as core:
        payer, payee = await an_account(core, funds_minor=1_000), await a_merchant(core)
        await core.operator.ask(a_transfer(payer, payee), metadata=traced())


async def test_a_refusal_has_its_reason(tracing: Any) -> None:
    async with tracing() as (core, spans_of):
        payer, payee = await an_account(core), await a_merchant(core)
        await core.operator.refused(a_transfer(payer, payee), metadata=traced())
    root = spans_of().root
    assert root["status"] == {"status_code": "ERROR", "description": "INSUFFICIENT_FUNDS"}
    assert root["attributes"]["danbao.reason"] == "INSUFFICIENT_FUNDS"
    assert root["attributes"]["rpc.response.status_code"] == "FAILED_PRECONDITION"
    assert spans_of().names(spans_of().child(root, "batch")) == [*PHASES[:3], "ROLLBACK"]  # nothing was written


async def test_calls_of_one_batch_have_their_own_spans(tracing: Any) -> None:
    traces = [f"{number:032x}" for number in (1, 2)]
    async with tracing(metrics_listen="127.0.0.1:0") as (core, spans_of):
        payer, payee = await an_account(core, funds_minor=100), await a_merchant(core)

        async def two_wait() -> bool:
            return (await samples(core.server.metrics_url))["danbao_engine_queue_commands"] == 2

        async with a_locked_row(core, "balance", id=balance_id(id_of(payer), "CNY", Purpose.AVAILABLE)):
            first = asyncio.create_task(core.operator.ask(a_transfer(payer, payee, 1)))
            await until(lambda: engines_waiting(core))
            paying = [core.operator.ask(a_transfer(payer, payee, 1), metadata=traced(trace)) for trace in traces]
            tasks = [first, *map(asyncio.ensure_future, paying)]
            await until(two_wait)
        await asyncio.gather(*tasks)
    for trace in traces:
        found = spans_of(trace)
        found.must_be_inside_one_another()
        batch = found.child(found.root, "batch")
        assert batch["attributes"]["danbao.batch.size"] == 2
        assert found.names(batch) == PHASES
        queue = found.child(found.root, "queue")
        assert queue["start_time"] < queue["end_time"] <= batch["start_time"]


async def test_a_stream_has_one_span(tracing: Any) -> None:
    async with tracing() as (core, spans_of):
        payer, payee = await an_account(core, funds_minor=100), await a_merchant(core)
        message = a_message(a_transfer(payer, payee), a_transfer(payer, payee))
        await core.operator.send(path_of(message), message.SerializeToString(), metadata=traced())
    root = spans_of().root
    assert root["attributes"]["danbao.items.answered"] == root["attributes"]["danbao.items.refused"] == 1


async def test_a_batch_that_is_tried_again_has_a_span_for_each_try(
    engine: Engine, second_engine: Engine, tmp_path: Path
) -> None:
    payer, payee = await make_account(engine), await make_merchant(engine)
    Meanwhile(engine, "INSERT INTO", lambda: second_engine.submit(an_order(payer, payee)))
    trace = sampled(traced()[0][1])
    assert trace is not None
    seen = Watch().begin("PaymentService/CreatePayment", None)
    with pytest.raises(OrderNoTaken) as refused:
        await engine.submit(an_order(payer, payee), timeline=trace.timeline)
    seen.refuse(refused.value)
    seen.ended_at = perf_counter()
    writer = spans.Spans(f"file={tmp_path}/spans", "test")
    writer.finish(trace, seen)
    writer.close()
    found = Spans(list(map(json.loads, (tmp_path / "spans").read_text().splitlines())), TRACE)
    found.must_be_inside_one_another()
    first, second = (span for span in found.under(found.root["context"]["span_id"]) if span["name"] == "batch")
    assert (first["attributes"]["danbao.batch.try"], second["attributes"]["danbao.batch.try"]) == (1, 2)
    # What failed is no phase; its statement, and the ROLLBACK, are the try's own.
    names = found.names(first)
    assert names[:3] == PHASES[:3]
    assert names[3].startswith("INSERT INTO")
    assert names[4:] == ["ROLLBACK"]
    assert found.names(second) == [*PHASES[:3], "ROLLBACK"]


def test_a_command_that_was_not_answered_has_no_spans_of_the_engine(tmp_path: Path) -> None:
    trace = sampled(traced()[0][1])
    assert trace is not None
    trace.timeline.queued_at = perf_counter()
    writer = spans.Spans(f"file={tmp_path}/spans", "test")
    seen = Watch().begin("PaymentService/CreatePayment", None)
    seen.code = "CANCELLED"
    seen.ended_at = perf_counter()
    writer.finish(trace, seen)
    writer.close()
    (span,) = map(json.loads, (tmp_path / "spans").read_text().splitlines())
    assert span["attributes"]["rpc.response.status_code"] == "CANCELLED"


# --- Which calls are traced -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("traceparent", "is_sampled"),
    [
        (f"00-{TRACE}-{CALLER}-01", True),
        (f"00-{TRACE}-{CALLER}-03", True),
        (f"cc-{TRACE}-{CALLER}-01-what-will-be", True),  # of a later version
        (f"00-{TRACE}-{CALLER}-00", False),
        (f"00-{TRACE}-{CALLER}-02", False),
        (f"00-{TRACE}-{CALLER}-01-more", False),
        (f"ff-{TRACE}-{CALLER}-01", False),
        (f"00-{'0' * 32}-{CALLER}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-{CALLER}-01", False),
        (f"00-{TRACE}-{CALLER}-1", False),
        (f" 00-{TRACE}-{CALLER}-01", False),
        ("", False),
    ],
)
def test_traceparents(traceparent: str, is_sampled: bool) -> None:
    trace = sampled(traceparent)
    assert (trace is not None) is is_sampled
    if trace is not None:
        assert (trace.trace_id, trace.parent_id) == (int(TRACE, 16), int(CALLER, 16))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("COMMIT", "COMMIT"),
        ("SELECT t.id FROM unnest($1::uuid[]) AS k (id) JOIN payment AS t USING (id)", "SELECT payment"),
        ("SELECT t.id FROM payment AS t ORDER BY t.id FOR NO KEY UPDATE OF t", "SELECT payment FOR NO KEY UPDATE"),
        ("INSERT INTO entry (a) SELECT * FROM unnest($1::bigint[])", "INSERT INTO entry"),
        (
            "WITH update_balance AS (UPDATE balance AS t SET a = n.a FROM unnest($1::int[]) AS n (a) RETURNING 1), "
            "insert_entry AS (INSERT INTO entry (a) SELECT * FROM unnest($2::int[])) "
            "SELECT (SELECT count(*) FROM update_balance)",
            "UPDATE balance, INSERT INTO entry",
        ),
    ],
)
def test_statements_in_a_few_words(text: str, said: str) -> None:
    assert summary(text) == said


# --- Where spans go ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def a_collector(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Something that takes spans over HTTP and answers so; an empty answer is none, ever."""
    taken: list[bytes] = []
    over = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = [int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length:")]
        taken.append(head + await reader.readexactly(length))
        if not answer:
            await over.wait()
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", taken
        over.set()


async def test_spans_go_to_a_collector_before_the_server_is_gone(database_url: str) -> None:
    async with a_collector(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as (url, taken):
        async with a_core(database_url, traces=f"otlp={url}") as core:
            await core.operator.refused(payments_pb2.GetPaymentRequest(name="payments/x"), metadata=traced())
        assert taken
        assert taken[0].startswith(b"POST /v1/traces HTTP/1.1")
        assert any(b"danbao.v1.PaymentService/GetPayment" in each for each in taken)


async def test_a_collector_that_does_not_answer_keeps_no_server_from_stopping(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "FLUSH_SECONDS", 0.2)
    async with a_collector(b"") as (url, _), asyncio.timeout(20), a_core(database_url, traces=f"otlp={url}") as core:
        await core.operator.refused(payments_pb2.GetPaymentRequest(name="payments/x"), metadata=traced())


async def test_a_file_that_cannot_be_written_is_said_by_name(database_url: str) -> None:
    with pytest.raises(StartFailed, match=r"^DANBAO_TRACES: file=/nowhere/spans cannot be written"):
        async with Server(settings_for(database_url, traces="file=/nowhere/spans")):
            pass


@pytest.mark.parametrize("traces", ["jaeger", "otlp=", "otlp=localhost:4317", "file="])
def test_a_wrong_target_is_refused_by_name(traces: str) -> None:
    with pytest.raises(SettingsError, match=r"^DANBAO_TRACES: "):
        settings_for("postgresql://danbao@db/danbao", traces=traces)
