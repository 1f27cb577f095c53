"""`danbao migrate` and `danbao serve` on a database of one's own."""

import signal
from typing import Any

import asyncpg

from danbao_core.migrations import available
from tests.acceptance.sandbox import danbao, started
from tests.shared_postgres import SharedServer


async def test_a_database_is_brought_up_to_date_once(postgres: SharedServer, administrator: "asyncpg.Connection[Any]") -> None:
    await administrator.execute("CREATE DATABASE fresh")
    try:
        url = postgres.url_of("fresh")
        first = await danbao("migrate", "--database-url", url, "--mode", "sandbox", "--json")
        again = await danbao("migrate", "--database-url", url, "--mode", "sandbox", "--json")
        other = await danbao("migrate", "--database-url", url, "--mode", "live", "--json")
    finally:
        await administrator.execute("DROP DATABASE fresh WITH (FORCE)")
    assert (first.code, first.answer) == (0, {"applied": [migration.version for migration in available()]})
    assert (again.code, again.answer) == (0, {"applied": []})
    assert (other.code, other.answer["error"]["reason"]) == (1, "MIGRATION_REFUSED")


async def test_a_database_that_is_not_there_is_said(postgres: SharedServer) -> None:
    nowhere = await danbao("migrate", "--database-url", postgres.url_of("nowhere"), "--json")
    assert (nowhere.code, nowhere.answer["error"]["reason"]) == (1, "DATABASE_UNAVAILABLE")


async def test_a_server_says_where_it_serves_and_ends_when_told(database_url: str) -> None:
    settings = {
        "DANBAO_MODE": "sandbox",
        "DANBAO_DATABASE_URL": database_url,
        "DANBAO_HASH_KEY": "5a" * 32,
        "DANBAO_LISTEN": "127.0.0.1:0",
    }
    server = await started("serve", "--json", env=settings)
    address = await server.line()
    server.send(signal.SIGTERM)
    ended = await server.result()
    assert address.startswith('{"address": "127.0.0.1:')
    assert ended.code == 0


async def test_a_server_with_a_wrong_setting_names_it() -> None:
    refused = await danbao("serve", env={"DANBAO_DATABASE_URL": "mysql://x", "DANBAO_HASH_KEY": "short"})
    assert refused.code == 1
    assert "DANBAO_DATABASE_URL" in refused.err
    assert "DANBAO_HASH_KEY" in refused.err
