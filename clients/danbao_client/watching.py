"""Watching what happens, over connections that come and go."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final, Generic, TypeVar

import grpc

from danbao_client.errors import DanbaoError
from danbao_client.rpc import CallSettings, WatchRpc, closing_in_words, seconds_before_retry

SILENCE_SECONDS: Final = 60.0
"""A core gives a sign of life every 15 seconds; after a silence as long as this the connection is taken for dead."""


Seen = TypeVar("Seen", bound=Any)


class Watch(Generic[Seen]):
    """What happens, as it happens: `async for event in danbao.payments.watch(payment=...)`.

    Signs of life are passed over. Where the connection is lost, the server stops, or cuts off who reads too slowly, it goes on
    behind the last cursor over a new call, and misses nothing; until nothing came for the client's patience since then.
    """

    def __init__(self, rpc: WatchRpc[Any, Seen], request: Any, settings: CallSettings) -> None:
        self._rpc = rpc
        self._request = type(request)()
        self._request.CopyFrom(request)
        self._settings = settings

    @property
    def cursor(self) -> str:
        """Leads on behind what was handed out: keep it to go on from here another day."""
        cursor: str = self._request.cursor
        return cursor

    async def __aiter__(self) -> AsyncGenerator[Seen, None]:
        """Raises DanbaoError where the core refuses, where patience ends, and where the client is closed."""
        attempt, give_up_at = 0, 0.0
        while True:
            try:
                async with aclosing(self._over_one_connection()) as messages:
                    async for message in messages:
                        attempt = 0
                        self._request.cursor = message.cursor
                        if message.event_id:
                            yield message
                failure = DanbaoError(grpc.StatusCode.UNAVAILABLE, "", "the watch ended")
            except grpc.aio.AioRpcError as error:
                failure = DanbaoError.of(error)
            if not attempt:  # patience begins at the first failure since the last message
                give_up_at = time.monotonic() + self._settings.patience_seconds
            pause_seconds = seconds_before_retry(attempt, failure)
            if not failure.is_transient or time.monotonic() + pause_seconds >= give_up_at:
                raise failure
            attempt += 1
            await asyncio.sleep(pause_seconds)

    async def _over_one_connection(self) -> AsyncGenerator[Seen, None]:
        """The messages of one call, until it ends or is silent for too long. Raises AioRpcError."""
        call = self._rpc(self._request)
        try:
            while True:
                try:
                    async with asyncio.timeout(SILENCE_SECONDS):
                        with closing_in_words():
                            message: Any = await call.read()
                except TimeoutError:
                    return
                if message is grpc.aio.EOF:
                    return
                yield message
        finally:
            call.cancel()
