"""The whole sandbox: started in order, kept alive, stopped in the reverse order."""

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from danbao_core.database_errors import DATABASE_ERRORS
from danbao_core.embedded import PostgresServer, StartError, ValkeyServer, postgres, valkey
from danbao_core.embedded.account import postgres_account
from danbao_core.embedded.child import StopSteps
from danbao_core.supervisor.endpoint import Endpoint, remove_endpoint, write_endpoint
from danbao_core.supervisor.files import KEYRING_FILE, kept
from danbao_core.supervisor.listen import HeldPort, ListenAddress
from danbao_core.supervisor.lock import FolderLock
from danbao_core.supervisor.operator_keys import OperatorKeys
from danbao_core.supervisor.process import Program, RoleProgram, SupervisedProcess
from danbao_core.supervisor.roles import Role

_ROLE_STOP_STEPS = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))
_BANK_LISTEN = ListenAddress(socket.AF_INET, "127.0.0.1", 0)
_LONGEST_LOG_BYTES = 20 * 1024 * 1024


class Report(Protocol):
    """Where the supervisor tells a person what happens."""

    def step(self, text: str) -> None:
        """What is being done now, until the next step."""

    def say(self, text: str) -> None:
        """A line that stays."""

    def ready(self, endpoint: Endpoint) -> None:
        """Everything works; said once, when `endpoint.json` is in place."""


async def prepare_database(database_url: str, operator_keys: OperatorKeys) -> None:
    """Brings the schema up to date and makes what stands ready in a sandbox.

    A repeat changes nothing. Raises StartError when the database cannot be used as it is.
    """
    # Here, because whoever uses the rest of this package needs neither.
    from danbao_core.bootstrap import OperatorKeyUnusable, prepare_sandbox  # noqa: PLC0415
    from danbao_core.errors import Refusal  # noqa: PLC0415
    from danbao_core.migrations import MigrationError, migrate  # noqa: PLC0415

    try:
        await migrate(database_url, "sandbox")
        await prepare_sandbox(database_url, operator_keys)
    except (MigrationError, OperatorKeyUnusable, Refusal, *DATABASE_ERRORS) as error:
        raise StartError(f"The database cannot be prepared: {error}") from error


