"""The database role in which servers work: what it cannot do, who may take it on, and who makes it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from danbao.v1 import operations_pb2
from danbao_core.embedded import PostgresServer
from danbao_core.engine import Engine, connection, reads
from danbao_core.errors import DatabaseUnavailable
from danbao_core.migrations import MigrationError, migrate, must_be_current
from danbao_core.opening import StartFailed
from danbao_core.policy import PolicySchedule
from danbao_core.server import Server
from danbao_core.server_role import SERVER_ROLE, RoleRefused
from danbao_core.server_role import connect as connect_as_server
from tests import builders
from tests.every_table import TABLES
from tests.integration.sandboxes import a_postgres
from tests.rpc_client import a_core, an_account, settings_for

Connection = Any

APPENDED_TO = ("journal", "entry", "audit_event")


def as_login(database_url: str, login: str) -> str:
    """The same database with another login."""
    url = urlsplit(database_url)
    return url._replace(netloc=f"{login}@").geturl()


@pytest.fixture
async def of_engine(database_url: str) -> AsyncIterator[Connection]:
    """A connection as engines have it, to a database with a payment in it."""
    engine = Engine(database_url, policies=PolicySchedule.load())
    await engine.start()
    await builders.a_confirmed_payment(engine)
    await builders.a_payment(engine)
    await engine.stop()
    made = await connection.connect(database_url, timeout_seconds=5)
    yield made
    await made.close()


# --- What it may do ---------------------------------------------------------------------------------------------------------


async def may(connection: Connection, table: str) -> set[str]:
    """What a connection may do with a table."""
    wanted = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")
    return {each for each in wanted if await connection.fetchval("SELECT has_table_privilege($1, $2)", table, each)}


async def test_what_was_written_down_stays_so(of_engine: Connection) -> None:
    for table in APPENDED_TO:
        assert await of_engine.fetchval(f"SELECT count(*) FROM {table}") > 0
        for statement in (
            f"UPDATE {table} SET memo = ''" if table != "entry" else "UPDATE entry SET amount_minor = 1",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"SELECT FROM {table} FOR UPDATE",
            f"ALTER TABLE {table} ADD COLUMN x int",
            f"DROP TABLE {table}",
            f"CREATE TRIGGER t BEFORE INSERT ON {table} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await of_engine.execute(statement)


async def test_what_works_as_the_owner_finds_no_table_that_a_server_made(of_engine: Connection) -> None:
    """The triggers that forget a person are the owner's: a table of the server's own must not come in between."""
    before = await of_engine.fetchval("SELECT count(*) FROM audit_event")
    await of_engine.execute(
        """
        CREATE TEMP TABLE device (LIKE public.device);
        GRANT ALL ON device TO PUBLIC;
        CREATE FUNCTION pg_temp.as_owner() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            DELETE FROM public.audit_event;
            RETURN NULL;
        END
        $$;
        CREATE TRIGGER as_owner AFTER DELETE ON device FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.as_owner();
        INSERT INTO public.person
            (account_id, phone, login_password, payment_key_id, session_epoch, level, channels, document, created_at,
             updated_at, version)
            VALUES (gen_random_uuid(), 'x', '', '', 0, 0, '', 0, now(), now(), 1);
        UPDATE public.person SET phone = NULL;
        """
    )
    assert await of_engine.fetchval("SELECT count(*) FROM audit_event") == before > 0


async def test_the_schema_is_out_of_reach(of_engine: Connection) -> None:
    for statement in (
        "UPDATE schema_migration SET checksum = ''",
        "DELETE FROM schema_migration",
        "INSERT INTO schema_migration VALUES ('x', 'x', now())",
        "CREATE TABLE mine (id int)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DELETE FROM payment",
        "TRUNCATE balance",
        f"ALTER ROLE {SERVER_ROLE} CREATEROLE",
        "CREATE ROLE other",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await of_engine.execute(statement)


async def test_each_table_has_what_servers_need_and_no_more(of_engine: Connection) -> None:
    changed = {"SELECT", "INSERT", "UPDATE"}
    expected = dict.fromkeys(TABLES, changed) | {"engine": changed | {"DELETE"}, "schema_migration": {"SELECT"}}
    expected |= {table: {"SELECT", "INSERT"} for table in (*APPENDED_TO, "dispute_step", "evidence", "evidence_file")}
    expected |= {table: changed | {"DELETE"} for table in ("request", "outbox", "event", "delivery", "delivery_attempt")}
    expected |= {"event_log": changed, "webhook_health": changed | {"DELETE"}}  # which only workers write
    expected |= {"message": changed | {"DELETE"}}
    found = await of_engine.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"
    )
    assert {row["relname"]: await may(of_engine, row["relname"]) for row in found} == expected


async def test_a_connection_that_is_used_again_keeps_the_role(database_url: str, engine: Engine) -> None:
    pool = await asyncpg.create_pool(
        database_url, min_size=1, max_size=1, server_settings=reads.SETTINGS, connect=connect_as_server
    )
    for reset in ("SELECT", "RESET ALL", "RESET ROLE"):
        await pool.execute(reset)
        assert await pool.fetchval("SELECT current_user") == SERVER_ROLE
    await pool.close()


# --- Who may take it on -----------------------------------------------------------------------------------------------------


async def must_serve(database_url: str) -> None:
    """Fails where no payments can be made there."""
    async with a_core(database_url) as core:
        await an_account(core, funds_minor=5)
        assert (await core.operator.ask(operations_pb2.AuditLedgerRequest())).holds


@pytest.fixture
async def login(database_url: str, administrator: Connection) -> AsyncIterator[str]:
    """A login that may do nothing of itself."""
    name = "login_" + database_url.partition("/test_")[2][:12]
    await administrator.execute(f"CREATE ROLE {name} LOGIN NOINHERIT")
    yield name
    await administrator.execute(f"DROP ROLE {name}")


async def test_a_login_that_is_no_member_is_told_what_to_do(database_url: str, administrator: Connection, login: str) -> None:
    url = as_login(database_url, login)
    with pytest.raises(StartFailed, match=rf"^DANBAO_DATABASE_URL: .*permission denied to set role.*GRANT {SERVER_ROLE} TO"):
        async with Server(settings_for(url)):
            pass
    with pytest.raises(RoleRefused, match=f"GRANT {SERVER_ROLE} TO"):
        await Engine(url, policies=PolicySchedule.load()).start()
    await administrator.execute(f"GRANT {SERVER_ROLE} TO {login}")
    await must_serve(url)  # with what the role may do alone: the login inherits nothing
    await administrator.execute(f"REVOKE {SERVER_ROLE} FROM {login}")


async def test_an_engine_whose_login_was_put_out_says_that_it_cannot_serve_now(
    database_url: str, administrator: Connection, login: str
) -> None:
    await administrator.execute(f"GRANT {SERVER_ROLE} TO {login}")
    engine = Engine(as_login(database_url, login), policies=PolicySchedule.load())
    await engine.start()
    await builders.an_account(engine)
    await administrator.execute(f"REVOKE {SERVER_ROLE} FROM {login}")
    await administrator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", login)
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            await builders.an_account(engine)
    await engine.stop()


# --- Who makes it -----------------------------------------------------------------------------------------------------------


async def test_another_migrate_grants_again(database_url: str, connection: Connection) -> None:
    await connection.execute(
        f"REVOKE ALL ON payment FROM {SERVER_ROLE}; GRANT ALL ON journal TO {SERVER_ROLE}; CREATE TABLE later (id int)"
    )
    assert await migrate(database_url, "sandbox") == []
    as_server = await connect_as_server(database_url, server_settings=reads.SETTINGS)
    assert await may(as_server, "payment") == await may(as_server, "later") == {"SELECT", "INSERT", "UPDATE"}
    assert await may(as_server, "journal") == {"SELECT", "INSERT"}
    await as_server.close()


@pytest.fixture
async def cluster() -> AsyncIterator[PostgresServer]:
    """A Postgres that only this test uses, where no database was migrated yet."""
    async with a_postgres() as server:
        yield server


async def execute(cluster: PostgresServer, *statements: str) -> None:
    """Carries out statements as the superuser, each alone."""
    connection = await asyncpg.connect(cluster.url_of("postgres"))
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def test_an_owner_who_may_make_roles_needs_no_superuser(cluster: PostgresServer) -> None:
    await execute(cluster, "CREATE ROLE owner LOGIN CREATEROLE", "CREATE DATABASE shop OWNER owner")
    url = as_login(cluster.url_of("shop"), "owner")
    with pytest.raises(StartFailed, match=f'"{SERVER_ROLE}" does not exist: run `danbao migrate` first'):
        async with Server(settings_for(url)):
            pass
    assert await migrate(url, "sandbox")
    assert await migrate(url, "sandbox") == []
    await must_serve(url)


async def test_an_owner_who_may_not_make_roles_is_told_what_to_do(cluster: PostgresServer) -> None:
    await execute(cluster, "CREATE ROLE owner LOGIN", "CREATE DATABASE shop OWNER owner")
    url = as_login(cluster.url_of("shop"), "owner")
    with pytest.raises(MigrationError, match=f"CREATE ROLE {SERVER_ROLE} NOLOGIN"):
        await migrate(url, "sandbox")
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT to_regclass('schema_migration')") is None, "nothing was begun"
    await execute(cluster, f"CREATE ROLE {SERVER_ROLE} NOLOGIN")
    assert await migrate(url, "sandbox")
    await must_be_current(connection, "sandbox")
    await connection.close()
    with pytest.raises(StartFailed, match=f"GRANT {SERVER_ROLE} TO"):
        async with Server(settings_for(url)):
            pass
    await execute(cluster, f"GRANT {SERVER_ROLE} TO owner")
    await must_serve(url)


async def test_databases_that_are_migrated_together_share_the_role(cluster: PostgresServer) -> None:
    names = [f"shop_{number}" for number in range(4)]
    await execute(cluster, *(f"CREATE DATABASE {name}" for name in names))
    await asyncio.gather(*(migrate(cluster.url_of(name), "sandbox") for name in names))
    for name in names:
        as_server = await connect_as_server(cluster.url_of(name), server_settings=reads.SETTINGS)
        assert await may(as_server, "entry") == {"SELECT", "INSERT"}
        await as_server.close()
