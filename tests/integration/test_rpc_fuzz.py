"""Whatever is in the fields of whichever request: an answer or a refusal, in time, and the books stay in order.

Messages are made from the contract's descriptors, field by field: most values are such as a sound caller sends, so that many
requests get as far as the database, and some are such as only a careless or a hostile one does.
"""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from google.api import resource_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from danbao.v1 import payments_pb2
from danbao_core.accounts import AccountKind, CreateAccount, Purpose
from danbao_core.disputes import OpenDispute, Party, Reason, SubmitEvidence
from danbao_core.engine import Engine
from danbao_core.fundings import TopUp, Withdraw
from danbao_core.money import Money
from danbao_core.payments import CreatePayment, Mode, ShipPayment
from danbao_core.policy import PolicySchedule
from danbao_core.proposals import CreateProposal
from danbao_core.sandbox import BankBehaviour
from danbao_core.service_keys import CreateServiceKey, Token
from tests.builders import EXPRESS, an_adjustment, an_operator, by, carried_out, origin, the_bank
from tests.people import a_person
from tests.rpc_client import Caller, Refused, a_core, audit_holds, must_keep_the_rules, outcome, refused_status
from tests.rpc_requests import A_LOGIN_PASSWORD, METHODS, UNKNOWN, named, path_of

EXAMPLES = 150
CALLS = 6
"""Most calls of an example, made at once, so that they share a commit."""

WORDS = (
    "", "x", "CNY", "USD", "JPY", "ZZZ", "XAU", "cny", "1", "order-1", "payments.read", "operations", "a.b", "shop", " ",
    "\0", "a\0b", "\n", "\x7f", "\u2028", "買", "😀" * 70, "' OR 1=1 --", "%s", "{}", "$1", "\\", "\ufeff", "x" * 5_000,
    "~" * 64,
)  # fmt: skip
NUMBERS = (0, 1, 2, 3, 7, 99, 100, 1_000, -1, 59, 60, 1_296_000, 1_296_001, 2**31 - 1, -(2**31))
BIG_NUMBERS = (2**31, 2**32, 253_402_300_800, 315_576_000, 2**63 - 2, 2**63 - 1, -(2**63))


BUYER, SHOP, FUNDING, PROPOSAL, DISPUTE, EVIDENCE, *PAYMENTS, KEY = [
    UUID(f"00000000-0000-7000-8000-00000000{number:04x}") for number in range(0x100, 0xD00, 0x100)
]
KNOWN = (
    f"accounts/{BUYER}",
    f"accounts/{SHOP}",
    f"fundings/{FUNDING}",
    f"proposals/{PROPOSAL}",
    f"disputes/{DISPUTE}",
    f"disputes/{DISPUTE}/evidence/{EVIDENCE}",
    *(f"payments/{each}" for each in PAYMENTS),
    f"serviceKeys/{KEY}",
)
COLLECTIONS = (
    "accounts", "approvals", "challenges", "disputes", "factors", "fundings", "instruments", "openItems", "payments", "payouts",
    "proposals", "serviceKeys", "sessions", "webhookEndpoints", "deliveries", "differences",
)  # fmt: skip
STRANGE = (*(f"{collection}/{UNKNOWN}" for collection in COLLECTIONS), f"payments/-/refunds/{UNKNOWN}")
PHONE = "+8613812345678"


class World(NamedTuple):
    """Who may call, and which RPCs answered them."""

    callers: list[Caller]
    granted: set[str]


