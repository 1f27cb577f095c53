"""Commands that work on a database by themselves: on one of this release, and on no other."""

import asyncpg
import pytest

from danbao_core.cli.databases import must_be_usable
from danbao_core.cli.output import CommandFailed
from danbao_core.migrations import available


async def refused(database_url: str) -> str:
    with pytest.raises(CommandFailed) as failure:
        await must_be_usable(database_url)
    assert failure.value.reason == "DATABASE_UNUSABLE"
    return str(failure.value)


async def test_a_database_of_another_release_is_refused_with_what_to_do(database_url: str) -> None:
    await must_be_usable(database_url)
    last = available()[-1].version
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("UPDATE schema_migration SET version = '9999_future' WHERE version = $1", last)
        newer = "The database has migration 9999_future, which this release does not know: use a newer one."
        assert await refused(database_url) == newer
        await connection.execute("DELETE FROM schema_migration WHERE version = '9999_future'")
        assert await refused(database_url) == f"The database lacks migration {last}: run `danbao migrate` first."
    finally:
        await connection.close()


async def test_a_database_that_does_not_answer_is_said_not_to() -> None:
    assert (await refused("postgresql://ada@127.0.0.1:1/danbao")).endswith("). Does it run, and is its URL right?")
