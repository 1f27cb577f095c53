"""The client's watches and files, against a server that ends its streams as a test tells it to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from danbao.v1 import disputes_pb2, payments_pb2, statements_pb2
from danbao_client import CursorExpired, Danbao, DanbaoError, StatementTooLong, rpc, watching
from tests.integration.test_client import KEY, ScriptedServer, a_refusal, failure_of, method_at

CODE = grpc.StatusCode
STOPPING = a_refusal(CODE.UNAVAILABLE, "SHUTTING_DOWN", 0.0)
TOO_SLOW = a_refusal(CODE.ABORTED, "WATCH_TOO_SLOW", 0.0)


class Silence:
    """Nothing comes any more, and the connection stays."""


class StreamingServer(ScriptedServer):
    """Answers each call with the next list of its script, message by message; a status, or Silence, ends one."""

    def __init__(self, *calls: list[Any]) -> None:
        super().__init__()
        self.calls = list(calls)

    def _handlers(self) -> Any:
        server = self

        class Handlers(grpc.GenericRpcHandler):
            def service(self, details: Any) -> Any:
                return grpc.unary_stream_rpc_method_handler(
                    server._answers,
                    GetMessageClass(method_at(details.method).input_type).FromString,
                    lambda answer: answer.SerializeToString(),
                )

        return Handlers()

    async def _answers(self, request: Message, context: "grpc.aio.ServicerContext[Any, Any]") -> AsyncIterator[Message]:
        script, self.script = self.calls.pop(0), [STOPPING]
        for each in script:
            if isinstance(each, Silence):
                await asyncio.Event().wait()
            self.script = [each]
            yield await self._answer(request, context)  # which notes the call, and aborts for a status


def event(number: int) -> payments_pb2.WatchPaymentsResponse:
    return payments_pb2.WatchPaymentsResponse(cursor=f"c{number}", event_id=f"e{number}", topic="payment.paid")


def sign_of_life(number: int) -> payments_pb2.WatchPaymentsResponse:
    return payments_pb2.WatchPaymentsResponse(cursor=f"c{number}")


@asynccontextmanager
async def watched(server: StreamingServer, **settings: Any) -> AsyncIterator[Danbao]:
    async with server.serving(), Danbao.connect(server.address, key=KEY, **settings) as danbao:
        yield danbao


def cursors(server: StreamingServer) -> list[str]:
    """With which cursors calls came, each once."""
    return list(dict.fromkeys(call.request.cursor for call in server.received))


async def test_a_watch_goes_on_behind_the_last_cursor_whatever_ends_it() -> None:
    server = StreamingServer([event(1), STOPPING], [event(2), sign_of_life(3), TOO_SLOW], [sign_of_life(4)], [event(5)])
    async with watched(server) as danbao:
        watch = danbao.payments.watch(account="accounts/a", payment="payments/1")
        seen = []
        async with aclosing(aiter(watch)) as events:
            async for each in events:
                seen.append(each.event_id)
                if each.event_id == "e5":
                    break
    assert seen == ["e1", "e2", "e5"]
    assert cursors(server) == ["", "c1", "c3", "c4"]
    assert watch.cursor == "c5"
    assert {(call.request.account, call.request.payment) for call in server.received} == {("accounts/a", "payments/1")}


async def test_a_watch_of_disputes_goes_on_as_well() -> None:
    first, second = (disputes_pb2.WatchDisputesResponse(cursor=f"c{number}", event_id=f"e{number}") for number in (1, 2))
    server = StreamingServer([first, STOPPING], [second])
    async with watched(server) as danbao, aclosing(aiter(danbao.disputes.watch(cursor="c0"))) as events:
        assert [(await anext(events)).event_id for _ in range(2)] == ["e1", "e2"]
    assert cursors(server) == ["c0", "c1"]


async def test_a_silence_that_no_core_keeps_is_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SILENCE_SECONDS", 0.2)
    server = StreamingServer([event(1), Silence()], [event(2)])
    async with watched(server) as danbao, aclosing(aiter(danbao.payments.watch())) as events:
        assert [(await anext(events)).event_id for _ in range(2)] == ["e1", "e2"]
    assert cursors(server) == ["", "c1"]


async def test_what_no_repeat_mends_is_raised() -> None:
    server = StreamingServer([event(1), STOPPING], [a_refusal(CODE.OUT_OF_RANGE, "CURSOR_EXPIRED")])
    async with watched(server) as danbao, aclosing(aiter(danbao.payments.watch())) as events:
        assert (await anext(events)).event_id == "e1"
        with pytest.raises(CursorExpired):
            await anext(events)
    assert not server.calls


async def test_patience_with_a_watch_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "_LONGEST_PAUSE_SECONDS", 0.01)
    server = StreamingServer([event(1)], *[[STOPPING]] * 1_000)
    async with watched(server, patience_seconds=0.3) as danbao, aclosing(aiter(danbao.payments.watch())) as events:
        assert (await anext(events)).event_id == "e1"
        error = await failure_of(anext(events))
    assert error.reason == "SHUTTING_DOWN"
    assert 2 < len(server.received) < 1_000


async def test_who_leaves_a_watch_ends_its_call() -> None:
    server = StreamingServer([event(1), Silence()])
    async with watched(server) as danbao:
        async with aclosing(aiter(danbao.payments.watch())) as events:
            await anext(events)
        [call] = server.received
        assert call.request.cursor == ""


async def test_a_file_comes_in_chunks_and_is_never_begun_again() -> None:
    chunks = [statements_pb2.FileChunk(data=data, file_name="a.csv") for data in (b"a", b"b")]
    server = StreamingServer(chunks, [chunks[0], a_refusal(CODE.UNAVAILABLE, "SHUTTING_DOWN", 0.0)])
    async with watched(server) as danbao:
        arguments: dict[str, Any] = {"account": "accounts/a", "currency_code": "CNY", "month": "2026-10", "format": 1}
        found = [chunk.data async for chunk in danbao.accounts.export_statement(**arguments, deadline_seconds=60)]
        assert found == [b"a", b"b"]
        assert server.received[0].seconds_left > 50
        answers = danbao.payouts.export_settlement_report("payouts/1", format=statements_pb2.FILE_FORMAT_CSV)
        assert (await anext(answers)).data == b"a"
        error = await failure_of(anext(answers))
    assert error.reason == "SHUTTING_DOWN"


async def test_a_file_that_is_refused_is_told_by_its_reason() -> None:
    server = StreamingServer([a_refusal(CODE.FAILED_PRECONDITION, "STATEMENT_TOO_LONG")])
    async with watched(server) as danbao:
        answers = danbao.payouts.export_settlement_report("payouts/1", format=statements_pb2.FILE_FORMAT_PDF)
        with pytest.raises(StatementTooLong) as caught:
            await anext(answers)
    assert isinstance(caught.value, DanbaoError)
    assert isinstance(server.script[0], status_pb2.Status)
