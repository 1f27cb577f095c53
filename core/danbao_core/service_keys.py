"""Service keys: what internal services and merchants' backends call with.

A token is `dbk_<id>_<secret>`; the secret has 256 random bits, so its SHA-256 is all that has to be stored.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final, NamedTuple
from uuid import UUID

from danbao_core import trail
from danbao_core.accounts import Account, account_of
from danbao_core.engine import Book, Command, Decision, Draft, Key, Row, table
from danbao_core.errors import (
    KeyOfAnotherOperator,
    KeyRevoked,
    ScopeNeedsGrant,
    ScopeNotBindable,
    ScopeUnknown,
    ServiceKeyNotFound,
    TokenInvalid,
)
from danbao_core.ids import uuid_of

SCOPES: Final = frozenset(
    {
        "accounts.read",
        "accounts.write",
        "disputes.decide",
        "disputes.read",
        "disputes.supervise",
        "disputes.write",
        "fundings.withdraw_any",
        "fundings.write",
        "notifications.read",
        "notifications.write",
        "operations",
        "payments.pay",
        "payments.pay_any",
        "payments.read",
        "payments.write",
        "sandbox",
    }
)
"""What a key may be allowed: the scopes that RPCs declare, and those that let it pay, withdraw from any wallet, or decide
disputes as a supervisor."""

UNBINDABLE_SCOPES: Final = frozenset({"disputes.decide", "disputes.supervise", "operations", "sandbox"})
"""What reaches over all accounts: with one of these, a key that is bound to an account could make itself one that is not, or
decide about its own money."""

GRANTED_SCOPES: Final = frozenset({"fundings.withdraw_any", "payments.pay_any"})
"""What reaches into every wallet takes two operators: a key made by one of them begins without it, and a proposal grants it."""


class KeyState(IntEnum):
    """Whether a key works; the numbers are those of the contract."""

    ACTIVE = 1
    REVOKED = 2


@table("service_key", rank=25, key=("id",))
class ServiceKey(Row, frozen=True):
    """A key, without its secret. Times are wall time."""

    id: UUID
    service: str
    scopes: str
    """Separated by blanks, sorted."""
    account_id: UUID | None
    """The account for which alone the key acts."""
    state: KeyState
    secret_hash: bytes
    old_secret_hash: bytes | None
    old_secret_expires_at: datetime | None
    created_at: datetime
    rotated_at: datetime
    revoked_at: datetime | None
    version: int
    root_id: UUID
    """The key from which it descends by the keys that made one another; itself, where it was made on the machine. Two keys with
    one root are in one hand."""

    @property
    def caller(self) -> str:
        """Who owns the request ids: the service over all its keys, but apart for each account that keys are bound to.

        A repeat is answered from the stored answer, so no key may come by the answer that was meant for another account.
        """
        return f"service:{self.service}" if self.account_id is None else f"service:{self.service}:{self.account_id}"

    def must_accept(self, secret_hash: bytes, at: datetime) -> None:
        """Raises TokenInvalid for a secret that is not (or no longer) the key's, KeyRevoked for a key that was ended."""
        old_works = self.old_secret_expires_at is not None and at < self.old_secret_expires_at
        accepted = hmac.compare_digest(secret_hash, self.secret_hash) or (
            old_works and hmac.compare_digest(secret_hash, self.old_secret_hash or b"")
        )
        if not accepted:
            raise TokenInvalid
        if self.state is KeyState.REVOKED:
            raise KeyRevoked


