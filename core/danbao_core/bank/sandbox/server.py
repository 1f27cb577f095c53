"""The bank of a sandbox over HTTP: the contract in `wire.py`, and `PUT /control/behaviour` with a `Behaviour`."""

import asyncio
import hmac
import random
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from danbao_core.bank import wire
from danbao_core.bank.port import DeclineReason
from danbao_core.bank.sandbox.behaviour import PLAIN, REFUSED_CARD, TRICKS, Behaviour, Trick, trick_of
from danbao_core.bank.sandbox.store import ContentDiffers, Store, Verdict
from danbao_core.cards import is_card_number
from danbao_core.clock import WallClock, system_wall_clock

HANG_SECONDS: Final = 120.0
"""A call that is not answered is ended after this long, if the caller does not end it before."""

_BEHAVIOUR: Final = "behaviour"

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound=msgspec.Struct)


class SandboxBank:
    """The bank on a folder. `application` is what an aiohttp server serves; `close` when that has ended.

    Chance is drawn from `seed`, so that the same calls one after another have the same fate.
    """

    def __init__(self, folder: Path, key: str, *, seed: int | None = None, clock: WallClock = system_wall_clock) -> None:
        self._store = Store(folder)
        self._key = f"Bearer {key}".encode()
        self._chance = random.Random(seed)  # noqa: S311  # fate, no secret
        self._clock = clock
        self._writer = ThreadPoolExecutor(1, "bank-store")
        kept = self._store.setting(_BEHAVIOUR)
        self._behaviour = Behaviour() if kept is None else msgspec.json.decode(kept, type=Behaviour)

    def application(self) -> web.Application:
        """Its routes."""
        application = web.Application(middlewares=[self._admit], client_max_size=64 * 1024)
        application.add_routes(
            [
                web.post("/v1/tokens", self._tokenize),
                web.put("/v1/transfers/{id}", self._transfer),
                web.get("/v1/transfers/{id}", self._query),
                web.get("/v1/statements/{day}", self._statement),
                web.put("/control/behaviour", self._behave),
            ]
        )
        return application

    def close(self) -> None:
        """Ends the store."""
        self._writer.shutdown()
        self._store.close()

    @web.middleware
    async def _admit(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        """Lets in who has the key, and treats calls of the contract as the bank behaves."""
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, self._key):
            return _error(401, "KEY_WRONG")
        if request.path.startswith("/control/"):
            return await _answered(handler, request)
        behaviour = self._behaviour
        if self._happens(behaviour.hanging_bps):
            await asyncio.sleep(HANG_SECONDS)
            return _lost(request)
        lost = self._happens(behaviour.lost_bps)
        answer = await _answered(handler, request)
        if behaviour.answer_delay_ms:
            await asyncio.sleep(behaviour.answer_delay_ms / 1000)
        return _lost(request) if lost else answer

    def _happens(self, bps: int) -> bool:
        return bps > 0 and self._chance.randrange(10_000) < bps

    async def _tokenize(self, request: web.Request) -> web.StreamResponse:
        card_number = msgspec.json.decode(await request.read(), type=wire.TokenRequest).card_number
        if card_number == REFUSED_CARD or not is_card_number(card_number):
            return _error(422, "CARD_REFUSED")
        token = f"sbx_{secrets.token_urlsafe(18)}"
        await self._stored(self._store.keep_card, token, trick_of(card_number))
        return _json(wire.TokenAnswer(token))

    async def _transfer(self, request: web.Request) -> web.StreamResponse:
        transfer_id = UUID(request.match_info["id"])
        asked = msgspec.json.decode(await request.read(), type=wire.TransferRequest)
        name = await self._stored(self._store.trick, asked.token)
        trick = TRICKS.get(name or "", Trick() if name == PLAIN else Trick(DeclineReason.OTHER))
        verdict = self._verdict(asked, trick)
        try:
            answer = await self._stored(self._store.carry_out, transfer_id, asked, verdict, self._clock())
        except ContentDiffers:
            return _error(409, "TRANSFER_DIFFERS")
        return _lost(request) if trick.loses_answer else _json(answer)

    def _verdict(self, asked: wire.TransferRequest, trick: Trick) -> Verdict:
        behaviour = self._behaviour
        reason = trick.reason
        if not reason and self._happens(behaviour.refused_bps):
            reason = DeclineReason.OTHER
        reversed_after = None
        if asked.direction == "DEBIT" and not reason:
            if trick.reversed_after_days:
                reversed_after = timedelta(days=trick.reversed_after_days)
            elif self._happens(behaviour.reversed_bps):
                reversed_after = timedelta(days=behaviour.reversed_after_days)
        settles_after = max(behaviour.settlement_delay_ms, trick.settlement_delay_ms)
        return Verdict(reason, timedelta(milliseconds=settles_after), reversed_after)

    async def _query(self, request: web.Request) -> web.StreamResponse:
        answer = await self._stored(self._store.transfer, UUID(request.match_info["id"]), self._clock())
        return _error(404, wire.TRANSFER_UNKNOWN) if answer is None else _json(answer)

    async def _statement(self, request: web.Request) -> web.StreamResponse:
        day = wire.day_of(request.match_info["day"])
        return _json(await self._stored(self._store.statement, day, self._clock()))

    async def _behave(self, request: web.Request) -> web.StreamResponse:
        behaviour = msgspec.json.decode(await request.read(), type=Behaviour)
        await self._stored(self._store.keep_setting, _BEHAVIOUR, msgspec.json.encode(behaviour).decode())
        self._behaviour = behaviour
        return web.Response(status=204)

    async def _stored(self, call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Asks the store, in its one thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, partial(call, *arguments, **named))


async def _answered(handler: Callable[[web.Request], Any], request: web.Request) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except (msgspec.DecodeError, ValueError):
        return _error(400, "REQUEST_MALFORMED")
    return answer


def _json(answer: msgspec.Struct) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


def _error(status: int, error: str) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(wire.ErrorAnswer(error)), content_type="application/json")


def _lost(request: web.Request) -> web.Response:
    """Cuts the connection, so that nothing of the answer arrives."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


Ready = Callable[[str], None]


async def serve(bank: SandboxBank, host: str, port: int, ready: Ready, stop: asyncio.Event) -> None:
    """Serves the bank until `stop` is set; `ready` is called with its URL. Raises OSError where it cannot listen there."""
    runner = web.AppRunner(bank.application(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, reuse_port=port != 0)
        await site.start()
        found = runner.addresses[0]
        ready(f"http://{f'[{host}]' if ':' in host else host}:{found[1]}")
        await stop.wait()
    finally:
        await runner.cleanup()
        bank.close()