async def the_named(database_url: str) -> None:
    """Makes what the requests name."""
    engine = Engine(database_url, policies=PolicySchedule.load())
    await engine.start()
    for account_id, kind in ((BUYER, AccountKind.PERSONAL), (SHOP, AccountKind.MERCHANT)):
        create = CreateAccount(origin=origin(), id=account_id, kind=kind, display_name="x", currencies=("CNY", "JPY"))
        await carried_out(engine, create)
    await carried_out(engine, TopUp(origin=origin(), account_id=BUYER, amount=Money(5_000, "CNY")))
    await the_bank(engine, BankBehaviour.NO_ANSWER)
    await carried_out(engine, Withdraw(origin=origin(), id=FUNDING, account_id=BUYER, amount=Money(500, "CNY")))
    await the_bank(engine, BankBehaviour.ACCEPT)
    for number, payment_id in enumerate(PAYMENTS):
        create_payment = CreatePayment(
            origin=origin(),
            id=payment_id,
            payer_id=BUYER,
            payee_id=SHOP,
            amount=Money(100, "CNY"),
            mode=Mode.ESCROW,
            order_no=f"{number}",
            pay=number > 0,
        )
        await carried_out(engine, create_payment)
    await carried_out(engine, ShipPayment(origin=origin(), payment_id=PAYMENTS[3], shipment=EXPRESS))
    disputed = OpenDispute(origin=origin(), id=DISPUTE, payment_id=PAYMENTS[4], reason=Reason.UNAUTHORIZED, text="x")
    await carried_out(engine, disputed)
    shown = SubmitEvidence(origin=origin(), id=EVIDENCE, dispute_id=DISPUTE, party=Party.BUYER, text="x")
    await carried_out(engine, shown)
    secret_hash = Token.new(KEY).secret_hash
    scopes = frozenset({"payments.read"})
    await carried_out(engine, CreateServiceKey(origin=origin(), id=KEY, service="x", scopes=scopes, secret_hash=secret_hash))
    terms = an_adjustment(Purpose.BANK_CLEARING, Purpose.COMPENSATION)
    operator = by(await an_operator(engine))
    await carried_out(engine, CreateProposal(origin=operator, id=PROPOSAL, terms=terms, reason="seed"))
    await engine.stop()


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    await the_named(database_url)
    async with a_core(database_url) as core:
        scopes = (
            "accounts.read",
            "accounts.write",
            "disputes.read",
            "disputes.write",
            "fundings.write",
            "payments.pay",
            "payments.read",
            "payments.write",
        )
        bound = [await core.caller(*scopes, account=f"accounts/{account}", service="app") for account in (BUYER, SHOP)]
        person = await a_person(core, phone=PHONE, payment_password="")
        world = World([core.operator, *bound, person, core.operator.with_token(None)], set())
        yield world
        assert await audit_holds(core)
        # Requests as wild as these would prove little if all of them were refused.
        assert len(world.granted) >= 8, world.granted


