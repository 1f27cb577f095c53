"""Ways to reach people, as ports: who carries short messages and mail, reached by an adapter."""

from enum import IntEnum
from typing import Protocol
from uuid import UUID

from danbao_core.notifications.templates import Worded


class Channel(IntEnum):
    """By which way; the numbers are those of the contract."""

    SMS = 1
    EMAIL = 2

    @property
    def address_kind(self) -> str:
        """The kind of its addresses, by which they are looked up."""
        return "phone" if self is Channel.SMS else "email"


class NotTaken(Exception):
    """A message was not taken, or nobody knows whether it was; it may be offered again. The text says why, in a few words
    that hold nothing of the message."""

    def __init__(self, why: str, after_seconds: float = 0.0) -> None:
        super().__init__(why)
        self.after_seconds = after_seconds
        """How long the gateway wants to be left alone; zero where it does not say."""


class RefusedForGood(Exception):
    """The message will never be taken, such as one to a number that is nobody's. The text says why, as NotTaken's."""


class Outlet(Protocol):
    """A channel. It keeps nothing of what it sends."""

    async def send(self, message_id: UUID, address: str, worded: Worded) -> None:
        """Hands a message over to be delivered; returns when it was taken.

        `message_id` is the same at every attempt: a gateway that was given it before need not deliver it again. Raises NotTaken
        or RefusedForGood.
        """
        ...


class KeptOutlet:
    """A sandbox's: it takes everything and delivers nothing. The rows of the messages are what is looked at."""

    async def send(self, message_id: UUID, address: str, worded: Worded) -> None:
        """Takes it."""
