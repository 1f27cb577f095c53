"""The Python client on the wire, against gRPC servers that answer what a test tells them to."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, get_args, get_origin, get_type_hints

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from danbao.v1 import (
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
from danbao_client import (
    Accounts,
    Danbao,
    DanbaoError,
    Disputes,
    FieldViolation,
    Notifications,
    Operations,
    Payments,
    Payouts,
    Rpc,
    Sandbox,
    Sessions,
    StreamRpc,
    Verification,
    WatchRpc,
    rpc,
)

KEY = "dbk_0190_secret"
SERVICES = (Accounts, Disputes, Notifications, Operations, Payments, Payouts, Sandbox, Sessions, Verification)
CONTRACT = (
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


class Received:
    """A request as it arrived, with what came beside it."""

    def __init__(self, request: Any, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
        self.request = request
        self.metadata = dict(context.invocation_metadata() or ())
        self.seconds_left = context.time_remaining()
        self.peer = context.peer()


class ScriptedServer:
    """Answers each call with the next thing of its script, and the last one for ever: a message, or a status."""

    def __init__(self, *script: Message) -> None:
        self.script: list[Message] = list(script)
        self.received: list[Received] = []
        self.address = ""

    @asynccontextmanager
    async def serving(self, address: str = "127.0.0.1:0") -> AsyncIterator["ScriptedServer"]:
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        server.add_generic_rpc_handlers((self._handlers(),))
        self.address = f"127.0.0.1:{server.add_insecure_port(address)}"
        await server.start()
        try:
            yield self
        finally:
            await server.stop(grace=None)

    @asynccontextmanager
    async def called(self, **settings: Any) -> AsyncIterator[Danbao]:
        """A client of it, while both last."""
        async with self.serving(), Danbao.connect(self.address, key=KEY, **settings) as danbao:
            yield danbao

    def _handlers(self) -> Any:
        server = self

        class Handlers(grpc.GenericRpcHandler):
            def service(self, details: Any) -> Any:
                method = method_at(details.method)
                return grpc.unary_unary_rpc_method_handler(
                    server._answer, GetMessageClass(method.input_type).FromString, lambda answer: answer.SerializeToString()
                )

        return Handlers()

    async def _answer(self, request: Message, context: "grpc.aio.ServicerContext[Any, Any]") -> Message:
        self.received.append(Received(request, context))
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, status_pb2.Status):
            code = next(code for code in grpc.StatusCode if code.value[0] == answer.code)
            trailer = (("grpc-status-details-bin", answer.SerializeToString()),) if answer.details else ()
            await context.abort(code, answer.message, trailer)
        return answer


class SilentServer(ScriptedServer):
    """Takes calls and does not answer."""

    async def _answer(self, request: Message, context: "grpc.aio.ServicerContext[Any, Any]") -> Message:
        self.received.append(Received(request, context))
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


def method_at(path: str) -> Any:
    _, service_name, method_name = path.split("/")
    services = {service.full_name: service for module in CONTRACT for service in module.DESCRIPTOR.services_by_name.values()}
    return services[service_name].methods_by_name[method_name]


def a_status(code: grpc.StatusCode, *details: Message, message: str = "No.") -> status_pb2.Status:
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        packed = Packed()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def because(reason: str, **metadata: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=reason, domain="danbao", metadata=metadata)


def after(seconds: float) -> error_details_pb2.RetryInfo:
    delay = Duration()
    delay.FromTimedelta(timedelta(seconds=seconds))
    return error_details_pb2.RetryInfo(retry_delay=delay)


def a_refusal(code: grpc.StatusCode, reason: str, retry_after_seconds: float | None = None) -> status_pb2.Status:
    return a_status(code, because(reason), *(() if retry_after_seconds is None else (after(retry_after_seconds),)))


def a_create_request(**fields: Any) -> payments_pb2.CreatePaymentRequest:
    return payments_pb2.CreatePaymentRequest(payer="accounts/a", payee="accounts/b", **fields)


async def failure_of(call: Awaitable[Any]) -> DanbaoError:
    with pytest.raises(DanbaoError) as caught:
        await call
    return caught.value


# --- What it covers ---------------------------------------------------------------------------------------------------------


def test_every_rpc_of_the_contract_is_there_with_its_types() -> None:
    of_contract = {service.full_name for module in CONTRACT for service in module.DESCRIPTOR.services_by_name.values()}
    assert {service.descriptor.full_name for service in SERVICES} == of_contract
    for service in SERVICES:
        kinds = (Rpc, StreamRpc, WatchRpc)
        hints = {name: hint for name, hint in get_type_hints(service).items() if get_origin(hint) in kinds}
        assert hints.keys() == set(service.descriptor.methods_by_name)
        for name, method in service.descriptor.methods_by_name.items():
            kind = StreamRpc if method.client_streaming else WatchRpc if method.server_streaming else Rpc
            assert get_origin(hints[name]) is kind
            assert get_args(hints[name]) == (GetMessageClass(method.input_type), GetMessageClass(method.output_type))


def test_it_needs_nothing_of_the_core() -> None:
    code = "import sys, danbao_client; sys.exit(any(name.startswith(('danbao_core', 'uvloop')) for name in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


@pytest.mark.parametrize(
    "wrong",
    [
        {"deadline_seconds": 0},
        {"deadline_seconds": float("inf")},
        {"deadline_seconds": float("nan")},
        {"patience_seconds": -1},
        {"patience_seconds": float("nan")},
        {"channels": 0},
    ],
)
async def test_figures_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.* must be"):
        Danbao.connect("127.0.0.1:1", key=KEY, **wrong)


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "http://127.0.0.1:50051", "::1", ""])
async def test_what_is_no_address_is_told_as_such(address: str) -> None:
    for transport in ({}, {"tls": True}, {"insecure": True}):
        with pytest.raises(ValueError, match="is not HOST:PORT"):
            Danbao.connect(address, key=KEY, **transport)


@pytest.mark.parametrize("wrong", [f"{KEY}\n", "\u043a\u043b\u044e\u0447"])
async def test_a_key_that_no_header_holds_is_told_as_such(wrong: str) -> None:
    with pytest.raises(ValueError, match="the end of a line") as caught:
        Danbao.connect("127.0.0.1:1", key=wrong)
    assert wrong not in str(caught.value)
    async with Danbao.connect("127.0.0.1:1") as danbao:
        with pytest.raises(ValueError, match="the end of a line"):
            danbao.with_token(wrong)


async def test_a_client_that_is_made_where_no_loop_runs_is_told_where_to_make_it() -> None:
    with pytest.raises(RuntimeError, match="in a coroutine"):
        await asyncio.to_thread(Danbao.connect, "127.0.0.1:1", key=KEY)


async def test_another_kind_of_message_is_not_sent() -> None:
    server = ScriptedServer(payments_pb2.Payment())
    other: Any = payments_pb2.Payment(name="payments/1")
    async with server.called() as danbao:
        with pytest.raises(TypeError, match=r"PaymentService/GetPayment takes GetPaymentRequest, not Payment"):
            await danbao.payments.GetPayment(other)
        with pytest.raises(TypeError, match="takes CreatePaymentRequest, not dict"):
            await danbao.payments.CreatePayment({})  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="takes WatchPaymentsRequest, not Payment"):
            danbao.payments.WatchPayments(other)
    assert not server.received


# --- A call that succeeds ---------------------------------------------------------------------------------------------------


async def test_a_caller_without_a_key_carries_none_and_a_person_their_token() -> None:
    server = ScriptedServer(payments_pb2.Payment())
    async with server.serving(), Danbao.connect(server.address) as nobody:
        await nobody.payments.CreatePayment(a_create_request())
        await nobody.with_token("a.b.c").payments.CreatePayment(a_create_request())
    without, with_token = server.received
    assert "authorization" not in without.metadata
    assert with_token.metadata["authorization"] == "Bearer a.b.c"


async def test_a_call_carries_the_key_and_a_deadline() -> None:
    server = ScriptedServer(payments_pb2.Payment(name="payments/1"))
    async with server.called() as danbao:
        payment = await danbao.payments.GetPayment(payments_pb2.GetPaymentRequest(name="payments/1"))
    assert payment.name == "payments/1"
    [call] = server.received
    assert call.metadata["authorization"] == f"Bearer {KEY}"
    assert 9 < call.seconds_left <= 10.1  # gRPC rounds up to a tenth of a second


async def test_a_missing_request_id_is_filled_in_for_each_call_anew() -> None:
    request = a_create_request()
    server = ScriptedServer(payments_pb2.Payment())
    async with server.called() as danbao:
        await danbao.payments.CreatePayment(request)
        await danbao.payments.CreatePayment(request)
        await danbao.payments.CreatePayment(a_create_request(request_id="mine"))
    first, second, third = (call.request.request_id for call in server.received)
    assert len(first) == len(second) == 36
    assert first != second
    assert third == "mine"
    assert request == a_create_request(), "the caller's message stays as it was"


async def test_channels_are_connections_of_their_own_and_take_turns() -> None:
    server = ScriptedServer(payments_pb2.Payment())
    async with server.called(channels=3) as danbao:
        for _ in range(6):
            await danbao.payments.GetPayment(payments_pb2.GetPaymentRequest())
    peers = [call.peer for call in server.received]
    assert len(set(peers)) == 3
    assert peers[:3] == peers[3:]


# --- A call that fails ------------------------------------------------------------------------------------------------------


async def test_an_error_tells_all_that_the_core_says() -> None:
    status = a_status(
        grpc.StatusCode.ALREADY_EXISTS,
        because("ORDER_NO_TAKEN", order_no="7"),
        error_details_pb2.ResourceInfo(resource_type="danbao/payments", resource_name="payments/1"),
        message="The payee has a payment with this order number.",
    )
    server = ScriptedServer(status)
    async with server.called() as danbao:
        error = await failure_of(danbao.payments.CreatePayment(a_create_request(request_id="mine")))
    assert error.code is grpc.StatusCode.ALREADY_EXISTS
    assert error.reason == "ORDER_NO_TAKEN"
    assert error.metadata == {"order_no": "7"}
    assert error.resource == "payments/1"
    assert error.request_id == "mine"
    assert error.retry_after_seconds is None
    assert str(error) == "ORDER_NO_TAKEN: The payee has a payment with this order number."
    assert len(server.received) == 1


async def test_field_violations_are_told() -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(field="amount", description="is missing", reason="FIELD_INVALID")
    status = a_status(
        grpc.StatusCode.INVALID_ARGUMENT, because("FIELD_INVALID"), error_details_pb2.BadRequest(field_violations=[violation])
    )
    server = ScriptedServer(status)
    async with server.called() as danbao:
        error = await failure_of(danbao.payments.CreatePayment(a_create_request()))
    assert error.violations == (FieldViolation("amount", "is missing", "FIELD_INVALID"),)


async def test_an_error_without_details_is_one_too() -> None:
    server = ScriptedServer(a_status(grpc.StatusCode.UNIMPLEMENTED, message="What?"))
    async with server.called() as danbao:
        error = await failure_of(danbao.sandbox.GetClock(sandbox_pb2.GetClockRequest()))
    assert (error.code, error.reason, error.message) == (grpc.StatusCode.UNIMPLEMENTED, "", "What?")
    assert error.request_id == "", "a read carries none"
    assert len(server.received) == 1


# --- Sent again -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL"),
        (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (grpc.StatusCode.ABORTED, "RETRIES_EXHAUSTED"),
    ],
)
async def test_what_the_core_says_may_be_sent_again_is_with_one_request_id_and_not_too_soon(
    code: grpc.StatusCode, reason: str
) -> None:
    refusal = a_refusal(code, reason, retry_after_seconds=0.1)
    server = ScriptedServer(refusal, refusal, payments_pb2.Payment(name="payments/1"))
    async with server.called() as danbao:
        began_at = time.monotonic()
        payment = await danbao.payments.CreatePayment(a_create_request())
        seconds = time.monotonic() - began_at
    assert payment.name == "payments/1"
    assert len(server.received) == 3
    assert len({call.request.request_id for call in server.received}) == 1
    assert seconds >= 0.2


@pytest.mark.parametrize(
    "refusal",
    [
        a_refusal(grpc.StatusCode.ABORTED, "ETAG_MISMATCH"),
        a_refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE"),
        a_refusal(grpc.StatusCode.UNAVAILABLE, "SOMETHING_FINAL"),
        a_refusal(grpc.StatusCode.FAILED_PRECONDITION, "INSUFFICIENT_FUNDS", retry_after_seconds=0.1),
        a_status(grpc.StatusCode.RESOURCE_EXHAUSTED),
        a_status(grpc.StatusCode.ABORTED),
        a_status(grpc.StatusCode.CANCELLED),
        a_status(grpc.StatusCode.INTERNAL),
    ],
    ids=lambda status: f"{status.code}-{len(status.details)}",
)
async def test_nothing_else_is_sent_again(refusal: status_pb2.Status) -> None:
    server = ScriptedServer(refusal)
    async with server.called() as danbao:
        await failure_of(danbao.payments.CreatePayment(a_create_request()))
    assert len(server.received) == 1


class Clock:
    """Takes the place of the module `time`: a tenth of a second passes from one look at it to the next."""

    seconds = 0.0

    def monotonic(self) -> float:
        self.seconds += 0.1
        return self.seconds


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(rpc, "time", clock)
    server = ScriptedServer(a_refusal(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", 0.05))
    async with server.called(patience_seconds=0.6) as danbao:
        error = await failure_of(danbao.payments.CreatePayment(a_create_request()))
    assert error.reason == "SHUTTING_DOWN"
    assert error.retry_after_seconds == 0.05
    assert len(server.received) > 1
    assert clock.seconds < 1


async def test_a_longer_pause_than_patience_is_not_waited_for() -> None:
    server = ScriptedServer(a_refusal(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", 3600))
    async with server.called() as danbao:
        error = await failure_of(danbao.payments.CreatePayment(a_create_request()))
    assert error.retry_after_seconds == 3600
    assert len(server.received) == 1


async def test_a_deadline_that_passes_is_not_tried_again() -> None:
    server = SilentServer(payments_pb2.Payment())
    async with server.called() as danbao:
        request = payments_pb2.GetPaymentRequest()
        error = await failure_of(danbao.payments.GetPayment(request, deadline_seconds=0.2))
    assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert len(server.received) == 1


async def test_one_long_deadline_outlasts_patience() -> None:
    server = ScriptedServer(operations_pb2.AuditLedgerResponse(holds=True))
    async with server.called(patience_seconds=1) as danbao:
        await danbao.operations.AuditLedger(operations_pb2.AuditLedgerRequest(), deadline_seconds=600)
    [call] = server.received
    assert call.seconds_left > 500


# --- The connection is lost -------------------------------------------------------------------------------------------------


async def test_a_refused_connection_is_tried_until_patience_ends() -> None:
    async with ScriptedServer().serving() as server:
        address = server.address
    async with Danbao.connect(address, key=KEY, patience_seconds=0.5) as danbao:
        error = await failure_of(danbao.payments.GetPayment(payments_pb2.GetPaymentRequest()))
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "")
    assert error.is_transient


async def test_calls_outlast_a_server_that_is_started_again() -> None:
    hung_up = asyncio.Event()

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        hung_up.set()

    dying = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    address = "{}:{}".format(*dying.sockets[0].getsockname())
    async with Danbao.connect(address, key=KEY) as danbao:
        call = asyncio.create_task(danbao.payments.CreatePayment(a_create_request()))
        await hung_up.wait()
        dying.close()
        await dying.wait_closed()
        async with ScriptedServer(payments_pb2.Payment(name="payments/2")).serving(address) as server:
            assert (await call).name == "payments/2"
    assert len(server.received) == 1


async def test_a_cancelled_call_ends_at_once() -> None:
    server = SilentServer(payments_pb2.Payment())
    async with server.called() as danbao:
        call = asyncio.ensure_future(danbao.payments.GetPayment(payments_pb2.GetPaymentRequest()))
        await eventually(lambda: bool(server.received))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def eventually(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Returns as soon as it holds; fails when it does not in time."""
    give_up_at = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up_at, "did not come true in time"
        await asyncio.sleep(0.01)
