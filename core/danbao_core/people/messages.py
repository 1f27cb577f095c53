"""Messages to people, written in the commit of what they tell: none tells of what did not happen, and none is lost."""

import json
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

from danbao_core.engine import Row, table
from danbao_core.ids import uuid7
from danbao_core.keyring import Keyring


class Channel(IntEnum):
    """By which way; the numbers are those of the contract."""

    SMS = 1


@table("message", rank=85, key=("id",))
class Message(Row, frozen=True):
    """One message. A sandbox keeps it to be looked at; a live core's channel sends it."""

    id: UUID
    channel: Channel
    address_hash: bytes
    """The lookup of ("phone", number)."""
    address: bytes
    """Sealed in ("message", "address", id)."""
    template: str
    """What it is about, such as "code"."""
    parameters: bytes
    """JSON, sealed in ("message", "parameters", id); empty, like the address, once it was erased."""
    created_at: datetime
    version: int = 1


class Letter(NamedTuple):
    """A message that a command may come to send, sealed before the decision is made."""

    id: UUID
    address_hash: bytes
    address: bytes
    template: str
    parameters: bytes

    def sent(self, at: datetime) -> Message:
        """The row."""
        return Message(self.id, Channel.SMS, self.address_hash, self.address, self.template, self.parameters, at)


def letter(keyring: Keyring, phone: str, template: str, /, **parameters: str) -> Letter:
    """A message to a phone number in E.164."""
    message_id = uuid7()
    return Letter(
        id=message_id,
        address_hash=keyring.lookup("phone", phone),
        address=keyring.seal(phone, "message", "address", message_id),
        template=template,
        parameters=keyring.seal(json.dumps(parameters), "message", "parameters", message_id),
    )
