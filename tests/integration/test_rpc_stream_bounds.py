"""What a stream may cost the server: bytes as well as items, and time, however its caller behaves."""

import asyncio
from typing import Any

import grpc
import pytest

from danbao.v1 import payments_pb2
from danbao_core.rpc.payment_stream import MOST_UNANSWERED_BYTES
from tests import rpc_client
from tests.integration.test_rpc_bulk import all_read, answers, count_of_payments, count_when_nothing_is_read, ended, reason
from tests.log_lines import Lines, log_lines
from tests.rpc_client import Core, a_core, a_merchant, an_account, available, until
from tests.rpc_requests import a_message, a_transfer, changed

core = rpc_client.core

LARGE = {f"{number:02}": "長" * 500 for number in range(20)}
LARGE_BYTES = 30_000
"""Of an item, and of its answer."""


async def _send_for_ever(call: Any, buyer: str, shop: str) -> None:
    """Messages whose answers are too large for what the transport takes on its way."""
    while True:
        await call.write(a_message(*(changed(a_transfer(buyer, shop, 1), metadata=LARGE) for _ in range(64))))


async def _has_paid(core: Core, buyer: str, count: int) -> bool:
    return await count_of_payments(core, buyer) >= count


async def test_a_message_that_grpc_refuses_ends_the_stream_and_what_came_before_can_be_sent_again(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=10), await a_merchant(core)
    before = a_message(a_transfer(buyer, shop, 4))
    call = core.operator.stream()
    await call.write(before)
    await call.write(bytes(5 * 1024 * 1024))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await all_read(call)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    (answer,) = await answers(core.operator, before)
    assert reason(answer.results[0]) == ""
    assert await available(core, buyer) == 6


@pytest.mark.parametrize(
    ("request_id", "told"),
    [("x" * 64, "x" * 64), (" ~", " ~"), ("", ""), ("x" * 65, ""), ("x" * 2_000_000, ""), ("x\n", ""), ("長", "")],
    ids=["64", "blanks", "none", "65", "megabytes", "a line", "no ASCII"],
)
async def test_a_result_tells_a_request_id_that_is_one(core: Core, request_id: str, told: str) -> None:
    (answer,) = await answers(core.operator, a_message(payments_pb2.CreatePaymentRequest(request_id=request_id)))
    assert [(result.request_id, reason(result)) for result in answer.results] == [(told, "FIELD_INVALID")]


async def test_a_caller_that_does_not_read_is_read_from_for_a_few_megabytes_only(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=100_000), await a_merchant(core)
    call = core.operator.stream(seconds=60)
    sending = asyncio.create_task(_send_for_ever(call, buyer, shop))
    await until(lambda: _has_paid(core, buyer, 64))
    settled = await count_when_nothing_is_read(core, buyer)
    assert not sending.done()
    on_their_way = 12 * 1024 * 1024  # what the transport may have taken although nobody reads it
    assert settled * LARGE_BYTES <= MOST_UNANSWERED_BYTES + on_their_way
    for _ in range(20):
        assert [reason(result) for result in (await call.read()).results] == [""] * 64
    sending.cancel()
    call.cancel()


async def test_a_caller_that_neither_reads_nor_sends_is_let_go(database_url: str) -> None:
    async with a_core(database_url, stream_idle_seconds=0.5, drain_seconds=600) as core:
        buyer, shop = await an_account(core, funds_minor=100_000), await a_merchant(core)
        call = core.operator.stream(seconds=None)
        sending = asyncio.create_task(_send_for_ever(call, buyer, shop))
        await until(lambda: _has_paid(core, buyer, 64))
        async with asyncio.timeout(30):
            await core.server.__aexit__(None, None, None)  # it waits for calls that are inside
        await asyncio.wait([sending])


async def test_a_caller_that_read_nothing_for_too_long_is_told_so(database_url: str) -> None:
    async with a_core(database_url, stream_idle_seconds=0.5) as core:
        buyer, shop = await an_account(core, funds_minor=100_000), await a_merchant(core)
        with log_lines() as lines:
            call = core.operator.stream(seconds=None)
            for _ in range(2):
                await call.write(a_message(*(changed(a_transfer(buyer, shop, 1), metadata=LARGE) for _ in range(64))))
            await until(lambda: _has_paid(core, buyer, 128))
            await until(lambda: _has_ended(lines))  # nobody reads meanwhile
        assert (await ended(call)).reason == "STREAM_IDLE"


async def _has_ended(lines: Lines) -> bool:
    return "PaymentService/StreamPayments" in [line["method"] for line in lines.of("rpc")]
