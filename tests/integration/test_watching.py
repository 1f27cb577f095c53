"""WatchPayments: what happens, in one order and without a gap, to whoever may see it and reads fast enough."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from danbao.v1 import payments_pb2
from danbao_workers.relay import relay_once
from tests import rpc_client
from tests.rpc_client import Caller, Core, refused
from tests.rpc_requests import a_payment, confirm, path_of, ship
from tests.workers import a_background

core = rpc_client.core

SECONDS = 20.0


class Watch:
    """An open WatchPayments."""

    def __init__(self, caller: Caller, **fields: Any) -> None:
        request = payments_pb2.WatchPaymentsRequest(**fields)
        method: Any = caller._channel.unary_stream(
            path_of(request),
            request_serializer=payments_pb2.WatchPaymentsRequest.SerializeToString,
            response_deserializer=payments_pb2.WatchPaymentsResponse.FromString,
        )
        self.call = method(request, timeout=SECONDS, metadata=[("authorization", f"Bearer {caller.token}")])
        self.cursor = ""

    async def next(self) -> Any:
        """The next event."""
        while True:
            message = await self.call.read()
            assert message is not grpc.aio.EOF, "it ended"
            self.cursor = message.cursor
            if message.event_id:
                return message

    async def topics(self, count: int) -> list[str]:
        return [(await self.next()).topic for _ in range(count)]

    async def heartbeat(self) -> str:
        """The next sign of life; it has a cursor and no event."""
        message = await self.call.read()
        assert not message.event_id, message
        assert not message.HasField("payment")
        return str(message.cursor)

    async def end(self) -> rpc_client.Refused:
        """How it ends, whatever is told before."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            while await self.call.read() is not grpc.aio.EOF:
                pass
            raise AssertionError("it ended well")
        return refused(caught.value)


@pytest.fixture(scope="module", autouse=True)
async def relaying(core: Core) -> AsyncIterator[None]:
    """What a worker does, but without Valkey."""
    async with a_background(core.settings) as background:

        async def on() -> None:
            while True:
                await relay_once(background)
                await asyncio.sleep(0.01)

        task = asyncio.create_task(on())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def a_purchase(core: Core, buyer: str, shop: str) -> str:
    payment = await core.operator.ask(a_payment(buyer, shop, 1))
    await core.operator.ask(ship(payment.name))
    await core.operator.ask(confirm(payment.name))
    return str(payment.name)


SOLD = ["payment.paid", "payment.shipped", "payment.succeeded"]


async def a_party(core: Core) -> tuple[str, str, Caller]:
    """A buyer, a shop, and somebody with the shop's key."""
    buyer, shop = await rpc_client.an_account(core, funds_minor=100_000), await rpc_client.a_merchant(core)
    return buyer, shop, await core.caller("payments.read", account=shop)


async def test_a_watch_tells_what_happens_from_now_on(core: Core) -> None:
    buyer, shop, keeper = await a_party(core)
    await a_purchase(core, buyer, shop)
    watch = Watch(keeper, cursor=await the_end(keeper))
    payment = await a_purchase(core, buyer, shop)
    seen = [await watch.next() for _ in range(3)]
    assert [each.topic for each in seen] == SOLD
    assert [each.payment.state for each in seen] == [2, 3, 4]
    assert {each.payment.name for each in seen} == {payment}


async def the_end(caller: Caller) -> str:
    """The cursor behind everything that has happened so far."""
    watch = Watch(caller, cursor="beginning")
    while not (message := await watch.call.read()).event_id or watch.call.done():
        break
    watch.call.cancel()
    watch = Watch(caller)
    cursor = await watch.heartbeat()
    watch.call.cancel()
    return cursor
