"""What is written down beside the books: events for whoever wants to know, and who did what."""

from datetime import datetime
from typing import Self
from uuid import UUID

import msgspec

from danbao_core.engine import Origin, Row, table
from danbao_core.engine.encoding import encoded
from danbao_core.ids import IdSequence


@table("outbox", rank=80, key=("id",), in_order=True)
class Outbox(Row, frozen=True):
    """An event: the subject as it was at that version, in msgpack; its public form is made when it is sent.

    The database numbers the rows (`sequence`) as they are written, under the lock on their subject: of two events of one
    subject the later one has the larger number.
    """

    id: UUID
    topic: str
    """Such as "payment.succeeded"."""
    subject_id: UUID
    subject_version: int
    payload: bytes
    created_at: datetime
    ordering_id: UUID
    """Events with the same one are told in their order: the payment's id for what belongs to it, else the subject's."""
    traceparent: str = ""
    """Of the sampled call that brought it about (W3C Trace Context); empty for all others."""

    def traced(self, traceparent: str) -> Self:
        return self.replace(traceparent=traceparent)


@table("audit_event", rank=90, key=("id",))
class AuditEvent(Row, frozen=True):
    """Who changed something that moves no money; for what does, the journal says it."""

    id: UUID
    subject_id: UUID
    method: str
    caller: str
    key_id: UUID | None
    peer: str
    request_id: str
    created_at: datetime
    memo: str = ""
    """Why, in the words that were given."""
    subject_kind: str = ""
    """What the subject is: the name of its table."""


class EventId(msgspec.Struct, frozen=True):
    """What names an event."""

    event_id: UUID


class OfAccount(msgspec.Struct, frozen=True):
    """What events tell of an account that is a matter of its safety, and of no version of a row."""

    account_id: UUID


def as_timer(origin: Origin) -> Origin:
    """Who brought about what was due before somebody came by."""
    return Origin(caller="timer", method=origin.method, request_id=origin.request_id, received_at=origin.received_at)


def event(
    ids: IdSequence,
    topic: str,
    subject_id: UUID,
    version: int,
    subject: msgspec.Struct,
    at: datetime,
    ordering_id: UUID | None = None,
) -> Outbox:
    """The event that something happened to a subject, `subject_id`, which made it `version`; `ordering_id` is that of what it
    belongs to, where its events are told in order with those of others."""
    return Outbox(ids.take(), topic, subject_id, version, encoded(subject), at, ordering_id or subject_id)


def account_event(ids: IdSequence, topic: str, account_id: UUID, at: datetime) -> Outbox:
    """The event that something happened to an account that its owner had better know."""
    return event(ids, topic, account_id, 0, OfAccount(account_id), at)


def audit_event(
    ids: IdSequence, origin: Origin, subject: type[Row], subject_id: UUID, at: datetime, memo: str = ""
) -> AuditEvent:
    """The fact that somebody changed a subject, a row of the type `subject`, and why where they said so."""
    return AuditEvent(
        id=ids.take(),
        subject_id=subject_id,
        method=origin.method,
        caller=origin.caller,
        key_id=origin.key_id,
        peer=origin.peer,
        request_id=origin.request_id,
        created_at=at,
        memo=memo,
        subject_kind=subject.table.name,
    )
