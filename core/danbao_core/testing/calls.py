"""Calls without an event loop, for what fixtures do before a test's own loop runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from uuid import uuid4

import grpc
from google.protobuf.message import Message

Answer = TypeVar("Answer", bound=Message)

_SECONDS: Final = 30.0


class Calls:
    """Calls a core as its operator; a core that is being started again is waited for."""

    def __init__(self, channel: grpc.Channel, key: Callable[[], str]) -> None:
        self._channel = channel
        self._key = key

    def __call__(self, service: str, method: str, request: Message, answer: type[Answer]) -> Answer:
        """What a method of the contract answers; a `request_id` is made. Raises grpc.RpcError."""
        if "request_id" in request.DESCRIPTOR.fields_by_name:
            request.request_id = str(uuid4())  # type: ignore[attr-defined]  # by its descriptor it has one
        call: Callable[..., Any] = self._channel.unary_unary(
            f"/danbao.v1.{service}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        metadata = (("authorization", f"Bearer {self._key()}"),)
        answered = call(request, timeout=_SECONDS, metadata=metadata, wait_for_ready=True)
        assert isinstance(answered, answer)
        return answered


@contextmanager
def calls_to(address: str, key: Callable[[], str]) -> Iterator[Calls]:
    """Calls over a connection of their own, with the key of the moment: a test may have it renewed."""
    options = (("grpc.enable_http_proxy", 0), ("grpc.max_reconnect_backoff_ms", 1_000))
    with grpc.insecure_channel(address, options=options) as channel:
        yield Calls(channel, key)
