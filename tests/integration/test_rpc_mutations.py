"""Every RPC, asked with requests that are nearly right, by everybody: an answer or a refusal that tells nothing of our inside.

The bytes of a message follow from the seed, its number, and the names of what was made before it. The long run is
`make fuzz MESSAGES=1000000 SEED=7`: each 50,000 messages have a database and a seed of their own, from the given one on. What
failed is sent again, to a new database, by `make fuzz REPEAT=...`, as the failure says. A fault that follows from what was made
before comes again by its seed.
"""

import asyncio
import os
import re
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from heapq import nlargest
from random import Random
from typing import Any, Final, NamedTuple

import grpc
import pytest
import structlog
from google.api import resource_pb2
from google.protobuf.message import Message

from danbao.v1 import payments_pb2, sandbox_pb2
from danbao_core.people.person import IdentityLevel
from danbao_core.rpc.read_pool import ReadPool
from tests import rpc_client
from tests.mutations import mutated
from tests.people import PAYMENT_PASSWORD, a_person
from tests.rpc_client import (
    Caller,
    Core,
    Refused,
    a_core,
    a_merchant,
    an_account,
    an_operator_token,
    audit_holds,
    must_keep_the_rules,
    outcome,
    refused_status,
)
from tests.rpc_requests import UNKNOWN, a_payment, named, path_of, ship, the_bank
from tests.valid_requests import valid_requests

core = rpc_client.core

MOST_READS: Final = 24
"""So many statements at most the server may make to read for one request, whatever is in it."""

REQUESTS: Final = tuple(request for request in valid_requests() if "Watch" not in named(request))
"""Watches are answered for ever: what is wrong with their requests test_watching asks."""

_AT_ONCE: Final = 16

_CAST_FOR: Final = 64 * _AT_ONCE
"""So many messages later the callers are new: some of the old ones are closed, frozen, or have no key or session any more."""

_REPEAT: Final = os.environ.get("REPEAT", "")
"""One message that is to be sent again, in the place of all."""

_LOT: Final = 50_000
"""So many messages share a database: an audit looks at all that the ones before it left."""

_NAME: Final = re.compile(rb"[a-zA-Z]{5,20}/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:/[a-zA-Z]+/[0-9a-f-]{36})?")
_INSIDE: Final = re.compile(r"Traceback|\.py\b|asyncpg|protobuf|SELECT |INSERT |relation |constraint |object at 0x|<class")
"""What no caller may read in a refusal."""


class Names:
    """What there is, by collection: whatever an answer named."""

    def __init__(self) -> None:
        self._known: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=40))

    def learn(self, answer: bytes) -> None:
        """Takes in the names in an answer, or in a name alone."""
        for found in _NAME.findall(answer):
            name = found.decode()
            if name not in self._known[name.split("/")[-2]]:
                self._known[name.split("/")[-2]].append(name)

    def all(self) -> list[str]:
        """All of them, and the name of nothing."""
        return [f"payments/{UNKNOWN}", *(name for names in self._known.values() for name in names)]

    def fill(self, random: Random, message: Any) -> None:
        """Gives a sound request a new id, and puts what there is in the place of what it names; mostly."""
        for field in message.DESCRIPTOR.fields:
            resource = field.GetOptions().Extensions[resource_pb2.resource_reference].type.partition("/")[2].lower()
            if field.name == "request_id" and message.request_id:
                message.request_id = f"request-{random.randrange(3)}" if random.random() < 0.03 else random.randbytes(16).hex()
            elif field.name == "order_no" and random.random() < 0.9:
                message.order_no = random.choice(("", random.randbytes(8).hex()))
            elif field.name == "payment_password" and random.random() < 0.3:
                message.payment_password = PAYMENT_PASSWORD
            elif resource and not field.is_repeated and random.random() < 0.9:
                collection = {"delivery": "deliveries", "evidence": "evidence"}.get(resource, f"{resource}s")
                if known := [names for kind, names in self._known.items() if kind.lower() == collection]:
                    setattr(message, field.name, random.choice(known[0]))
        for field, value in message.ListFields():
            if field.message_type is payments_pb2.CreatePaymentRequest.DESCRIPTOR:
                for item in value:
                    self.fill(random, item)


