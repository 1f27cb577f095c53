"""Databases of a bench's own: under names that nobody else has, and gone when it ends, however."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from danbao_core.cli.output import CommandFailed


def url_of(server_url: str, database: str) -> str:
    """The URL of a database of the same server, existing or not, for the same login."""
    return urlsplit(server_url)._replace(path=f"/{database}").geturl()


@asynccontextmanager
async def a_database(server_url: str, purpose: str, template: str = "") -> AsyncIterator[str]:
    """The URL of a new database, empty or like `template`, the URL of one on which nobody works; it is dropped at the end.

    Raises CommandFailed where the login may not make databases.
    """
    name = f"danbao_bench_{purpose}_{secrets.token_hex(6)}"
    copied = f" TEMPLATE {urlsplit(template).path.removeprefix('/')}" if template else ""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(server_url)
    try:
        try:
            await connection.execute(f"CREATE DATABASE {name}{copied}")
        except asyncpg.InsufficientPrivilegeError:
            raise CommandFailed(
                "DATABASE_UNUSABLE",
                "The login may not make databases: let a superuser run `ALTER ROLE ... CREATEDB` for it, or name another.",
            ) from None
        finally:
            await connection.close()
        yield url_of(server_url, name)
    finally:
        # On a connection of its own: between the two, hours may pass.
        await _drop(server_url, name)


async def _drop(server_url: str, name: str) -> None:
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await connection.close()
