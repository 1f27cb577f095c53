"""Banks for tests: the sandbox's own in the loop of the test, and one that answers whatever it is told."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from danbao_core.bank.http_bank import HttpBank
from danbao_core.bank.port import Transfer
from danbao_core.bank.sandbox.server import SandboxBank, serve
from danbao_core.ids import uuid7

KEY = "the-banks-key"
NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
"""Of a day in Shanghai."""

GOOD_CARD = "4242424242424242"


def a_transfer(token: str, amount_minor: int = 1_000, asked_at: datetime = NOON) -> Transfer:
    return Transfer(id=uuid7(), token=token, amount_minor=amount_minor, currency="CNY", asked_at=asked_at)


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def serving(bank: SandboxBank, port: int = 0) -> AsyncIterator[str]:
    """The URL of a bank in this loop; it ends with the block."""
    ready, stop = asyncio.get_running_loop().create_future(), asyncio.Event()
    running = asyncio.create_task(serve(bank, "127.0.0.1", port, ready.set_result, stop))
    await asyncio.wait({ready, running}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield await ready
    finally:
        stop.set()
        await running


@asynccontextmanager
async def a_bank(folder: Path | None = None, *, seed: int = 1, call_seconds: float = 10.0) -> AsyncIterator[HttpBank]:
    """The sandbox's bank, as it is asked; on a folder of its own unless one is given."""
    with tempfile.TemporaryDirectory() as temporary:
        async with serving(SandboxBank(folder or Path(temporary), KEY, seed=seed)) as url:
            asked = HttpBank(url, KEY, call_seconds=call_seconds)
            try:
                yield asked
            finally:
                await asked.close()


@asynccontextmanager
async def answering(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[HttpBank]:
    """A bank that answers every call so."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    asked = HttpBank(f"http://127.0.0.1:{runner.addresses[0][1]}", KEY, call_seconds=0.3)
    try:
        yield asked
    finally:
        await asked.close()
        await runner.cleanup()
