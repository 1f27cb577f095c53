"""Helpers of the tests that start real Postgres and Valkey servers in folders of their own."""

import asyncio
import atexit
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil

from danbao_core.embedded import PostgresServer, folders
from danbao_core.embedded.account import postgres_account
from danbao_core.supervisor import Endpoint
from danbao_core.testing.temporary import a_temporary_folder

_HOST = Path(__file__).with_name("sandbox_host.py")

# A stand-in for a server or worker: says "ready" and works until SIGTERM.
OBEDIENT = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
os.write(int(sys.argv[2]), b"ready\\n")
while True:
    signal.pause()
"""
# One that is ready and then does not mind SIGTERM.
STUBBORN = OBEDIENT.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")
# One that comes up, but never gets ready.
NEVER_READY = "import signal\nsignal.pause()"
# One that cannot start.
BROKEN = "import sys\nprint('the frobnicator is missing', flush=True)\nsys.exit(3)"

Roles = list[tuple[str, list[str], int]]


def a_role(name: str, code: str, count: int = 1) -> tuple[str, list[str], int]:
    """A role whose processes run this Python code."""
    return (name, [sys.executable, "-c", code], count)


def obedient_roles() -> Roles:
    """Two servers and a worker."""
    return [a_role("server", OBEDIENT, 2), a_role("worker", OBEDIENT)]


@contextmanager
def a_folder(name: str = "sandbox", *, closed: bool = False) -> Iterator[Path]:
    """A folder that does not exist yet and that other users may walk to, unless `closed`."""
    parent = a_temporary_folder("danbao-test-")
    if closed:
        parent.chmod(0o700)
    try:
        yield parent / name
    finally:
        for folder in (parent / name, parent / name / "postgres"):
            PostgresServer(folder).discard()
        shutil.rmtree(parent)


_initialised: list[PostgresServer] = []


async def give_data(postgres: Path) -> None:
    """Has a Postgres in this folder find its data initialised.

    They are a copy: initialising takes fifteen times as long, and is done once for all tests of this process.
    """
    if not _initialised:
        parent = a_temporary_folder("danbao-test-data-")
        atexit.register(shutil.rmtree, parent)
        server = PostgresServer(parent / "postgres")
        await server.prepare()
        _initialised.append(server)
    home = folders.data_folder(postgres, postgres_account())
    copying = await asyncio.create_subprocess_exec("cp", "-a", _initialised[0].data_folder, home / "data")
    assert await copying.wait() == 0


@asynccontextmanager
async def a_postgres() -> AsyncIterator[PostgresServer]:
    """A running Postgres that only one test uses, with an empty database."""
    with a_folder("postgres") as folder:
        await give_data(folder)
        server = PostgresServer(folder)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


async def give_sandbox_data(folder: Path) -> None:
    """Has the first `danbao up` on this folder, which is made as it makes it, find its Postgres initialised."""
    folder.mkdir(mode=0o700)
    if account := postgres_account():
        os.chown(folder, 0, account.gid)
        folder.chmod(0o710)
    await give_data(folder / "postgres")


async def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Returns as soon as it holds; fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "did not come true in time"
        await asyncio.sleep(0.02)


def gone(pid: int) -> bool:
    """Whether the process has ended, reaped or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Host:
    """A supervisor in a process of its own."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process) -> None:
        self.folder = folder
        self.process = process
        self.lines: list[tuple[str, str]] = []

    async def until(self, kind: str, text: str = "") -> str:
        """Reads what it reports up to a line of that kind which contains the text."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            while line := await self.process.stdout.readline():
                found_kind, found = _parsed(line)
                self.lines.append((found_kind, found))
                if found_kind == kind and text in found:
                    return found
        raise AssertionError(f"it ended without {kind} {text!r}: {self.lines}")

    async def ready(self) -> Endpoint:
        """The endpoint that it reports."""
        return Endpoint(**json.loads(await self.until("ready")))

    def endpoint(self) -> Endpoint:
        """The endpoint that it published."""
        return Endpoint(**json.loads((self.folder / "endpoint.json").read_text()))

    async def end(self) -> tuple[int, str]:
        """Waits for its end: exit code, and what it wrote to stderr."""
        async with asyncio.timeout(60):
            out, err = await self.process.communicate()
        self.lines += map(_parsed, out.splitlines())
        assert self.process.returncode is not None
        return self.process.returncode, err.decode()

    async def stop(self) -> tuple[int, str]:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        return await self.end()


def _parsed(line: bytes) -> tuple[str, str]:
    kind, text = json.loads(line)
    return str(kind), str(text)


@asynccontextmanager
async def a_host(
    folder: Path, roles: Roles | None = None, listen: str = "127.0.0.1:0", *, from_nothing: bool = False
) -> AsyncIterator[Host]:
    """Starts a supervisor with stand-in roles; kills it at the end if it still runs.

    On a folder that does not exist it finds its Postgres initialised, unless it is to start `from_nothing`.
    """
    if not (from_nothing or folder.exists()):
        await give_sandbox_data(folder)
    roles_json = json.dumps(obedient_roles() if roles is None else roles)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_HOST),
        str(folder),
        listen,
        roles_json,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    host = Host(folder, process)
    try:
        yield host
    finally:
        children = psutil.Process(process.pid).children() if process.returncode is None else []
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
        for child in children:
            await eventually(partial(gone, child.pid))
