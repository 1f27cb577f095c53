"""Callers who break the rules of HTTP/2, or keep them to everybody's cost: the core stays up, small, and there for others."""

import asyncio
import gzip
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc
import psutil
import pytest

from danbao.v1 import accounts_pb2, payments_pb2
from danbao_core.rpc import stream
from tests import rpc_client
from tests.http2_peer import (
    CONTINUATION,
    DATA,
    FRAME_BYTES,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PING,
    PREFACE,
    RST_STREAM,
    WINDOW_UPDATE,
    Headers,
    Peer,
    a_peer,
    frame,
    headers_of,
    message,
    packed,
    settings,
)
from tests.rpc_client import HASH_KEY, Caller, Core, Refused, a_merchant, an_account, audit_holds, available, refused, until
from tests.rpc_requests import UNKNOWN, a_transfer, path_of

core = rpc_client.core

GET: Final = path_of(accounts_pb2.GetAccountRequest())
LIST: Final = path_of(accounts_pb2.ListAccountsRequest())
ASKING: Final = message(accounts_pb2.GetAccountRequest(name=f"accounts/{UNKNOWN}").SerializeToString())

MOST_GROWTH: Final = 400 * 2**20
"""By so many bytes all attacks together may make the process larger, at any moment."""

CONNECTIONS_MAX: Final = 100
MOST_LOG: Final = 256 * 1024
"""Most bytes that all attacks together may make the process write."""


class Victim(NamedTuple):
    """A core in a process of its own, with somebody who pays all the while."""

    address: str
    process: psutil.Process
    log: Path
    token: Headers
    """As a header, for attackers who have stolen a key."""
    honest: Caller
    buyer: str
    shop: str
    sizes: list[int]
    """Of the process, at each payment; the first is before any attack."""

    async def pay(self) -> None:
        """One payment. A call that gRPC gave up in its queue is made again, as any caller does."""
        request = a_transfer(self.buyer, self.shop, 1)
        for _ in range(5):
            try:
                await self.honest.ask(request)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.CANCELLED:
                    raise
            else:
                self.sizes.append(self.process.memory_info().rss)
                return
        raise AssertionError("nobody was served")

    async def keep_paying(self) -> None:
        while True:
            await self.pay()

    def connections(self) -> int:
        """How many callers are connected."""
        port = int(self.address.rpartition(":")[2])
        found = self.process.net_connections(kind="tcp")
        return sum(each.laddr.port == port and each.status == psutil.CONN_ESTABLISHED for each in found)


@asynccontextmanager
async def a_victim(core: Core, log: Path) -> AsyncIterator[Victim]:
    """Starts it on the database of `core`; at the end it stops by itself, with all calls ended: nothing was leaked."""
    environment = {
        "DANBAO_MODE": "sandbox",
        "DANBAO_DATABASE_URL": core.settings.database_url,
        "DANBAO_LISTEN": "127.0.0.1:0",
        "DANBAO_HASH_KEY": HASH_KEY,
        "DANBAO_CONNECTIONS_MAX": str(CONNECTIONS_MAX),
        "DANBAO_DRAIN_SECONDS": "600",
        "DANBAO_LOG_LEVEL": "warning",
        "PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path))),
    }
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "danbao_core", "serve", "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=out,
            env=os.environ | environment,
        )
    try:
        assert process.stdout is not None
        address = str(json.loads(await process.stdout.readline())["address"])
        async with grpc.aio.insecure_channel(address) as channel:
            token, found = core.operator.token, psutil.Process(process.pid)
            buyer, shop = await an_account(core, funds_minor=1_000_000), await a_merchant(core)
            header = [("authorization", f"Bearer {token}")]
            victim = Victim(address, found, log, header, Caller(channel, token), buyer, shop, [])
            await victim.pay()
            yield victim
        process.terminate()
        async with asyncio.timeout(60):
            assert await process.wait() == 0, log.read_text()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


# --- Attacks: each is made of what one connection sends ----------------------------------------------------------------------


async def _rapid_reset(peer: Peer, token: Headers) -> None:
    """CVE-2023-44487: calls that are taken back at once, with and without a key."""
    strange, known = headers_of(GET), headers_of(GET, token)
    for number in range(2_000):
        stream_id = peer.open(known if number % 2 else strange)
        peer.tell(stream_id, ASKING)
        peer.send(frame(RST_STREAM, stream_id, bytes(4)))
        if number % 100 == 0:
            await peer.flushed()


