"""How messages come in, and on streams answers go out, as long as somebody is there for both."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from danbao_core.errors import DeadlinePassed, MessageMalformed, Refusal, ShuttingDown, StreamIdle
from danbao_core.rpc.gate import Gate
from danbao_core.rpc.validation import parse, validate

MESSAGE_SECONDS: Final = 30.0
"""So long the only message of a call may take, whatever the caller's own deadline: it has been let in by then."""


async def only_message(context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
    """The bytes of the message of a call that has one.

    Raises MessageMalformed where the caller says nothing at all, and DeadlinePassed where it takes too long.
    """
    try:
        async with asyncio.timeout(MESSAGE_SECONDS):
            data: Any = await context.read()
    except TimeoutError:
        raise DeadlinePassed from None
    if data is grpc.aio.EOF:
        raise MessageMalformed
    return bytes(data)


class CallerGone(Exception):
    """Nobody is there any more; what was read is carried out all the same."""


class Stream(AsyncIterator[Message]):
    """The messages of a stream, to be iterated over, and the way back to the caller."""

    def __init__(
        self, context: "grpc.aio.ServicerContext[Any, Any]", message_type: type[Message], gate: Gate, idle_seconds: float
    ) -> None:
        self._context = context
        self._message_type = message_type
        self._gate = gate
        self._idle_seconds = idle_seconds
        self._reading: asyncio.Timeout | None = None

    async def __anext__(self) -> Message:
        """The next message; it is read from the wire only now.

        Raises MessageMalformed or FieldInvalid for a message that the contract does not know, StreamIdle where none comes in
        time, ShuttingDown once the server stops, and CallerGone.
        """
        data = await self._read()
        if data is grpc.aio.EOF:
            raise StopAsyncIteration
        message = parse(self._message_type, data)
        validate(message)
        return message

    async def _read(self) -> Any:
        self._gate.must_be_open()
        try:
            async with asyncio.timeout(self._idle_seconds) as self._reading:
                return await self._context.read()
        except TimeoutError:
            self._gate.must_be_open()
            raise StreamIdle from None
        except grpc.aio.InternalError:
            raise CallerGone from None
        finally:
            self._reading = None

    def stop_reading(self) -> None:
        """Lets a read that waits end at once; the gate is closed."""
        if self._reading is not None and not self._reading.expired():
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def write(self, answer: Message) -> None:
        """Answers; returns when the answer is on its way, which may wait until the caller has read earlier ones.

        Raises StreamIdle where it does not in time, and CallerGone.
        """
        try:
            async with asyncio.timeout(self._idle_seconds):
                await self._context.write(answer)
        except TimeoutError:
            raise StreamIdle from None
        except grpc.aio.InternalError:
            raise CallerGone from None


class Outlet:
    """The way back to a caller who only listens. It can be ended from elsewhere, also while a caller does not read."""

    def __init__(self, context: "grpc.aio.ServicerContext[Any, Any]", idle_seconds: float) -> None:
        self._context = context
        self._idle_seconds = idle_seconds
        self._writing: asyncio.Timeout | None = None
        self._ended_by: Refusal | None = None
        self.on_end: Callable[[], None] = lambda: None
        """Called when it is ended: whoever waits for something to say need not wait on."""

    def end(self, refusal: Refusal) -> None:
        """Nothing more is said; an answer that waits to be read is given up."""
        if self._ended_by is None:
            self._ended_by = refusal
            self.on_end()
            if self._writing is not None and not self._writing.expired():
                self._writing.reschedule(asyncio.get_running_loop().time())

    def shut_down(self) -> None:
        """Ends it because the server stops."""
        self.end(ShuttingDown())

    def must_go_on(self) -> None:
        """Raises what has ended it."""
        if self._ended_by is not None:
            raise self._ended_by

    async def write(self, answer: Message) -> None:
        """Answers, as `Stream.write`. Raises what has ended it, StreamIdle and CallerGone."""
        self.must_go_on()
        try:
            async with asyncio.timeout(self._idle_seconds) as self._writing:
                await self._context.write(answer)
        except TimeoutError:
            self.must_go_on()
            raise StreamIdle from None
        except grpc.aio.InternalError:
            raise CallerGone from None
        finally:
            self._writing = None
