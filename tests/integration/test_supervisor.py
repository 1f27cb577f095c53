"""`danbao up` below its servers: real Postgres, Valkey and supervision, with stand-in servers and
workers.
"""

import asyncio
import json
import os
import shlex
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
import typer
from typer.testing import CliRunner

from danbao_core.cli.first_call import first_call
from danbao_core.cli.up import up
from danbao_core.embedded import Child, StartError
from danbao_core.keyring import FIRST_ID, written
from danbao_core.supervisor import Endpoint, ListenAddress, NotRunning, Role, read_endpoint
from danbao_core.supervisor import process as supervised
from danbao_core.supervisor.listen import HeldPort
from danbao_core.supervisor.process import RoleProgram, SupervisedProcess
from tests.integration.sandboxes import (
    BROKEN,
    NEVER_READY,
    OBEDIENT,
    STUBBORN,
    a_folder,
    a_host,
    a_role,
    eventually,
    gone,
    obedient_roles,
)


@pytest.fixture
def folder() -> Iterator[Path]:
    with a_folder() as path:
        yield path


def every_pid(endpoint: Endpoint) -> list[int]:
    return [pid for pids in endpoint.pids.values() for pid in pids]


async def test_it_says_where_it_is_reached_and_takes_that_back(folder: Path) -> None:
    async with a_host(folder, from_nothing=True) as host:
        endpoint = await host.ready()
        assert host.endpoint() == endpoint == read_endpoint(folder)
        for name in ("endpoint.json", "operator.key", "hash.key", "keyring.toml", "lock"):
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
        assert stat.S_IMODE((folder / "logs").stat().st_mode) == 0o700
        assert not folder.stat().st_mode & 0o067
        assert {role: len(pids) for role, pids in endpoint.pids.items()} == {
            "supervisor": 1,
            "postgres": 1,
            "valkey": 1,
            "server": 2,
            "worker": 1,
        }
        assert endpoint.address.startswith("127.0.0.1:")
        assert endpoint.operator_key.startswith("dbk_")
        assert await host.stop() == (0, "")
    assert not (folder / "endpoint.json").exists()
    assert all(map(gone, every_pid(endpoint)))
    with pytest.raises(NotRunning, match="danbao up"):
        read_endpoint(folder)


async def test_a_second_start_finds_all_data_and_the_same_key(folder: Path) -> None:
    async with a_host(folder) as host:
        first = await host.ready()
        connection = await asyncpg.connect(first.database_url)
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
        await connection.close()
        hash_key, keyring = (folder / "hash.key").read_text(), (folder / "keyring.toml").read_text()
        assert keyring == written(FIRST_ID, bytes.fromhex(hash_key))  # what an older sandbox has sealed still opens
        await host.stop()
    async with a_host(folder) as host:
        second = await host.ready()
        connection = await asyncpg.connect(second.database_url)
        assert await connection.fetchval("SELECT value FROM kept") == 42
        await connection.close()
        assert second.operator_key == first.operator_key
        assert (folder / "hash.key").read_text() == hash_key
        assert (folder / "keyring.toml").read_text() == keyring


async def test_a_second_start_while_running_says_so(folder: Path) -> None:
    async with a_host(folder) as host:
        endpoint = await host.ready()
        async with a_host(folder) as second:
            code, error = await second.end()
        assert code == 1
        assert f"pid {endpoint.pids['supervisor'][0]} serves {endpoint.address}" in error
        assert host.endpoint() == endpoint


