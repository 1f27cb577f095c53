"""The client is closed while others still use it."""

import asyncio

import pytest

from danbao.v1 import payments_pb2, statements_pb2
from danbao_client import Danbao, DanbaoError
from tests.integration.test_client import SilentServer, a_create_request, eventually, failure_of
from tests.integration.test_client_watch import CODE, Silence, StreamingServer, event, watched


async def test_a_call_of_a_client_that_is_closed_says_so() -> None:
    """Also to who waits among others: to a group of tasks one that is cancelled is one that went well."""
    server, failures = SilentServer(payments_pb2.Payment()), []

    async def calling(danbao: Danbao) -> None:
        failures.append(await failure_of(danbao.payments.CreatePayment(a_create_request(request_id="mine"))))

    async with server.called() as danbao:
        async with asyncio.TaskGroup() as group:
            group.create_task(calling(danbao))
            await eventually(lambda: bool(server.received))
            await danbao.close()
        failures.append(await failure_of(danbao.payments.CreatePayment(a_create_request(request_id="mine"))))
        failures.append(
            await failure_of(danbao.with_token("a.b.c").payments.CreatePayment(a_create_request(request_id="mine")))
        )
        with pytest.raises(DanbaoError, match="the client was closed"):
            danbao.payments.WatchPayments(payments_pb2.WatchPaymentsRequest())
        with pytest.raises(DanbaoError, match="the client was closed"):
            danbao.payments.StreamPayments()
    closed = (CODE.CANCELLED, "", "the client was closed", "mine")
    assert [(error.code, error.reason, error.message, error.request_id) for error in failures] == [closed] * 3
    assert not failures[0].is_transient


async def test_who_is_cancelled_while_the_client_is_closed_is_cancelled() -> None:
    server = SilentServer(payments_pb2.Payment())
    async with server.called() as danbao:
        call = asyncio.ensure_future(danbao.payments.GetPayment(payments_pb2.GetPaymentRequest()))
        await eventually(lambda: bool(server.received))
        call.cancel()
        await danbao.close()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_watches_and_files_of_a_client_that_is_closed_say_so() -> None:
    chunk = statements_pb2.FileChunk(data=b"a", file_name="a.csv")
    server = StreamingServer([event(1), Silence()], [chunk, Silence()])
    async with watched(server) as danbao, asyncio.TaskGroup() as group:
        events = aiter(danbao.payments.watch())
        assert (await anext(events)).event_id == "e1"
        chunks = danbao.payouts.export_settlement_report("payouts/1", format=statements_pb2.FILE_FORMAT_CSV)
        assert (await anext(chunks)).data == b"a"
        waiting = [group.create_task(failure_of(anext(each))) for each in (events, chunks)]
        await asyncio.sleep(0)  # both wait
        await danbao.close()
        later = await failure_of(anext(aiter(danbao.disputes.watch())))
    failures = [*(task.result() for task in waiting), later]
    assert {(error.code, error.message) for error in failures} == {(CODE.CANCELLED, "the client was closed")}
