"""WatchPayments and WatchDisputes: what happens, in one order and without a gap, to whoever may see it and reads in time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from danbao.v1 import disputes_pb2, payments_pb2
from danbao_core.notification_errors import WatchTooSlow
from danbao_core.notifications import events
from danbao_core.rpc import interceptor, watching
from danbao_core.rpc.cursors import Cursors
from danbao_core.rpc.stream import Outlet
from tests import rpc_client
from tests.disputing import a_quarrel
from tests.rpc_client import HASH_KEY, Caller, Connection, Core, a_core, refused, until
from tests.rpc_requests import (
    a_payment,
    a_transfer,
    accept_offer,
    changed,
    confirm,
    create_key,
    offer,
    path_of,
    refund,
    revoke,
    ship,
    withdraw_dispute,
)
from tests.shared_postgres import SharedServer, a_database
from tests.workers import a_valkey, a_worker

SECONDS = 20.0
LARGE = {f"{number:02}": "長" * 500 for number in range(20)}
"""What makes events of 30,000 bytes."""
SMALL_WINDOW = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 16_384), ("grpc.use_local_subchannel_pool", 1)]
HEARTBEAT_SECONDS = 0.2
SOLD = ["payment.paid", "payment.shipped", "payment.succeeded"]


@pytest.fixture(scope="module")
async def core(postgres: SharedServer, administrator: Connection) -> AsyncIterator[Core]:
    """A server, and a worker that relays."""
    async with (
        a_database(administrator, postgres) as database_url,
        a_valkey() as valkey,
        a_core(database_url, watch_heartbeat_seconds=HEARTBEAT_SECONDS) as running,
        a_worker(database_url, valkey.valkey_url, hash_key=HASH_KEY),
    ):
        yield running


class Watch:
    """An open WatchPayments."""

    request: type[Any] = payments_pb2.WatchPaymentsRequest
    response: type[Any] = payments_pb2.WatchPaymentsResponse
    subject = "payment"

    def __init__(self, caller: Caller, **fields: Any) -> None:
        request = self.request(**fields)
        method: Any = caller._channel.unary_stream(
            path_of(request),
            request_serializer=self.request.SerializeToString,
            response_deserializer=self.response.FromString,
        )
        self.call = method(request, timeout=SECONDS, metadata=[("authorization", f"Bearer {caller.token}")])
        self.cursor = ""
        self._begins_now = not request.cursor

    async def message(self) -> Any:
        """The next message, whatever it is."""
        message = await self.call.read()
        assert message is not grpc.aio.EOF, "it ended"
        self.cursor = message.cursor
        if self._begins_now:
            assert not message.event_id, "the first message of a watch from now on has only a cursor"
            self._begins_now = False
        return message

    async def next(self) -> Any:
        """The next event."""
        while not (message := await self.message()).event_id:
            assert not message.HasField(self.subject)
        return message

    async def heartbeat(self) -> str:
        """The cursor of the next sign of life: for a while nothing happened."""
        if self._begins_now:
            await self.message()
        while (message := await self.message()).event_id:
            pass
        return str(message.cursor)

    async def some(self, count: int) -> list[Any]:
        return [await self.next() for _ in range(count)]

    async def end(self) -> rpc_client.Refused:
        """How it ends, whatever is told before."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self._read_on()
        refusal = refused(caught.value)
        rpc_client.must_keep_the_rules(refusal)
        return refusal

    async def _read_on(self) -> None:
        while await self.call.read() is not grpc.aio.EOF:
            pass


class DisputeWatch(Watch):
    """An open WatchDisputes."""

    request = disputes_pb2.WatchDisputesRequest
    response = disputes_pb2.WatchDisputesResponse
    subject = "dispute"


class Shop:
    """A merchant, a buyer, and somebody with the merchant's key."""

    def __init__(self, core: Core, buyer: str, name: str, keeper: Caller) -> None:
        self.core, self.buyer, self.name, self.keeper = core, buyer, name, keeper

    async def sell(self) -> str:
        payment = await self.core.operator.ask(a_payment(self.buyer, self.name, 1))
        await self.core.operator.ask(ship(payment.name))
        await self.core.operator.ask(confirm(payment.name))
        return str(payment.name)


@pytest.fixture
async def shop(core: Core) -> Shop:
    buyer, name = await rpc_client.an_account(core, funds_minor=100_000), await rpc_client.a_merchant(core)
    return Shop(core, buyer, name, await core.caller("disputes.read", "payments.read", account=name))


