"""The client's typed methods: every RPC has one, and every field of its request can be given by it."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from danbao.v1 import accounts_pb2, disputes_pb2, payments_pb2
from danbao_client import (
    Accounts,
    Disputes,
    Money,
    Notifications,
    Operations,
    Pages,
    Payments,
    Payouts,
    Sandbox,
    Sessions,
    Verification,
    Watch,
)
from danbao_client.rpc import CallSettings, Stubs
from danbao_client.service import Service

SERVICES = (Accounts, Disputes, Notifications, Operations, Payments, Payouts, Sandbox, Sessions, Verification)
NAMES = {
    "PaymentService/CreatePayment": "create",
    "PaymentService/GetPaymentByOrderNo": "get_by_order_no",
    "PaymentService/CreateRefund": "create_refund",
    "PaymentService/BatchCreatePayments": "batch_create",
    "PaymentService/WatchPayments": "watch",
    "AccountService/OpenWallet": "open_wallet",
    "AccountService/SetPaymentPassword": "set_payment_password",
    "DisputeService/OpenDispute": "open",
    "DisputeService/WaiveAppeal": "waive_appeal",
    "DisputeService/ListDisputeSteps": "list_steps",
    "SessionService/CreateSession": "create",
    "SessionService/RegisterPerson": "register_person",
    "SessionService/RevokeAllSessions": "revoke_all",
    "SandboxService/AdvanceClock": "advance_clock",
    "OperationsService/CreateServiceKey": "create_service_key",
    "NotificationService/CreateWebhookEndpoint": "create_webhook_endpoint",
    "PayoutService/GetPayoutSchedule": "get_schedule",
}
"""What methods are called, by example."""
VALUES: dict[str, Any] = {
    "danbao.v1.Money": Money("12.50", "CNY"),
    "google.protobuf.Timestamp": datetime(2026, 10, 1, 12, 30, 0, 5, tzinfo=UTC),
    "google.protobuf.Duration": timedelta(seconds=90),
    "google.protobuf.FieldMask": ["language", "url", "topics", "description", "unordered"],
}
"""What Python has for messages, by their kind."""


class Recorder:
    """Takes the place of an RPC: keeps the request, and answers with nothing."""

    def __init__(self, service: Service, method: MethodDescriptor) -> None:
        self._answer = GetMessageClass(method.output_type)
        self.request: Any = None
        setattr(service, method.name, self)

    def __call__(self, request: Message, *, deadline_seconds: float | None = None) -> Any:
        self.request = request
        return self

    def __await__(self) -> Any:
        """The answer of a call that is awaited."""
        yield from ()
        return self._answer()

    async def __aiter__(self) -> AsyncIterator[Message]:
        """The answers of a call that streams them."""
        nothing: tuple[Message, ...] = ()
        for each in nothing:
            yield each

    def cancel(self) -> None:
        """A stream is over; so is this."""


def a_service(kind: type[Service]) -> Any:
    return kind(Stubs([]), CallSettings("", 1.0, 1.0))


def typed_methods(kind: type[Service]) -> dict[str, Any]:
    """The methods of a service, each under the RPC whose request it sends."""
    found = {}
    for name, method in vars(kind).items():
        if inspect.isfunction(method):
            rpcs = [rpc for rpc in kind.descriptor.methods_by_name if rpc in method.__code__.co_names]
            assert len(rpcs) == 1, f"{name} calls {rpcs}"
            found[rpcs[0]] = method
    return found


def unary_requests_of(kind: type[Service]) -> list[MethodDescriptor]:
    return [method for method in kind.descriptor.methods if not method.client_streaming]


def an_example(field: FieldDescriptor) -> Any:
    """What may be given for a field."""
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return {"a": "b"}
    if kind is not None:
        one = VALUES.get(kind.full_name) or GetMessageClass(kind)()
    else:
        one = {FieldDescriptor.CPPTYPE_STRING: "x", FieldDescriptor.CPPTYPE_BOOL: True}.get(field.cpp_type, 1)
    return [one] if field.is_repeated else one


def in_python(value: Any) -> Any:
    """What a field holds, as an example has it."""
    match type(value).__name__:
        case "Money":
            return Money.of(value)
        case "Timestamp":
            return value.ToDatetime(UTC)
        case "Duration":
            return value.ToTimedelta()
        case "FieldMask":
            return list(value.paths)
        case "ScalarMapContainer":
            return dict(value)
    return value


async def sent_by(service: Any, method: MethodDescriptor, arguments: dict[str, Any]) -> Message:
    """The request that the typed method of an RPC makes."""
    recorder = Recorder(service, method)
    result = typed_methods(type(service))[method.name](service, **arguments)
    if isinstance(result, Pages):
        async for _ in result:
            raise AssertionError("the answer is empty")
    elif isinstance(result, Watch):
        recorder.request = result._request
    elif inspect.isasyncgen(result):
        assert [chunk async for chunk in result] == []
    else:
        await result
    assert isinstance(recorder.request, Message)
    return recorder.request


@pytest.mark.parametrize("kind", SERVICES)
def test_every_rpc_has_a_method(kind: type[Service]) -> None:
    streaming = {method.name for method in kind.descriptor.methods if method.client_streaming}
    assert typed_methods(kind).keys() == set(kind.descriptor.methods_by_name) - streaming
    assert streaming <= {"StreamPayments"}


@pytest.mark.parametrize(("rpc", "name"), NAMES.items())
def test_methods_are_called_without_the_word_that_the_service_says(rpc: str, name: str) -> None:
    service, _, method = rpc.partition("/")
    [kind] = [kind for kind in SERVICES if kind.descriptor.name == service]
    assert typed_methods(kind)[method].__name__ == name


@pytest.mark.parametrize("kind", SERVICES)
async def test_every_field_can_be_given(kind: type[Service]) -> None:
    for method in unary_requests_of(kind):
        fields = method.input_type.fields
        choices = [choice for choice in method.input_type.oneofs if len(choice.fields) > 1]
        of_choices = {field.name for choice in choices for field in choice.fields}
        for chosen in of_choices or {""}:
            given = {field.name: an_example(field) for field in fields if field.name == chosen or field.name not in of_choices}
            request = await sent_by(a_service(kind), method, given)
            found = {name: in_python(getattr(request, name)) for name in given}
            assert found == given, method.full_name
            assert all(request.HasField(name) for name in given if method.input_type.fields_by_name[name].has_presence)


@pytest.mark.parametrize("kind", SERVICES)
async def test_what_is_left_out_is_not_set(kind: type[Service]) -> None:
    for method in unary_requests_of(kind):
        signature = inspect.signature(typed_methods(kind)[method.name])
        names = [name for name, parameter in signature.parameters.items() if parameter.default is parameter.empty]
        needed = {name: an_example(method.input_type.fields_by_name[name]) for name in names if name != "self"}
        request = await sent_by(a_service(kind), method, needed)
        assert {field.name for field, _ in request.ListFields() if field.name != "update_mask"} == needed.keys()
        assert "request_id" not in needed


async def test_the_name_stands_first_and_a_refusal_of_more_is_pythons_own() -> None:
    payments = a_service(Payments)
    recorder = Recorder(payments, Payments.descriptor.methods_by_name["PayPayment"])
    await payments.pay("payments/1")
    assert recorder.request == payments_pb2.PayPaymentRequest(name="payments/1")
    with pytest.raises(TypeError, match="positional"):
        payments.pay("payments/1", "secret")
    with pytest.raises(TypeError, match="payee"):
        payments.create(payer="accounts/1", amount=Money("1", "CNY"))


async def test_a_mask_that_is_left_out_names_what_is_given() -> None:
    accounts = a_service(Accounts)
    recorder = Recorder(accounts, Accounts.descriptor.methods_by_name["UpdateAccount"])
    await accounts.update("accounts/1", language="", request_id="mine")
    assert recorder.request == accounts_pb2.UpdateAccountRequest(
        name="accounts/1", request_id="mine", update_mask=FieldMask(paths=["language"])
    )


@pytest.mark.parametrize("mask", [["url"], FieldMask(paths=["url"]), []])
async def test_what_a_mask_does_not_name_is_refused(mask: Any) -> None:
    with pytest.raises(ValueError, match="description is given, and update_mask does not name it"):
        await a_service(Notifications).update_webhook_endpoint("webhookEndpoints/1", update_mask=mask, description="shop")


async def test_what_a_mask_names_may_be_left_out() -> None:
    notifications = a_service(Notifications)
    recorder = Recorder(notifications, Notifications.descriptor.methods_by_name["UpdateWebhookEndpoint"])
    await notifications.update_webhook_endpoint(
        "webhookEndpoints/1", update_mask=["url", "description"], url="https://a.example"
    )
    assert recorder.request.update_mask.paths == ["url", "description"]


async def test_what_excludes_each_other_is_refused() -> None:
    disputes = a_service(Disputes)
    kind = disputes_pb2.RespondDisputeRequest
    with pytest.raises(ValueError, match="one of accept and reject"):
        await disputes.respond("disputes/1", accept=kind.Accept(), reject=kind.Reject())


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"created_from": datetime(2026, 10, 1)}, "time zone"),  # noqa: DTZ001 - what is refused
        ({"states": "PAID"}, "sequence"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_values_that_would_be_misunderstood_are_refused(wrong: dict[str, Any], what: str) -> None:
    with pytest.raises((TypeError, ValueError), match=what):
        a_service(Payments).list(**wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"payer": 5}, "payer takes a str, not int"),
        ({"payee": payments_pb2.Payment(name="payments/1")}, "payee takes a str, not Payment"),
        ({"amount": "12.50"}, 'amount takes an amount such as Money("12.50", "CNY"), not str'),
        ({"amount": 12.5}, 'amount takes an amount such as Money("12.50", "CNY"), not float'),
        ({"payer": Money("12.50", "CNY")}, "payer takes a str, not Money"),
        ({"mode": 2.5}, "mode takes a value of Payment.Mode, not float"),
        ({"metadata": {"a": 5}}, "metadata takes a mapping from a str to a str, not dict"),
        ({"expire_after": 5}, "expire_after takes a timedelta, not int"),
        ({"pay": "yes"}, "pay takes a bool, not str"),
        ({"mode": "QUICK"}, 'mode: unknown enum label "QUICK"'),
    ],
)
async def test_what_a_field_cannot_hold_is_told_by_its_name(wrong: dict[str, Any], words: str) -> None:
    fields = {"payer": "accounts/1", "payee": "accounts/2", "amount": Money("1", "CNY")} | wrong
    with pytest.raises((TypeError, ValueError)) as caught:
        await a_service(Payments).create(**fields)
    assert str(caught.value) == words


async def test_a_resource_in_place_of_its_name_is_told_as_such() -> None:
    with pytest.raises(TypeError, match="name takes a str, not Payment"):
        await a_service(Payments).get(payments_pb2.Payment(name="payments/1"))
    with pytest.raises(TypeError, match="requests takes a sequence, each a CreatePaymentRequest, not list"):
        await a_service(Payments).batch_create(requests=[5])
    with pytest.raises(TypeError, match="created_from takes a datetime with a time zone, not str"):
        a_service(Payments).list(created_from="2026-10-01")


async def test_a_list_goes_over_all_pages_and_leaves_its_request_as_it_was() -> None:
    payments = a_service(Payments)
    asked: list[str] = []

    async def answer(request: Any, *, deadline_seconds: float | None) -> payments_pb2.ListPaymentsResponse:
        asked.append(request.page_token)
        await asyncio.sleep(0)
        more = {"": "2", "2": "3", "3": ""}[request.page_token]  # the second page is empty, and not the last
        found = [] if request.page_token == "2" else [payments_pb2.Payment(name=f"payments/{request.page_token}")]
        return payments_pb2.ListPaymentsResponse(payments=found, next_page_token=more)

    payments.ListPayments = answer
    pages = payments.list(account="accounts/1")
    for _ in range(2):
        assert [payment.name async for payment in pages] == ["payments/", "payments/3"]
    assert [len(page.payments) async for page in pages.pages()] == [1, 0, 1]
    assert asked == ["", "2", "3"] * 3