async def test_a_taken_port_is_said_before_anything_starts(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with a_host(folder, listen=address, from_nothing=True) as host:
            code, error = await host.end()
    assert code == 1
    assert f"{address} is in use" in error
    assert not (folder / "postgres").exists()
    assert host.lines == []


async def test_kill_9_of_the_supervisor_takes_everything_with_it(folder: Path) -> None:
    async with a_host(folder) as host:
        endpoint = await host.ready()
        host.process.kill()
        await host.process.wait()
        with pytest.raises(NotRunning):
            read_endpoint(folder)
        # At once, while Postgres may still be shutting down.
        async with a_host(folder) as second:
            again = await second.ready()
            assert all(map(gone, every_pid(endpoint)))
            assert again.operator_key == endpoint.operator_key


async def test_a_child_that_dies_is_restarted_and_said_so(folder: Path) -> None:
    async with a_host(folder) as host:
        await host.ready()
        for role in ("server", "worker", "valkey", "postgres"):
            before = host.endpoint().pids
            killed = before[role][0]
            os.kill(killed, signal.SIGKILL)
            said = await host.until("say", role)
            assert said == f"{role} (pid {killed}) died: signal 9 (SIGKILL); starting again in 0.1 s"
            await host.until("say", f"{role} runs again")
            after = host.endpoint().pids
            assert killed not in after[role]
            assert len(after[role]) == len(before[role])
            assert after | {role: []} == before | {role: []}
        assert await host.stop() == (0, "")


async def test_a_child_is_restarted_also_where_that_cannot_be_published(folder: Path) -> None:
    async with a_host(folder, [a_role("server", OBEDIENT), a_role("worker", OBEDIENT)]) as host:
        await host.ready()
        killed = host.endpoint().pids["server"][0]
        (folder / "endpoint.json").unlink()
        (folder / "endpoint.json").mkdir()
        os.kill(killed, signal.SIGKILL)
        assert "endpoint.json does not tell of the change" in await host.until("say", "endpoint.json")
        await host.until("say", "server runs again")
        assert await host.stop() == (0, "")
        assert not [path for path in folder.iterdir() if path.name.startswith(".endpoint")]


async def test_the_delay_grows_while_a_child_keeps_dying(folder: Path) -> None:
    brief = OBEDIENT.replace("while True:\n    signal.pause()", "sys.exit(7)")
    async with a_host(folder, [a_role("server", OBEDIENT), a_role("worker", brief)]) as host:
        for delay in ("0.1 s", "0.2 s", "0.4 s", "0.8 s"):
            said = await host.until("say", "died")
            assert said.endswith(f"died: exit 7; starting again in {delay}")


async def test_a_server_that_cannot_start_ends_the_start_with_its_log(folder: Path) -> None:
    async with a_host(folder, [a_role("server", BROKEN), a_role("worker", OBEDIENT)]) as host:
        code, error = await host.end()
    assert code == 1
    assert "server" in error
    assert "exit 3, 5 times without ever being ready" in error
    assert "the frobnicator is missing" in error
    assert "Traceback" not in error
    assert not (folder / "endpoint.json").exists()


@pytest.mark.parametrize("step", ["Setting up a new database", "Starting server"])
async def test_a_stop_during_the_start_is_clean(folder: Path, step: str) -> None:
    async with a_host(folder, [a_role("server", NEVER_READY)], from_nothing=True) as host:
        await host.until("step", step)
        host.process.send_signal(signal.SIGTERM)
        assert await host.end() == (0, "")
    assert not (folder / "endpoint.json").exists()
    async with a_host(folder) as host:
        await host.ready()


class _Deaf:
    """A program that is never ready, and swallows the first request to wait for that no longer."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.child: Child | None = None

    async def launch(self) -> Child:
        self.child = Child.launch(["/bin/sleep", "600"], log=self._log, death_signal=signal.SIGKILL)
        return self.child

    async def wait_until_ready(self, child: Child) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


async def test_a_stop_outlasts_a_cancellation_that_a_library_swallows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "_CANCEL_AGAIN_SECONDS", 0.01)
    deaf = _Deaf(tmp_path / "log")
    process = SupervisedProcess("deaf", deaf, [(signal.SIGTERM, 5.0)], on_change=lambda: None, say=lambda _: None)
    process.start()
    await eventually(lambda: deaf.child is not None)
    async with asyncio.timeout(30):
        await process.stop(asyncio.Event())
    assert deaf.child is not None
    assert deaf.child.exit_code == -signal.SIGTERM


# Waits for the word to begin, and leaves a file when it has loaded and another when it has begun.
_WAITING = """
import os, sys
from pathlib import Path
from danbao_core.go import wait_for_go
Path("loaded").touch()
wait_for_go(int(sys.argv[4]))
Path("begun").touch()
os.write(int(sys.argv[2]), b"ready\\n")
"""


async def test_a_process_that_waits_loads_at_once_and_begins_at_the_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    go = asyncio.Event()
    role = Role("server", (sys.executable, "-c", _WAITING), waits=True)
    program = RoleProgram(
        role, {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))}, tmp_path / "log", go
    )
    child = await program.launch()
    ready = asyncio.create_task(program.wait_until_ready(child))
    await eventually((tmp_path / "loaded").exists)
    assert not ready.done()
    assert not (tmp_path / "begun").exists()
    go.set()
    await ready
    assert (tmp_path / "begun").exists()
    assert await child.wait() == 0


async def test_a_process_that_dies_before_the_word_is_told_of(tmp_path: Path) -> None:
    go = asyncio.Event()
    program = RoleProgram(Role("server", (sys.executable, "-c", BROKEN), waits=True), {}, tmp_path / "log", go)
    child = await program.launch()
    await child.wait()
    go.set()
    with pytest.raises(StartError, match="exit 3"):
        await program.wait_until_ready(child)


async def test_a_second_ctrl_c_hastens(folder: Path) -> None:
    async with a_host(folder, [a_role("server", STUBBORN)]) as host:
        endpoint = await host.ready()
        host.process.send_signal(signal.SIGINT)
        await host.until("step", "Stopping")
        host.process.send_signal(signal.SIGINT)
        assert await host.end() == (0, "")
        assert all(map(gone, every_pid(endpoint)))


async def test_ipv6_and_localhost_are_served(folder: Path) -> None:
    async with a_host(folder, listen="localhost:0") as host:
        assert (await host.ready()).address.startswith("127.0.0.1:")
        await host.stop()
    async with a_host(folder, obedient_roles(), listen="[::1]:0") as host:
        assert (await host.ready()).address.startswith("[::1]:")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "50051",
        ":50051",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "::1:50051",
        "[::1]",
        "a b:1",
    ],
)
def test_a_malformed_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"HOST:PORT"):
        ListenAddress.parse(text)


@pytest.mark.parametrize("text", ["0.0.0.0:50051", "[::]:50051", "192.0.2.1:1", "[2001:db8::1]:1"])
def test_an_address_that_others_reach_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no TLS"):
        ListenAddress.parse(text)


@pytest.fixture
def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(up)
    return app


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--listen", "0.0.0.0:50051"], "no TLS"),
        (["--listen", "here"], "HOST:PORT"),
        (["--processes", "0"], "--processes"),
        (["--processes", "65"], "--processes"),
    ],
)
def test_up_refuses_wrong_options_by_name(command: typer.Typer, folder: Path, options: list[str], word: str) -> None:
    result = CliRunner().invoke(command, ["--data", str(folder), *options])
    assert result.exit_code == 2
    assert word in result.stderr
    assert not folder.exists()


def test_up_refuses_a_file_in_place_of_the_folder(command: typer.Typer, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    options = ["--data", str(file), "--listen", "localhost:0", "--json"]
    result = CliRunner().invoke(command, options)
    assert (result.exit_code, json.loads(result.stdout)["error"]["reason"]) == (1, "START_FAILED")
    assert result.stderr == f"error: {file} is not a folder. Choose another with --data.\n"


def test_the_first_call_can_be_pasted() -> None:
    words = shlex.split(first_call("[::1]:50051", "dbk_key"))
    assert words[:2] == ["buf", "curl"]
    assert "authorization: Bearer dbk_key" in words
    assert json.loads(words[words.index("-d") + 1])["requestId"]
    assert words[-1].startswith("http://[::1]:50051/danbao.v1.")


def test_a_held_port_is_seen_as_taken_while_nobody_listens() -> None:
    with (
        HeldPort(ListenAddress.parse("127.0.0.1:0")) as held,
        pytest.raises(StartError, match="in use"),
    ):
        HeldPort(held.address)