async def test_what_happens_is_told_as_it_was_then(core: Core, shop: Shop) -> None:
    watch = Watch(shop.keeper)
    await watch.heartbeat()
    payment = await shop.sell()
    seen = await watch.some(3)
    assert [each.topic for each in seen] == SOLD
    assert [each.payment.state for each in seen] == [2, 3, 4]
    assert {each.payment.name for each in seen} == {payment}
    watch.call.cancel()


async def test_the_beginning_is_all_that_is_kept(core: Core, shop: Shop) -> None:
    await shop.sell()
    watch = Watch(shop.keeper, cursor="beginning")
    assert [each.topic for each in await watch.some(3)] == SOLD
    watch.call.cancel()


async def test_who_goes_on_from_a_cursor_misses_nothing_and_meets_nothing_twice(core: Core, shop: Shop) -> None:
    selling = asyncio.create_task(_sell_on(shop, 15))
    seen: list[str] = []
    cursor = "beginning"
    while len(seen) < 45:
        watch = Watch(shop.keeper, cursor=cursor)
        seen += [message.event_id for message in await watch.some(min(4, 45 - len(seen)))]
        cursor = watch.cursor
        watch.call.cancel()
    await selling
    stored = await core.connection.fetch(
        "SELECT id::text FROM event WHERE account_id = $1 ORDER BY position", rpc_client.id_of(shop.name)
    )
    assert seen == [row["id"] for row in stored]


async def _sell_on(shop: Shop, count: int) -> None:
    for _ in range(count):
        await shop.sell()


async def test_a_bound_key_sees_its_own_payments_and_an_unbound_one_all(core: Core, shop: Shop) -> None:
    friend = await rpc_client.an_account(core)
    payer = await core.caller("payments.read", account=shop.buyer)
    watches = [Watch(shop.keeper), Watch(payer), Watch(core.operator), Watch(core.operator, account=friend)]
    for watch in watches:
        await watch.heartbeat()
    sold = await core.operator.ask(a_transfer(shop.buyer, shop.name, 1))
    given = await core.operator.ask(a_transfer(shop.buyer, friend, 1))
    again = await core.operator.ask(a_transfer(shop.buyer, shop.name, 1))
    wanted = ([sold, again], [sold, given, again], [sold, given, again], [given])
    for watch, payments in zip(watches, wanted, strict=True):
        assert [each.payment.name for each in await watch.some(len(payments))] == [each.name for each in payments]
        watch.call.cancel()


async def test_one_payment_can_be_watched(core: Core, shop: Shop) -> None:
    payment = await core.operator.ask(a_payment(shop.buyer, shop.name, 1, pay=False))
    watch = Watch(core.operator, payment=payment.name, cursor="beginning")
    assert (await watch.next()).topic == "payment.created"
    await shop.sell()
    await core.operator.ask(payments_pb2.CancelPaymentRequest(request_id="one", name=payment.name))
    assert (await watch.next()).topic == "payment.closed"
    watch.call.cancel()


async def test_a_refund_of_a_part_is_told_to_both_sides_and_to_who_watches_the_payment(core: Core, shop: Shop) -> None:
    payment, other = await shop.sell(), await shop.sell()
    payer = await core.caller("payments.read", account=shop.buyer)
    stranger = await core.caller("payments.read", account=await rpc_client.a_merchant(core))
    watches = [Watch(shop.keeper), Watch(payer), Watch(core.operator, payment=payment)]
    nobodys = [Watch(stranger), Watch(core.operator, payment=other)]
    for watch in (*watches, *nobodys):
        await watch.heartbeat()
    made = await core.operator.ask(refund(payment, 1))
    for watch in watches:
        created, succeeded = await watch.some(2)
        assert (created.topic, succeeded.topic) == ("refund.created", "refund.succeeded")
        assert [each.refund.name for each in (created, succeeded)] == [made.name] * 2
        assert (succeeded.refund.payment, succeeded.refund.state) == (payment, payments_pb2.Refund.STATE_SUCCEEDED)
        assert not succeeded.HasField("payment")
        watch.call.cancel()
    for watch in nobodys:
        await watch.heartbeat()
        watch.call.cancel()
    again = Watch(core.operator, payment=payment, cursor="beginning")
    assert [each.topic for each in await again.some(5)] == [*SOLD, "refund.created", "refund.succeeded"]
    again.call.cancel()


