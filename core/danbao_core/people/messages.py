"""Messages to people, written in the commit of what they tell: none tells of what did not happen, and none is lost.

A worker sends them afterwards (`danbao_workers/messages.py`); how they are worded say the templates of `notifications`.
"""

import json
from datetime import datetime, timedelta
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

from danbao_core.engine import Row, table
from danbao_core.ids import uuid7
from danbao_core.keyring import Keyring
from danbao_core.notifications.port import Channel
from danbao_core.notifications.templates import Worded, language_for, worded

__all__ = ["Channel", "Letter", "Message", "MessageState", "Opened", "letter", "letter_by", "opened", "unaddressed"]


class MessageState(IntEnum):
    """What has become of a message."""

    PENDING = 1
    SENT = 2
    """A gateway has taken it."""
    FAILED = 3
    """A gateway refused it for good, or took it at none of the attempts, or nobody knows to whom it is to go."""
    EXPIRED = 4
    """It was of no use any more before it could be sent: a code that ran out, or what it says was erased."""


@table("message", rank=85, key=("id",))
class Message(Row, frozen=True):
    """One message. A sandbox keeps it to be looked at; a live core's channel sends it.

    Commands make and erase messages; what has become of one is written by the worker that sends it.
    """

    id: UUID
    channel: Channel
    address_hash: bytes
    """The lookup of ("phone", number) or ("email", address)."""
    address: bytes
    """Sealed in ("message", "address", id)."""
    template: str
    """What it is about, such as "code"."""
    parameters: bytes
    """JSON, sealed in ("message", "parameters", id); empty, like the address, once it was erased."""
    created_at: datetime
    version: int = 1
    account_id: UUID | None = None
    """Whose it is, where that is known."""
    language: str = ""
    """In which it is written; empty for that of the account, or what people of the number's country speak."""
    expires_at: datetime | None = None
    """From when on it is of no use (business time)."""
    state: MessageState = MessageState.PENDING
    attempts: int = 0
    """How often a worker took it to send it."""
    next_attempt_at: datetime | None = None
    """When it is due, or due again if the worker that has it dies (wall time); None before the first attempt."""
    failure: str = ""
    """Why the last attempt failed, such as "HTTP 503"; nothing that the message holds."""

    def erased(self) -> "Message":
        """Itself without what it says and to whom; what was not sent will not be."""
        state = MessageState.EXPIRED if self.state is MessageState.PENDING else self.state
        return self.replace(address=b"", parameters=b"", state=state, next_attempt_at=None, version=self.version + 1)


class Opened(NamedTuple):
    """A message as its reader gets it."""

    address: str
    parameters: dict[str, str]
    worded: Worded


def opened(keyring: Keyring, message: Message, account_language: str) -> Opened:
    """What a message says, in its own language, else in its account's, else in that of its number.

    Raises SealBroken, and KeyError for a template that this release does not know.
    """
    address = keyring.open(message.address, "message", "address", message.id)
    parameters: dict[str, str] = json.loads(keyring.open(message.parameters, "message", "parameters", message.id))
    phone = address if message.channel is Channel.SMS else ""
    language = language_for(message.language or account_language, phone)
    return Opened(address, parameters, worded(message.template, parameters, language))


class Letter(NamedTuple):
    """A message that a command may come to send, sealed before the decision is made."""

    id: UUID
    address_hash: bytes
    address: bytes
    template: str
    parameters: bytes
    channel: Channel = Channel.SMS
    account_id: UUID | None = None
    language: str = ""
    good_for: timedelta | None = None
    """How long it is of use; None for ever."""
    failure: str = ""
    """Why it cannot be sent, where that is known when it is written."""

    def sent(self, at: datetime) -> Message:
        """The row, of a message that a worker is to send or that has failed."""
        return Message(
            self.id,
            self.channel,
            self.address_hash,
            self.address,
            self.template,
            self.parameters,
            at,
            account_id=self.account_id,
            language=self.language,
            expires_at=None if self.good_for is None else at + self.good_for,
            state=MessageState.FAILED if self.failure else MessageState.PENDING,
            failure=self.failure,
        )

    def of(self, account_id: UUID | None, language: str = "", good_for: timedelta | None = None) -> "Letter":
        """Itself as a message to an account's person, in a language, that is of use for a while."""
        return self._replace(account_id=account_id, language=language, good_for=good_for)


def unaddressed(channel: Channel, template: str, account_id: UUID, failure: str) -> Letter:
    """A message that has failed when it is written, because where it is to go cannot be read; it says nothing."""
    return Letter(uuid7(), b"", b"", template, b"", channel, account_id, failure=failure)


def letter(keyring: Keyring, phone: str, template: str, /, **parameters: str) -> Letter:
    """A message to a phone number in E.164."""
    return letter_by(keyring, Channel.SMS, phone, template, **parameters)


def letter_by(keyring: Keyring, channel: Channel, address: str, template: str, /, **parameters: str) -> Letter:
    """A message by a channel to an address of its kind."""
    message_id = uuid7()
    return Letter(
        id=message_id,
        address_hash=keyring.lookup(channel.address_kind, address),
        address=keyring.seal(address, "message", "address", message_id),
        template=template,
        parameters=keyring.seal(json.dumps(parameters), "message", "parameters", message_id),
        channel=channel,
    )
