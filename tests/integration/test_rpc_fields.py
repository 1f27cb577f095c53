"""Requests that break the contract itself: every field, every rule, and bytes that are no message at all."""

from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from danbao.v1 import accounts_pb2, notifications_pb2, operations_pb2, payments_pb2, sandbox_pb2
from danbao_core.errors import FieldInvalid
from danbao_core.rpc.validation import CROWD, validate
from tests import rpc_client
from tests.people import who_may
from tests.rpc_client import Caller, Core, nothing_changes
from tests.rpc_requests import METHODS, UNKNOWN, a_payment, changed, is_mutating, mark_read, money, named, path_of, shipment
from tests.valid_requests import valid_requests

core = rpc_client.core

INVALID = grpc.StatusCode.INVALID_ARGUMENT
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED

REQUESTS = list(valid_requests())
MUTATING = [each for each in REQUESTS if is_mutating(each)]
TRANSFER = next(each for each in REQUESTS if isinstance(each, payments_pb2.CreatePaymentRequest))
SHIP = next(each for each in REQUESTS if isinstance(each, payments_pb2.ShipPaymentRequest))
ADVANCE = next(each for each in REQUESTS if isinstance(each, sandbox_pb2.AdvanceClockRequest))
ACCOUNT = next(each for each in REQUESTS if isinstance(each, accounts_pb2.CreateAccountRequest))
KEY = next(each for each in REQUESTS if isinstance(each, operations_pb2.CreateServiceKeyRequest))
FREEZE = next(each for each in REQUESTS if isinstance(each, operations_pb2.FreezeAccountRequest))
UNFREEZE = next(each for each in REQUESTS if isinstance(each, operations_pb2.UnfreezeAccountRequest))
BANK = next(each for each in REQUESTS if isinstance(each, sandbox_pb2.SetBankBehaviourRequest))
GRANT = next(each for each in REQUESTS if isinstance(each, operations_pb2.CreateProposalRequest))
WITHDRAW = next(each for each in REQUESTS if isinstance(each, accounts_pb2.WithdrawRequest))
PREFER = next(each for each in REQUESTS if isinstance(each, notifications_pb2.UpdatePreferencesRequest))
PREFERENCE = PREFER.preferences[0]
UPDATE = next(each for each in REQUESTS if isinstance(each, accounts_pb2.UpdateAccountRequest))
ROTATE = next(each for each in REQUESTS if isinstance(each, operations_pb2.RotateServiceKeyRequest))


async def violations(caller: Caller, request: Message, reason: str = "FIELD_INVALID") -> dict[str, str]:
    """The fields that a refusal of the contract names."""
    refused = await caller.refused(request)
    assert (refused.code, refused.reason) == (INVALID, reason), refused
    return refused.violations


def test_there_is_a_request_for_every_rpc() -> None:
    assert {each.DESCRIPTOR.full_name for each in REQUESTS} == set(METHODS)


# --- Every field of its kind ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", MUTATING, ids=named)
async def test_a_request_id_must_be_given_and_printable(core: Core, request_: Any) -> None:
    caller = await who_may(core, request_)
    async with nothing_changes(core):
        for wrong in (None, "x" * 65, "é", "a\0b", "a\n", "\t"):
            assert set(await violations(caller, changed(request_, request_id=wrong))) == {"request_id"}, wrong


def names_of(request: Any) -> list[str]:
    """The fields of a request that hold resource names."""
    return [field.name for field in request.DESCRIPTOR.fields if field.name in ("name", "account", "payer", "payee")]


@pytest.mark.parametrize("request_", [each for each in REQUESTS if names_of(each)], ids=named)
async def test_a_resource_name_must_be_one(core: Core, request_: Any) -> None:
    caller = await who_may(core, request_)
    async with nothing_changes(core):
        for field in names_of(request_):
            right = getattr(request_, field)
            collection, _, identity = right.partition("/")
            wrong = [
                "x",
                identity,
                f"{collection}/",
                f"{collection}/7",
                f"/{right}",
                f"{right}/",
                f"{right}\n",
                f"{right}\0",
                f" {right}",
                f"refunds/{identity}",
                right.upper(),
                f"{collection}/{identity.replace('-', '')}",
                f"{collection}/{{{identity}}}",
                f"{collection}/../{right}",
                f"{collection}/{identity[:-1]}é",
                f"{right}' OR 1=1 --",
                right * 1000,
            ]
            for each in wrong:
                assert set(await violations(caller, changed(request_, **{field: each}))) == {field}, each


def texts_of(request: Any) -> list[str]:
    """The text fields of a message."""
    return [field.name for field in request.DESCRIPTOR.fields if field.type == FieldDescriptor.TYPE_STRING]


