"""Who calls: tokens to service keys."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from danbao_core.clock import WallClock
from danbao_core.engine.reads import fetch_row
from danbao_core.errors import ScopeMissing, TokenInvalid, TokenMissing
from danbao_core.rpc.call import Caller
from danbao_core.service_keys import ServiceKey, Token

if TYPE_CHECKING:
    import asyncpg

TRUST: Final = timedelta(seconds=2)
"""How long a verified token is believed for reads; what changes anything reads its key in its own commit."""

MOST_TOKENS: Final = 10_000


class Authenticator:
    """Verifies tokens, and remembers for a moment which ones were good."""

    def __init__(self, pool: "asyncpg.Pool[Any]", wall_clock: WallClock) -> None:
        self._pool = pool
        self._wall_clock = wall_clock
        self._verified: dict[bytes, tuple[Caller, datetime]] = {}

    async def caller(self, authorization: str | None, scope: str) -> Caller:
        """The caller behind an `authorization` header. Raises TokenMissing, TokenInvalid, KeyRevoked or ScopeMissing."""
        if not authorization:
            raise TokenMissing
        kind, _, text = authorization.partition(" ")
        if kind.lower() != "bearer":
            raise TokenMissing
        token = Token.parse(text.strip())
        caller = await self._verify(token)
        if scope not in caller.scopes:
            raise ScopeMissing(scope=scope)
        return caller

    def forget(self, key_id: UUID) -> None:
        """Verifies the key's tokens anew from now on."""
        for secret_hash, (caller, _) in list(self._verified.items()):
            if caller.key.id == key_id:
                del self._verified[secret_hash]

    async def _verify(self, token: Token) -> Caller:
        now = self._wall_clock()
        secret_hash = token.secret_hash
        known = self._verified.get(secret_hash)
        if known is not None and known[0].key.id == token.key_id and timedelta(0) <= now - known[1] < TRUST:
            return known[0]
        key = await fetch_row(self._pool, ServiceKey, token.key_id)
        if key is None:
            raise TokenInvalid
        key.must_accept(secret_hash, now)
        caller = Caller(key, secret_hash, frozenset(key.scopes.split()))
        if len(self._verified) >= MOST_TOKENS:
            self._verified.clear()
        self._verified[secret_hash] = (caller, now)
        return caller
