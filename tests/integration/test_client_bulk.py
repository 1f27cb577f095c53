"""The Python client's stream of payments: against a real core, and against servers that cut it, refuse it or keep silent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2

from danbao.v1 import payments_pb2
from danbao_client import Danbao, DanbaoError, bulk
from danbao_client.bulk import MOST_IN_A_MESSAGE, MOST_UNANSWERED
from danbao_core.accounts import Purpose, balance_id
from tests import rpc_client
from tests.integration.test_client import KEY, a_create_request, a_refusal, eventually
from tests.rpc_client import (
    Core,
    a_core,
    a_locked_row,
    a_merchant,
    an_account,
    an_operator_token,
    audit_holds,
    available,
    id_of,
)
from tests.rpc_requests import a_transfer, changed
from tests.tcp_proxy import Cut, TcpProxy, Way

core = rpc_client.core

Request = payments_pb2.CreatePaymentRequest
Step = Callable[[Any], Any]


async def each(*requests: Request) -> AsyncIterator[Request]:
    for request in requests:
        yield request


async def all_of(results: AsyncIterator[payments_pb2.PaymentResult]) -> list[payments_pb2.PaymentResult]:
    return [result async for result in results]


async def collected(results: AsyncIterator[payments_pb2.PaymentResult], found: list[payments_pb2.PaymentResult]) -> None:
    async for result in results:
        found.append(result)  # noqa: PERF401 - those before an error, too


class StreamServer:
    """Serves each stream by the next of its plans, the last one for ever: how many messages to answer, how to end then."""

    def __init__(self, *plans: tuple[int, status_pb2.Status | None]) -> None:
        self.plans = list(plans)
        self.received: list[list[payments_pb2.StreamPaymentsRequest]] = []
        self.address = ""

    @asynccontextmanager
    async def called(self, **settings: Any) -> AsyncIterator[Danbao]:
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        handler = grpc.stream_stream_rpc_method_handler(
            self._serve,
            payments_pb2.StreamPaymentsRequest.FromString,
            payments_pb2.StreamPaymentsResponse.SerializeToString,
        )
        methods = {"StreamPayments": handler}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("danbao.v1.PaymentService", methods),))
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        try:
            async with Danbao.connect(address, key=KEY, **settings) as danbao:
                yield danbao
        finally:
            await server.stop(grace=None)

    async def _serve(self, requests: Any, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
        messages, end = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        taken: list[payments_pb2.StreamPaymentsRequest] = []
        self.received.append(taken)
        async for message in requests:
            taken.append(message)
            if len(taken) <= messages:
                results = [payments_pb2.PaymentResult(request_id=item.request_id) for item in message.requests]
                await context.write(payments_pb2.StreamPaymentsResponse(results=results))
            elif end is not None:
                break
        if end is not None:
            code = next(code for code in grpc.StatusCode if code.value[0] == end.code)
            trailer = (("grpc-status-details-bin", end.SerializeToString()),) if end.details else ()
            await context.abort(code, end.message, trailer)


STOPPING = a_refusal(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", retry_after_seconds=0.01)
LOST = status_pb2.Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="Socket closed")


def ids_of(messages: list[payments_pb2.StreamPaymentsRequest]) -> list[str]:
    return [item.request_id for message in messages for item in message.requests]


# --- A real core ------------------------------------------------------------------------------------------------------------


async def test_every_request_has_its_result_in_order(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=3_000), await a_merchant(core)
    requests = [a_transfer(buyer, shop if number % 100 else buyer) for number in range(3_000)]
    requests = [changed(request, amount={"amount_minor": 1, "currency_code": "CNY"}) for request in requests]
    async with Danbao.connect(core.server.address, key=str(core.operator.token)) as danbao:
        results = await all_of(danbao.payments.stream(each(*requests)))
    assert [result.request_id for result in results] == [request.request_id for request in requests]
    refused = [DanbaoError.of_result(result) for result in results if result.HasField("status")]
    assert [(error.reason, error.code) for error in refused] == [("PAYER_IS_PAYEE", grpc.StatusCode.INVALID_ARGUMENT)] * 30
    assert [error.request_id for error in refused] == [request.request_id for request in requests[::100]]
    assert await available(core, buyer) == 30


async def test_a_stream_goes_on_at_another_server_when_one_stops(database_url: str) -> None:
    token = await an_operator_token(database_url)
    async with a_core(database_url, token=token) as first:
        address = first.server.address
        buyer, shop = await an_account(first, funds_minor=5_000), await a_merchant(first)
        requests = [changed(a_transfer(buyer, shop), amount={"amount_minor": 1, "currency_code": "CNY"}) for _ in range(5_000)]
        async with Danbao.connect(address, key=token) as danbao:
            results = danbao.payments.stream(each(*requests))
            found = [await anext(results)]
            await first.server.__aexit__(None, None, None)
            async with a_core(database_url, token=token, listen=address) as second:
                found += await all_of(results)
                assert [result.request_id for result in found] == [request.request_id for request in requests]
                assert len({result.payment.name for result in found}) == 5_000
                assert await available(second, buyer) == 0
                assert await audit_holds(second)


CUTS: dict[str, list[Cut]] = {
    "in the first message": [Cut(Way.TO_SERVER, 20_000)],
    "between messages": [Cut(Way.TO_SERVER, 200_000)],
    "in the first answer": [Cut(Way.TO_CALLER, 10_000)],
    "in a later answer": [Cut(Way.TO_CALLER, 300_000)],
    "again and again": [
        Cut(Way.TO_CALLER, 1_000),
        Cut(Way.TO_SERVER, 100_000),
        Cut(Way.TO_CALLER, 200_000),
        Cut(Way.TO_CALLER, 100_000),
    ],
}


@pytest.mark.parametrize("name", CUTS)
async def test_a_stream_whose_connection_is_cut_makes_each_payment_once(core: Core, name: str) -> None:
    buyer, shop = await an_account(core, funds_minor=3_000), await a_merchant(core)
    requests = [a_transfer(buyer, shop, 1) for _ in range(3_000)]
    async with (
        TcpProxy(core.server.address, CUTS[name]) as proxy,
        Danbao.connect(proxy.address, key=str(core.operator.token)) as danbao,
    ):
        results = await all_of(danbao.payments.stream(requests))
        assert proxy.cuts == [], "each has struck"
    assert [result.request_id for result in results] == [request.request_id for request in requests]
    assert not [result for result in results if result.HasField("status")]
    assert len({result.payment.name for result in results}) == 3_000
    assert await core.connection.fetchval("SELECT count(*) FROM payment WHERE payer_id = $1", id_of(buyer)) == 3_000
    assert await available(core, buyer) == 0
    if CUTS[name][0].way is Way.TO_CALLER:
        assert any(result.replayed for result in results), "made before the cut, and answered after it"
    assert await audit_holds(core)


# --- What goes over the wire ------------------------------------------------------------------------------------------------


async def test_requests_that_are_there_travel_together_under_ids_of_their_own() -> None:
    server = StreamServer((10_000, None))
    async with server.called() as danbao:
        results = await all_of(danbao.payments.stream(each(*[a_create_request()] * 1_000)))
    (messages,) = server.received
    assert len(messages) < 10
    assert max(len(message.requests) for message in messages) == MOST_IN_A_MESSAGE
    assert [result.request_id for result in results] == ids_of(messages)
    assert len(set(ids_of(messages))) == 1_000


async def test_large_requests_travel_in_more_messages() -> None:
    server = StreamServer((10_000, None))
    async with server.called() as danbao:
        await all_of(danbao.payments.stream(each(*[a_create_request(subject="x" * 300_000)] * 7)))
    (messages,) = server.received
    assert [len(message.requests) for message in messages] == [3, 3, 1]


async def test_a_request_that_comes_alone_does_not_wait_for_others() -> None:
    answered: asyncio.Queue[str] = asyncio.Queue()

    async def one_after_the_other() -> AsyncIterator[Request]:
        for number in range(3):
            yield a_create_request(request_id=str(number))
            assert await answered.get() == str(number)

    server = StreamServer((10_000, None))
    async with asyncio.timeout(10), server.called() as danbao:
        async for result in danbao.payments.stream(one_after_the_other()):
            answered.put_nowait(result.request_id)
    assert [ids_of([message]) for message in server.received[0]] == [["0"], ["1"], ["2"]]


async def test_no_more_than_so_many_are_taken_ahead() -> None:
    taken = 0

    async def endless() -> AsyncIterator[Request]:
        nonlocal taken
        while True:
            taken += 1
            yield a_create_request()

    server = StreamServer((0, None))
    async with server.called(deadline_seconds=0.5) as danbao:
        with pytest.raises(DanbaoError) as caught:
            await all_of(danbao.payments.stream(endless()))
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert caught.value.request_id == ids_of(server.received[0])[0]
    assert taken == MOST_UNANSWERED


# --- Connections are lost ---------------------------------------------------------------------------------------------------


class Clock:
    """Takes the place of the module `time`, and stands still."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.mark.parametrize("end", [STOPPING, LOST], ids=["stopping", "lost"])