@pytest.mark.parametrize("request_", [each for each in REQUESTS if texts_of(each)], ids=named)
async def test_no_text_may_hold_nul_or_control_characters(core: Core, request_: Any) -> None:
    caller = await who_may(core, request_)
    async with nothing_changes(core):
        for field in texts_of(request_):
            descriptor = request_.DESCRIPTOR.fields_by_name[field]
            for text in ("a\0b", "\0", "a\x07b", "a\x1bb", "a\x7fb", "a\r\nb"):
                value = [text] if descriptor.is_repeated else text
                found = await violations(caller, changed(request_, **{field: value}))
                assert set(found) == {field}, (field, text)


async def test_no_text_of_a_nested_message_may_either(core: Core) -> None:
    async with nothing_changes(core):
        for text in ("a\0b", "a\x07b"):
            for field in ("carrier", "tracking_no"):
                request = changed(SHIP, shipment=shipment(**{field: text}))
                assert set(await violations(core.operator, request)) == {f"shipment.{field}"}
        assert set(await violations(core.operator, changed(TRANSFER, amount=money(1, "CN\0")))) == {"amount.currency_code"}
        for metadata in ({"a\0": "b"}, {"a": "b\0"}):
            assert set(await violations(core.operator, changed(TRANSFER, metadata=metadata))) == {"metadata"}


# --- Single rules -----------------------------------------------------------------------------------------------------------


