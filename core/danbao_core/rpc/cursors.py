"""Cursors of watches: positions in the order of all events, which callers can neither read nor make.

A position would tell every merchant how many events the whole platform has. So a cursor is one block of AES under a key derived
from the server's, over the position, four zero bytes, by which one that was made up is told, and four of the event's id: in a
database that was brought back to an earlier moment, positions come again with other events, which the cursor then does not fit.
"""

import base64
import hmac
from typing import Final, NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from danbao_core.notification_errors import CursorInvalid

BEGINNING: Final = "beginning"

_BLOCK_BYTES: Final = 16
_CHECK: Final = bytes(4)
_TAG_BYTES: Final = 4


class Place(NamedTuple):
    """Where a cursor leads."""

    position: int
    tag: bytes
    """Tells which event stood there."""

    def is_of(self, event_id: UUID) -> bool:
        """Whether the event that stands there now is the one that the cursor was made for."""
        return self.tag == _tag(event_id)


class Cursors:
    """Makes cursors, and reads them again. `hash_key` is the server's."""

    def __init__(self, hash_key: bytes) -> None:
        key = hmac.digest(hash_key, b"danbao cursors", "sha256")
        self._cipher = Cipher(AES(key), ECB())  # noqa: S305  # a single block: there are no others that it could be compared with

    def cursor(self, position: int, event_id: UUID | None) -> str:
        """The cursor behind an event; behind none where nothing is kept up to a position."""
        encryptor = self._cipher.encryptor()
        block = encryptor.update(position.to_bytes(8, "big") + _CHECK + _tag(event_id)) + encryptor.finalize()
        return base64.urlsafe_b64encode(block).rstrip(b"=").decode()

    def place(self, cursor: str) -> Place:
        """Where a cursor leads. Raises CursorInvalid for one that was not made here."""
        try:
            block = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            raise CursorInvalid from None
        if len(block) != _BLOCK_BYTES:
            raise CursorInvalid
        decryptor = self._cipher.decryptor()
        plain = decryptor.update(block) + decryptor.finalize()
        if not hmac.compare_digest(plain[8:-_TAG_BYTES], _CHECK):
            raise CursorInvalid
        return Place(int.from_bytes(plain[:8], "big"), plain[-_TAG_BYTES:])


def _tag(event_id: UUID | None) -> bytes:
    return bytes(_TAG_BYTES) if event_id is None else event_id.bytes[-_TAG_BYTES:]