class Token(NamedTuple):
    """What a caller shows."""

    key_id: UUID
    secret: str

    def __str__(self) -> str:
        return f"dbk_{self.key_id.hex}_{self.secret}"

    @property
    def secret_hash(self) -> bytes:
        return hashlib.sha256(self.secret.encode()).digest()

    @classmethod
    def new(cls, key_id: UUID) -> "Token":
        """A token with a fresh secret."""
        return cls(key_id, secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> "Token":
        """Raises TokenInvalid for what has not the form of a token."""
        kind, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        if kind != "dbk" or not secret or not text.isascii():
            raise TokenInvalid
        try:
            return cls(uuid_of(key_id), secret)
        except ValueError:
            raise TokenInvalid from None


class CreateServiceKey(Command[ServiceKey], frozen=True):
    """Makes a key whose id is the command's. Refused: ScopeUnknown, ScopeNotBindable, ScopeNeedsGrant, AccountNotFound.

    The system itself, which makes a machine's first keys, may give any scope.
    """

    result_type = ServiceKey
    service: str
    scopes: frozenset[str]
    secret_hash: bytes
    account_id: UUID | None = None

    def keys(self, book: Book) -> Iterable[Key]:
        if self.account_id is not None:
            yield Account.read_key(self.account_id)
        if self.origin.key_id is not None:
            yield ServiceKey.read_key(self.origin.key_id)

    def decide(self, book: Book) -> Decision[ServiceKey]:
        maker = None if self.origin.key_id is None else book.get(ServiceKey, self.origin.key_id)
        if unknown := sorted(self.scopes - SCOPES):
            raise ScopeUnknown(scope=unknown[0])
        if self.account_id is not None:
            account_of(book, self.account_id, self.origin)
            if reaching := sorted(self.scopes & UNBINDABLE_SCOPES):
                raise ScopeNotBindable(scope=reaching[0])
        if maker is not None and (granted := sorted(self.scopes & GRANTED_SCOPES)):
            raise ScopeNeedsGrant(scope=granted[0])
        ids, at = self.ids(), self.origin.received_at
        key_id = ids.take()
        key = ServiceKey(
            id=key_id,
            service=self.service,
            scopes=" ".join(sorted(self.scopes)),
            account_id=self.account_id,
            state=KeyState.ACTIVE,
            secret_hash=self.secret_hash,
            old_secret_hash=None,
            old_secret_expires_at=None,
            created_at=at,
            rotated_at=at,
            revoked_at=None,
            version=1,
            root_id=key_id if maker is None else maker.root_id,
        )
        return Decision(key, [key, trail.audit_event(ids, self.origin, ServiceKey, key.id, book.now)])


class RotateServiceKey(Command[ServiceKey], frozen=True):
    """Gives a key a new secret; the old one works on for the grace time. Refused: ServiceKeyNotFound, KeyRevoked,
    KeyOfAnotherOperator.

    Who asks learns the secret, so it is refused to who descends from another first key: what the key may do now, or is granted
    later, two operators gave to its own.
    """

    result_type = ServiceKey
    key_id: UUID
    secret_hash: bytes
    grace_seconds: int

    def keys(self, book: Book) -> Iterable[Key]:
        yield ServiceKey.key(self.key_id)
        if self.origin.key_id is not None:
            yield ServiceKey.read_key(self.origin.key_id)

    def decide(self, book: Book) -> Decision[ServiceKey]:
        key = service_key_of(book, self.key_id)
        if key.state is KeyState.REVOKED:
            raise KeyRevoked
        by = None if self.origin.key_id is None else book.get(ServiceKey, self.origin.key_id)
        if by is not None and by.root_id != key.root_id:
            raise KeyOfAnotherOperator
        at = self.origin.received_at
        rotated = key.replace(
            secret_hash=self.secret_hash,
            old_secret_hash=key.secret_hash,
            old_secret_expires_at=at + timedelta(seconds=self.grace_seconds),
            rotated_at=at,
            version=key.version + 1,
        )
        return Decision(rotated, [rotated, trail.audit_event(self.ids(), self.origin, ServiceKey, key.id, book.now)])


class RevokeServiceKey(Command[ServiceKey], frozen=True):
    """Ends a key; ending it again changes nothing. Refused: ServiceKeyNotFound."""

    result_type = ServiceKey
    key_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield ServiceKey.key(self.key_id)

    def decide(self, book: Book) -> Decision[ServiceKey]:
        key = service_key_of(book, self.key_id)
        if key.state is KeyState.REVOKED:
            return Decision(key)
        revoked = key.replace(state=KeyState.REVOKED, revoked_at=self.origin.received_at, version=key.version + 1)
        return Decision(revoked, [revoked, trail.audit_event(self.ids(), self.origin, ServiceKey, key.id, book.now)])


def service_key_of(book: Book | Draft, key_id: UUID) -> ServiceKey:
    """The key with this id. Raises ServiceKeyNotFound."""
    key = book.get(ServiceKey, key_id)
    if key is None:
        raise ServiceKeyNotFound(service_key=f"serviceKeys/{key_id}")
    return key
