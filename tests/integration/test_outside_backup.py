"""A Postgres of one's own, as docker-compose.yml starts it: backed up and restored by the scripts that it mounts."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from danbao_core.embedded.account import postgres_account
from danbao_core.embedded.binaries import postgres_bin
from danbao_core.engine import Engine
from danbao_core.migrations import migrate
from danbao_core.policy import PolicySchedule
from danbao_core.testing.temporary import a_temporary_folder
from tests import builders
from tests.banks import a_free_port
from tests.engines import breaches
from tests.integration.sandboxes import eventually

SCRIPTS: Final = Path(__file__).parents[2] / "deploy" / "postgres"
PASSWORDS: Final = {name: name.lower() for name in ("DB_OWNER_PASSWORD", "DB_APP_PASSWORD", "DB_BACKUP_PASSWORD")}


class OutsidePostgres:
    """A Postgres that is reached over TCP with passwords, and what is done on its machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = a_free_port()
        account = postgres_account()
        self._as_its_user: dict[str, Any] = (
            {"user": account.uid, "group": account.gid, "extra_groups": []} if account is not None else {}
        )
        self._environment = {
            "PATH": f"{postgres_bin(account)}:{os.defpath}",
            "LC_ALL": "C",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGDATA": str(folder / "data"),
        }

    def url(self, login: str) -> str:
        password = PASSWORDS[f"DB_{login.upper()}_PASSWORD"]
        return f"postgresql://danbao_{login}:{password}@127.0.0.1:{self.port}/danbao"

    def began(self, *command: str | Path, **environment: str) -> "subprocess.Popen[str]":
        """Starts a command on its machine, as its user."""
        return subprocess.Popen(
            command,
            env=self._environment | environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **self._as_its_user,
        )

    def ran(self, *command: str | Path, **environment: str) -> str:
        """Runs one to its end; answers what it said."""
        process = self.began(*command, **environment)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        return said

    def set_up(self) -> None:
        """Makes it as its image does: initdb, then the scripts over its socket, before anybody else can reach it."""
        (self.folder / "password").write_text("of-the-superuser")
        options = ("--auth-host=scram-sha-256", "--auth-local=trust", "--locale=C.UTF-8", "--username=postgres", "--no-sync")
        self.ran("initdb", *options, f"--pwfile={self.folder / 'password'}")
        with self.running("-c listen_addresses="):
            psql = ("psql", "--no-psqlrc", "--username=postgres", "-v", "ON_ERROR_STOP=1", "--dbname")
            socket = {"PGHOST": str(self.folder)}
            self.ran(*psql, "postgres", "--command=CREATE DATABASE danbao", **socket)
            self.ran(*psql, "danbao", "--file", SCRIPTS / "logins.sql", **socket, **PASSWORDS)
            self.ran(SCRIPTS / "replication.sh")

    @contextmanager
    def running(self, options: str = "") -> Iterator[None]:
        """It runs on its data."""
        given = f"-c unix_socket_directories='{self.folder}' -c port={self.port} -c fsync=off {options}"
        self.ran("pg_ctl", "start", "--silent", "--wait", f"--log={self.folder / 'log'}", f"--options={given}")
        try:
            yield
        finally:
            self.ran("pg_ctl", "stop", "--silent", "--wait", "--mode=fast")

    @contextmanager
    def backed_up(self) -> Iterator[Path]:
        """The folder in which it is being backed up."""
        backup = self.folder / "backup"
        login = {"PGUSER": "danbao_backup", "PGPASSWORD": PASSWORDS["DB_BACKUP_PASSWORD"]}
        process = self.began(SCRIPTS / "backup.sh", backup, **login)
        try:
            yield backup
        finally:
            process.terminate()
            said, _ = process.communicate(timeout=60)
            assert process.returncode == 0, said


@pytest.fixture
def postgres_outside() -> Iterator[OutsidePostgres]:
    folder = a_temporary_folder("danbao-outside-")
    try:
        if account := postgres_account():
            os.chown(folder, account.uid, account.gid)
        server = OutsidePostgres(folder)
        server.set_up()
        yield server
    finally:
        shutil.rmtree(folder)


@asynccontextmanager
async def an_engine(url: str) -> AsyncIterator[Engine]:
    engine = Engine(url, policies=PolicySchedule.load())
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def payments_in(url: str) -> set[Any]:
    connection = await asyncpg.connect(url)
    try:
        return {row["id"] for row in await connection.fetch("SELECT id FROM payment")}
    finally:
        await connection.close()


async def fetched(url: str) -> None:
    """Returns when the backup has, on its disk, all that was committed before."""
    connection = await asyncpg.connect(url)
    try:
        end = await connection.fetchval("SELECT pg_current_wal_insert_lsn()::text")
        while not await connection.fetchval("SELECT bool_or(restart_lsn >= $1::text::pg_lsn) FROM pg_replication_slots", end):
            await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def test_a_database_outside_comes_back_as_it_was_at_a_moment(postgres_outside: OutsidePostgres) -> None:
    server = postgres_outside
    with server.running():
        await migrate(server.url("owner"), "sandbox")
        with server.backed_up() as backup:
            await eventually(lambda: any((backup / "base").glob("*Z")))
            async with an_engine(server.url("app")) as engine:
                payer, payee = await builders.an_account(engine, funds_minor=10_000), await builders.a_merchant(engine)
                kept = [await builders.a_paid_payment(engine, payer=payer, payee=payee) for _ in range(3)]
                moment = datetime.now(UTC)
                lost = [await builders.a_paid_payment(engine, payer=payer, payee=payee) for _ in range(2)]
            await fetched(server.url("app"))
            assert await payments_in(server.url("owner")) == {payment.id for payment in kept + lost}

    time = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    server.ran(SCRIPTS / "restore.sh", backup, server.folder / "restored", time)
    shutil.rmtree(server.folder / "data")
    (server.folder / "restored").rename(server.folder / "data")
    with server.running():
        assert await payments_in(server.url("owner")) == {payment.id for payment in kept}
        assert await breaches(server.url("owner")) == []
        async with an_engine(server.url("app")) as engine:  # the passwords, the servers' role and the stripes are there, too
            await builders.a_paid_payment(engine, payer=payer, payee=payee)
        assert await breaches(server.url("owner")) == []
    with pytest.raises(AssertionError, match="holds no copy that was complete by 2000"):
        server.ran(SCRIPTS / "restore.sh", backup, server.folder / "early", "2000-01-01T00:00:00Z")
    with pytest.raises(AssertionError, match="before configured recovery target was reached"):
        server.ran(SCRIPTS / "restore.sh", backup, server.folder / "late", "2999-01-01T00:00:00Z")
