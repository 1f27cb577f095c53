"""One RPC as callers use it: authorized, with a deadline, sent again where that is safe."""

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Generic, NamedTuple, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from danbao_client.errors import DanbaoError
from danbao_client.request_ids import fresh_request_id
from danbao_client.tracing import CallSpan, Metadata

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 2.0
_LONGEST_DOUBLING: Final = 16


class CallSettings(NamedTuple):
    """What all calls of a client have in common."""

    token: str
    """A service key, or the access token of a person's session; empty for calls that need none."""
    deadline_seconds: float
    """Time for one attempt."""
    patience_seconds: float
    """Time for all attempts of a call together, pauses included."""

    @property
    def metadata(self) -> Metadata:
        """What every call carries: the token, where there is one."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


class Stubs:
    """The methods of the contract over connections that take turns; each is made once, whoever calls it with whatever token."""

    def __init__(self, channels: Sequence[grpc.aio.Channel]) -> None:
        self.channels = channels
        self._made: dict[str, Iterator[Any]] = {}

    def of(self, method: MethodDescriptor) -> Iterator[Any]:
        """A method over each channel in turn, for ever."""
        if method.full_name not in self._made:
            path = f"/{_name_of(method)}"
            into_bytes = GetMessageClass(method.input_type).SerializeToString
            from_bytes = GetMessageClass(method.output_type).FromString
            kind = _kind_of(method)
            makers: list[Callable[..., Any]] = [getattr(channel, kind) for channel in self.channels]
            stubs = [make(path, request_serializer=into_bytes, response_deserializer=from_bytes) for make in makers]
            self._made[method.full_name] = itertools.cycle(stubs)
        return self._made[method.full_name]


def _name_of(method: MethodDescriptor) -> str:
    """As in paths and traces: danbao.v1.PaymentService/CreatePayment."""
    return f"{method.containing_service.full_name}/{method.name}"


def _kind_of(method: MethodDescriptor) -> str:
    """What a channel calls its way of making such calls."""
    if method.client_streaming:
        return "stream_stream"
    return "unary_stream" if method.server_streaming else "unary_unary"


class Rpc(Generic[Request, Response]):
    """A method of the contract: `payment = await danbao.payments.GetPayment(request)`."""

    def __init__(self, stubs: Stubs, method: MethodDescriptor, settings: CallSettings) -> None:
        self._stubs = stubs.of(method)
        self._name = _name_of(method)
        self._kind = GetMessageClass(method.input_type)
        self._carries_request_id = "request_id" in method.input_type.fields_by_name
        self._settings = settings
        self._metadata = settings.metadata

    async def __call__(self, request: Request, *, deadline_seconds: float | None = None) -> Response:
        """Sends a request and answers what the core answers. Raises DanbaoError, and TypeError for another kind of message.

        An attempt that the core says may be repeated, or whose connection was lost, is made again after a growing pause; none
        begins once the client's patience has ended. Each attempt has `deadline_seconds`, the client's default without it. A
        request whose `request_id` is empty goes out, on each attempt, with one and the same fresh UUID; the message given stays
        as it is, so sending it later is another request.
        """
        request, request_id = self._identified(request)
        with CallSpan(self._name, request_id) as span:
            return await self._sent(request, request_id, deadline_seconds, (*self._metadata, *span.carried))

    async def _sent(self, request: Request, request_id: str, deadline_seconds: float | None, metadata: Metadata) -> Response:
        """The answer to one of the attempts."""
        deadline_seconds = self._settings.deadline_seconds if deadline_seconds is None else deadline_seconds
        give_up_at = time.monotonic() + self._settings.patience_seconds
        for attempt in itertools.count():
            try:
                with closing_in_words(request_id):
                    response: Response = await next(self._stubs)(request, timeout=deadline_seconds, metadata=metadata)
                    return response
            except grpc.aio.AioRpcError as error:
                failure = DanbaoError.of(error, request_id)
                pause_seconds = seconds_before_retry(attempt, failure)
                if not failure.is_transient or time.monotonic() + pause_seconds >= give_up_at:
                    raise failure from error
            await asyncio.sleep(pause_seconds)
        raise AssertionError("unreachable: attempts are counted without end")

    def _identified(self, request: Request) -> tuple[Request, str]:
        """The request as it goes out, and its `request_id`; "" for a request that carries none, because it changes nothing."""
        _must_be_a(self._kind, request, self._name)
        if not self._carries_request_id:
            return request, ""
        given: str = request.request_id  # type: ignore[attr-defined]  # by its descriptor it has one
        if given:
            return request, given
        identified = type(request)()
        identified.CopyFrom(request)
        fresh = fresh_request_id()
        identified.request_id = fresh  # type: ignore[attr-defined]
        return identified, fresh


class StreamRpc(Generic[Request, Response]):
    """A method of the contract that streams both ways: `call = danbao.payments.StreamPayments()`, then read and write.

    One connection without retries; `danbao.payments.stream` does what callers mostly want.
    """

    def __init__(self, stubs: Stubs, method: MethodDescriptor, settings: CallSettings) -> None:
        self._stubs = stubs.of(method)
        self._name = _name_of(method)
        self._metadata = settings.metadata

    def __call__(self, *, deadline_seconds: float | None = None) -> "grpc.aio.StreamStreamCall[Request, Response]":
        """Opens a stream, which may last for ever where no deadline is given. Raises DanbaoError where the client is closed."""
        span = CallSpan(self._name)
        with closing_in_words():
            call: grpc.aio.StreamStreamCall[Request, Response] = next(self._stubs)(
                timeout=deadline_seconds, metadata=(*self._metadata, *span.carried)
            )
        call.add_done_callback(lambda _: span.end())
        return call


class WatchRpc(Generic[Request, Response]):
    """A method of the contract that streams its answers: `async for message in danbao.payments.WatchPayments(request)`.

    One connection without retries; `danbao.payments.watch` and the methods that export files do what callers mostly want.
    """

    def __init__(self, stubs: Stubs, method: MethodDescriptor, settings: CallSettings) -> None:
        self._stubs = stubs.of(method)
        self._name = _name_of(method)
        self._kind = GetMessageClass(method.input_type)
        self._metadata = settings.metadata

    def __call__(
        self, request: Request, *, deadline_seconds: float | None = None
    ) -> "grpc.aio.UnaryStreamCall[Request, Response]":
        """Opens a stream, which may last for ever where no deadline is given. Reading from it raises AioRpcError.

        Raises TypeError for another kind of message, and DanbaoError where the client is closed.
        """
        _must_be_a(self._kind, request, self._name)
        span = CallSpan(self._name)
        with closing_in_words():
            call: grpc.aio.UnaryStreamCall[Request, Response] = next(self._stubs)(
                request, timeout=deadline_seconds, metadata=(*self._metadata, *span.carried)
            )
        call.add_done_callback(lambda _: span.end())
        return call


@contextmanager
def closing_in_words(request_id: str = "") -> Iterator[None]:
    """Around calls and reads: raises DanbaoError (CANCELLED) where the client is closed, before or meanwhile.

    gRPC raises asyncio's CancelledError in who waits, though nobody cancelled them: a group of tasks would take that for a task
    that went well. Where somebody did cancel the task, it is cancelled.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
    except grpc.aio.UsageError:  # what it says of a call over a closed channel
        pass
    else:
        return
    raise DanbaoError(grpc.StatusCode.CANCELLED, "", "the client was closed", request_id=request_id)


def _must_be_a(kind: type[Message], request: object, method: str) -> None:
    """Raises TypeError for another kind of message: gRPC would send its bytes, which the core reads as what they are not."""
    if not isinstance(request, kind):
        raise TypeError(f"{method} takes {kind.__name__}, not {type(request).__name__}")


def seconds_before_retry(attempt: int, failure: DanbaoError) -> float:
    """At least what the core asks for, and a random part on top so that callers who failed together do not return together."""
    longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(attempt, _LONGEST_DOUBLING))
    jitter = random.uniform(longest / 2, longest)  # noqa: S311 - spreads callers out, protects nothing
    return (failure.retry_after_seconds or 0.0) + jitter