class Sent(NamedTuple):
    """One message."""

    number: int
    caller: int
    path: str
    data: bytes

    def __str__(self) -> str:
        return f"REPEAT={self.caller}:{self.path}:{self.data.hex()}"


class Fuzz:
    """Sends messages, and keeps count."""

    def __init__(self, core: Core, seed: int) -> None:
        self.codes: Counter[tuple[str, str]] = Counter()
        """By method, and reason or code."""
        self.slowest: list[tuple[float, Sent]] = []
        self._core = core
        self._seed = seed
        self._names = Names()
        self._cast: list[Caller] = []

    async def set_up(self) -> None:
        """New callers, with money and something to do with it, whatever the bank was told before."""
        core = self._core
        core = core._replace(operator=core.operator.with_token(await an_operator_token(core.settings.database_url)))
        await core.operator.ask(the_bank(sandbox_pb2.Bank.BEHAVIOUR_ACCEPT))
        buyer, shop = await an_account(core, "CNY", "JPY", funds_minor=100_000), await a_merchant(core, "CNY", "JPY")
        scopes = ["accounts.read", "accounts.write", "disputes.read", "disputes.write", "fundings.write"]
        scopes += ["payments.pay", "payments.read", "payments.write"]
        bound = [await core.caller(*scopes, account=account, service="app") for account in (buyer, shop)]
        person = await a_person(core, funds_minor=100_000, level=IdentityLevel.II)
        self._cast = [core.operator, core.operator, *bound, person, core.operator.with_token(None)]
        for name in (buyer, shop, person.account, person.session):
            self._names.learn(name.encode())
        for payer in (buyer, person.account, buyer, buyer):
            payment = await core.operator.ask(a_payment(payer, shop, 100))
            self._names.learn(payment.SerializeToString())
            if payer is not buyer:
                await core.operator.ask(ship(payment.name))

    def message(self, number: int) -> Sent:
        """The message of this number."""
        random = Random(f"{self._seed}:{number}")
        request: Message = random.choice(REQUESTS)
        sound = type(request)()
        sound.CopyFrom(request)
        self._names.fill(random, sound)
        data = mutated(random, sound, self._names.all())
        return Sent(number, random.randrange(len(self._cast)), path_of(request), data)

    async def send(self, sent: Sent) -> None:
        """Sends a message. Raises AssertionError, with how to send it again, where it is not answered as it must be."""
        began_at = time.monotonic()
        try:
            found = await outcome(self._cast[sent.caller].send(sent.path, sent.data))
            self._look_at(sent, found)
        except AssertionError as error:
            raise AssertionError(f"{error}\nmessage {sent.number} of seed {self._seed}: make fuzz {sent}") from error
        took = time.monotonic() - began_at
        if len(self.slowest) < 20 or took > self.slowest[-1][0]:
            self.slowest = nlargest(20, [*self.slowest, (took, sent)], key=lambda each: each[0])

    def _look_at(self, sent: Sent, found: Any) -> None:
        method = sent.path.rpartition("/")[2]
        if isinstance(found, Refused):
            self.codes[method, found.reason or found.code.name] += 1
            # A refusal of gRPC's own is of a message over 4 MiB, or of a deadline that passed: that took too long.
            assert found.reason or found.code is grpc.StatusCode.RESOURCE_EXHAUSTED, found
            _must_tell_nothing(found)
            return
        self.codes[method, "OK"] += 1
        self._names.learn(found[0])
        if method == "StreamPayments":
            for result in payments_pb2.StreamPaymentsResponse.FromString(found[0]).results:
                if result.HasField("status"):
                    must_keep_the_rules(refused_status(result.status))
                    _must_tell_nothing(refused_status(result.status))

    def report(self) -> str:
        """What became of all messages, and which took longest."""
        lines = [f"{method:32} {count:8}  {reason}" for (method, reason), count in sorted(self.codes.items())]
        slow = [
            f"{took * 1000:7.0f} ms  {len(sent.data):8} bytes  {sent.path}  message {sent.number}"
            for took, sent in self.slowest
        ]
        return "\n".join([*lines, "slowest:", *slow, ""])