def mostly(usual: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The rare one time in twelve."""
    return st.integers(1, 12).flatmap(lambda dice: rare if dice == 7 else usual)


# What a sound caller would send, by field; resources are known by the type that the contract says they are of.
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "payer": st.sampled_from([KNOWN[0], KNOWN[0], KNOWN[1]]),
    "payee": st.sampled_from([KNOWN[1], KNOWN[1], KNOWN[0]]),
    "request_id": mostly(st.uuids().map(str), st.sampled_from(["request-1", "request-2"])),
    "currency_code": st.sampled_from(["CNY", "CNY", "CNY", "JPY"]),
    "currency_codes": st.lists(st.sampled_from(["CNY", "JPY", "USD"]), min_size=1, unique=True),
    "amount_minor": st.integers(1, 300),
    "order_no": st.one_of(st.just(""), st.sampled_from(WORDS[:10]), st.uuids().map(str)),
    "metadata": st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(WORDS[:10])),
    "service": st.just("shop"),
    "scopes": st.lists(st.sampled_from(["payments.read", "operations"]), min_size=1, unique=True),
    "seconds": st.integers(60, 3600),
    "nanos": st.just(0),
    "fee_bps": st.integers(0, 10_000),
    "subject": st.sampled_from(["", "x", *KNOWN]),
    "grace_seconds": st.integers(0, 100),
    "external_id": st.sampled_from(WORDS[:10]),
    "page_size": st.sampled_from([0, 1, 2, 500]),
    "page_token": st.sampled_from(["", "", "x"]),
    "kinds": st.lists(st.integers(1, 2), unique=True),
    "states": st.lists(st.integers(1, 2), unique=True),
    "modes": st.lists(st.integers(1, 2), unique=True),
    "purposes": st.lists(st.integers(1, 3), unique=True),
    "phone": st.sampled_from([PHONE, "+8613912345678"]),
    "address": st.just(PHONE),
    "device_id": st.just("an-app-on-a-phone"),
    "login_password": st.just(A_LOGIN_PASSWORD),
    "old_password": st.sampled_from([A_LOGIN_PASSWORD, "280463"]),
    "new_password": st.sampled_from(["violet-typewriter-77", "719304"]),
    "payment_password": st.sampled_from(["", "280463"]),
    "code": st.just("000000"),
    "refresh_token": st.just(f"dbr_{'0' * 32}_0_{'0' * 64}"),
    "number": st.sampled_from(["", "11010519491231002X"]),
    "card_number": st.just("6222021234567894567"),
    "month": st.sampled_from(["2026-10", "2026-13"]),
    "first_day": st.just(""),
    "last_day": st.just(""),
    "language": st.sampled_from(["", "en", "fr"]),
    "weekday": st.just(0),
    "day": st.sampled_from(["2026-01-31", "2026-02-30"]),
    "media_type": st.just("image/png"),
    "sha256": st.just(sha256(b"a photograph").digest()),
    "content": st.just(b"a photograph"),
    "names": st.just([f"accounts/{BUYER}/inboxMessages/{UNKNOWN}"]),
}


def collection_of(name: str) -> str:
    """What a resource is one of, by its name, in small letters."""
    return name.split("/")[-2].lower()


def likely(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Values for a field as a sound caller would choose them."""
    if field.name in LIKELY:
        return LIKELY[field.name]
    options: Any = field.GetOptions()
    if resource := options.Extensions[resource_pb2.resource_reference].type.partition("/")[2].lower():
        collection = {"delivery": "deliveries", "evidence": "evidence"}.get(resource, f"{resource}s")
        known, strange = ([name for name in names if collection_of(name) == collection] for names in (KNOWN, STRANGE))
        return st.sampled_from(known or strange or STRANGE)
    if field.message_type is not None:
        items = messages(field.message_type)
        return st.lists(items, min_size=1, max_size=4) if field.is_repeated else items
    usual: st.SearchStrategy[Any] = {
        FieldDescriptor.TYPE_STRING: st.sampled_from(["x", "order", "買い物"]),
        FieldDescriptor.TYPE_ENUM: st.integers(1, 2),
        FieldDescriptor.TYPE_BOOL: st.booleans(),
        FieldDescriptor.TYPE_INT32: st.integers(0, 400),
        FieldDescriptor.TYPE_BYTES: st.just(b"a photograph"),
    }[field.type]
    return st.lists(usual, min_size=1, max_size=2, unique=True) if field.is_repeated else usual


def wild(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Values for one item of a field as nobody in his senses would choose them."""
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return st.one_of(st.sampled_from(WORDS), st.sampled_from(KNOWN + STRANGE), st.text(max_size=80))
        case FieldDescriptor.TYPE_BOOL:
            return st.booleans()
        case FieldDescriptor.TYPE_ENUM:
            return st.sampled_from(NUMBERS)
        case FieldDescriptor.TYPE_INT32:
            return st.one_of(st.sampled_from(NUMBERS), st.integers(-(2**31), 2**31 - 1))
        case FieldDescriptor.TYPE_INT64:
            return st.one_of(st.sampled_from(NUMBERS + BIG_NUMBERS), st.integers(-(2**63), 2**63 - 1))
        case FieldDescriptor.TYPE_BYTES:
            return st.one_of(st.binary(max_size=80), st.just(bytes(2**20 + 1)))
    assert field.message_type is not None, f"{field.full_name} is of a type that the fuzz does not know"
    return messages(field.message_type, most_odd=4)


def wild_field(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Values for a whole field."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = map(wild, field.message_type.fields)
        return st.dictionaries(key, value, max_size=22)
    return st.lists(wild(field), max_size=18) if field.is_repeated else wild(field)


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, most_odd: int = 2) -> Any:
    """Messages of a type: sound but for a few fields, which are wild or not there."""
    message_type: type[Message] = GetMessageClass(descriptor)
    names = [field.name for field in descriptor.fields]
    odd = draw(st.sets(st.sampled_from(names), max_size=draw(st.sampled_from([0, 0, 1, most_odd])))) if names else ()
    parts: dict[str, Any] = {}
    for field in descriptor.fields:
        if field.name not in odd:
            parts[field.name] = draw(likely(field))
        elif draw(st.booleans()):
            parts[field.name] = draw(wild_field(field))
    return message_type(**parts)


class Asked(NamedTuple):
    """One call: which caller asks what, and bytes that got into the message on its way."""

    caller: int
    request: Message
    damage: bytes
    position: int


TYPES = [method.input_type for method in METHODS.values() if method.client_streaming or not method.server_streaming]
"""Watches go on for ever; test_watching asks for them."""
REQUESTS = st.sampled_from(TYPES + [each for each in TYPES if each.name.endswith("PaymentRequest")]).flatmap(messages)
DAMAGE = mostly(st.just(b""), st.binary(min_size=1, max_size=4))
CALL = st.builds(Asked, st.sampled_from([0, 0, 1, 2, 3, 4]), REQUESTS, DAMAGE, st.integers(0, 100))


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(calls=st.lists(CALL, min_size=CALLS // 2, max_size=CALLS))
async def test_no_request_is_answered_with_a_fault(world: World, calls: list[Asked]) -> None:
    async def answered(call: Asked) -> None:
        data = call.request.SerializeToString()
        data = data[: call.position] + call.damage + data[call.position :]
        # `outcome` holds a refusal to the rules of all refusals: no INTERNAL, no UNKNOWN.
        found = await outcome(world.callers[call.caller].send(path_of(call.request), data))
        if isinstance(found, Refused):
            assert found.reason, found  # in time: a deadline that passes has no reason of ours
        else:
            world.granted.add(named(call.request))
            if isinstance(call.request, payments_pb2.StreamPaymentsRequest):
                for result in payments_pb2.StreamPaymentsResponse.FromString(found[0]).results:
                    if result.HasField("status"):
                        must_keep_the_rules(refused_status(result.status))

    await asyncio.gather(*map(answered, calls))
