"""The engine's own connection: its planner settings, its row, and the stripe that it leases."""

from datetime import datetime
from time import perf_counter
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg

from danbao_core import server_role
from danbao_core.engine.failures import NoStripeLeft

Connection: TypeAlias = "asyncpg.Connection[Any]"

STRIPES: Final = 1024
"""How many engines can share a database: each touches platform balances of its own stripe only."""

_STRIPE_LOCKS: Final = 0x44414E42
"""The class of advisory locks by which stripes are leased ("DANB")."""

INDEXES_ONLY: Final = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
"""Plans that were cached while a table was empty would scan it for ever after, so statements may only use indexes."""

APPLICATION: Final = "danbao-engine"
"""What an engine's connection is called; its id follows once the engine is registered."""

# The time-outs free the locks of a process that stopped answering.
_SETTINGS: Final = {
    "application_name": APPLICATION,
    **server_role.AS_SERVER,
    **INDEXES_ONLY,
    # To Postgres a plan for the very arrays at hand looks cheaper than one for any, so it would plan every statement anew.
    "plan_cache_mode": "force_generic_plan",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "5s",
    "tcp_user_timeout": "5s",
}


_STATEMENT_SECONDS: Final = 10.0
"""A statement that takes longer has lost its server, or the network in between."""


async def connect(database_url: str, *, timeout_seconds: float) -> Connection:
    """A connection set up for an engine. Raises OSError (RoleRefused among them), TimeoutError or asyncpg's errors."""
    return await server_role.connect(
        database_url,
        timeout=timeout_seconds,
        command_timeout=_STATEMENT_SECONDS,
        statement_cache_size=1024,
        server_settings=dict(_SETTINGS),
    )


CHAINED_SECONDS: Final = 1.0
"""How long transactions follow each other at once, and how long the last one waits for a batch."""


class Chain:
    """Transactions, most of which the end of the one before begins: a round trip less for every batch.

    One that no batch has needed yet has seen nothing and holds nothing. Now and then there is none for a moment: only then does
    Postgres take up what the session did to its tables, from which autovacuum knows its work.
    """

    def __init__(self) -> None:
        self._until = 0.0  # of perf_counter

    async def begin(self, connection: Connection) -> None:
        """Begins a transaction, where the last one has not begun it."""
        if not connection.is_in_transaction():
            await connection.execute("BEGIN")
            self._until = perf_counter() + CHAINED_SECONDS

    async def end(self, connection: Connection, how: str) -> str:
        """Ends the transaction by COMMIT or ROLLBACK. Answers which of them the database did."""
        chained = perf_counter() < self._until
        return await connection.execute(f"{how} AND CHAIN" if chained else how)


async def register(connection: Connection, engine_id: UUID) -> None:
    """Makes the engine's row, where it is not there yet, and names the connection after it: the row says since when the engine
    runs, through all its connections."""
    await connection.execute(
        "INSERT INTO engine (id, batch_no, started_at) VALUES ($1, 0, now()) ON CONFLICT (id) DO NOTHING", engine_id
    )
    await connection.execute("SELECT set_config('application_name', $1, false)", f"{APPLICATION} {engine_id}")


async def lease_stripe(connection: Connection) -> int:
    """Leases the first free stripe for as long as the connection lives, even if the process is killed."""
    for stripe in range(STRIPES):
        if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _STRIPE_LOCKS, stripe):
            return stripe
    raise NoStripeLeft(f"all {STRIPES} stripes are leased by other engines")


TIME: Final = "statement_timestamp(), (SELECT clock_offset_seconds FROM installation WHERE id = 1)"
"""The database's time and the sandbox's offset in seconds: two columns of a SELECT. Not the time of the transaction, which may
have begun a second before its batch."""


async def read_time(connection: Connection) -> tuple[datetime, int]:
    """The database's time and the sandbox's offset in seconds."""
    time, offset_seconds = await connection.fetchrow(f"SELECT {TIME}")  # type: ignore[misc]  # there is always one row
    return time, offset_seconds


async def last_batch(connection: Connection, engine_id: UUID) -> int:
    """The number of the last batch that the database took. Waits for a transaction that still has the row."""
    number: int = await connection.fetchval("SELECT batch_no FROM engine WHERE id = $1 FOR UPDATE", engine_id)
    return number
