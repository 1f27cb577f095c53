"""StreamPayments: many payments over one call, each carried out alone.

What it costs per payment decides how fast the core is in bulk, so items are checked, submitted and answered by the message;
there is no task and no wake-up for each.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, NamedTuple, TypeAlias

import msgspec

from danbao.v1 import payments_pb2
from danbao_core.clock import WallClock
from danbao_core.engine import Answer, Engine, Origin
from danbao_core.engine.requests import content_hash
from danbao_core.errors import Refusal
from danbao_core.payments import CreatePayment, Payment
from danbao_core.rpc import convert
from danbao_core.rpc.call import Call
from danbao_core.rpc.status import status_of
from danbao_core.rpc.validation import BULK_BYTES, must_be_of_bounded_size, request_id_of, validate_item

MOST_UNANSWERED: Final = 1024
"""Items that were read and whose answer is not on its way yet."""

MOST_IN_A_MESSAGE: Final = 256

MOST_UNANSWERED_BYTES: Final = 2 * BULK_BYTES
"""Of the messages that these items came in: what is held for an item grows with what was sent for it."""

ITEMS_AT_A_TIME: Final = 16
"""Items that are checked, or answered, before others have their turn. While Postgres works there is time for this; but then the
engine must be able to go on, or Postgres has nothing to do until a whole message is done."""

METHOD: Final = "PaymentService/CreatePayment"
"""The method under which an item is hashed: an item and a call of it are the same request."""

_Waiting: TypeAlias = "asyncio.Future[Answer[Payment]] | Refusal"


class _Message(NamedTuple):
    """A message that was read: the request ids of its items, and what became or will become of each."""

    request_ids: list[str]
    """Empty where the item's was none: what breaks the rule for ids may be megabytes."""
    outcomes: list[_Waiting]
    size_bytes: int


class PaymentStream:
    """One stream. Reads on while earlier messages are carried out, and answers in order."""

    def __init__(
        self,
        engine: Engine,
        messages: AsyncIterator[payments_pb2.StreamPaymentsRequest],
        call: Call,
        hash_key: bytes,
        wall_clock: WallClock,
    ) -> None:
        self._engine = engine
        self._messages = messages
        self._call = call
        self._hash_key = hash_key
        self._wall_clock = wall_clock
        self._read: asyncio.Queue[_Message | None] = asyncio.Queue()
        self._unanswered = 0
        self._unanswered_bytes = 0
        self._answered = asyncio.Event()

    async def answers(self) -> AsyncIterator[payments_pb2.StreamPaymentsResponse]:
        """One answer for each message. Raises what ended the messages, once everything that was read is answered."""
        reading = asyncio.create_task(self._read_on(), name="danbao-payment-stream")
        try:
            while (message := await self._read.get()) is not None:
                yield await self._answer(message)
                self._unanswered -= len(message.outcomes)
                self._unanswered_bytes -= message.size_bytes
                self._answered.set()
            ended_by = await reading
        finally:
            reading.cancel()
        if ended_by is not None:
            raise ended_by

    async def _read_on(self) -> Refusal | None:
        """Reads and submits until the messages end; answers the refusal that ended them, if any."""
        try:
            async for message in self._messages:
                self._read.put_nowait(await self._submit(message))
                await self._room_for_a_message()
        except Refusal as refusal:
            return refusal
        finally:
            self._read.put_nowait(None)
        return None

    async def _room_for_a_message(self) -> None:
        while (
            self._unanswered > MOST_UNANSWERED - MOST_IN_A_MESSAGE
            or self._unanswered_bytes > MOST_UNANSWERED_BYTES - BULK_BYTES
        ):
            self._answered.clear()
            await self._answered.wait()

    async def _submit(self, message: payments_pb2.StreamPaymentsRequest) -> _Message:
        """Queues the items that keep the rules, all at once, so that they share as few commits as can be."""
        must_be_of_bounded_size(message)
        size_bytes = message.ByteSize()
        self._unanswered += len(message.requests)
        self._unanswered_bytes += size_bytes
        origin = msgspec.structs.replace(self._call.origin, received_at=self._wall_clock())
        commands: list[CreatePayment] = []
        outcomes: list[_Waiting | None] = []
        for number, item in enumerate(message.requests):
            if number % ITEMS_AT_A_TIME == 0:
                await asyncio.sleep(0)
            try:
                commands.append(self._command(item, origin))
            except Refusal as refusal:
                outcomes.append(refusal.with_traceback(None))  # whose frames would keep the message
            else:
                outcomes.append(None)
        futures = iter(await self._engine.submit_many(commands, timeout_seconds=self._call.context.time_remaining()))
        return _Message(
            [request_id_of(item) for item in message.requests],
            [next(futures) if outcome is None else outcome for outcome in outcomes],
            size_bytes,
        )

    def _command(self, item: payments_pb2.CreatePaymentRequest, origin: Origin) -> CreatePayment:
        validate_item(item)
        content = content_hash(self._hash_key, METHOD, item.SerializeToString(deterministic=True))
        return convert.create_payment(item, msgspec.structs.replace(origin, request_id=item.request_id, content=content))

    async def _answer(self, message: _Message) -> payments_pb2.StreamPaymentsResponse:
        """The results of a message's items, when the last one has its."""
        answer = payments_pb2.StreamPaymentsResponse()
        repeats = refusals = 0
        for number, (request_id, outcome) in enumerate(zip(message.request_ids, message.outcomes, strict=True)):
            if number % ITEMS_AT_A_TIME == 0:
                await asyncio.sleep(0)
            result = answer.results.add(request_id=request_id)
            try:
                if isinstance(outcome, Refusal):
                    raise outcome
                payment, replayed = await outcome
            except Refusal as refusal:
                refusals += 1
                result.status.CopyFrom(status_of(refusal))
            else:
                repeats += replayed
                result.replayed = replayed
                convert.put_payment(payment, result.payment)
        seen = self._call.seen
        seen.count_items("answered", len(message.outcomes) - repeats - refusals)
        seen.count_items("replayed", repeats)
        seen.count_items("refused", refusals)
        return answer
