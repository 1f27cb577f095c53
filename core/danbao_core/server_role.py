"""The database role in which servers work: it can do what commands do, and cannot rewrite what has been written down.

`danbao migrate` makes it and grants it what it needs. Every connection of a server takes it on, so the URL may name any login
that is a member of the role, the owner of the tables among them. Roles belong to the cluster: all its databases share this one.
"""

import contextlib
from typing import Any, Final

import asyncpg

SERVER_ROLE: Final = "danbao_server"

AS_SERVER: Final = {"role": SERVER_ROLE}
"""Among a connection's settings: takes the role on at once, and again whenever the settings are reset."""

_READ: Final = ("schema_migration",)
_APPENDED_TO: Final = ("journal", "entry", "audit_event", "dispute_step", "evidence", "evidence_file")
_FORGOTTEN: Final = ("request", "outbox", "engine", "event", "delivery", "delivery_attempt", "webhook_health", "message")
"""Tables whose rows go one day; of all others a server deletes nothing."""

_OWN_TABLES: Final = """
    SELECT relname, format('%I.%I', current_schema(), relname) AS name
    FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND pg_has_role(relowner, 'USAGE')
    ORDER BY relname
"""


class RoleRefused(ConnectionError):
    """The login cannot take on the servers' role; the message says what to do."""


async def connect(*arguments: Any, **settings: Any) -> "asyncpg.Connection[Any]":
    """As `asyncpg.connect`, for settings with AS_SERVER among them. Raises RoleRefused, too."""
    try:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(*arguments, **settings)
    except asyncpg.InsufficientPrivilegeError as error:
        raise RoleRefused(f"{error}: let its owner or a superuser run `GRANT {SERVER_ROLE} TO` this login") from None
    except asyncpg.InvalidParameterValueError as error:
        raise RoleRefused(f"{error}: run `danbao migrate` first, which makes it") from None
    return connection


async def make(connection: "asyncpg.Connection[Any]") -> None:
    """Makes the role where the cluster has none, and lets the login of the connection take it on, where that may be arranged.

    Raises asyncpg.InsufficientPrivilegeError where the role is missing and the login may not make roles.
    """
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", SERVER_ROLE):
        with contextlib.suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):  # made for another database
            await connection.execute(f"CREATE ROLE {SERVER_ROLE} NOLOGIN")
    if not await connection.fetchval("SELECT pg_has_role($1::name, 'SET')", SERVER_ROLE):
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError, asyncpg.UniqueViolationError):
            await connection.execute(f"GRANT {SERVER_ROLE} TO CURRENT_USER")


async def grant(connection: "asyncpg.Connection[Any]") -> None:
    """Grants the role what servers need of each table, and takes away what else it may have; for servers that run, at once."""
    async with connection.transaction():
        schema = await connection.fetchval("SELECT quote_ident(current_schema())")
        await connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {SERVER_ROLE}")
        for table in await connection.fetch(_OWN_TABLES):
            await connection.execute(f"REVOKE ALL ON {table['name']} FROM {SERVER_ROLE}")
            await connection.execute(f"GRANT {_privileges(table['relname'])} ON {table['name']} TO {SERVER_ROLE}")


def _privileges(table: str) -> str:
    if table in _READ:
        return "SELECT"
    if table in _APPENDED_TO:
        return "SELECT, INSERT"
    return "SELECT, INSERT, UPDATE, DELETE" if table in _FORGOTTEN else "SELECT, INSERT, UPDATE"
