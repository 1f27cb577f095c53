"""A connection that belongs to no event loop, because a fixture is set up before it is known on which loop its test runs."""

import asyncio
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import grpc

from danbao_client.channels import open_channels


class EveryLoop:
    """What the client asks of a channel: each loop that calls has a connection of its own, made at its first call."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._channels: WeakKeyDictionary[asyncio.AbstractEventLoop, grpc.aio.Channel] = WeakKeyDictionary()
        self.called = set[str]()
        """The paths of the methods that were called."""

    def unary_unary(self, path: str, **codec: Any) -> Callable[..., Any]:
        return self._method("unary_unary", path, codec)

    def unary_stream(self, path: str, **codec: Any) -> Callable[..., Any]:
        return self._method("unary_stream", path, codec)

    def stream_stream(self, path: str, **codec: Any) -> Callable[..., Any]:
        return self._method("stream_stream", path, codec)

    async def close(self, grace: float | None = None) -> None:
        """Closes the connection of the loop that runs; calls under way on it end as CANCELLED."""
        if channel := self._channels.pop(asyncio.get_running_loop(), None):
            await channel.close(grace)

    def drop(self) -> None:
        """Lets go of all connections, also where their loops run no more; each closes with the last call on it."""
        self._channels.clear()

    def _method(self, kind: str, path: str, codec: dict[str, Any]) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            self.called.add(path)
            return getattr(self._channel(), kind)(path, **codec)(*given, **options)

        return call

    def _channel(self) -> grpc.aio.Channel:
        loop = asyncio.get_running_loop()
        if loop not in self._channels:
            (self._channels[loop],) = open_channels(self._address)
        return self._channels[loop]
