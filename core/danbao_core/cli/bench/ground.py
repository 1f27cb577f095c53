"""What a bench stands on: a sandbox with the embedded Postgres, or databases of its own on an outside one."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg

from danbao_core import keyring
from danbao_core.cli.bench.databases import a_database
from danbao_core.cli.databases import does_not_answer
from danbao_core.cli.output import CommandFailed, Output
from danbao_core.cli.passing_sandbox import passing_sandbox, temporary_folder
from danbao_core.database_errors import DATABASE_ERRORS
from danbao_core.embedded import StartError
from danbao_core.supervisor import read_endpoint
from danbao_core.supervisor.files import KEYRING_FILE, kept
from danbao_core.supervisor.operator_keys import OperatorKeys
from danbao_core.supervisor.supervisor import prepare_database

HASH_KEY_FILE: Final = "hash.key"
_OLDEST: Final = 18
"""The major version of Postgres from which the core works."""


class Ground(NamedTuple):
    """A prepared database, the Postgres that it is on, and the folder with what servers need besides."""

    folder: Path
    operator_key: str
    database_url: str
    postgres_pids: tuple[int, ...] | None
    """None where Postgres is not ours: what it takes of the processor is then not known."""

    @property
    def is_embedded(self) -> bool:
        return self.postgres_pids is not None

    @asynccontextmanager
    async def a_prepared_database(self, output: Output, purpose: str) -> AsyncIterator[str]:
        """The URL of another one like it, without payments. Raises CommandFailed."""
        async with a_prepared_database(output, self.database_url, self.folder, purpose) as url:
            yield url


@asynccontextmanager
async def embedded(output: Output, *, with_worker: bool) -> AsyncIterator[Ground]:
    """A sandbox of its own. Raises CommandFailed where it does not start."""
    async with passing_sandbox(output, "bench", "--workers", str(int(with_worker))) as core:
        assert core.folder is not None, "a sandbox has a folder"
        assert core.database_url is not None, "and a database"
        pids = read_endpoint(core.folder).pids["postgres"]
        yield Ground(core.folder, core.key, core.database_url, tuple(pids))


@asynccontextmanager
async def outside(output: Output, url: str) -> AsyncIterator[Ground]:
    """A database of its own on the Postgres at `url`, whose database is not touched. Raises CommandFailed."""
    await _must_be_able(url)
    with temporary_folder("bench") as folder:
        folder.chmod(0o700)
        (folder / "logs").mkdir()
        hash_key = kept(folder / HASH_KEY_FILE, lambda: secrets.token_hex(32))
        kept(folder / KEYRING_FILE, lambda: keyring.written(keyring.FIRST_ID, bytes.fromhex(hash_key)).strip())
        keys = OperatorKeys.kept(folder)
        async with a_prepared_database(output, url, folder, "core") as database_url:
            yield Ground(folder, keys.first, database_url, None)


@asynccontextmanager
async def a_prepared_database(output: Output, server_url: str, folder: Path, purpose: str) -> AsyncIterator[str]:
    """The URL of a new sandbox database, for the keys in `folder`. Raises CommandFailed."""
    async with a_database(server_url, purpose) as url:
        try:
            with output.progress.status("Preparing a database ..."):
                await prepare_database(url, OperatorKeys.read(folder))
        except StartError as error:
            raise CommandFailed("DATABASE_UNUSABLE", str(error)) from None
        yield url


async def _must_be_able(url: str) -> None:
    try:
        connection = await asyncpg.connect(url)
    except (*DATABASE_ERRORS, ValueError) as error:
        raise CommandFailed("DATABASE_UNAVAILABLE", does_not_answer(error)) from None
    try:
        version = connection.get_server_version()
    finally:
        await connection.close()
    if version.major < _OLDEST:
        raise CommandFailed(
            "DATABASE_UNUSABLE", f"That is Postgres {version.major}: the core takes Postgres {_OLDEST} or later."
        )