class Supervisor:
    """A sandbox in one folder. Make one per run.

    `prepare` gets the database URL and the operators' keys once Postgres answers, before any process
    of `roles` starts. With a `database_url` the sandbox works on that database, of a Postgres that is
    not its own; without one it has a Postgres in its folder.
    """

    def __init__(
        self,
        folder: Path,
        listen: ListenAddress,
        roles: tuple[Role, ...],
        report: Report,
        prepare: Callable[[str, OperatorKeys], Awaitable[None]] = prepare_database,
        *,
        database_url: str = "",
    ) -> None:
        self._folder = folder.absolute()
        self._listen = listen
        self._roles = roles
        self._report = report
        self._prepare = prepare
        logs = self._folder / "logs"
        self._database_url = database_url
        self._postgres = PostgresServer(self._folder / "postgres", log=logs / "postgres.log", on_step=report.step)
        self._valkey = ValkeyServer(self._folder / "valkey", log=logs / "valkey.log", on_step=report.step)
        self._processes: dict[str, list[SupervisedProcess]] = {}
        self._programs: list[RoleProgram] = []
        self._endpoint: Endpoint | None = None
        self._go = asyncio.Event()
        self._stop_asked = asyncio.Event()
        self._hasten = asyncio.Event()

    def request_stop(self) -> None:
        """Asks for a clean stop, also while it starts; asked again, the stop is hastened. For
        signal handlers.
        """
        if self._stop_asked.is_set():
            self._hasten.set()
        self._stop_asked.set()

    async def run(self) -> None:
        """Returns after a clean stop that was asked for. Raises StartError when it cannot start,
        with everything stopped.

        A folder on which another supervisor runs, and an address in use, are refused before
        anything starts.
        """
        make_folder(self._folder)
        with FolderLock(self._folder):
            remove_endpoint(self._folder)  # of a supervisor that was killed
            with HeldPort(self._listen) as port, HeldPort(_BANK_LISTEN) as bank_port:
                try:
                    if await self._unless_stopped(self._start(port.address, f"http://{bank_port.address}")):
                        await self._unless_stopped(self._failed())
                finally:
                    await self._stop()

    async def _unless_stopped(self, starting: Coroutine[None, None, None]) -> bool:
        """Whether `starting` came to its end; a stop that is asked for meanwhile cancels it."""
        task = asyncio.create_task(starting)
        stop_asked = asyncio.create_task(self._stop_asked.wait())
        try:
            await asyncio.wait({task, stop_asked}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
                return True
            return False
        finally:
            stop_asked.cancel()
            task.cancel()
            await asyncio.wait({task})

    async def _failed(self) -> None:
        """Waits for as long as every process is kept alive. Raises StartError once one no longer is."""
        every = [process for processes in self._processes.values() for process in processes]
        try:
            await asyncio.gather(*(process.failed() for process in every))
        except Exception as error:
            raise StartError(f"A process is no longer kept alive, so everything stops: {error!r}.") from error

    async def _start(self, address: ListenAddress, bank_url: str) -> None:
        operator_keys = OperatorKeys.kept(self._folder)
        hash_key = kept(self._folder / "hash.key", lambda: secrets.token_hex(32))
        from danbao_core import keyring  # noqa: PLC0415  # as in `prepare_database`

        keyring_file = self._folder / KEYRING_FILE
        kept(keyring_file, lambda: keyring.written(keyring.FIRST_ID, bytes.fromhex(hash_key)).strip())  # as without a file
        _make_log_folder(self._folder / "logs")

        await self._valkey.prepare()
        if not self._database_url:
            self._postgres.settle()
        database_url = self._database_url or self._postgres.database_url
        environment = {
            "DANBAO_MODE": "sandbox",
            "DANBAO_DATABASE_URL": database_url,
            "DANBAO_VALKEY_URL": self._valkey.valkey_url,
            "DANBAO_LISTEN": str(address),
            "DANBAO_REUSE_PORT": "true",
            "DANBAO_HASH_KEY": hash_key,
            "DANBAO_KEYRING_FILE": str(keyring_file),
            # Commands find a sandbox by its folder and speak to it without TLS, whatever the shell has set for another core.
            **dict.fromkeys(("DANBAO_TLS_CERT", "DANBAO_TLS_KEY", "DANBAO_TLS_CLIENT_CA"), ""),
            "DANBAO_METRICS_LISTEN": "127.0.0.1:0",
            "DANBAO_BANK_URL": bank_url,
            "DANBAO_BANK_KEY": kept(self._folder / "bank.key", lambda: secrets.token_urlsafe(32)),
        }
        self._start_roles(environment, waiting=True)
        await self._start_stores()

        self._report.step("Preparing the database")
        await self._prepare(database_url, operator_keys)

        self._report.step("Starting " + " and ".join(role.name for role in self._roles))
        self._go.set()
        self._start_roles(environment, waiting=False)
        await self._ready(*(role.name for role in self._roles))

        self._endpoint = Endpoint(
            address=str(address),
            operator_key=operator_keys.first,
            second_operator_key=operator_keys.second,
            database_url=database_url,
            valkey_url=self._valkey.valkey_url,
            pids=self._pids(),
            metrics=self._metrics(),
            bank_url=bank_url,
        )
        write_endpoint(self._folder, self._endpoint)
        self._report.ready(self._endpoint)

    async def _start_stores(self) -> None:
        """Starts Valkey, and Postgres where it is ours."""
        self._report.step("Starting Valkey" if self._database_url else "Starting Postgres and Valkey")
        self._supervise("valkey", self._valkey, valkey.STOP_STEPS)
        if not self._database_url:
            await self._postgres.prepare()
            self._supervise("postgres", self._postgres, postgres.STOP_STEPS)
        await self._ready("valkey", "postgres")
        if not self._database_url:
            await self._postgres.ensure_database()

    def _start_roles(self, environment: dict[str, str], *, waiting: bool) -> None:
        """Starts the processes of those that wait until everything is prepared, or of the others."""
        for role in self._roles:
            for _ in range(role.count if role.waits is waiting else 0):
                log = self._folder / "logs" / f"{role.name}.log"
                self._programs.append(RoleProgram(role, environment, log, self._go))
                self._supervise(role.name, self._programs[-1], _ROLE_STOP_STEPS)

    def _supervise(self, role: str, program: Program, stop_steps: StopSteps) -> None:
        process = SupervisedProcess(role, program, stop_steps, on_change=self._publish_pids, say=self._report.say)
        self._processes.setdefault(role, []).append(process)
        process.start()

    async def _ready(self, *names: str) -> None:
        """Returns when each process of these was ready once. Raises the first StartError."""
        every = [process for name in names for process in self._processes.get(name, [])]
        await asyncio.gather(*(process.ready() for process in every))

    async def _stop(self) -> None:
        """Callers first, then what they call; each role's processes at once."""
        if self._endpoint is not None:
            self._endpoint = None
            try:
                remove_endpoint(self._folder)
            except OSError as error:
                self._report.say(f"endpoint.json is not removed: {error}")
        self._report.step("Stopping")
        stores = ("valkey", "postgres")
        callers = [name for name in self._processes if name not in stores]
        for names in (callers, *([store] for store in stores)):
            processes = [process for name in names for process in self._processes.get(name, [])]
            await asyncio.gather(*(process.stop(self._hasten) for process in processes))

    def _pids(self) -> dict[str, list[int]]:
        pids = {"supervisor": [os.getpid()], "postgres": [], "valkey": []}
        pids |= {role.name: [] for role in self._roles}
        for name, processes in self._processes.items():
            pids[name] = [process.pid for process in processes if process.pid is not None]
        return pids

    def _metrics(self) -> list[str]:
        return [program.metrics_url for program in self._programs if program.metrics_url]

    def _publish_pids(self) -> None:
        """Keeps `endpoint.json` true while it is there: it lists the processes that are ready.

        Where it cannot be written, that is said, and the processes are kept alive all the same.
        """
        if self._endpoint is None:
            return
        try:
            first, second = OperatorKeys.read(self._folder)
            self._endpoint = replace(
                self._endpoint, operator_key=first, second_operator_key=second, pids=self._pids(), metrics=self._metrics()
            )
            write_endpoint(self._folder, self._endpoint)
        except (OSError, StartError) as error:
            self._report.say(f"endpoint.json does not tell of the change: {error}")


def make_folder(folder: Path) -> None:
    """Makes the sandbox's folder, for our eyes only.

    As root also the user that runs Postgres may walk through (not read) it, so that its data can
    lie inside.
    """
    account = postgres_account()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise StartError(f"{folder} is not a folder. Choose another with --data.") from None
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise StartError(f"No right to write to {folder}. Choose another with --data.") from None
    except OSError as error:
        raise StartError(f"Cannot make {folder}: {error.strerror}. Choose another with --data.") from error
    else:
        if account is not None:
            os.chown(folder, 0, account.gid)
            folder.chmod(0o710)


def _make_log_folder(folder: Path) -> None:
    """Makes the folder of the logs, and puts aside logs that became long, so that they grow to
    twice that at most.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    for log in folder.glob("*.log"):
        if log.stat().st_size > _LONGEST_LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.1"))
