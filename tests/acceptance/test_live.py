"""A live core with TLS, brought up by hand as docker-compose.yml brings it up: logins, migrate, serve, keys, calls."""

import asyncio
import os
import shutil
import signal
import ssl
import stat
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg
import pytest

from danbao.v1.accounts_pb2 import Account, CreateAccountRequest
from danbao_client import Danbao, Tls
from danbao_core.embedded import PostgresServer
from danbao_core.embedded.account import postgres_account
from danbao_core.embedded.binaries import postgres_bin
from danbao_core.rpc.tls import Certificates
from tests.acceptance.sandbox import danbao, started
from tests.certificates import Authority, Files
from tests.integration.sandboxes import a_postgres

DEPLOY = Path(__file__).parents[2] / "deploy"

AUTHORITY = Authority()
PASSWORDS = {"DB_OWNER_PASSWORD": "of-the-owner", "DB_APP_PASSWORD": "of-the-servers", "DB_BACKUP_PASSWORD": "of-backups"}


class Logins(NamedTuple):
    """The database, as its two logins reach it."""

    owner: str
    app: str


@pytest.fixture
async def logins() -> AsyncIterator[Logins]:
    """A Postgres as the container's, where the init script has run and logins need their passwords."""
    async with a_postgres() as server:
        await run_init_script(server.database_url)
        await ask_for_passwords(server)
        yield Logins(
            as_login(server.database_url, "danbao_owner", PASSWORDS["DB_OWNER_PASSWORD"]),
            as_login(server.database_url, "danbao_app", PASSWORDS["DB_APP_PASSWORD"]),
        )


def as_login(database_url: str, login: str, password: str) -> str:
    return urlsplit(database_url)._replace(netloc=f"{login}:{password}@").geturl()


async def run_init_script(database_url: str) -> None:
    """Runs it as Postgres's image does."""
    process = await asyncio.create_subprocess_exec(
        *(postgres_bin(postgres_account()) / "psql", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-d", database_url),
        *("-f", DEPLOY / "postgres" / "logins.sql"),
        env=os.environ | PASSWORDS,
    )
    assert await process.wait() == 0


async def ask_for_passwords(server: PostgresServer) -> None:
    """Has the logins asked for what the script made their passwords; everybody else is trusted in a test."""
    file = server.data_folder / "pg_hba.conf"
    file.write_text(f"local all danbao_owner,danbao_app scram-sha-256\n{file.read_text()}")
    connection = await asyncpg.connect(server.database_url)
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(as_login(server.database_url, "danbao_app", "wrong"))


async def test_a_live_core_serves_with_tls_as_a_login_of_its_own(logins: Logins, tmp_path: Path) -> None:
    files = Files.in_folder(tmp_path, AUTHORITY.signs())
    (tmp_path / "ca.crt").write_bytes(AUTHORITY.pem)
    migrated = await danbao("migrate", env={"DANBAO_MODE": "live", "DANBAO_DATABASE_URL": logins.owner})
    assert migrated.code == 0, migrated.err
    made = await danbao(
        *("keys", "create", "operator", "--scope", "operations", "--scope", "accounts.write"),
        *("--database-url", logins.app, "--json"),
    )
    assert made.code == 0, made.err

    server = await started(
        "serve",
        env={
            "DANBAO_MODE": "live",
            "DANBAO_DATABASE_URL": logins.app,
            "DANBAO_HASH_KEY": "5a" * 32,
            "DANBAO_LISTEN": "0.0.0.0:0",
            "DANBAO_TLS_CERT": str(files.cert),
            "DANBAO_TLS_KEY": str(files.key),
        },
    )
    try:
        port = (await server.line()).strip().rpartition(":")[2]
        key = made.answer["token"]
        async with Danbao.connect(f"localhost:{port}", key=key, tls=Tls(tmp_path / "ca.crt")) as client:
            request = CreateAccountRequest(kind=Account.KIND_PERSONAL, display_name="Ada", currency_codes=["USD"])
            assert (await client.accounts.CreateAccount(request)).name
        environment = {"DANBAO_ADDRESS": f"localhost:{port}", "DANBAO_TLS_CA": str(tmp_path / "ca.crt")}
        assert (await danbao("health", env=environment)).out == "SERVING\n"
        files.hold(renewed := AUTHORITY.signs())
        assert await presented(int(port)) == renewed.cert
        assert (await danbao("health", env=environment)).out == "SERVING\n"
        audited = await danbao("audit", "--json", env=environment | {"DANBAO_KEY": key})
        assert audited.answer["holds"] is True
    finally:
        server.send(signal.SIGTERM)
        assert (await server.result()).code == 0


async def presented(port: int) -> bytes:
    """The certificate that a new connection is shown, as PEM."""
    shown = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port), timeout=10)
    return shown.encode()


async def test_the_servers_login_can_do_nothing_of_its_own(logins: Logins) -> None:
    assert (await danbao("migrate", env={"DANBAO_DATABASE_URL": logins.owner})).code == 0
    connection = await asyncpg.connect(logins.app)
    for statement in ("CREATE TABLE mine (id int)", "DELETE FROM journal", "DROP TABLE payment", "CREATE ROLE other"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()
    refused = await danbao("migrate", "--json", env={"DANBAO_DATABASE_URL": logins.app})
    assert refused.code == 1


async def prepared(folder: Path, *arguments: str) -> dict[str, str]:
    """What deploy/prepare.sh writes into the .env of a folder."""
    process = await asyncio.create_subprocess_exec(DEPLOY / "prepare.sh", "--folder", folder, *arguments)
    assert await process.wait() == 0
    return dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_the_script_makes_secrets_once_and_certificates_that_are_trusted(tmp_path: Path) -> None:
    first = await prepared(tmp_path, "--name", "pay.example")
    authority, certificate = (tmp_path / "ca" / "ca.crt").read_bytes(), (tmp_path / "certs" / "server.crt").read_bytes()
    assert await prepared(tmp_path) == first, "the hash key is for good"
    assert (tmp_path / "certs" / "ca.crt").read_bytes() == authority, "callers go on trusting"
    assert (tmp_path / "certs" / "server.crt").read_bytes() != certificate, "renewed"

    example = (DEPLOY / "example.env").read_text()
    assert all(f"{name}=" in example for name in first)
    secrets = [value for name, value in first.items() if name != "RUN_AS" and not name.startswith("DANBAO_BANK_")]
    assert len(set(secrets)) == len(secrets)
    assert all(value.isalnum() for value in secrets), "they stand in URLs"
    assert first["RUN_AS"].partition(":")[0] not in ("", "0")
    for file in (".env", "ca/ca.key", "certs/server.key"):
        assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o600, file
    Certificates(tmp_path / "certs" / "server.crt", tmp_path / "certs" / "server.key")  # which checks that they can be used
    subprocess.run(
        ["openssl", "verify", "-CAfile", tmp_path / "ca" / "ca.crt", tmp_path / "certs" / "server.crt"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