async def test_patience_begins_at_the_first_failure_since_the_last_result(
    end: status_pb2.Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []
    answered, clock = asyncio.Event(), Clock()
    monkeypatch.setattr(bulk, "time", clock)

    async def requests() -> AsyncIterator[Request]:
        yield a_create_request(request_id="1")
        await answered.wait()
        clock.seconds += 1  # nothing to send for longer than the patience
        yield a_create_request(request_id="2")

    server = StreamServer((1, end), (10_000, None))
    async with server.called(patience_seconds=0.5) as danbao:
        async for result in danbao.payments.stream(requests()):
            found.append(result.request_id)
            clock.seconds += 1  # a slow reader, too
            answered.set()
    assert found == ["1", "2"]
    assert len(server.received) == 2


ENDS: dict[str, status_pb2.Status | None] = {
    "refused": a_refusal(grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING"),
    "out of patience": STOPPING,
    "ended": status_pb2.Status(code=0),
    "silent": None,
}


@pytest.mark.parametrize("name", ENDS)
async def test_an_error_tells_what_has_no_result_under_the_ids_that_it_went_out_with(name: str) -> None:
    server = StreamServer((1, ENDS[name]))
    found: list[payments_pb2.PaymentResult] = []
    if name == "out of patience":
        server.plans.append((0, STOPPING))
    if name == "ended":
        server._serve = one_answer  # type: ignore[method-assign]

    async def requests() -> AsyncIterator[Request]:
        yield a_create_request(order_no="0")
        while not found:
            await asyncio.sleep(0.01)
        for number in (1, 2, 3):
            yield a_create_request(order_no=str(number), request_id="mine" if number == 2 else None)

    async with server.called(patience_seconds=0.3, deadline_seconds=0.5) as danbao:
        with pytest.raises(DanbaoError) as caught:
            await collected(danbao.payments.stream(requests()), found)
    unanswered = caught.value.unanswered
    assert [request.order_no for request in unanswered] == ["1", "2", "3"][: len(unanswered)]
    assert caught.value.request_id == unanswered[0].request_id != ""
    if len(unanswered) > 1:
        assert unanswered[1].request_id == "mine"
    sent = [item for message in server.received[-1] for item in message.requests] if server.received else []
    assert {item.request_id for item in sent} <= {request.request_id for request in unanswered} | {found[0].request_id}


async def one_answer(requests: Any, context: Any) -> None:
    """Answers one message, reads another and says good-bye."""
    (item,) = (await anext(aiter(requests))).requests
    await context.write(payments_pb2.StreamPaymentsResponse(results=[payments_pb2.PaymentResult(request_id=item.request_id)]))
    await anext(aiter(requests))


async def test_what_an_error_tells_can_be_sent_again_and_is_made_once(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=100), await a_merchant(core)
    requests = [changed(a_transfer(buyer, shop, 1), request_id=None) for _ in range(10)]
    found: list[payments_pb2.PaymentResult] = []
    async with Danbao.connect(core.server.address, key=str(core.operator.token), deadline_seconds=0.5) as danbao:
        with pytest.raises(DanbaoError) as caught:
            async with a_locked_row(core, "balance", id=balance_id(id_of(buyer), "CNY", Purpose.AVAILABLE)):
                await collected(danbao.payments.stream(each(*requests)), found)
    assert len(found) + len(caught.value.unanswered) == 10
    async with Danbao.connect(core.server.address, key=str(core.operator.token)) as danbao:
        found += await all_of(danbao.payments.stream(each(*caught.value.unanswered)))
    assert not [result for result in found if result.HasField("status")]
    assert await available(core, buyer) == 90


async def test_a_message_that_its_caller_goes_on_using_is_sent_as_it_was() -> None:
    async def requests() -> AsyncIterator[Request]:
        one = a_create_request()
        for number in range(5):
            one.request_id = one.order_no = str(number)
            yield one

    server = StreamServer((10_000, None))
    async with server.called() as danbao:
        results = await all_of(danbao.payments.stream(requests()))
    assert [result.request_id for result in results] == ids_of(server.received[0]) == [*"01234"]


async def test_what_is_no_request_is_told_by_its_type() -> None:
    async def requests() -> AsyncIterator[Any]:
        yield a_create_request(request_id="first")
        yield payments_pb2.PayPaymentRequest(request_id="second")

    found: list[payments_pb2.PaymentResult] = []
    async with StreamServer((10_000, None)).called() as danbao:
        with pytest.raises(TypeError, match="takes CreatePaymentRequest messages, not PayPaymentRequest"):
            await collected(danbao.payments.stream(requests()), found)
    assert [result.request_id for result in found] == ["first"]


async def test_a_stream_that_ends_without_all_results_is_an_error() -> None:
    server = StreamServer((0, status_pb2.Status(code=0)))
    server._serve = nothing  # type: ignore[method-assign]
    async with server.called() as danbao:
        with pytest.raises(DanbaoError, match="did not answer everything"):
            await all_of(danbao.payments.stream(each(a_create_request())))


async def nothing(requests: Any, context: Any) -> None:
    """Reads one message and says good-bye."""
    await anext(aiter(requests))


async def test_what_the_requests_raise_comes_after_the_results() -> None:
    async def failing() -> AsyncIterator[Request]:
        yield a_create_request(request_id="first")
        raise RuntimeError("no more of them")

    found: list[payments_pb2.PaymentResult] = []
    async with StreamServer((10_000, None)).called() as danbao:
        with pytest.raises(RuntimeError, match="no more of them"):
            await collected(danbao.payments.stream(failing()), found)
    assert [result.request_id for result in found] == ["first"]


async def test_a_stream_of_a_client_that_is_closed_says_so_and_what_has_no_result() -> None:
    server = StreamServer((1, None))
    asked_for_more, failures = asyncio.Event(), []

    async def requests() -> AsyncIterator[Request]:
        yield a_create_request(request_id="1")
        await asked_for_more.wait()
        yield a_create_request(request_id="2")
        await asyncio.Event().wait()  # else the server, which answers no more, would end the stream

    async with server.called() as danbao:
        results = danbao.payments.stream(requests())
        assert (await anext(results)).request_id == "1"
        waiting = asyncio.ensure_future(anext(results))
        asked_for_more.set()
        await eventually(lambda: len(server.received[0]) == 2)
        await danbao.close()
        for call in (waiting, anext(danbao.payments.stream(each(a_create_request(request_id="2"))))):
            with pytest.raises(DanbaoError, match="the client was closed") as caught:
                await call
            failures.append(caught.value)
    assert [error.code for error in failures] == [grpc.StatusCode.CANCELLED] * 2
    assert [[request.request_id for request in error.unanswered] for error in failures] == [["2"], ["2"]]
    assert {error.request_id for error in failures} == {"2"}


async def test_who_stops_reading_the_results_ends_the_stream() -> None:
    async with StreamServer((10_000, None)).called() as danbao:
        results = danbao.payments.stream(each(*(a_create_request() for _ in range(2_000))))
        assert (await anext(results)).request_id
        await results.aclose()
    assert not [task for task in asyncio.all_tasks() if task.get_name() in ("danbao-requests", "danbao-sending")]


class Requests:
    """Endless requests out of a generator of the caller's own, which tells whether it was closed, and may fail then."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.closed = False

    async def without_end(self) -> AsyncIterator[Request]:
        try:
            while True:
                yield a_create_request()
        finally:
            await asyncio.sleep(0)  # closing is awaited, not only begun
            self._close()

    async def one(self) -> AsyncIterator[Request]:
        try:
            yield a_create_request()
            await asyncio.Event().wait()
        finally:
            self._close()

    def plain(self) -> Iterator[Request]:
        try:
            while True:
                yield a_create_request()
        finally:
            self._close()

    def _close(self) -> None:
        self.closed = True
        if self.failure:
            raise self.failure


KINDS = ("without_end", "one", "plain")


@pytest.mark.parametrize("kind", KINDS)
async def test_requests_are_closed_when_the_results_are_left(kind: str) -> None:
    mine = Requests()
    given = getattr(mine, kind)()  # stays in use, so that nothing but the stream closes it
    async with StreamServer((10_000, None)).called() as danbao:
        async with aclosing(danbao.payments.stream(given)) as results:
            await anext(results)
            assert not mine.closed
        assert mine.closed


@pytest.mark.parametrize("kind", KINDS)
async def test_requests_are_closed_when_who_reads_is_cancelled(kind: str) -> None:
    mine = Requests()
    given = getattr(mine, kind)()
    server = StreamServer((0, None))
    async with server.called() as danbao:
        reading = asyncio.ensure_future(all_of(danbao.payments.stream(given)))
        await eventually(lambda: bool(server.received and server.received[0]))
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert mine.closed


async def test_what_requests_raise_when_a_stream_fails_is_noted_with_its_error() -> None:
    mine = Requests(RuntimeError("the file is gone"))
    async with StreamServer((0, ENDS["refused"])).called() as danbao:
        with pytest.raises(DanbaoError, match="SCOPE_MISSING") as caught:
            await all_of(danbao.payments.stream(mine.one()))
    assert caught.value.__notes__ == ["The requests failed, too: RuntimeError('the file is gone')"]
    assert len(caught.value.unanswered) == 1


async def test_what_requests_raise_when_the_results_are_left_is_raised() -> None:
    mine = Requests(RuntimeError("the file is gone"))
    async with StreamServer((10_000, None)).called() as danbao:
        results = danbao.payments.stream(mine.one())
        await anext(results)
        with pytest.raises(RuntimeError, match="the file is gone"):
            await results.aclose()
