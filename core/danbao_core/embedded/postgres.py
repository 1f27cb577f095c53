"""A real Postgres in a folder."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import asyncpg

from danbao_core.database_errors import DATABASE_ERRORS
from danbao_core.embedded import binaries, folders, survivors
from danbao_core.embedded.account import Account, postgres_account
from danbao_core.embedded.child import Child, describe_exit
from danbao_core.embedded.errors import StartError

USER = "danbao"
DATABASE = "danbao"
# Fast shutdown, then immediate shutdown (the next start recovers from the log), then what cannot be
# refused.
STOP_STEPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))

_PORT = 5432  # part of the socket's name; nothing listens on TCP
_SOCKET = f".s.PGSQL.{_PORT}"
_START_SECONDS = 60.0
_ATTEMPT_SECONDS = 5.0
_RETRY_SECONDS = 0.02
_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "wal_level": "replica",
    "max_wal_size": "8GB",  # a checkpoint every few seconds would have every page written in full into the WAL again
    "max_slot_wal_keep_size": "4GB",  # a backup that nobody brings up to date any more fills no disk
    "checkpoint_timeout": "15min",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
}


class PostgresServer:
    """A Postgres 18 with one database, reached through a Unix socket by whoever may enter its
    folder.

    `folder` holds everything and is made when missing (its parent must exist); as root it may be
    elsewhere (`folders.py`). Only one process at a time may work with a folder. `log` defaults to a
    file beside it. `fsync` is on, always.
    """

    def __init__(
        self,
        folder: Path,
        *,
        log: Path | None = None,
        settings: dict[str, str] | None = None,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._wanted = folder.absolute()
        self._log = log or folder.absolute().parent / f"{folder.name}.log"
        self._settings = _SETTINGS | (settings or {})
        self._on_step = on_step
        self._account: Account | None = None
        self._home: Path | None = None
        self._sockets: Path | None = None
        self._bin: Path | None = None
        self._child: Child | None = None

    @property
    def database_url(self) -> str:
        """For asyncpg and libpq alike; known once `settle` or `start` was called."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The URL of another database of this server, existing or not."""
        assert self._sockets is not None, "call start() first"
        host = quote(str(self._sockets), safe="")
        return f"postgresql://{USER}@/{quote(database)}?host={host}&port={_PORT}"

    @property
    def data_folder(self) -> Path:
        """Postgres's own data folder (PGDATA)."""
        assert self._home is not None, "call start() first"
        return self._home / "data"

    @property
    def pid(self) -> int | None:
        """Of the running server that `start` started."""
        return self._child.pid if self._child and self._child.exit_code is None else None

    async def start(self) -> None:
        """Starts it and returns when it answers. A folder that is new is initialised first (about a
        second).

        A server that survived in the folder is stopped and its place taken. Raises StartError with
        the last lines of the log.
        """
        await self.prepare()
        self._child = await self.launch()
        try:
            await self.wait_until_ready(self._child)
            await self.ensure_database()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stops it cleanly, keeping its data. Does nothing when it does not run."""
        if self._child is not None:
            await self._child.stop(STOP_STEPS)
            self._child = None

    def discard(self) -> None:
        """Deletes all its data, wherever they lie. Only while it is stopped."""
        assert self.pid is None, "stop it first"
        folders.discard(self._wanted, _SOCKET, postgres_account())

    async def prepare(self) -> None:
        """Settles who runs it and where, and initialises a new folder. Raises StartError.

        An initialisation that was interrupted leaves nothing that a later start would trust.
        """
        self.settle()
        if not self.data_folder.exists():
            await self._initialise()
        self._check_version()

    async def adopt(self, fill: Callable[[Path], None]) -> None:
        """Takes on data that `fill` puts into the folder that it is given, in the place of new ones. Raises StartError where
        there are data already, and what `fill` raises, which then leaves nothing.
        """
        home = self.settle()
        if self.data_folder.exists():
            raise StartError(f"There are data in {self.data_folder} already.")
        partial = home / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            await asyncio.to_thread(fill, partial)
            self._give(partial)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        partial.rename(self.data_folder)
        _sync_folder(home)

    async def launch(self) -> Child:
        """Starts the server process and returns at once, for a supervisor that then calls
        `wait_until_ready`.
        """
        await self._clear_survivors()
        assert self._bin is not None, "call prepare() first"
        # Quoted, because the setting is a list and a path may hold blanks.
        sockets = '"' + str(self._sockets).replace('"', '""') + '"'
        settings = self._settings | {"unix_socket_directories": sockets}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._bin / "postgres"), "-D", str(self.data_folder), *options]
        return self._run(command, signal.SIGINT)

    async def wait_until_ready(self, child: Child) -> None:
        """Returns when it answers a query. Raises StartError when it ended, or gave no sign of life
        for a minute.

        A server that says it is still recovering is alive: it is given the time it needs.
        """
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                await self._query("postgres", "SELECT 1")
            except asyncpg.CannotConnectNowError:
                deadline = time.monotonic() + _START_SECONDS
            except DATABASE_ERRORS as error:
                if time.monotonic() > deadline:
                    raise StartError(f"Postgres does not answer: {error}\n{child.log_tail()}") from error
            else:
                return
            if (code := child.exit_code) is not None:
                raise StartError(f"Postgres ended with {describe_exit(code)}:\n{child.log_tail()}")
            await asyncio.sleep(_RETRY_SECONDS)

    async def ensure_database(self) -> None:
        """Makes the database if it is missing."""
        try:
            await self._query(DATABASE, "SELECT 1")
        except asyncpg.InvalidCatalogNameError:
            await self._query("postgres", f"CREATE DATABASE {DATABASE}")

    def settle(self) -> Path:
        """Settles who runs it and where, and answers where; its URLs are then known. Raises StartError."""
        self._account = postgres_account()
        self._home = folders.data_folder(self._wanted, self._account)
        self._sockets = folders.socket_folder(self._home, _SOCKET, self._account)
        self._bin = self._bin or binaries.postgres_bin(self._account)
        return self._home

    def _give(self, data: Path) -> None:
        """Lets whoever runs it, and nobody else, work with these data."""
        data.chmod(0o700)
        if self._account is not None:
            for path in (data, *data.rglob("*")):
                os.chown(path, self._account.uid, self._account.gid, follow_symlinks=False)

    async def _initialise(self) -> None:
        self._on_step("Setting up a new database")
        assert self._home is not None
        assert self._bin is not None
        partial = self._home / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        options = ["--locale=C.UTF-8", "--encoding=UTF8", "--auth=trust", f"--username={USER}"]
        command = [str(self._bin / "initdb"), *options, "--no-instructions", "-D", str(partial)]
        child = self._run(command, signal.SIGKILL)
        try:
            code = await child.wait()
        except BaseException:
            await child.stop([(signal.SIGKILL, 0)])
            raise
        if code != 0:
            shutil.rmtree(partial, ignore_errors=True)
            raise StartError(f"initdb failed with {describe_exit(code)}:\n{child.log_tail()}")
        partial.rename(self.data_folder)
        _sync_folder(self._home)

    def _check_version(self) -> None:
        try:
            found = (self.data_folder / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise StartError(f"{self.data_folder} holds no readable Postgres data: {error.strerror}.") from error
        if found != "18":
            raise StartError(
                f"The data in {self.data_folder} are of Postgres {found}, and this is Postgres 18. "
                f"Choose another folder with --data."
            )

    async def _clear_survivors(self) -> None:
        """Stops a server of an earlier start, and believes a pid file only when it names one.

        Afterwards nobody works in the folder, whatever the pids in its lock files are by now, so
        the files go: Postgres would take any living process of ours for a server.
        """
        assert self._sockets is not None, "call prepare() first"
        pid_file = self.data_folder / "postmaster.pid"
        lock_files = (pid_file, self._sockets / f"{_SOCKET}.lock")
        if not any(map(os.path.exists, lock_files)):
            return
        if found := survivors.find("postgres", self.data_folder):
            self._on_step("Stopping the Postgres of an earlier start")
            server_pid = _recorded_pid(pid_file)
            server = [process for process in found if process.pid == server_pid]
            await survivors.stop(server, STOP_STEPS)
            # What is left are processes of a server that was killed; they hold its shared memory.
            await survivors.stop(found, STOP_STEPS[1:])
        for lock_file in lock_files:
            lock_file.unlink(missing_ok=True)

    def _run(self, command: list[str], death_signal: signal.Signals) -> Child:
        # Nothing of the caller's PG* variables, nor its locale, may change what the server does.
        env = {"PATH": os.defpath, "LC_ALL": "C"}
        return Child.launch(
            command,
            log=self._log,
            death_signal=death_signal,
            account=self._account,
            env=env,
            cwd="/",
        )

    async def _query(self, database: str, statement: str) -> None:
        connection = await asyncpg.connect(self.url_of(database), timeout=_ATTEMPT_SECONDS)
        try:
            await connection.execute(statement)
        finally:
            await connection.close(timeout=_ATTEMPT_SECONDS)


def _recorded_pid(pid_file: Path) -> int | None:
    """The pid in a postmaster.pid, alive or not; None when there is none."""
    try:
        first_line, _, _ = pid_file.read_text(errors="replace").partition("\n")
    except FileNotFoundError:
        return None
    return int(first_line) if first_line.strip().isdecimal() else None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