async def test_what_happens_to_disputes_is_told_as_it_was_then(core: Core) -> None:
    quarrel, other = await a_quarrel(core), await a_quarrel(core)
    watches = [DisputeWatch(caller) for caller in (quarrel.as_buyer, quarrel.as_seller)]
    for watch in watches:
        await watch.heartbeat()
    await other.opened()
    dispute = (await quarrel.opened()).name
    await quarrel.as_seller.ask(offer(dispute, 40))
    await quarrel.as_buyer.ask(accept_offer(dispute))
    told: list[Any] = []
    for watch in watches:
        told = await watch.some(3)
        assert [each.topic for each in told] == ["dispute.opened", "dispute.offered", "dispute.settled"]
        assert [each.dispute.state for each in told] == [1, 2, 5]
        assert {each.dispute.name for each in told} == {dispute}
        watch.call.cancel()
    again = DisputeWatch(quarrel.as_buyer, cursor=told[0].cursor)
    assert [each.event_id for each in await again.some(2)] == [each.event_id for each in told[1:]]
    again.call.cancel()


async def test_one_dispute_can_be_watched(core: Core) -> None:
    quarrel, other = await a_quarrel(core), await a_quarrel(core)
    dispute = (await quarrel.opened()).name
    watch = DisputeWatch(core.operator, dispute=dispute, cursor="beginning")
    assert (await watch.next()).topic == "dispute.opened"
    await other.opened()
    await quarrel.as_buyer.ask(withdraw_dispute(dispute))
    assert (await watch.next()).topic == "dispute.closed"
    watch.call.cancel()
    watched_payment = Watch(quarrel.as_seller, cursor="beginning")
    topics = [each.topic for each in await watched_payment.some(3)]
    assert topics == ["payment.paid", "payment.disputed", "payment.resumed"]
    watched_payment.call.cancel()


async def test_a_strange_dispute_is_not_there(core: Core) -> None:
    quarrel, other = await a_quarrel(core), await a_quarrel(core)
    refusal = await DisputeWatch(other.as_buyer, dispute=(await quarrel.opened()).name).end()
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "DISPUTE_NOT_FOUND")


async def test_a_strange_account_is_not_there(core: Core, shop: Shop) -> None:
    refusal = await Watch(shop.keeper, account=shop.buyer).end()
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND")


async def test_a_cursor_that_was_made_up_is_refused(core: Core, shop: Shop) -> None:
    cursors = Cursors(bytes.fromhex(HASH_KEY))
    good = cursors.cursor(1, None)
    for cursor in ("x", good[:-2], good[::-1], Cursors(b"another").cursor(1, None)):
        refusal = await Watch(shop.keeper, cursor=cursor).end()
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID"), cursor


async def test_a_cursor_of_what_a_restored_database_has_lost_is_refused(core: Core, shop: Shop) -> None:
    """Nor does it skip anything once another event stands in its place."""
    await shop.sell()
    watch = Watch(shop.keeper, cursor="beginning")
    await watch.next()
    await core.connection.execute("UPDATE event SET id = gen_random_uuid()")
    for lost in (watch.cursor, Cursors(bytes.fromhex(HASH_KEY)).cursor(10**9, None)):
        refusal = await Watch(shop.keeper, cursor=lost).end()
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED")


async def test_who_does_not_read_is_cut_off_and_goes_on_from_the_last_cursor(
    core: Core, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "MOST_BUFFERED", 4)
    slow = Watch(shop.keeper)
    await slow.heartbeat()
    monkeypatch.setattr(watching.Watcher, "next", _never)
    stuck = Watch(shop.keeper, cursor=slow.cursor)
    await asyncio.gather(*(shop.sell() for _ in range(4)))
    refusal = await stuck.end()
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "WATCH_TOO_SLOW")
    monkeypatch.undo()
    again = Watch(shop.keeper, cursor=slow.cursor)
    assert len(await again.some(12)) == 12
    for watch in (slow, again):
        watch.call.cancel()


