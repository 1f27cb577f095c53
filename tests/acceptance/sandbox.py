"""A real sandbox, `danbao up` in a process of its own, and the real command line beside it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from danbao_client import Danbao
from danbao_core.supervisor import Endpoint, read_endpoint
from tests.acceptance import commands
from tests.acceptance.commands import Result, RunningCommand
from tests.integration.sandboxes import eventually, give_sandbox_data, gone
from tests.rpc_client import HASH_KEY

_COMMAND = (sys.executable, "-m", "danbao_core")
_START_SECONDS = 90.0


def environment_of(added: dict[str, str]) -> dict[str, str]:
    """Of a command that knows of no core but the one it is told of."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DANBAO_")}
    return environment | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))} | added


async def started(*arguments: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> RunningCommand:
    """Starts a `danbao` command that knows of no core but the one it is told of; `env` is added to the environment."""
    return await commands.run([*map(str, arguments)], environment_of(env or {}), cwd or Path.cwd())


async def danbao(*arguments: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> Result:
    """Runs a `danbao` command to its end."""
    return await (await started(*arguments, env=env, cwd=cwd)).result()


@asynccontextmanager
async def a_server(database_url: str, stopped: list[dict[str, Any]] | None = None, **settings: str) -> AsyncIterator[str]:
    """The address of a server process on a sandbox's database; more settings as DANBAO_* variables.

    What it says of its engine when it has stopped is added to `stopped`. Nobody reads its log meanwhile: it must fit the pipe.
    """
    environment = {
        "DANBAO_MODE": "sandbox",
        "DANBAO_DATABASE_URL": database_url,
        "DANBAO_LISTEN": "127.0.0.1:0",
        "DANBAO_HASH_KEY": HASH_KEY,
    }
    running = await started("serve", "--json", env=environment | settings)
    try:
        yield str(json.loads(await running.line())["address"])
    finally:
        running.send(signal.SIGTERM)
        result = await running.result()
    assert result.code == 0, result.err
    if stopped is not None:
        stopped += [line for line in map(json.loads, result.err.splitlines()) if line["event"] == "engine stopped"]


class Sandbox:
    """A sandbox that runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def endpoint(self) -> Endpoint:
        """Where it is now: pids change when something is started again."""
        return read_endpoint(self.folder)

    async def danbao(self, *arguments: str | Path) -> Result:
        """Runs a command on it, with `--json`, to its end."""
        return await (await self.started(*arguments)).result()

    async def started(self, *arguments: str | Path) -> RunningCommand:
        """Starts a command on it, with `--json`."""
        return await started(*arguments, "--data", self.folder, "--json")

    def client(self, **settings: Any) -> Danbao:
        """A client of it, as `Danbao.connect` makes it, with the operator's key unless told another."""
        endpoint = self.endpoint
        return Danbao.connect(endpoint.address, **({"key": endpoint.operator_key} | settings))

    def kill(self, role: str) -> None:
        """Ends all processes of a role as `kill -9` does."""
        for pid in self.endpoint.pids[role]:
            os.kill(pid, signal.SIGKILL)


class OwnSandbox(Sandbox):
    """A sandbox that one test has for itself, Postgres and all: it may die."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process) -> None:
        super().__init__(folder)
        self._process = process

    async def end(self) -> None:
        """Waits until it has ended, with everything that belonged to it."""
        await self._process.communicate()


@asynccontextmanager
async def a_sandbox(folder: Path, *arguments: str) -> AsyncIterator[OwnSandbox]:
    """Starts `danbao up` on a folder, which may hold an earlier one's data; stops it at the end if it still runs.

    On a folder that does not exist it finds its Postgres initialised.
    """
    if not folder.exists():
        await give_sandbox_data(folder)
    process = await asyncio.create_subprocess_exec(
        *_COMMAND,
        *("up", "--data", str(folder), "--listen", "127.0.0.1:0", "--json", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))},
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_START_SECONDS):
            ready = await process.stdout.readline()
        assert ready, f"danbao up ended with exit code {await process.wait()}; see {folder}/logs"
        yield OwnSandbox(folder, process)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def killed_with_all_its_children(sandbox: OwnSandbox) -> None:
    """Kills the supervisor with `kill -9`, and waits until everything that it had started is gone, too."""
    pids = [pid for pids in sandbox.endpoint.pids.values() for pid in pids]
    sandbox.kill("supervisor")
    await sandbox.end()
    await eventually(lambda: all(map(gone, pids)))
