"""Sessions of people, and the two tokens of each.

The access token is a JWT (RFC 7519) signed with Ed25519 (RFC 8037): who only wants to know who somebody is verifies it with the
public keys that `danbao jwks` prints. The refresh token is an HMAC over the session and a counter, so that nothing in the
database makes one.
"""

import hmac
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import OKPKey

from danbao_core.engine import Row, table
from danbao_core.errors import TokenInvalid
from danbao_core.ids import uuid_of
from danbao_core.keyring import Key, Keyring, Use
from danbao_core.people.person import Person
from danbao_core.people_errors import SessionEnded, TokenExpired

ACCESS_LIFETIME: Final = timedelta(minutes=10)
REFRESH_LIFETIME: Final = timedelta(days=30)
"""How long a session lasts without being refreshed."""

SCOPES: Final = frozenset(
    {
        "accounts.read",
        "accounts.write",
        "disputes.read",
        "disputes.write",
        "fundings.write",
        "payments.read",
        "payments.write",
        "person",
    }
)
"""What a session may do, for its own account."""

_ISSUER: Final = "danbao"
_ALGORITHM: Final = "Ed25519"


@table("session", rank=26, key=("id",))
class Session(Row, frozen=True):
    """One login on one device. Times are wall time."""

    id: UUID
    account_id: UUID
    device_id: str
    epoch: int
    """The person's epoch when it was begun; with another it is over."""
    generation: int
    """How often it was refreshed; the refresh token in force has this number."""
    refresh_request_id: str
    """The request that refreshed it last, which may be repeated."""
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    version: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"sessions/{self.id}"

    def must_go_on(self, epoch: int, at: datetime) -> None:
        """Raises SessionEnded where it was ended, by itself or with all others, or ran out."""
        if self.ended_at is not None or self.epoch != epoch or at >= self.expires_at:
            raise SessionEnded


def new_session(session_id: UUID, person: Person, device_id: str, at: datetime) -> Session:
    """A session that begins at a moment of wall time."""
    return Session(
        id=session_id,
        account_id=person.account_id,
        device_id=device_id,
        epoch=person.session_epoch,
        generation=0,
        refresh_request_id="",
        created_at=at,
        refreshed_at=at,
        expires_at=at + REFRESH_LIFETIME,
        ended_at=None,
        version=1,
    )


class AccessClaims(NamedTuple):
    """What an access token says."""

    session_id: UUID
    account_id: UUID
    epoch: int
    expires_at: datetime


def access_token(keyring: Keyring, session: Session, at: datetime) -> tuple[str, datetime]:
    """An access token for a session, and when it is no longer good."""
    key = keyring.current
    expires_at = at + ACCESS_LIFETIME
    claims = {
        "iss": _ISSUER,
        "sub": f"accounts/{session.account_id}",
        "sid": str(session.id),
        "epoch": session.epoch,
        "iat": int(at.timestamp()),
        "exp": int(expires_at.timestamp()),
    }
    header = {"alg": _ALGORITHM, "kid": key.id}
    return jwt.encode(header, claims, _jwk(key), algorithms=[_ALGORITHM]), expires_at


def read_access_token(keyring: Keyring, token: str, now: datetime) -> AccessClaims:
    """What a token says that one of our keys has signed. Raises TokenInvalid or TokenExpired."""
    try:
        decoded = jwt.decode(token, lambda guest: _verifying(keyring, guest.headers()), algorithms=[_ALGORITHM])
        claims = decoded.claims
        registry = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()), iss={"essential": True, "value": _ISSUER}, exp={"essential": True}
        )
        registry.validate(claims)
        return AccessClaims(
            session_id=UUID(claims["sid"]),
            account_id=uuid_of(str(claims["sub"]).removeprefix("accounts/")),
            epoch=int(claims["epoch"]),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        )
    except ExpiredTokenError:
        raise TokenExpired from None
    except (JoseError, KeyError, TypeError, ValueError):
        raise TokenInvalid from None


def public_keys(keyring: Keyring) -> dict[str, object]:
    """A JWK set (RFC 7517) with the public half of every key of the ring."""
    keys = [{**_jwk(key).as_dict(private=False), "kid": key.id, "use": "sig", "alg": _ALGORITHM} for key in keyring]
    return {"keys": keys}


def _verifying(keyring: Keyring, header: dict[str, object]) -> OKPKey:
    key = keyring.get(str(header.get("kid", "")))
    if key is None:
        raise TokenInvalid
    return _jwk(key)


@lru_cache(maxsize=64)
def _jwk(key: Key) -> OKPKey:
    return OKPKey.import_key(key.signing_key)


class RefreshToken(NamedTuple):
    """What buys the next pair of tokens, once."""

    session_id: UUID
    generation: int
    mac: bytes

    def __str__(self) -> str:
        return f"dbr_{self.session_id.hex}_{self.generation}_{self.mac.hex()}"

    @classmethod
    def of(cls, key: Key, session_id: UUID, generation: int) -> "RefreshToken":
        """The token of a session after so many refreshes."""
        return cls(session_id, generation, key.mac(Use.CODE, "refresh", session_id.bytes, str(generation)))

    @classmethod
    def parse(cls, text: str) -> "RefreshToken":
        """Raises TokenInvalid for what has not the form of a token."""
        try:
            kind, session_id, generation, mac = text.split("_")
            token = cls(uuid_of(session_id), int(generation), bytes.fromhex(mac))
        except ValueError:
            raise TokenInvalid from None
        if kind != "dbr" or token.generation < 0:
            raise TokenInvalid
        return token

    def made_by(self, keyring: Keyring) -> bool:
        """Whether it was made under a key of the ring."""
        return any(hmac.compare_digest(self.mac, RefreshToken.of(key, *self[:2]).mac) for key in keyring)
