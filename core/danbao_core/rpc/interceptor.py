"""The one interceptor: what happens around every call of the contract.

Caller against the scope that the method declares, bytes to message, message against its rules, any refusal or fault to a
status, and what is seen of it: its line in the log, its numbers and its trace. Health and reflection, which are not of the
contract, pass through.
"""

import asyncio
import contextlib
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from danbao.v1 import (
    accounts_pb2,
    common_pb2,
    disputes_pb2,
    notifications_pb2,
    operations_pb2,
    payments_pb2,
    payouts_pb2,
    sandbox_pb2,
    sessions_pb2,
    verification_pb2,
)
from danbao_core.clock import WallClock
from danbao_core.engine.failures import Remedy, remedy
from danbao_core.engine.requests import content_hash
from danbao_core.errors import DatabaseUnavailable, InternalFault, Refusal
from danbao_core.ids import uuid7
from danbao_core.rpc import call as calls
from danbao_core.rpc.authentication import Authenticator
from danbao_core.rpc.gate import Gate
from danbao_core.rpc.peers import Peers
from danbao_core.rpc.rates import Buckets
from danbao_core.rpc.secret_fields import without_secrets
from danbao_core.rpc.seen import Seen, Watch
from danbao_core.rpc.status import CODES, message_of, trailing_metadata
from danbao_core.rpc.stream import CallerGone, Outlet, Stream, only_message
from danbao_core.rpc.validation import parse, validate

_log = structlog.get_logger("danbao.rpc")

_Context = grpc.aio.ServicerContext
_Again = Callable[[], Awaitable[calls.Caller]]
"""Looks at the caller's token once more, and raises what is wrong with it by now."""
_Serve = Callable[[Any, calls.Caller, "_Context[Any, Any]", Seen, _Again], Awaitable[Any]]

AGAIN_SECONDS: Final = 15.0
"""How often the token of a caller is looked at again who listens for long."""

_CANCELLED: Final = grpc.StatusCode.CANCELLED.name

SERVICES: Final[dict[str, ServiceDescriptor]] = {
    service.full_name: service
    for file in (
        accounts_pb2,
        disputes_pb2,
        notifications_pb2,
        operations_pb2,
        payments_pb2,
        payouts_pb2,
        sandbox_pb2,
        sessions_pb2,
        verification_pb2,
    )
    for service in file.DESCRIPTOR.services_by_name.values()
}
"""Every service of the contract, by its full name."""


def scope_of(method: MethodDescriptor) -> str:
    """The scope that a method declares; empty for one that needs no token.

    Raises LookupError for a method that declares neither: it must not be served.
    """
    authentication = method.GetOptions().Extensions[common_pb2.authentication]
    if bool(authentication.scope) == authentication.public:
        raise LookupError(f"{method.full_name} must declare either a scope or that it is public")
    return str(authentication.scope)


