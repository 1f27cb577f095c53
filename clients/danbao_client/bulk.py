"""Payments in bulk: a stream of requests in, their results out, over connections that come and go."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable
from contextlib import aclosing
from typing import Any, Final, TypeAlias

import grpc

from danbao.v1 import payments_pb2
from danbao_client.errors import DanbaoError
from danbao_client.request_ids import fresh_request_id
from danbao_client.rpc import CallSettings, StreamRpc, closing_in_words, seconds_before_retry
from danbao_client.service import Service

MOST_IN_A_MESSAGE: Final = 256
MOST_BYTES_IN_A_MESSAGE: Final = 1024 * 1024
MOST_UNANSWERED: Final = 1024

_Request: TypeAlias = payments_pb2.CreatePaymentRequest
_Rpc: TypeAlias = StreamRpc[payments_pb2.StreamPaymentsRequest, payments_pb2.StreamPaymentsResponse]


class PaymentsInBulk(Service):
    """The service of payments, with what takes many of them."""

    StreamPayments: _Rpc

    def stream(
        self, requests: AsyncIterable[_Request] | Iterable[_Request]
    ) -> AsyncGenerator[payments_pb2.PaymentResult, None]:
        """Creates payments in bulk: answers one result for each request, in order, a payment or why there is none.

        Requests are taken up to 1,024 ahead of their results and sent up to 256 in a message. One whose `request_id` is empty
        goes out with a fresh UUID, which its result tells; messages are copied when they are taken. Where the connection is
        lost, what has no result yet is sent again with the same ids, so each payment is made once, until no result came for the
        client's patience since the connection was first lost. Results that are refusals are handed out like others and never
        sent again: `DanbaoError.of_result` tells whether they may be.

        Raises DanbaoError where the core refuses the stream, where patience ends, where no answer comes in the client's
        deadline, or where the client is closed: its `unanswered` holds what was taken and has no result, with the ids, to be
        sent again in whichever way.
        What the requests raise comes after the results of those before, and so does TypeError for what is no request; where the
        stream fails before that, its error notes it. A generator of requests is closed as soon as the stream ends, which it
        does at once where the results are left by `aclosing`, or the task is cancelled.
        """
        return PaymentStream(self.StreamPayments, requests, self._settings).results()


class PaymentStream:
    """Sends requests and hands their results out; what has no result is sent again when a connection is lost."""

    def __init__(self, rpc: _Rpc, requests: AsyncIterable[_Request] | Iterable[_Request], settings: CallSettings) -> None:
        self._rpc = rpc
        self._requests = requests if isinstance(requests, AsyncIterable) else _each(requests)
        self._settings = settings
        self._unanswered: deque[_Request] = deque()
        """Taken from the caller and without a result, oldest first."""
        self._unsent = 0
        """How many of them, the newest, were not sent over the present connection."""
        self._all_taken = False
        self._taken = asyncio.Event()
        self._answered = asyncio.Event()
        self._reading: asyncio.Timeout | None = None

    async def results(self) -> AsyncGenerator[payments_pb2.PaymentResult, None]:
        """One result for each request, in order. Raises DanbaoError, or what the requests raise, after their results."""
        taking = asyncio.create_task(self._take(), name="danbao-requests")
        try:
            attempt, give_up_at = 0, 0.0
            while await self._anything_unanswered():
                try:
                    async with aclosing(self._over_one_connection()) as results:
                        async for result in results:
                            attempt = 0
                            yield result
                except grpc.aio.AioRpcError as error:
                    if not self._unanswered:
                        attempt = 0
                        continue
                    if not attempt:  # patience begins at the first failure since the last result
                        give_up_at = time.monotonic() + self._settings.patience_seconds
                    failure = DanbaoError.of(error)
                    pause_seconds = seconds_before_retry(attempt, failure)
                    if not _may_be_sent_again(failure) or time.monotonic() + pause_seconds >= give_up_at:
                        raise failure from error
                    attempt += 1
                    await asyncio.sleep(pause_seconds)
        except BaseException as failure:
            await _stop(taking, failure)
            if isinstance(failure, DanbaoError):
                self._tell(failure)
            raise
        await taking

    async def _take(self) -> None:
        """Takes requests from the caller, as many as may be unanswered. Whatever ends it, it closes the caller's generator."""
        requests = aiter(self._requests)
        try:
            async for request in requests:
                self._unanswered.append(_identified(request))
                self._unsent += 1
                self._taken.set()
                while len(self._unanswered) >= MOST_UNANSWERED:
                    self._answered.clear()
                    await self._answered.wait()
        finally:
            self._all_taken = True
            self._taken.set()
            if isinstance(requests, AsyncGenerator):
                await requests.aclose()

    async def _anything_unanswered(self) -> bool:
        """Waits until there is something to send; False where nothing will come any more."""
        while not self._unanswered and not self._all_taken:
            self._taken.clear()
            await self._taken.wait()
        return bool(self._unanswered)

    async def _over_one_connection(self) -> AsyncGenerator[payments_pb2.PaymentResult, None]:
        """Sends what is unanswered and what comes, and answers the results. Raises AioRpcError where the connection is lost."""
        call = self._rpc()
        self._unsent = len(self._unanswered)
        sending = asyncio.create_task(self._send(call), name="danbao-sending")
        try:
            while (answer := await self._read(call)) is not grpc.aio.EOF:
                for result in answer.results:
                    self._unanswered.popleft()
                    yield result
                self._answered.set()
            if self._unanswered:
                raise DanbaoError(grpc.StatusCode.INTERNAL, "", "the stream ended and did not answer everything")
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)  # a lost connection is told by the reading side
            call.cancel()

    async def _read(self, call: Any) -> Any:
        """The next answer, EOF after the last. Raises DanbaoError where none comes before the deadline."""
        try:
            async with asyncio.timeout(None) as self._reading:
                self._expect_an_answer()
                with closing_in_words():
                    return await call.read()
        except TimeoutError:
            message = f"no answer came within {self._settings.deadline_seconds} seconds"
            raise DanbaoError(grpc.StatusCode.DEADLINE_EXCEEDED, "", message) from None
        finally:
            self._reading = None

    def _tell(self, failure: DanbaoError) -> None:
        """Adds to an error what has no result yet, under the ids that it went out with."""
        failure.unanswered = tuple(self._unanswered)
        failure.request_id = self._unanswered[0].request_id if self._unanswered else ""

    def _expect_an_answer(self) -> None:
        """The time for an answer begins when there is something to answer."""
        if self._reading is not None and self._reading.when() is None and self._unanswered:
            self._reading.reschedule(asyncio.get_running_loop().time() + self._settings.deadline_seconds)

    async def _send(self, call: Any) -> None:
        while self._unsent or not self._all_taken:
            if self._unsent:
                self._expect_an_answer()
                await call.write(self._next_message())
            else:
                self._taken.clear()
                await self._taken.wait()
        await call.done_writing()

    def _next_message(self) -> payments_pb2.StreamPaymentsRequest:
        """As many of the requests that were not sent as one message may hold, at least one."""
        message, size_bytes = payments_pb2.StreamPaymentsRequest(), 0
        first = len(self._unanswered) - self._unsent
        for place in range(first, min(first + MOST_IN_A_MESSAGE, len(self._unanswered))):
            request = self._unanswered[place]
            size_bytes += request.ByteSize()
            if message.requests and size_bytes > MOST_BYTES_IN_A_MESSAGE:
                break
            message.requests.append(request)
        self._unsent -= len(message.requests)
        return message