async def test_a_write_that_nobody_reads_is_given_up(core: Core, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller whose transport takes no more, so that the server's write does not return.

    The buffer holds more than is ever read at once, or it would be full while nothing is being written.
    """
    monkeypatch.setattr(watching, "MOST_BUFFERED", 16)
    monkeypatch.setattr(watching, "_EVERY_SECONDS", 0.001)
    given_up, write = asyncio.Event(), Outlet.write

    async def seen(outlet: Outlet, answer: Any) -> None:
        outlet.must_go_on()
        try:
            await write(outlet, answer)
        except WatchTooSlow:
            given_up.set()
            raise

    monkeypatch.setattr(Outlet, "write", seen)
    async with grpc.aio.insecure_channel(core.server.address, options=SMALL_WINDOW) as channel:
        slow = Watch(Caller(channel, shop.keeper.token))
        await slow.heartbeat()
        cursor = slow.cursor
        sold = 0
        async with asyncio.timeout(SECONDS):
            while not given_up.is_set():  # nobody reads meanwhile
                await core.operator.ask(changed(a_transfer(shop.buyer, shop.name, 1), metadata=LARGE))
                sold += 1
        refusal = await slow.end()
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "WATCH_TOO_SLOW")
    monkeypatch.undo()
    again = Watch(shop.keeper, cursor=cursor)
    assert len({each.event_id for each in await again.some(sold)}) == sold
    again.call.cancel()


async def _never(self: watching.Watcher, patience_seconds: float) -> None:
    """A reader that takes nothing: it waits until its outlet is ended."""
    while True:
        self.outlet.must_go_on()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", [Watch, DisputeWatch])
async def test_nobody_watches_too_often_at_once(core: Core, shop: Shop, kind: type[Watch]) -> None:
    open_ones = [kind(shop.keeper) for _ in range(watching.MOST_OF_A_CALLER)]
    await asyncio.gather(*(each.heartbeat() for each in open_ones))
    refusal = await kind(shop.keeper).end()
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "WATCHES_BUSY")
    await kind(core.operator).heartbeat()
    open_ones[0].call.cancel()
    await until(lambda: _may_watch(shop.keeper, kind))
    for each in open_ones:
        each.call.cancel()


async def _may_watch(caller: Caller, kind: type[Watch]) -> bool:
    watch = kind(caller)
    try:
        await watch.heartbeat()
    except grpc.aio.AioRpcError:
        return False
    finally:
        watch.call.cancel()
    return True


async def test_a_revoked_key_watches_no_longer(core: Core, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interceptor, "AGAIN_SECONDS", 0.1)
    made = await core.operator.ask(create_key("payments.read", account=shop.name))
    watch = Watch(core.operator.with_token(made.token))
    await watch.heartbeat()
    await core.operator.ask(revoke(made.service_key.name))
    assert (await watch.end()).reason == "KEY_REVOKED"


async def test_what_is_forgotten_cannot_be_watched(core: Core, shop: Shop) -> None:
    await shop.sell()
    watch = Watch(shop.keeper, cursor="beginning")
    seen = await watch.some(3)
    watch.call.cancel()
    position = await core.connection.fetchval("SELECT last_position FROM event_log")
    await core.connection.execute("DELETE FROM event WHERE position <= $1", position)
    await core.connection.execute("UPDATE event_log SET forgotten_position = $1", position)
    refusal = await Watch(shop.keeper, cursor=seen[0].cursor).end()
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED")
    watch = Watch(shop.keeper, cursor="beginning")
    await watch.heartbeat()
    await shop.sell()
    assert [each.topic for each in await watch.some(3)] == SOLD
    watch.call.cancel()


async def test_what_is_forgotten_while_it_is_read_is_not_passed_over(
    core: Core, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.sell()
    await until(lambda: _all_told(core))
    position = await core.connection.fetchval("SELECT last_position FROM event_log")
    read_events = events.read_events

    async def too_late(*arguments: Any, **named: Any) -> Any:
        await core.connection.execute("DELETE FROM event WHERE position <= $1", position)
        await core.connection.execute("UPDATE event_log SET forgotten_position = $1", position)
        return await read_events(*arguments, **named)

    monkeypatch.setattr(watching, "read_events", too_late)
    refusal = await Watch(shop.keeper, cursor="beginning").end()
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED")


async def _all_told(core: Core) -> bool:
    return not await core.connection.fetchval("SELECT EXISTS (SELECT FROM outbox)")


async def test_a_server_that_stops_says_so(postgres: SharedServer, administrator: Connection) -> None:
    async with a_database(administrator, postgres) as database_url:
        async with a_core(database_url, watch_heartbeat_seconds=HEARTBEAT_SECONDS) as stopping:
            watch = Watch(stopping.operator)
            await watch.heartbeat()
            ending = asyncio.create_task(watch.end())
            await stopping.server.__aexit__(None, None, None)
            refusal = await ending
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