async def _continuations(peer: Peer, _: Headers) -> None:
    """CVE-2024-27316: headers that never end."""
    more = packed([("x-more", "y" * (FRAME_BYTES - 40))])
    peer.send(frame(HEADERS, 1, headers_of(GET)))
    await _many(peer, frame(CONTINUATION, 1, more), 500)


async def _empty_continuations(peer: Peer, _: Headers) -> None:
    peer.send(frame(HEADERS, 1, headers_of(GET)))
    await _many(peer, frame(CONTINUATION, 1), 50_000)


async def _hpack_bomb(peer: Peer, _: Headers) -> None:
    """A large header, and then thousands of times the byte that means the same once more."""
    large = b"\x40" + packed([("x-large", "z" * 3_900)])[1:]
    for _number in range(5):
        peer.open(headers_of(GET) + large + b"\xbe" * 16_000)


async def _pings(peer: Peer, _: Headers) -> None:
    """CVE-2019-9512: each wants an answer."""
    await _many(peer, frame(PING, 0, bytes(8)), 50_000)


async def _settings(peer: Peer, _: Headers) -> None:
    """CVE-2019-9515: so does each of these."""
    await _many(peer, settings({INITIAL_WINDOW_SIZE: 70_000}), 50_000)


async def _empty_data(peer: Peer, token: Headers) -> None:
    """CVE-2019-9518: frames with nothing in them."""
    await _many(peer, frame(DATA, peer.ask(GET, token)), 50_000)


async def _streams(peer: Peer, token: Headers) -> None:
    """Calls that never say what they want, of strangers and of one who is known."""
    for number in range(1_500):
        peer.ask(GET, token if number % 3 == 0 else ())
        if number % 100 == 0:
            await peer.flushed()


async def _nothing_to_say(peer: Peer, token: Headers) -> None:
    """Calls that end before they have said anything."""
    for _ in range(500):
        peer.ask(GET, token, end=True)


async def _closed_windows(peer: Peer, token: Headers) -> None:
    """CVE-2019-9517: many answers asked for, and none taken."""
    peer.send(settings({INITIAL_WINDOW_SIZE: 0}))
    for _ in range(500):
        peer.tell(peer.ask(LIST, token), message(b""))


async def _window_updates(peer: Peer, token: Headers) -> None:
    """Windows opened byte by byte, and then beyond what a window can be."""
    stream_id = peer.ask(GET, token)
    await _many(peer, frame(WINDOW_UPDATE, stream_id, b"\0\0\0\1") + frame(WINDOW_UPDATE, 0, b"\0\0\0\1"), 20_000)
    most = b"\x7f\xff\xff\xff"
    peer.send(frame(WINDOW_UPDATE, stream_id, most) + frame(WINDOW_UPDATE, 0, most))


async def _large_metadata(peer: Peer, token: Headers) -> None:
    block = headers_of(GET, [*token, ("x-large", "q" * 1_000_000)])
    for _ in range(20):
        peer.open(block)
        await peer.flushed()


async def _large_messages(peer: Peer, token: Headers) -> None:
    """Messages that say they have 4 GiB, and some of strangers that have nearly as much as one may."""
    for _ in range(100):
        peer.tell(peer.ask(GET, token), b"\0\xff\xff\xff\xff" + bytes(FRAME_BYTES - 5))
    for _ in range(20):
        peer.tell(peer.ask(GET), message(bytes(4 * 2**20 - 10))[:-5], end=False)
        await peer.flushed()


async def _gzip_bomb(peer: Peer, token: Headers) -> None:
    bomb = message(gzip.compress(bytes(100 * 2**20), 1), compressed=True)
    for number in range(6):
        peer.tell(peer.ask(GET, [*(token if number % 2 else ()), ("grpc-encoding", "gzip")]), bomb)
        await peer.flushed()


async def _garbage(peer: Peer, _: Headers) -> None:
    """Frames of no type, for no stream, too long, and then no frames at all."""
    for kind in range(10, 256):
        peer.send(frame(kind, kind, bytes(kind)))
    peer.send(
        frame(DATA, 99, b"x") + frame(HEADERS, 2, headers_of(GET)) + frame(DATA, 0, bytes(2**20)) + bytes(range(256)) * 64
    )


