"""The server's keys: what is secret in the database is sealed, hashed or signed under one of them.

A key is 32 random bytes with an id. What it is used for (`Use`) gives it another face, by HKDF-SHA256 (RFC 5869), so that one
secret has to be kept and no two uses share a key. The last key of the ring is the one in force; the others still open, find and
verify what was made under them.

The ring is a TOML file (`DANBAO_KEYRING_FILE`), oldest key first:

    [[key]]
    id = "2026-11"
    secret = "64 hexadecimal digits"

A key with `waiting = true` is known and not in force: while several servers run, each has to know a key before any of them
uses it.

Without a file the ring has one key, id "0", which is the hash key (`DANBAO_HASH_KEY`); a file that comes later lists it first.
"""

import hmac
import os
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FIRST_ID: Final = "0"
"""The id of the key that a ring without a file has."""

_NONCE_BYTES: Final = 12
_WAITING: Final = "waiting = true\n"
_KEY_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")


def written(key_id: str, secret: bytes, *, waiting: bool = False) -> str:
    """A key as the file has it."""
    return f'[[key]]\nid = "{key_id}"\nsecret = "{secret.hex()}"\n' + (_WAITING if waiting else "")


def in_force(text: str) -> str:
    """The text of a file, in which no key waits any more."""
    return text.replace(_WAITING, "")


class Use(StrEnum):
    """What a key is used for."""

    SEAL = "seal"
    """To encrypt what is read again."""
    LOOKUP = "lookup"
    """To hash what is looked up by."""
    PASSWORD = "payment-password"  # noqa: S105  # the name of a use
    """To hash payment passwords, which are too short for any other protection."""
    CODE = "code"
    """To hash codes and refresh tokens."""
    SIGN = "sign"
    """To sign access tokens."""


class KeyringError(ValueError):
    """The keyring cannot be used; the message says why."""


class SealBroken(Exception):
    """What was stored is not what was sealed in this place, or its key is no longer in the ring."""


class Key:
    """One key and its faces."""

    def __init__(self, key_id: str, secret: bytes) -> None:
        self.id = key_id
        self._secret = secret
        self._faces: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"Key({self.id!r})"

    def face(self, use: Use) -> bytes:
        """The 32 bytes that it is for one use."""
        if use not in self._faces:
            info = f"danbao {use}".encode()
            self._faces[use] = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self._secret)
        return self._faces[use]

    def mac(self, use: Use, *parts: bytes | str) -> bytes:
        """An HMAC-SHA-256 over the parts, told apart by their lengths."""
        return hmac.digest(self.face(use), _joined(parts), "sha256")

    @cached_property
    def signing_key(self) -> Ed25519PrivateKey:
        """Signs access tokens."""
        return Ed25519PrivateKey.from_private_bytes(self.face(Use.SIGN))

    @cached_property
    def aead(self) -> AESGCM:
        """Encrypts."""
        return AESGCM(self.face(Use.SEAL))


class Keyring:
    """All keys of an installation, the same for every process."""

    def __init__(self, secrets: Mapping[str, bytes], waiting: Collection[str] = ()) -> None:
        """Of secrets by key id, oldest first, and the ids of those that are known and not in force yet. Raises KeyringError."""
        if not secrets:
            raise KeyringError("a keyring needs at least one key")
        for key_id, secret in secrets.items():
            if not _KEY_ID.fullmatch(key_id):
                raise KeyringError(f"the key id {key_id!r} must be 1 to 32 of letters, digits, dot, dash and underscore")
            if len(secret) != 32:
                raise KeyringError(f"the secret of key {key_id} must be 32 bytes, written as 64 hexadecimal digits")
        ready = [key_id for key_id in secrets if key_id not in waiting]
        if not ready:
            raise KeyringError("a keyring needs a key that does not wait")
        self._keys = {key_id: Key(key_id, secret) for key_id, secret in secrets.items()}
        self.current = self._keys[ready[-1]]
        """The key in force."""

    @classmethod
    def load(cls, file: Path | None, hash_key: bytes) -> "Keyring":
        """The ring in a file, or the one of the hash key alone. Raises KeyringError that says what is wrong."""
        if file is None:
            return cls({FIRST_ID: hash_key})
        try:
            return cls.parse(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise KeyringError(f"{file} cannot be read ({error.strerror})") from None
        except KeyringError as error:
            raise KeyringError(f"{file}: {error}") from None
        except UnicodeError:
            raise KeyringError(f"{file} is not text") from None

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """The ring that a file's text stands for. Raises KeyringError that says what is wrong."""
        try:
            document = tomllib.loads(text)["key"]
            entries = [(str(each["id"]), bytes.fromhex(each["secret"])) for each in document]
            waiting = [str(each["id"]) for each in document if each.get("waiting", False)]
        except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError):
            raise KeyringError("it must hold [[key]] tables with id and secret (64 hexadecimal digits)") from None
        if len(dict(entries)) != len(entries):
            raise KeyringError("it has two keys with one id")
        return cls(dict(entries), waiting)

    def __iter__(self) -> Iterator[Key]:
        """The keys, the one in force first."""
        yield self.current
        yield from (key for key in reversed(self._keys.values()) if key is not self.current)

    def get(self, key_id: str) -> Key | None:
        """The key with this id."""
        return self._keys.get(key_id)

    # --- Sealing: AES-256-GCM, whose associated data is the place ---

    def seal(self, text: str, *place: object) -> bytes:
        """Encrypts under the key in force.

        `place` says where it will be stored (table, column, key of the row): moved elsewhere in the database it does not open.
        """
        key, nonce = self.current, os.urandom(_NONCE_BYTES)
        head = bytes([len(key.id)]) + key.id.encode()
        return head + nonce + key.aead.encrypt(nonce, text.encode(), _joined(map(str, place)))

    def open(self, sealed: bytes, *place: object) -> str:
        """What was sealed in this place. Raises SealBroken."""
        key = self._keys.get(sealed_under(sealed))
        start = 1 + sealed[0]
        if key is None:
            raise SealBroken(f"sealed under key {sealed_under(sealed)}, which is not in the ring")
        nonce, body = sealed[start : start + _NONCE_BYTES], sealed[start + _NONCE_BYTES :]
        try:
            return key.aead.decrypt(nonce, body, _joined(map(str, place))).decode()
        except (InvalidTag, ValueError):
            raise SealBroken(f"what is stored in {place[0] if place else 'no place'} was changed or moved") from None

    # --- Hashing ---

    def lookup(self, kind: str, text: str) -> bytes:
        """By what a text of a kind (such as a phone number) is found, under the key in force."""
        return self.current.mac(Use.LOOKUP, kind, text)

    def lookups(self, kind: str, text: str) -> list[bytes]:
        """By what it may be found, under any key of the ring; that of the key in force comes first."""
        return [key.mac(Use.LOOKUP, kind, text) for key in self]


def sealed_under(sealed: bytes) -> str:
    """The id of the key under which something is sealed; of what is no seal, whatever stands in the place of one."""
    return sealed[1 : 1 + sealed[0]].decode(errors="replace")


def _joined(parts: Iterable[bytes | str]) -> bytes:
    each = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in each)
