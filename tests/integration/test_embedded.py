"""Postgres and Valkey from their wheels: new and old folders, odd paths, kill -9, survivors,
interrupted set-up.
"""

import asyncio
import itertools
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

from danbao_core.embedded import Child, PostgresServer, StartError, ValkeyServer
from danbao_core.embedded.child import describe_exit
from tests.integration.sandboxes import a_folder, eventually, give_data, gone

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    with a_folder() as path:
        yield path


@pytest.fixture
async def with_data(folder: Path) -> Path:
    """A folder in which Postgres was initialised, for what is not about that."""
    await give_data(folder)
    return folder


@asynccontextmanager
async def running(server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    """The server started, and a connection to it."""
    await server.start()
    try:
        connection = await asyncpg.connect(server.database_url)
        try:
            yield connection
        finally:
            await connection.close()
    finally:
        await server.stop()


@asynccontextmanager
async def connected(server: ValkeyServer) -> AsyncIterator[redis.asyncio.Redis]:
    """A client of the running server."""
    client: redis.asyncio.Redis = redis.asyncio.from_url(server.valkey_url)  # type: ignore[no-untyped-call]
    async with client:
        yield client


async def psql(server: PostgresServer, statement: str) -> str:
    """What the wheel's psql prints; a port in the environment must not lead it astray."""
    assert server._bin is not None
    process = await asyncio.create_subprocess_exec(
        str(server._bin / "psql"),
        server.database_url,
        "-Atc",
        statement,
        stdout=asyncio.subprocess.PIPE,
        env={"PGPORT": "1", "PATH": os.defpath},
    )
    out, _ = await process.communicate()
    return out.decode()


def a_foreign_process(server: PostgresServer) -> subprocess.Popen[bytes]:
    """Of the user that runs Postgres, which takes only such for a server of its own."""
    account = server._account
    if account is None:
        return subprocess.Popen(["/bin/sleep", "600"])
    return subprocess.Popen(["/bin/sleep", "600"], user=account.uid, group=account.gid)


async def answers(server: PostgresServer) -> bool:
    async with running(server) as connection:
        return bool(await connection.fetchval("SELECT true"))


async def test_a_second_start_finds_all_data(folder: Path) -> None:
    async with running(PostgresServer(folder)) as connection:
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
    async with running(PostgresServer(folder)) as connection:
        assert await connection.fetchval("SELECT value FROM kept") == 42


async def test_postgres_is_durable_and_reached_through_its_socket_only(with_data: Path) -> None:
    async with running(PostgresServer(with_data)) as connection:
        shown = {
            name: await connection.fetchval(f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "listen_addresses", "server_encoding")
        }
        version = await connection.fetchval("SHOW server_version_num")
    assert shown == {
        "fsync": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
        "server_encoding": "UTF8",
    }
    assert version.startswith("18")


async def test_the_data_are_for_nobody_else(folder: Path) -> None:
    server = PostgresServer(folder)
    assert await answers(server)
    for path in (server.data_folder, server.data_folder.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert path.stat().st_uid != 0


@pytest.mark.parametrize("name", ['it\'s 100%25 "資料"', "a,b", "long" * 30], ids=ascii)
async def test_any_folder_name_works(name: str) -> None:
    with a_folder(name) as folder:
        postgres = PostgresServer(folder)
        async with running(postgres):
            assert await psql(postgres, "SELECT 6 * 7") == "42\n"


@pytest.mark.parametrize("name", ['it\'s 100%25 "資料"', "long" * 30], ids=ascii)
async def test_any_folder_name_works_for_valkey(name: str) -> None:
    with a_folder(name) as folder:
        valkey = ValkeyServer(folder)
        await valkey.start()
        try:
            async with connected(valkey) as client:
                assert await client.ping()
        finally:
            await valkey.stop()
            valkey.discard()


@as_root
async def test_root_keeps_data_elsewhere_when_the_folder_is_closed() -> None:
    with a_folder(closed=True) as folder:
        mode = folder.parent.stat().st_mode
        async with running(PostgresServer(folder)) as connection:
            await connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
        location = Path(folder.with_name("sandbox.location").read_text().strip())
        assert location.parent == Path("/var/lib/danbao")
        async with running(PostgresServer(folder)) as connection:
            assert await connection.fetchval("SELECT value FROM kept") == 42
        assert folder.parent.stat().st_mode == mode
        PostgresServer(folder).discard()
        assert not location.exists()


@as_root
async def test_data_that_were_kept_elsewhere_and_are_gone_are_missed() -> None:
    with a_folder(closed=True) as folder:
        folder.with_name("sandbox.location").write_text("/var/lib/danbao/gone\n")
        with pytest.raises(StartError, match="which is gone"):
            await PostgresServer(folder).start()


async def test_an_interrupted_set_up_leaves_nothing_that_is_trusted(folder: Path) -> None:
    interrupted = PostgresServer(folder)
    setting_up = asyncio.create_task(interrupted.prepare())
    await eventually((folder / "data.partial" / "base").exists)
    setting_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await setting_up
    assert not (folder / "data").exists()
    assert await answers(PostgresServer(folder))


async def test_data_of_another_postgres_are_refused(with_data: Path) -> None:
    server = PostgresServer(with_data)
    await server.prepare()
    (server.data_folder / "PG_VERSION").write_text("17\n")
    with pytest.raises(StartError, match="of Postgres 17"):
        await server.start()


async def test_a_failing_start_shows_the_log(with_data: Path) -> None:
    server = PostgresServer(with_data, settings={"shared_buffers": "many"})
    with pytest.raises(StartError, match="invalid value for parameter"):
        await server.start()
    assert server.pid is None


async def test_a_killed_postgres_starts_again_with_its_data(with_data: Path) -> None:
    server = PostgresServer(with_data)
    await server.start()
    connection = await asyncpg.connect(server.database_url)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    connection.terminate()
    async with running(PostgresServer(with_data)) as connection:
        assert await connection.fetchval("SELECT value FROM kept") == 42
    await server.stop()


async def test_a_surviving_postgres_is_stopped_and_replaced(with_data: Path) -> None:
    survivor = PostgresServer(with_data)
    await survivor.start()
    pid = survivor.pid
    assert pid is not None
    assert await answers(PostgresServer(with_data))
    assert gone(pid)
    await survivor.stop()


async def test_a_stale_pid_file_hurts_no_foreign_process(with_data: Path) -> None:
    server = PostgresServer(with_data)
    assert await answers(server)
    foreign = a_foreign_process(server)
    try:
        data = server.data_folder
        for lock_file in (data / "postmaster.pid", data.parent / ".s.PGSQL.5432.lock"):
            lock_file.write_text(f"{foreign.pid}\n{data}\n0\n5432\n")
        assert await answers(PostgresServer(with_data))
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


async def test_valkey_keeps_its_data_over_a_restart_and_a_kill(folder: Path) -> None:
    server = ValkeyServer(folder)
    await server.start()
    async with connected(server) as client:
        await client.set("kept", "42")
    await server.stop()
    await server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    again = ValkeyServer(folder)
    await again.start()
    try:
        async with connected(again) as client:
            assert await client.get("kept") == b"42"
    finally:
        await again.stop()
        await server.stop()


async def test_a_surviving_valkey_is_stopped_and_replaced(folder: Path) -> None:
    survivor = ValkeyServer(folder)
    await survivor.start()
    pid = survivor.pid
    assert pid is not None
    again = ValkeyServer(folder)
    await again.start()
    assert gone(pid)
    await again.stop()
    await survivor.stop()


async def test_waiting_for_valkey_can_be_given_up_at_any_moment(folder: Path) -> None:
    server = ValkeyServer(folder)
    await server.start()
    try:
        for turns in itertools.count():
            assert server._child is not None
            waiting = asyncio.create_task(server.wait_until_ready(server._child))
            for _ in range(turns):
                await asyncio.sleep(0)
            if waiting.done():
                break
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
    finally:
        await server.stop()


async def test_a_child_is_stopped_by_the_first_signal_that_works(tmp_path: Path) -> None:
    code = "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    child = Child.launch([sys.executable, "-c", code], log=tmp_path / "log", death_signal=signal.SIGKILL)
    await eventually(lambda: child.log_tail() == "up")
    code_of_exit = await child.stop([(signal.SIGTERM, 0.1), (signal.SIGKILL, 5)])
    assert describe_exit(code_of_exit) == "signal 9 (SIGKILL)"


async def test_a_program_that_is_missing_is_named_in_the_log(tmp_path: Path) -> None:
    child = Child.launch(["/nowhere/program"], log=tmp_path / "log", death_signal=signal.SIGKILL)
    assert describe_exit(await child.wait()) == "exit 1"
    assert child.log_tail() == "cannot run /nowhere/program: No such file or directory"


def test_children_are_started_from_the_main_thread_only(tmp_path: Path) -> None:
    errors: list[RuntimeError] = []

    def launch() -> None:
        try:
            Child.launch(["/bin/true"], log=tmp_path / "log", death_signal=signal.SIGKILL)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=launch)
    thread.start()
    thread.join()
    assert len(errors) == 1