BROKEN: dict[str, tuple[Message, set[str]]] = {
    "nothing at all": (payments_pb2.CreatePaymentRequest(), {"request_id", "payer", "payee", "amount"}),
    "no currency": (changed(TRANSFER, amount=money(1, "")), {"amount.currency_code"}),
    "currency in small letters": (
        changed(TRANSFER, amount=money(1, "cny")),
        {"amount.currency_code"},
    ),
    "order number too long": (changed(TRANSFER, order_no="7" * 65), {"order_no"}),
    "order number not ASCII": (changed(TRANSFER, order_no="七"), {"order_no"}),
    "subject too long": (changed(TRANSFER, subject="長" * 257), {"subject"}),
    "too many metadata": (changed(TRANSFER, metadata={str(number): "x" for number in range(21)}), {"metadata"}),
    "metadata without a key": (changed(TRANSFER, metadata={"": "x"}), {"metadata"}),
    "metadata with a long key": (changed(TRANSFER, metadata={"k" * 41: "x"}), {"metadata"}),
    "metadata with a long value": (changed(TRANSFER, metadata={"k": "x" * 501}), {"metadata"}),
    "unknown mode": (changed(TRANSFER, mode=99), {"mode"}),
    "negative mode": (changed(TRANSFER, mode=-1), {"mode"}),
    "unspecified account kind": (changed(ACCOUNT, kind=None), {"kind"}),
    "the platform's account kind": (changed(ACCOUNT, kind=99), {"kind"}),
    "unnamed account": (changed(ACCOUNT, display_name=None), {"display_name"}),
    "name too long": (changed(ACCOUNT, display_name="x" * 129), {"display_name"}),
    "no wallet": (changed(ACCOUNT, currency_codes=None), {"currency_codes"}),
    "a wallet twice": (changed(ACCOUNT, currency_codes=["CNY", "CNY"]), {"currency_codes"}),
    "seventeen wallets": (changed(ACCOUNT, currency_codes=[f"A{chr(65 + n)}A" for n in range(17)]), {"currency_codes"}),
    "no shipment": (changed(SHIP, shipment=None), {"shipment"}),
    "unspecified shipment": (changed(SHIP, shipment=payments_pb2.Shipment()), {"shipment.method"}),
    "unknown shipment": (
        changed(SHIP, shipment=shipment(method=7)),
        {"shipment.method"},
    ),
    "carrier too long": (changed(SHIP, shipment=shipment(carrier="x" * 65)), {"shipment.carrier"}),
    "service with blanks": (changed(KEY, service="my shop"), {"service"}),
    "no scope": (changed(KEY, scopes=None), {"scopes"}),
    "a scope twice": (changed(KEY, scopes=["payments.read", "payments.read"]), {"scopes"}),
    "thirty-three scopes": (changed(KEY, scopes=[f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(33)]), {"scopes"}),
    "negative grace": (changed(ROTATE, grace_seconds=-1), {"grace_seconds"}),
    "freeze without a reason": (changed(FREEZE, reason=None), {"reason"}),
    "freeze for too long a reason": (changed(FREEZE, reason="長" * 257), {"reason"}),
    "unfreeze without a reason": (changed(UNFREEZE, reason=None), {"reason"}),
    "unfreeze for too long a reason": (changed(UNFREEZE, reason="長" * 257), {"reason"}),
    "unspecified behaviour": (changed(BANK, behaviour=None), {"behaviour"}),
    "unknown behaviour": (changed(BANK, behaviour=4), {"behaviour"}),
    "withdraw no amount": (changed(WITHDRAW, amount=None), {"amount"}),
    "grace for ever": (changed(ROTATE, grace_seconds=2**63 - 1), {"grace_seconds"}),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_rule_names_its_field(core: Core, name: str) -> None:
    request, fields = BROKEN[name]
    async with nothing_changes(core):
        assert set(await violations(core.operator, request)) == fields


async def test_an_amount_that_is_not_positive_has_a_reason_of_its_own(core: Core) -> None:
    async with nothing_changes(core):
        for amount_minor in (0, -1, -(2**63)):
            found = await violations(core.operator, changed(TRANSFER, amount=money(amount_minor)), "AMOUNT_NOT_POSITIVE")
            assert found == {"amount": "AMOUNT_NOT_POSITIVE"}
        assert "amount" in await violations(core.operator, changed(TRANSFER, amount=None))


WRONG_DURATIONS = [
    Duration(seconds=59),
    Duration(seconds=59, nanos=999_999_999),
    Duration(seconds=1_296_000, nanos=1),
    Duration(seconds=60, nanos=1),
    Duration(seconds=61, nanos=-1),
    Duration(seconds=60, nanos=2_000_000_000),
    Duration(seconds=-60),
    Duration(seconds=2**63 - 1),
    Duration(seconds=-(2**63)),
    Duration(seconds=2**63 - 1, nanos=2**31 - 1),
    Duration(seconds=-(2**63), nanos=-(2**31)),
    Duration(nanos=2**31 - 1),
]


@pytest.mark.parametrize("duration", WRONG_DURATIONS, ids=lambda duration: f"{duration.seconds}s {duration.nanos}ns")
async def test_a_duration_out_of_range_or_with_a_fraction(core: Core, duration: Duration) -> None:
    async with nothing_changes(core):
        assert set(await violations(core.operator, changed(TRANSFER, expire_after=duration))) == {"expire_after"}


@pytest.mark.parametrize(
    "duration",
    [Duration(), Duration(seconds=-1), Duration(seconds=1, nanos=1), Duration(seconds=315_576_001), *WRONG_DURATIONS[2:]],
    ids=lambda duration: f"{duration.seconds}s {duration.nanos}ns",
)
async def test_the_clock_moves_by_whole_seconds_up_to_ten_years(core: Core, duration: Duration) -> None:
    async with nothing_changes(core):
        assert set(await violations(core.operator, changed(ADVANCE, by=duration))) == {"by"}


async def test_many_violations_fit_into_a_trailer(core: Core) -> None:
    metadata = {f"{'長' * 60}{number}\0": "壞\0" * 300 for number in range(60)}
    async with nothing_changes(core):
        found = await violations(core.operator, changed(TRANSFER, metadata=metadata, payer="x" * 1000))
    assert set(found) == {"payer", "metadata"}


async def test_a_crowd_of_violations_does_not_keep_the_server_busy(core: Core) -> None:
    requests = [
        changed(TRANSFER, metadata={f"{number}\0": "\0" for number in range(50_000)}),
        changed(KEY, scopes=["S"] * 200_000),
        changed(ACCOUNT, currency_codes=["x"] * 200_000),
        changed(GRANT, grant={"service_key": "serviceKeys/x", "scopes": ["S"] * 200_000}),
        changed(PREFER, preferences=[PREFERENCE] * 200_000),  # which its rules compare with each other
        changed(PREFER, preferences=[changed(PREFERENCE, channels=[1] * 200_000)]),
        changed(UPDATE, update_mask={"paths": ["language"] * 200_000}),
    ]
    for request in requests:
        async with nothing_changes(core):
            assert len(await violations(core.operator, request)) == 1  # in time, or the call fails


def test_as_many_items_as_a_field_may_hold_are_no_crowd() -> None:
    account = f"accounts/{UNKNOWN}"
    names = [f"{account}/inboxMessages/00000000-0000-7000-8000-{number:012x}" for number in range(CROWD + 1)]
    validate(mark_read(account, *names[:CROWD]))  # the most that the contract has
    with pytest.raises(FieldInvalid) as caught:
        validate(mark_read(account, *names))
    assert [each.field for each in caught.value.violations] == ["names"]


# --- Bytes ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", REQUESTS, ids=named)
async def test_bytes_that_are_no_message(core: Core, request_: Message) -> None:
    whole = request_.SerializeToString()
    broken = [b"\xff", b"\x00", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a", b"\x0b", b"\x07" * 50, b"\x80" * 20, whole + b"\x0a\x7f"]
    caller = await who_may(core, request_)
    async with nothing_changes(core):
        for data in broken:
            refused = await caller.refused_bytes(path_of(request_), data)
            assert (refused.code, refused.reason) == (INVALID, "MESSAGE_MALFORMED"), data


@pytest.mark.parametrize("request_", [each for each in REQUESTS if texts_of(each)], ids=named)
async def test_text_that_is_not_utf8(core: Core, request_: Message) -> None:
    caller = await who_may(core, request_)
    async with nothing_changes(core):
        for field in texts_of(request_):
            tag = bytes([request_.DESCRIPTOR.fields_by_name[field].number << 3 | 2])
            for text in (b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80"):
                data = request_.SerializeToString() + tag + bytes([len(text)]) + text
                refused = await caller.refused_bytes(path_of(request_), data)
                assert (refused.code, refused.reason) == (INVALID, "MESSAGE_MALFORMED"), (field, text)


async def test_a_message_of_another_method(core: Core) -> None:
    callers = {named(other): await who_may(core, other) for other in MUTATING}
    async with nothing_changes(core):
        for number, request in enumerate(REQUESTS):
            for other in MUTATING[number % 4 :: 4]:  # a quarter of all pairs, of which each has its turn
                # Without its texts, none of which can be the other's request_id.
                data = changed(request, **dict.fromkeys(texts_of(request))).SerializeToString()
                assert (await callers[named(other)].refused_bytes(path_of(other), data)).code is INVALID


async def test_a_message_nested_too_deeply(core: Core) -> None:
    data = b""
    for _ in range(10_000):
        data = b"\x0b" + data + b"\x0c"  # a group within a group
    refused = await core.operator.refused_bytes(path_of(TRANSFER), data)
    assert (refused.code, refused.reason) == (INVALID, "MESSAGE_MALFORMED")


async def test_unknown_fields_are_let_pass(core: Core) -> None:
    request = operations_pb2.ListServiceKeysRequest.FromString(b"\xfa\x3e\x01x")
    assert (await core.operator.ask(request)).service_keys


async def test_a_message_that_is_too_large(core: Core) -> None:
    for surplus, code in ((0, INVALID), (1, EXHAUSTED)):
        empty = changed(TRANSFER, subject=None)
        room = 4 * 1024 * 1024 - empty.ByteSize() - 5  # tag and length of the subject
        request = changed(TRANSFER, subject="x" * (room + surplus))
        async with nothing_changes(core):
            refused = await core.operator.refused(request)
        assert refused.code is code, (request.ByteSize(), refused)
    assert (await core.operator.ask(sandbox_pb2.GetClockRequest())).HasField("time")


async def test_metadata_that_is_too_large(core: Core) -> None:
    async with nothing_changes(core):
        for size in (9_000, 100_000):
            refused = await core.operator.refused(TRANSFER, metadata=[("x-large", "x" * size)])
            assert refused.code is EXHAUSTED, refused
    assert (await core.operator.ask(sandbox_pb2.GetClockRequest())).HasField("time")


async def test_a_method_that_does_not_exist(core: Core) -> None:
    paths = (
        "/danbao.v1.PaymentService/StealPayment",
        "/danbao.v1.PaymentService/",
        "/danbao.v1.ThiefService/CreatePayment",
        "/danbao.v2.PaymentService/CreatePayment",
        "/PaymentService/CreatePayment",
        "/",
        "/a/b/c",
    )
    async with nothing_changes(core):
        for path in paths:
            for caller in (core.operator, core.operator.with_token(None)):
                assert (await caller.refused_bytes(path, b"")).code is grpc.StatusCode.UNIMPLEMENTED, path


async def test_all_that_the_contract_allows_in_text_is_kept(core: Core) -> None:
    buyer, shop = await rpc_client.an_account(core, funds_minor=100), await rpc_client.a_merchant(core)
    text = "買い物 \u202e\u2028\u0085😀 ' \" \\ %s $1 {} \\u0000 \ufeff"
    metadata = {f"{text} {number}": f"{text}\n\t\x01" for number in range(20)}
    request = a_payment(buyer, shop, 1, subject=text, metadata=metadata, order_no=" ~'\"\\%s$1")
    payment = await core.operator.ask(request)
    stored = await core.operator.ask(payments_pb2.GetPaymentRequest(name=payment.name))
    assert stored == payment
    assert (stored.subject, dict(stored.metadata), stored.order_no) == (text, metadata, request.order_no)
    assert await core.operator.answer(request) == (payment, True)
