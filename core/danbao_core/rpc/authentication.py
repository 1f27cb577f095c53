"""Who calls: tokens to service keys and to sessions of people."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from danbao_core.clock import WallClock
from danbao_core.engine.reads import fetch_row
from danbao_core.errors import ScopeMissing, TokenInvalid, TokenMissing
from danbao_core.keyring import Keyring
from danbao_core.people.person import Person
from danbao_core.people.sessions import Session, read_access_token
from danbao_core.people_errors import SessionEnded, TokenExpired
from danbao_core.rpc.call import NOBODY, Caller
from danbao_core.service_keys import ServiceKey, Token

if TYPE_CHECKING:
    import asyncpg

TRUST: Final = timedelta(seconds=2)
"""How long a verified token is believed for reads; what changes anything reads its key or session in its own commit."""

MOST_TOKENS: Final = 10_000


class _Known(NamedTuple):
    """A token that was good."""

    caller: Caller
    verified_at: datetime
    expires_at: datetime | None


class Authenticator:
    """Verifies tokens, and remembers for a moment which ones were good."""

    def __init__(self, pool: "asyncpg.Pool[Any]", wall_clock: WallClock, keyring: Keyring) -> None:
        self._pool = pool
        self._wall_clock = wall_clock
        self._keyring = keyring
        self._verified: dict[bytes, _Known] = {}

    async def caller(self, authorization: str | None, scope: str) -> Caller:
        """The caller behind an `authorization` header, who may do what a scope names; no scope is a call that needs no token.

        Raises TokenMissing, TokenInvalid, TokenExpired, KeyRevoked, SessionEnded or ScopeMissing.
        """
        if not authorization:
            if not scope:
                return NOBODY
            raise TokenMissing
        kind, _, text = authorization.partition(" ")
        if kind.lower() != "bearer":
            raise TokenMissing
        caller = await self._verify(text.strip())
        if scope and scope not in caller.scopes:
            raise ScopeMissing(scope=scope)
        return caller

    def forget(self, key_id: UUID) -> None:
        """Verifies the tokens of a service key anew from now on."""
        self._forget(lambda caller: caller.key_id == key_id)

    def forget_account(self, account_id: UUID) -> None:
        """Verifies the tokens of a person's sessions anew from now on."""
        self._forget(lambda caller: caller.session_id is not None and caller.account_id == account_id)

    def _forget(self, whose: Callable[[Caller], bool]) -> None:
        for token_hash, known in list(self._verified.items()):
            if whose(known.caller):
                del self._verified[token_hash]

    async def _verify(self, text: str) -> Caller:
        now = self._wall_clock()
        token_hash = hashlib.sha256(text.encode()).digest()
        known = self._verified.get(token_hash)
        if known is not None and timedelta(0) <= now - known.verified_at < TRUST:
            if known.expires_at is not None and now >= known.expires_at:
                raise TokenExpired
            return known.caller
        caller, expires_at = await (self._service if text.startswith("dbk_") else self._person)(text, now)
        if len(self._verified) >= MOST_TOKENS:
            self._verified.clear()
        self._verified[token_hash] = _Known(caller, now, expires_at)
        return caller

    async def _service(self, text: str, now: datetime) -> tuple[Caller, datetime | None]:
        token = Token.parse(text)
        key = await fetch_row(self._pool, ServiceKey, token.key_id)
        if key is None:
            raise TokenInvalid
        key.must_accept(token.secret_hash, now)
        return Caller.by_key(key, token.secret_hash), None

    async def _person(self, text: str, now: datetime) -> tuple[Caller, datetime | None]:
        claims = read_access_token(self._keyring, text, now)
        session = await fetch_row(self._pool, Session, claims.session_id)
        person = await fetch_row(self._pool, Person, claims.account_id)
        if session is None or person is None or session.account_id != claims.account_id:
            raise SessionEnded
        session.must_go_on(person.session_epoch, now)
        return Caller.by_session(session), claims.expires_at