def _must_tell_nothing(refusal: Refused) -> None:
    told = "\n".join([refusal.message, *refusal.metadata.values(), *refusal.violations, *refusal.violations.values()])
    assert not _INSIDE.search(told), refusal


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing but warnings and errors is logged: lines of a million calls would be kept."""
    processors = structlog.get_config()["processors"]
    before = processors.copy()
    processors.insert(0, _only_trouble)
    try:
        yield
    finally:
        processors[:] = before


def _only_trouble(_logger: Any, name: str, event: Any) -> Any:
    if name in ("info", "debug"):
        raise structlog.DropEvent
    return event


@asynccontextmanager
async def a_fuzz(core: Core, seed: int) -> AsyncIterator[Fuzz]:
    """Afterwards the books are in order, and the server answers."""
    with _quiet():
        fuzz = Fuzz(core, seed)
        await fuzz.set_up()
        yield fuzz
        operator = core.operator.with_token(await an_operator_token(core.settings.database_url))
        assert await audit_holds(core._replace(operator=operator))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements were made to read so far."""
    count, answer = [0], ReadPool._answer

    async def counted(self: ReadPool, text: str, asking: Any) -> Any:
        count[0] += 1
        return await answer(self, text, asking)

    monkeypatch.setattr(ReadPool, "_answer", counted)
    return count


async def test_no_mutation_is_answered_with_a_fault(core: Core, reads: list[int]) -> None:
    async with a_fuzz(core, seed=9) as fuzz:
        for number in range(1_200):
            sent = fuzz.message(number)
            before = reads[0]
            await fuzz.send(sent)
            assert reads[0] - before <= MOST_READS, (reads[0] - before, sent)
    # Mutations prove little where all of them are refused at the door.
    assert len({method for method, reason in fuzz.codes if reason == "OK"}) > 40, fuzz.report()
    assert {method for method, _ in fuzz.codes} == {named(request) for request in REQUESTS}


def _lots() -> list[tuple[int, int]]:
    """The seed of each database of the long run, and how many messages it gets."""
    if _REPEAT:
        return [(1, 1)]
    messages, seed = int(os.environ.get("MESSAGES") or 20_000), int(os.environ.get("SEED") or 1)
    return [(seed + number, min(_LOT, messages - first)) for number, first in enumerate(range(0, messages, _LOT))]


@pytest.mark.soak
@pytest.mark.parametrize(("seed", "messages"), _lots())
async def test_no_mutation_is_answered_with_a_fault_in_the_long_run(database_url: str, seed: int, messages: int) -> None:
    rates: dict[str, Any] = dict.fromkeys(("calls_per_second", "person_calls_per_second", "public_calls_per_second"), 1_000_000)
    async with a_core(database_url, **rates) as core, a_fuzz(core, seed) as fuzz:
        if _REPEAT:
            caller, path, data = _REPEAT.split(":")
            await fuzz.send(Sent(-1, int(caller), path, bytes.fromhex(data)))
            return
        try:
            for first in range(0, messages, _AT_ONCE):
                if first % _CAST_FOR == 0:
                    await fuzz.set_up()
                    slowest = fuzz.slowest[0][0] if first else 0
                    sys.stderr.write(f"seed {seed}: {first} messages of {messages}, slowest {slowest:.3f} s\n")
                numbers = range(first, min(first + _AT_ONCE, messages))
                await asyncio.gather(*(fuzz.send(fuzz.message(number)) for number in numbers))
        finally:
            sys.stderr.write(fuzz.report())
