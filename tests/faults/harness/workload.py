"""Buyers and a shop over real gRPC, and the record of what was asked and what came of it.

What a buyer does follows from the seed; how far each gets with it follows from the faults.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from danbao.v1 import accounts_pb2, payments_pb2
from danbao_client import Danbao, DanbaoError
from danbao_client.service import Service
from tests import rpc_requests as requests
from tests.integration.sandboxes import eventually

BUYERS: Final = 8
FUNDS_MINOR: Final = 10_000_000
_BULK: Final = 12
_CARD: Final = "4242424242424242"

UNANSWERED: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
    }
)
"""Codes of failures that leave open what became of a request."""

Rpcs = dict[str, Callable[[Any], Awaitable[Any]]]


@dataclass
class Asked:
    """A request, under its own id, and what came of it: an answer, a refusal, or nothing that anybody heard of."""

    request: Any
    answer: Any = None
    refusal: str = ""

    @property
    def is_open(self) -> bool:
        return self.answer is None and not self.refusal


@dataclass
class Record:
    """All that one seed asked for."""

    asked: dict[str, Asked] = field(default_factory=dict)
    """By request id."""
    ended_calls: int = 0
    asked_again: int = 0
    faults: list[str] = field(default_factory=list)
    """Answers that no caller may ever get."""

    def of(self, *kinds: type[Message]) -> Iterable[Asked]:
        """The requests of these kinds."""
        return [each for each in self.asked.values() if isinstance(each.request, kinds)]

    def take(self, request: Any, outcome: Any) -> Any:
        """Writes down what came of a request; answers the answer, where it is one."""
        asked = self.asked[request.request_id]
        self.ended_calls += 1
        if not isinstance(outcome, DanbaoError):
            asked.answer = outcome
            return outcome
        if outcome.code is grpc.StatusCode.INTERNAL and outcome.reason:
            self.faults.append(f"{type(request).__name__} {request.request_id}: {outcome}")
        elif outcome.code not in UNANSWERED and outcome.reason:
            asked.refusal = outcome.reason
        return None

    async def calls(self, count: int, most_seconds: float) -> None:
        """Returns when so many calls have ended. Raises AssertionError where that takes too long."""
        await eventually(lambda: self.ended_calls >= count, most_seconds)


def rpcs_of(client: Danbao) -> Rpcs:
    """Each RPC by the name of its request."""
    services = [service for service in vars(client).values() if isinstance(service, Service)]
    return {
        method.input_type.full_name: getattr(service, method.name)
        for service in services
        for method in service.descriptor.methods
    }


async def asked(rpcs: Rpcs, record: Record, request: Any) -> Any:
    """The answer to a request; None where it was refused, or nobody knows what became of it."""
    record.asked.setdefault(request.request_id, Asked(request))
    try:
        outcome = await rpcs[request.DESCRIPTOR.full_name](request)
    except DanbaoError as error:
        outcome = error
    return record.take(request, outcome)


class Market:
    """A shop and its buyers, made for one seed."""

    def __init__(self, seed: int) -> None:
        self.shop = ""
        self.payers: list[str] = []
        self.cards: list[str] = []
        self.told_since = 0
        """The position in the log after which its endpoint was told."""
        self._seed = seed

    async def open(self, client: Danbao, record: Record) -> None:
        """Makes the accounts; before any fault, so each call is answered."""
        ask = partial(asked, rpcs_of(client), record)
        self.shop = (await ask(requests.create_account("CNY", merchant=True))).name
        accounts = await asyncio.gather(*(ask(requests.create_account("CNY")) for _ in range(BUYERS)))
        self.payers = [account.name for account in accounts]
        funded = [requests.a_top_up(account, FUNDS_MINOR) for account in (self.shop, *self.payers)]
        await asyncio.gather(*map(ask, funded))
        cards = await asyncio.gather(*(ask(requests.bind(payer, _CARD)) for payer in self.payers))
        self.cards = [card.name for card in cards]

    async def trade(self, client: Danbao, record: Record, enough: asyncio.Event) -> None:
        """Every buyer does one thing after another until it is enough."""
        buyers = [Buyer(self, number, client, record) for number in range(BUYERS)]
        chances = [random.Random(f"danbao buyer {self._seed} {number}") for number in range(BUYERS)]
        await asyncio.gather(*(buyer.buy(chance, enough) for buyer, chance in zip(buyers, chances, strict=True)))


class Buyer:
    """One who buys at the market's shop, in every way that there is."""

    def __init__(self, market: Market, number: int, client: Danbao, record: Record) -> None:
        self._payer, self._card, self._shop = market.payers[number], market.cards[number], market.shop
        self._client = client
        self._record = record
        self._ask = partial(asked, rpcs_of(client), record)

    async def buy(self, chance: random.Random, enough: asyncio.Event) -> None:
        """One thing after another until it is enough."""
        stories = (self._at_once, self._escrow, self._order, self._authorize, self._dispute, self._top_up, self._bulk)
        while not enough.is_set():
            story = chance.choices(stories, weights=(4, 6, 3, 3, 4, 1, 1))[0]
            await story(chance)

    def _payment(self, chance: random.Random, **fields: Any) -> payments_pb2.CreatePaymentRequest:
        """Its subject is its request id, by which it is found."""
        request = requests.a_payment(self._payer, self._shop, chance.randint(2, 5_000), **fields)
        request.subject = request.request_id
        return request

    async def _at_once(self, chance: random.Random) -> None:
        mode = payments_pb2.Payment.MODE_INSTANT
        payment = await self._ask(self._payment(chance, mode=mode, pay=True))
        if payment and chance.random() < 0.4:
            await self._ask(requests.refund(payment.name, chance.randint(1, payment.amount.amount_minor)))

    async def _escrow(self, chance: random.Random) -> None:
        payment = await self._ask(self._payment(chance, pay=True))
        if not payment or chance.random() < 0.1:
            return
        if chance.random() < 0.15:
            await self._ask(requests.cancel(payment.name))
            return
        if chance.random() < 0.3:
            await self._ask(requests.refund(payment.name, chance.randint(1, payment.amount.amount_minor)))
        if await self._ask(requests.ship(payment.name)) and chance.random() < 0.6:
            await self._ask(requests.confirm(payment.name))

    async def _order(self, chance: random.Random) -> None:
        payment = await self._ask(self._payment(chance))
        if payment and chance.random() < 0.7:
            await self._ask(chance.choice((requests.pay, requests.cancel))(payment.name))

    async def _authorize(self, chance: random.Random) -> None:
        payment = await self._ask(self._payment(chance, mode=payments_pb2.Payment.MODE_AUTHORIZATION, pay=True))
        if payment and chance.random() < 0.8:
            part = requests.money(chance.randint(1, payment.amount.amount_minor))
            await self._ask(chance.choice((requests.capture(payment.name, part), requests.void(payment.name))))

    async def _dispute(self, chance: random.Random) -> None:
        payment = await self._ask(self._payment(chance, pay=True))
        if not payment or (chance.random() < 0.5 and not await self._ask(requests.ship(payment.name))):
            return
        dispute = await self._ask(requests.open_dispute(payment.name, chance.randint(1, payment.amount.amount_minor)))
        if not dispute:
            return
        match chance.randrange(5):
            case 0:
                await self._ask(requests.accept_dispute(dispute.name))
            case 1:
                if await self._ask(requests.offer(dispute.name, 1)):
                    await self._ask(requests.accept_offer(dispute.name))
            case 2:
                if await self._ask(requests.reject_dispute(dispute.name)):
                    await self._ask(requests.escalate(dispute.name))
            case 3:
                await self._ask(requests.withdraw_dispute(dispute.name))

    async def _top_up(self, chance: random.Random) -> None:
        request = requests.a_top_up(self._payer, chance.randint(1, 1_000))
        request.instrument = self._card
        await self._ask(request)

    async def _bulk(self, chance: random.Random) -> None:
        """Several payments over a stream, which the client takes up again where its connection is lost."""
        mode = payments_pb2.Payment.MODE_INSTANT
        items = {each.request_id: each for each in (self._payment(chance, mode=mode, pay=True) for _ in range(_BULK))}
        self._record.asked.update({request_id: Asked(item) for request_id, item in items.items()})
        try:
            async for result in self._client.payments.stream(list(items.values())):
                outcome = result.payment if result.HasField("payment") else DanbaoError.of_result(result)
                self._record.take(items[result.request_id], outcome)
        except DanbaoError:
            self._record.ended_calls += 1  # what has no result stays open


def topped_up_minor(record: Record) -> int:
    """What the till gave, all of it acknowledged; cards are another matter, because banks may decline."""
    return sum(each.request.amount.amount_minor for each in record.of(accounts_pb2.TopUpRequest) if not each.request.instrument)
