"""A receiver of webhooks on a free loopback port, which verifies what it gets and answers as a test wants.

async with a_receiver() as receiver:
    receiver.answers[:] = [answer(500), answer(200)]     # the last one goes on
    ...
    assert [each.topic for each in receiver.got] == ["payment.created"]
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from aiohttp import web
from standardwebhooks import Webhook

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Received(NamedTuple):
    """A webhook that came."""

    id: str
    path: str
    headers: dict[str, str]
    body: bytes
    content: dict[str, Any]
    secret_fits: bool

    @property
    def topic(self) -> str:
        return str(self.content["type"])

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.content["data"]
        return data


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    """An answer with this status."""

    async def give(request: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    return give


async def hang(request: web.Request) -> web.StreamResponse:
    """No answer at all."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


async def ten_megabytes(request: web.Request) -> web.StreamResponse:
    """An answer that does not end for long."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(160):
        await response.write(b"x" * 65_536)
    return response


class Receiver:
    """What came, and what is answered."""

    def __init__(self) -> None:
        self.url = ""
        self.secrets: dict[str, str] = {}
        """By path; what comes to others is not verified."""
        self.answers: list[Answer] = [answer(200)]
        self.by_path: dict[str, Answer] = {}
        self.got: list[Received] = []

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        secret = self.secrets.get(request.path)
        fits = secret is not None and Webhook(secret).verify(body, headers) is not None
        received = Received(headers["webhook-id"], request.path, headers, body, msgspec.json.decode(body), fits)
        self.got.append(received)
        if request.path in self.by_path:
            return await self.by_path[request.path](request)
        give = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await give(request)

    def topics(self, path: str = "") -> list[str]:
        """What came, in its order."""
        return [each.topic for each in self.got if not path or each.path == path]


@asynccontextmanager
async def a_receiver(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Receiver]:
    """A receiver that listens until the end of the block."""
    receiver = Receiver()
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    (address,) = runner.addresses
    receiver.url = f"http://{host}:{address[1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()