async def _stop(taking: "asyncio.Task[None]", failure: BaseException) -> None:
    """Ends the taking of requests, whose generator is closed when it returns.

    What they raise meanwhile is noted with the failure, or raised where nothing failed and the results are only left.
    """
    taking.cancel()
    [ended] = await asyncio.gather(taking, return_exceptions=True)
    if isinstance(ended, Exception):
        if isinstance(failure, GeneratorExit):
            raise ended
        failure.add_note(f"The requests failed, too: {ended!r}")


def _may_be_sent_again(failure: DanbaoError) -> bool:
    """Whether a stream that failed is worth another.

    Where gRPC finds a stream ended while it writes to it, it hides the reason behind an INTERNAL of its own, which has none.
    """
    return failure.is_transient or (failure.code is grpc.StatusCode.INTERNAL and not failure.reason)


def _identified(request: object) -> _Request:
    """A copy of the request, under a fresh `request_id` where it has none: its caller may go on using the message.

    Raises TypeError for what is no request.
    """
    if not isinstance(request, _Request):
        raise TypeError(f"stream takes CreatePaymentRequest messages, not {type(request).__name__}")
    identified = _Request()
    identified.CopyFrom(request)
    identified.request_id = request.request_id or fresh_request_id()
    return identified


async def _each(requests: Iterable[_Request]) -> AsyncGenerator[_Request, None]:
    try:
        for request in requests:
            yield request
    finally:
        if isinstance(requests, Generator):
            requests.close()