async def _many(peer: Peer, frames: bytes, count: int) -> None:
    for _ in range(count // 500 or 1):
        peer.send(frames * min(count, 500))
        await peer.flushed()


Attack = Callable[[Peer, Headers], Awaitable[None]]
ATTACKS: Final[tuple[Attack, ...]] = (
    _rapid_reset, _continuations, _empty_continuations, _hpack_bomb, _pings, _settings, _empty_data, _streams, _nothing_to_say,
    _closed_windows, _window_updates, _large_metadata, _large_messages, _gzip_bomb, _garbage,
)  # fmt: skip

HALVES: Final = (b"", PREFACE[:10], PREFACE, PREFACE + settings({})[:5], b"GET / HTTP/1.1\r\n", b"\x16\x03\x01")
"""How connections begin that never get any further."""


@asynccontextmanager
async def _under(attack: Attack, victim: Victim) -> AsyncIterator[None]:
    """The block runs when everything was sent, over connections that are still open. Some attackers read no answers."""
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(a_peer(victim.address, deaf=bool(number % 2))) for number in range(2)]
        for peer in peers:
            await attack(peer, victim.token)
            await peer.flushed()
        yield


async def _alone(victim: Victim) -> bool:
    """Whether nobody is connected but who pays."""
    return victim.connections() == 1


async def _some_gone(crowd: list[Peer]) -> bool:
    """Whether as many were hung up on as are too many."""
    return sum(peer.gone for peer in crowd) >= len(crowd) - CONNECTIONS_MAX


async def test_whoever_attacks_the_rest_are_served(core: Core, tmp_path: Path) -> None:
    async with a_victim(core, tmp_path / "log") as victim, AsyncExitStack() as stack:
        halves = [await stack.enter_async_context(a_peer(victim.address, hello=half, deaf=True)) for half in HALVES]
        quiet = [await stack.enter_async_context(a_peer(victim.address)) for _ in range(5)]
        paying = asyncio.create_task(victim.keep_paying())
        for attack in ATTACKS:
            async with _under(attack, victim):
                await victim.pay()
            await victim.pay()
            assert not paying.done(), (attack, paying)
            assert max(victim.sizes) < victim.sizes[0] + MOST_GROWTH, (attack, victim.sizes[0], max(victim.sizes))

        crowd = [await stack.enter_async_context(a_peer(victim.address)) for _ in range(2 * CONNECTIONS_MAX)]
        await until(lambda: _some_gone(crowd))
        assert victim.connections() <= CONNECTIONS_MAX
        await victim.pay()
        for peer in (*crowd, *quiet):
            peer.hang_up()
        await asyncio.gather(*(half.hung_up() for half in halves))  # the server does, without a word from them
        await until(lambda: _alone(victim))
        async with grpc.aio.insecure_channel(victim.address) as channel:
            assert await available(core._replace(operator=Caller(channel, core.operator.token)), victim.buyer)
        paying.cancel()
    assert 1_000_000 - await available(core, victim.buyer) >= len(victim.sizes)
    assert await audit_holds(core)
    assert (tmp_path / "log").stat().st_size < MOST_LOG


async def test_a_message_is_measured_unpacked(core: Core) -> None:
    channel: Any = core.channel
    token = [("authorization", f"Bearer {core.operator.token}")]
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(GET)(bytes(50 * 2**20), metadata=token, compression=compression, timeout=30)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


# --- Calls whose message does not come ---------------------------------------------------------------------------------------


class Silence(AsyncIterator[bytes]):
    """The messages of a call that sends none, and does not say so."""

    async def __anext__(self) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError


async def _asked(core: Core, path: str, messages: Any, token: str | None) -> Refused:
    """How a call is refused whose caller sends these messages where one is expected."""
    metadata = [] if token is None else [("authorization", f"Bearer {token}")]
    channel: Any = core.channel
    call = channel.stream_stream(path)(messages, metadata=metadata, timeout=30)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anext(aiter(call))
    return refused(caught.value)


PATHS: Final = (GET, path_of(payments_pb2.WatchPaymentsRequest()))


@pytest.mark.parametrize("path", PATHS)
async def test_a_call_without_a_message_is_refused(core: Core, path: str) -> None:
    found = await _asked(core, path, iter([]), core.operator.token)
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_MALFORMED")


@pytest.mark.parametrize("path", PATHS)
async def test_nobody_is_waited_for_before_it_is_known_who_they_are(core: Core, path: str) -> None:
    found = await _asked(core, path, Silence(), None)
    assert (found.code, found.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")


@pytest.mark.parametrize("path", PATHS)
async def test_a_message_is_waited_for_for_a_while_only(core: Core, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MESSAGE_SECONDS", 0.01)
    found = await _asked(core, path, Silence(), core.operator.token)
    assert (found.code, found.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_PASSED")