class Interceptor(grpc.aio.ServerInterceptor):
    """Wraps the handlers of the contract; each is wrapped once."""

    def __init__(
        self,
        gate: Gate,
        authenticator: Authenticator,
        hash_key: bytes,
        wall_clock: WallClock,
        stream_idle_seconds: float,
        watch: Watch,
        buckets: Buckets,
        peers: Peers,
    ) -> None:
        self._gate = gate
        self._authenticator = authenticator
        self._hash_key = hash_key
        self._wall_clock = wall_clock
        self._stream_idle_seconds = stream_idle_seconds
        self._watch = watch
        self._buckets = buckets
        self._peers = peers
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(self, continuation: Callable[..., Awaitable[Any]], details: Any) -> Any:
        """Answers the handler for a method, wrapped."""
        path: str = details.method
        wrapped = self._wrapped.get(path)
        if wrapped is not None:
            return wrapped
        handler = await continuation(details)
        _, _, service_and_method = path.partition("/")
        service_name, _, method_name = service_and_method.partition("/")
        service = SERVICES.get(service_name)
        if handler is None:
            self._watch.metrics.unknown += 1  # gRPC answers UNIMPLEMENTED
        if handler is None or service is None:
            return handler
        wrapped = self._wrap(service.methods_by_name[method_name], handler)
        self._wrapped[path] = wrapped
        return wrapped

    def _wrap(self, method: MethodDescriptor, handler: Any) -> Any:
        scope = scope_of(method)
        message_type = GetMessageClass(method.input_type)
        name = f"{method.containing_service.name}/{method.name}"
        serving, wrap = self._way_of(handler)
        serve = serving(name, message_type, handler)

        begin, end = self._watch.begin, self._watch.ender(name)

        async def answer(given: Any, context: "_Context[Any, Any]") -> Any:
            authorization, traceparent = _headers(context)
            seen = begin(name, traceparent)
            seen.peer = self._peers.of(context)
            try:
                with self._gate:
                    # The caller first: strangers make the server work as little as possible.
                    caller = await self._authenticator.caller(authorization, scope)
                    seen.caller = caller.label
                    self._buckets.take(caller, name, seen.peer)
                    again = functools.partial(self._authenticator.caller, authorization, scope)
                    return await serve(given, caller, context, seen, again)
            except Refusal as refusal:
                seen.refuse(refusal)
                await _refuse(context, refusal)
            except asyncio.CancelledError:
                seen.code = _CANCELLED
                raise
            except Exception as error:
                told = _refusal_for(error, name)
                seen.refuse(told)
                await _refuse(context, told)
            finally:
                end(seen)

        return wrap(answer, response_serializer=handler.response_serializer)

    def _way_of(self, handler: Any) -> tuple[Callable[[str, type[Message], Any], _Serve], Callable[..., Any]]:
        """How calls of a method are served, and what gRPC is given for it: of every call the messages are still to be read.

        Otherwise gRPC would wait for the only one before anybody has looked at the caller, for as long as it takes.
        """
        if handler.request_streaming:
            return self._serve_stream, grpc.stream_stream_rpc_method_handler
        if handler.response_streaming:
            return self._serve_watch, grpc.stream_stream_rpc_method_handler
        return self._serve_one, grpc.stream_unary_rpc_method_handler

    def _serve_one(self, name: str, message_type: type[Message], handler: Any) -> _Serve:
        """Serves calls of one message and one answer."""
        behavior = handler.unary_unary

        async def serve(_: object, caller: calls.Caller, context: "_Context[Any, Any]", seen: Seen, __: _Again) -> Any:
            request = parse(message_type, await only_message(context))
            validate(request)
            calls.begin(self._call(name, caller, request, context, seen))
            return await behavior(request, context)

        return serve

    def _serve_stream(self, name: str, message_type: type[Message], handler: Any) -> _Serve:
        """Serves calls of many messages and many answers, which the handler makes of an iterator over messages."""
        behavior = handler.stream_stream

        async def serve(_: object, caller: calls.Caller, context: "_Context[Any, Any]", seen: Seen, __: _Again) -> None:
            stream = Stream(context, message_type, self._gate, self._stream_idle_seconds)
            calls.begin(self._call(name, caller, None, context, seen))
            try:
                with self._gate.telling(stream.stop_reading):
                    async with contextlib.aclosing(behavior(stream, context)) as answers:
                        async for answer in answers:
                            await stream.write(answer)
            except CallerGone:
                seen.code = _CANCELLED
            else:
                if context.cancelled():  # which may look as if the messages had ended
                    seen.code = _CANCELLED

        return serve

    def _serve_watch(self, name: str, message_type: type[Message], handler: Any) -> _Serve:
        """Serves calls of one message whose handler answers for as long as its caller listens and may."""
        behavior = handler.unary_stream

        async def serve(_: object, caller: calls.Caller, context: "_Context[Any, Any]", seen: Seen, again: _Again) -> None:
            request = parse(message_type, await only_message(context))
            validate(request)
            outlet = Outlet(context, self._stream_idle_seconds)
            calls.begin(self._call(name, caller, request, context, seen)._replace(outlet=outlet))
            looked_at = time.monotonic()
            try:
                with self._gate.telling(outlet.shut_down):
                    async with contextlib.aclosing(behavior(request, context)) as answers:
                        async for answer in answers:
                            await outlet.write(answer)
                            if time.monotonic() - looked_at >= AGAIN_SECONDS:
                                await again()
                                looked_at = time.monotonic()
            except CallerGone:
                seen.code = _CANCELLED

        return serve

    def _call(
        self, name: str, caller: calls.Caller, request: Message | None, context: "_Context[Any, Any]", seen: Seen
    ) -> calls.Call:
        request_id = seen.request_id = getattr(request, "request_id", "")
        content = (
            content_hash(self._hash_key, name, without_secrets(request).SerializeToString(deterministic=True))
            if request is not None and request_id
            else b""
        )
        return calls.Call(caller, name, seen.peer, self._wall_clock(), request_id, content, context, seen)


def _refusal_for(error: Exception, name: str) -> Refusal:
    """What a caller is told of an error that is no refusal; the log has the rest."""
    if remedy(error) is Remedy.WAIT:
        _log.warning("the database does not answer", method=name, error=repr(error))
        return DatabaseUnavailable()
    fault_id = uuid7()
    _log.error("a call failed", method=name, fault_id=str(fault_id), exc_info=error)
    return InternalFault(fault_id=fault_id)


def _headers(context: "_Context[Any, Any]") -> tuple[str | None, str | None]:
    """What a call says in `authorization` and `traceparent`; of several, the first."""
    authorization: Any = None
    traceparent: Any = None
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and authorization is None:
            authorization = value
        elif key == "traceparent" and traceparent is None:
            traceparent = value
    return authorization, traceparent


async def _refuse(context: "_Context[Any, Any]", refusal: Refusal) -> None:
    with contextlib.suppress(grpc.aio.InternalError):  # where the caller has gone
        await context.abort(CODES[refusal.kind], message_of(refusal), trailing_metadata(refusal))
