"""Sessions, and the passwords that begin them."""

from uuid import UUID

from danbao.v1 import identity_pb2, sandbox_pb2, sessions_pb2
from danbao_core.people.changing import Changed
from danbao_core.people.messages import Message, Opened
from danbao_core.people.sessions import Session
from danbao_core.rpc.convert.parts import timestamp

__all__ = ["password_change", "sent_message", "session"]


def session(row: Session, current: UUID | None = None) -> sessions_pb2.Session:
    """The resource for a row; `current` is the session that the call was made in."""
    return sessions_pb2.Session(
        name=row.name,
        device_id=row.device_id,
        create_time=timestamp(row.created_at),
        refresh_time=timestamp(row.refreshed_at),
        expire_time=timestamp(row.expires_at),
        ended=row.ended_at is not None,
        current=row.id == current,
    )


def password_change(changed: Changed) -> identity_pb2.PasswordChange:
    """The message for a change."""
    return identity_pb2.PasswordChange(change_time=timestamp(changed.at))


def sent_message(row: Message, opened: Opened) -> sandbox_pb2.SentMessage:
    """The message for a row, as its reader gets it."""
    return sandbox_pb2.SentMessage(
        channel=sandbox_pb2.SentMessage.Channel.ValueType(row.channel),
        address=opened.address,
        template=row.template,
        parameters=opened.parameters,
        create_time=timestamp(row.created_at),
        title=opened.worded.title,
        text=opened.worded.text,
    )
