"""What asking the database may raise where it is away, or goes away meanwhile."""

from typing import Final

import asyncpg

DATABASE_ERRORS: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""For whoever goes on as soon as the database is back. An InternalClientError is asyncpg out of step with the server, as where
Postgres says that it shuts down in the moment in which it is asked something."""
