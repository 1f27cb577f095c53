"""The schema, as numbered SQL files in dbmate's format, and the runner that brings a database up to date while others use it.

Servers of the release before go on working on what a migration leaves (ARCHITECTURE.md, "Upgrades"), so it only adds. One that
locks a table waits a second for it at most, because everybody else waits behind it, and is tried again.
"""

import asyncio
import hashlib
from collections.abc import Callable
from importlib import resources
from typing import Any, Final, NamedTuple

import asyncpg

from danbao_core import server_role

_LOCK: Final = 0x44414E424D494752
"""The advisory lock under which one runner at a time works ("DANBMIGR")."""

_TIMEOUTS: Final = "SET lock_timeout = '1s'; SET statement_timeout = '10min'"
"""Less than the two seconds that an engine waits for locks: servers notice no more than a pause."""

_TRIES: Final = 60
_PAUSE_SECONDS: Final = 1.0
_UNBOUND: Final = "transaction:false"
"""Behind `-- migrate:up`: each statement is a transaction of its own, as CREATE INDEX CONCURRENTLY must be, and takes as long
as it takes, while nobody waits. A statement ends with a semicolon at the end of its line; each must bear to be repeated."""


class MigrationError(Exception):
    """The database cannot be brought up to date; the message says why and what to do."""


class Migration(NamedTuple):
    """One file: its name without ending, its statements, and whether all of them are one transaction."""

    version: str
    up: str
    is_atomic: bool = True

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.up.encode()).hexdigest()


def available() -> list[Migration]:
    """All migrations of this release, in order."""
    files = [file for file in resources.files(__package__).iterdir() if file.name.endswith(".sql")]
    return [_parse(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")) for file in sorted(files, key=_name)]


async def migrate(database_url: str, mode: str, progress: Callable[[str], None] | None = None) -> list[str]:
    """Applies what is missing and answers the names of what was applied; a repeat applies nothing.

    The first run writes into the database whether it is "live" or a "sandbox", for good. Raises MigrationError where the
    database is of the other mode, has a migration that this release does not know, or one whose text was changed, where the
    cluster lacks the servers' role and the login may not make it, and where somebody holds a table for minutes. Each run grants
    that role what it needs of every table. `progress` is told each migration, and what it waits for.
    """
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(_TIMEOUTS)
        await _make_role(connection)
        applied = await _applied(connection)
        missing = _missing(available(), applied)
        if applied and (found := await connection.fetchval("SELECT mode FROM installation")) is not None:
            _must_be_of(mode, found)  # before anything is changed
        for migration in missing:
            await _apply_in_turn(connection, migration, progress or (lambda _: None))
        await _settle_mode(connection, mode)
        await server_role.grant(connection)
        return [migration.version for migration in missing]
    finally:
        await connection.close()


async def must_be_current(connection: "asyncpg.Connection[Any] | asyncpg.Pool[Any]", mode: str) -> None:
    """Raises MigrationError where the database lacks a migration of this release or is of the other mode."""
    await must_have_all(connection)
    _must_be_of(mode, await connection.fetchval("SELECT mode FROM installation"))


async def must_have_all(connection: "asyncpg.Connection[Any] | asyncpg.Pool[Any]") -> None:
    """Raises MigrationError where the database lacks a migration of this release, or has one that it does not know."""
    if await connection.fetchval("SELECT to_regclass('installation')") is None:
        raise MigrationError("the database is empty: run `danbao migrate` first")
    rows = await connection.fetch("SELECT version, checksum FROM schema_migration ORDER BY version")
    missing = _missing(available(), {row["version"]: row["checksum"] for row in rows})
    if missing:
        raise MigrationError(f"the database lacks migration {missing[0].version}: run `danbao migrate` first")


def _parse(version: str, text: str) -> Migration:
    _, marker, rest = text.partition("-- migrate:up")
    if not marker:
        raise MigrationError(f"migration {version} has no line `-- migrate:up`")
    options, _, body = rest.partition("\n")
    up = body.partition("-- migrate:down")[0].strip()
    return Migration(version, up, is_atomic=options.strip() != _UNBOUND)


def _missing(known: list[Migration], applied: dict[str, str]) -> list[Migration]:
    unknown = applied.keys() - {migration.version for migration in known}
    if unknown:
        raise MigrationError(f"the database has migration {min(unknown)}, which this release does not know: use a newer one")
    for migration in known:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise MigrationError(f"migration {migration.version} was changed after it was applied: restore its text")
    return [migration for migration in known if migration.version not in applied]


async def _make_role(connection: "asyncpg.Connection[Any]") -> None:
    try:
        await server_role.make(connection)
    except asyncpg.InsufficientPrivilegeError:
        raise MigrationError(
            f"servers work in the role {server_role.SERVER_ROLE}, which is missing, and this login may not make roles: let a "
            f"superuser run `CREATE ROLE {server_role.SERVER_ROLE} NOLOGIN` once, and migrate again"
        ) from None


async def _applied(connection: "asyncpg.Connection[Any]") -> dict[str, str]:
    await connection.execute(
        'CREATE TABLE IF NOT EXISTS schema_migration (version text COLLATE "C" PRIMARY KEY, checksum text NOT NULL, '
        "applied_at timestamptz NOT NULL)"
    )
    rows = await connection.fetch("SELECT version, checksum FROM schema_migration")
    return {row["version"]: row["checksum"] for row in rows}


async def _apply_in_turn(connection: "asyncpg.Connection[Any]", migration: Migration, progress: Callable[[str], None]) -> None:
    """Applies a migration as soon as nobody holds what it locks. Raises MigrationError where that takes minutes."""
    progress(migration.version)
    for _ in range(_TRIES):
        try:
            await _apply(connection, migration)
            return
        except asyncpg.LockNotAvailableError:
            progress(f"{migration.version}, which waits for a table")
            await asyncio.sleep(_PAUSE_SECONDS)  # in which those who waited behind it have their turn
    raise MigrationError(f"migration {migration.version} waits for a table that somebody holds: look for old transactions")


async def _apply(connection: "asyncpg.Connection[Any]", migration: Migration) -> None:
    if migration.is_atomic:
        async with connection.transaction():
            await connection.execute(migration.up)
            await _record(connection, migration)
        return
    await connection.execute("SET lock_timeout = 0; SET statement_timeout = 0")
    for statement in migration.up.split(";\n"):
        await connection.execute(statement)
    await connection.execute(_TIMEOUTS)
    await _record(connection, migration)


async def _record(connection: "asyncpg.Connection[Any]", migration: Migration) -> None:
    await connection.execute(
        "INSERT INTO schema_migration (version, checksum, applied_at) VALUES ($1, $2, now())",
        migration.version,
        migration.checksum,
    )


async def _settle_mode(connection: "asyncpg.Connection[Any]", mode: str) -> None:
    await connection.execute(
        "INSERT INTO installation (id, mode, created_at, version) VALUES (1, $1, now(), 1) ON CONFLICT (id) DO NOTHING",
        mode,
    )
    _must_be_of(mode, await connection.fetchval("SELECT mode FROM installation"))


def _must_be_of(mode: str, found: str) -> None:
    if found != mode:
        raise MigrationError(f"the database is a {found} one for good and cannot be used as {mode}: name another database")


def _name(file: Any) -> str:
    return str(file.name)
