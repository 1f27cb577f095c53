"""Who can confirm who somebody is, as a port: the police's register, banks, carriers and others, reached by an adapter."""

from collections.abc import Set
from enum import IntEnum
from typing import Final, Protocol

from danbao_core.people.person import Document, IdentityLevel
from danbao_core.people_errors import ChannelUnavailable


class IdentityChannel(IntEnum):
    """By whom; the numbers are those of the contract."""

    PUBLIC_SECURITY = 1
    BANK = 2
    CARRIER = 3
    TAX = 4
    SOCIAL_INSURANCE = 5
    EDUCATION = 6
    FACE_TO_FACE = 7


LEVEL_II_CHANNELS: Final = 3
LEVEL_III_CHANNELS: Final = 5


def level_of(channels: Set[IdentityChannel]) -> IdentityLevel:
    """The level that the channels which have confirmed somebody lead to (PBOC notice 2015 no. 43)."""
    if IdentityChannel.FACE_TO_FACE in channels or len(channels) >= LEVEL_III_CHANNELS:
        return IdentityLevel.III
    if len(channels) >= LEVEL_II_CHANNELS:
        return IdentityLevel.II
    return IdentityLevel.I if channels else IdentityLevel.NONE


class IdentityProvider(Protocol):
    """Asks channels. It keeps nothing of what it is asked."""

    async def confirms(self, channel: IdentityChannel, real_name: str, document: Document, number: str) -> bool:
        """Whether a channel says that this number is this person's. Raises ChannelUnavailable where it does not answer."""
        ...


class SandboxProvider:
    """Every channel says yes, but for the names by which tests ask for other answers; nothing is asked of anybody."""

    NO: Final = "Nobody"
    UNREACHABLE: Final = "Nobody Answers"

    async def confirms(self, channel: IdentityChannel, real_name: str, document: Document, number: str) -> bool:
        """No to NO; raises ChannelUnavailable for UNREACHABLE."""
        if real_name == self.UNREACHABLE:
            raise ChannelUnavailable(channel=channel.name)
        return real_name != self.NO
