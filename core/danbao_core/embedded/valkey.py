"""A real Valkey in a folder, for arq. It holds no truth: losing all of it loses nothing."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from danbao_core.embedded import binaries, folders, survivors
from danbao_core.embedded.child import Child, describe_exit
from danbao_core.embedded.errors import StartError

STOP_STEPS = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))

_SOCKET = "valkey.sock"
_START_SECONDS = 60.0
_ATTEMPT_SECONDS = 5.0
_RETRY_SECONDS = 0.02


class ValkeyServer:
    """A Valkey 9 that appends every change to a file, reached through a Unix socket.

    `folder` holds everything and is made when missing (its parent must exist). `log` defaults to a
    file inside it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        log: Path | None = None,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._folder = folder.absolute()
        self._log = log or self._folder / "valkey.log"
        self._on_step = on_step
        self._socket: Path | None = None
        self._child: Child | None = None

    @property
    def valkey_url(self) -> str:
        """For `redis` and arq; known once `prepare` or `start` was called."""
        return f"unix://{quote(str(self._socket_path))}"

    @property
    def pid(self) -> int | None:
        """Of the running server that `start` started."""
        return self._child.pid if self._child and self._child.exit_code is None else None

    async def start(self) -> None:
        """Starts it and returns when it answers. A server that survived in the folder is stopped
        and its place taken.

        Raises StartError with the last lines of the log.
        """
        await self.prepare()
        self._child = await self.launch()
        try:
            await self.wait_until_ready(self._child)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stops it cleanly, keeping its data. Does nothing when it does not run."""
        if self._child is not None:
            await self._child.stop(STOP_STEPS)
            self._child = None

    def discard(self) -> None:
        """Deletes all its data. Only while it is stopped."""
        assert self.pid is None, "stop it first"
        folders.discard(self._folder, _SOCKET, None)

    async def prepare(self) -> None:
        """Makes the folders. Raises StartError."""
        folders.private_folder(self._folder, None)
        self._socket = folders.socket_folder(self._folder, _SOCKET, None) / _SOCKET

    async def launch(self) -> Child:
        """Starts the server process and returns at once, for a supervisor that then calls
        `wait_until_ready`.
        """
        await self._clear_survivors()
        options = {
            "--port": "0",
            "--unixsocket": str(self._socket_path),
            "--unixsocketperm": "700",
            "--dir": str(self._folder),
            "--appendonly": "yes",
            "--save": "",  # the appended file is enough; a snapshot would fork for nothing
            "--daemonize": "no",
        }
        command = [
            str(binaries.valkey_server()),
            *(part for pair in options.items() for part in pair),
        ]
        env = {"PATH": os.defpath, "LC_ALL": "C"}
        return Child.launch(command, log=self._log, death_signal=signal.SIGTERM, env=env, cwd="/")

    async def wait_until_ready(self, child: Child) -> None:
        """Returns when it answers PING. Raises StartError when it ended or does not answer for a
        minute.
        """
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                await self._ping()
            except (OSError, TimeoutError) as error:
                if time.monotonic() > deadline:
                    raise StartError(f"Valkey does not answer: {error}\n{child.log_tail()}") from error
            else:
                return
            if (code := child.exit_code) is not None:
                raise StartError(f"Valkey ended with {describe_exit(code)}:\n{child.log_tail()}")
            await asyncio.sleep(_RETRY_SECONDS)

    @property
    def _socket_path(self) -> Path:
        assert self._socket is not None, "call start() first"
        return self._socket

    async def _clear_survivors(self) -> None:
        if found := survivors.find("valkey-server", self._folder):
            self._on_step("Stopping the Valkey of an earlier start")
            await survivors.stop(found, STOP_STEPS)

    async def _ping(self) -> None:
        """Raises OSError or TimeoutError where it does not answer as one that works."""
        # By hand: a client of Valkey may swallow a cancellation, or leave its connection open where one comes.
        async with asyncio.timeout(_ATTEMPT_SECONDS):
            reader, writer = await asyncio.open_unix_connection(self._socket_path)
            try:
                writer.write(b"PING\r\n")
                answer = await reader.readline()
            finally:
                writer.transport.abort()
        if answer != b"+PONG\r\n":  # such as -LOADING
            raise ConnectionError(answer.decode(errors="replace").strip())
