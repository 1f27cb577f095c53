"""One call: who makes it, what may still be done for it, and what a handler needs of both."""

from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

import grpc
import msgspec

from danbao_core.engine import Command, Engine, Origin
from danbao_core.errors import DeadlinePassed
from danbao_core.people.sessions import SCOPES as SESSION_SCOPES
from danbao_core.people.sessions import Session
from danbao_core.rpc.seen import Seen
from danbao_core.rpc.stream import Outlet
from danbao_core.service_keys import ServiceKey

R = TypeVar("R", bound=msgspec.Struct)

REPLAYED = (("danbao-replayed", "true"),)
DEFAULT_DEADLINE_SECONDS = 30.0
"""For unary calls whose caller set none."""


class Caller(NamedTuple):
    """Who calls: a service by its key, a person by their session, or somebody who needs to show nothing."""

    id: str
    """Who owns the request ids."""
    label: str
    """Who it is in the log, which knows no person by name."""
    scopes: frozenset[str] = frozenset()
    account_id: UUID | None = None
    """The account for which alone it acts."""
    key_id: UUID | None = None
    secret_hash: bytes = b""
    session_id: UUID | None = None
    session_epoch: int = 0

    @classmethod
    def by_key(cls, key: ServiceKey, secret_hash: bytes) -> "Caller":
        """A service."""
        return cls(
            id=key.caller,
            label=key.service,
            scopes=frozenset(key.scopes.split()),
            account_id=key.account_id,
            key_id=key.id,
            secret_hash=secret_hash,
        )

    @classmethod
    def by_session(cls, session: Session) -> "Caller":
        """A person."""
        return cls(
            id=f"account:{session.account_id}",
            label="person",
            scopes=SESSION_SCOPES,
            account_id=session.account_id,
            session_id=session.id,
            session_epoch=session.epoch,
        )


NOBODY: Final = Caller(id="public", label="")
"""Who calls without a token what needs none. Handlers say whose the request ids are."""


class Call(NamedTuple):
    """One call in progress."""

    caller: Caller
    method: str
    """As in the contract: "PaymentService/CreatePayment"."""
    peer: str
    received_at: datetime
    request_id: str
    content: bytes
    """The keyed hash of the request."""
    context: "grpc.aio.ServicerContext[Any, Any]"
    seen: Seen
    """For the log, the metrics and the trace."""
    outlet: Outlet | None = None
    """Of a call that is answered for as long as its caller listens."""

    @property
    def origin(self) -> Origin:
        """What a command writes down of it."""
        caller = self.caller
        return Origin(
            caller=caller.id,
            method=self.method,
            peer=self.peer,
            request_id=self.request_id,
            content=self.content,
            key_id=caller.key_id,
            secret_hash=caller.secret_hash,
            session_id=caller.session_id,
            session_epoch=caller.session_epoch,
            account_id=caller.account_id,
            scopes=caller.scopes,
            public=caller is NOBODY,
            received_at=self.received_at,
            traceparent="" if self.seen.trace is None else self.seen.trace.traceparent,
        )

    @property
    def remaining_seconds(self) -> float:
        """Time until the caller gives up. Raises DeadlinePassed."""
        remaining: float | None = self.context.time_remaining()  # None without a deadline, whatever the stubs say
        if remaining is None:
            return DEFAULT_DEADLINE_SECONDS
        if remaining <= 0:
            raise DeadlinePassed
        return remaining


_current: ContextVar[Call] = ContextVar("danbao_call")


def begin(call: Call) -> None:
    """Makes a call the current one of its task."""
    _current.set(call)


def current() -> Call:
    """The call that the running handler serves."""
    return _current.get()


async def submit(engine: Engine, command: Command[R]) -> R:
    """Carries a command out for the current call; a repeat is marked in the trailing metadata."""
    call = current()
    trace = call.seen.trace
    timeline = None if trace is None else trace.timeline
    answer = await engine.submit(command, timeout_seconds=call.remaining_seconds, timeline=timeline)
    if answer.replayed:
        mark_replayed()
    return answer.result


def mark_replayed() -> None:
    """Says of the current call that it is answered again."""
    call = current()
    call.seen.replayed = True
    call.context.set_trailing_metadata(REPLAYED)
