"""Cursors of watches: positions in the order of all events, which callers can neither read nor make.

A position would tell every merchant how many events the whole platform has. So a cursor is one block of AES under a key derived
from the server's, over the position and eight zero bytes, by which one that was made up is told.
"""

import base64
import hmac
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from danbao_core.notification_errors import CursorInvalid

BEGINNING: Final = "beginning"

_BLOCK_BYTES: Final = 16
_CHECK: Final = bytes(8)


class Cursors:
    """Makes cursors, and reads them again. `hash_key` is the server's."""

    def __init__(self, hash_key: bytes) -> None:
        key = hmac.digest(hash_key, b"danbao cursors", "sha256")
        self._cipher = Cipher(AES(key), ECB())  # noqa: S305  # a single block: there are no others that it could be compared with

    def cursor(self, position: int) -> str:
        """The cursor of a position."""
        encryptor = self._cipher.encryptor()
        block = encryptor.update(position.to_bytes(8, "big") + _CHECK) + encryptor.finalize()
        return base64.urlsafe_b64encode(block).rstrip(b"=").decode()

    def position(self, cursor: str) -> int:
        """The position of a cursor. Raises CursorInvalid for one that was not made here."""
        try:
            block = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            raise CursorInvalid from None
        if len(block) != _BLOCK_BYTES:
            raise CursorInvalid
        decryptor = self._cipher.decryptor()
        plain = decryptor.update(block) + decryptor.finalize()
        if not hmac.compare_digest(plain[8:], _CHECK):
            raise CursorInvalid
        return int.from_bytes(plain[:8], "big")
