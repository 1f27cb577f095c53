"""What a process of a test run asks of the run's host: a Postgres, or a sandbox, for as long as it keeps the connection.

The folder of a run is a meeting point that all its processes know by the run's name. Who comes first starts the host, under a
lock; the host looks whether somebody has come and goes, under the same lock, so nobody meets one that is about to end. A
connection that breaks, however its process died, gives back what was asked for.
"""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal

DATA: Final = "data"
"""In the folder of a run, a link to where its Postgres and sandboxes have their files."""
_LOCK: Final = "lock"
_SOCKET: Final = "host.sock"
_LOG: Final = "host.log"
_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 60.0

Wanted = Literal["postgres", "core"]


class HostFailed(Exception):
    """The host of a run did not give what it was asked for; the message says why."""


def folder_of(run: str) -> Path:
    """The meeting point of a run, which may not exist yet; `run` is a name that no other run has."""
    return Path(tempfile.gettempdir()).resolve() / f"danbao-{run[:16]}"


@contextmanager
def lease(folder: Path, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """What the host answers: of a Postgres its `url`, of a sandbox its `folder`. Raises HostFailed.

    It is there until the end of the block, which returns when it is gone with all its files. The last one of a run to leave
    ends the host, and with it everything that is left.
    """
    with _connected(folder) as connection:
        connection.settimeout(_START_SECONDS)
        try:
            connection.sendall(f"{wanted}\n".encode())
            with connection.makefile() as answers:
                answer = json.loads(answers.readline() or "{}")
        except OSError as error:
            answer = {"error": str(error)}
        if "error" in answer or not answer:
            raise HostFailed(answer.get("error") or _log_of(folder))
        try:
            yield answer
        finally:
            _leave(connection, folder)


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Alone with the meeting point; False where it was taken away meanwhile. Raises FileNotFoundError where there is none."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield os.fstat(descriptor).st_nlink > 0
    finally:
        os.close(descriptor)


def remove(folder: Path) -> None:
    """Takes the meeting point away, with all files of the run. Only under its lock, when nobody works on them."""
    with suppress(OSError):
        shutil.rmtree((folder / DATA).readlink(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _connected(folder: Path) -> socket.socket:
    """A connection to the host, which is started if it does not run. Raises HostFailed."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            with locked(folder) as is_there:
                if is_there:
                    return _connect(folder) or _connect_to(_start_host(folder))
        except ConnectionRefusedError:
            raise HostFailed(_log_of(folder)) from None
        except FileNotFoundError:
            continue  # somebody was the last to leave between two of our steps


def _connect(folder: Path) -> socket.socket | None:
    """A connection to the host; None where none runs."""
    try:
        return _connect_to(folder)
    except (FileNotFoundError, ConnectionRefusedError):
        return None


def _connect_to(folder: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(folder / _SOCKET))
    except OSError:
        connection.close()
        raise
    return connection


def _start_host(folder: Path) -> Path:
    """Starts it with a socket on which it can be called at once; answers the folder."""
    with suppress(OSError):  # of a host that was killed
        shutil.rmtree((folder / DATA).readlink(), ignore_errors=True)
    for left in (_SOCKET, DATA):
        (folder / left).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener, (folder / _LOG).open("wb") as log:
        listener.bind(str(folder / _SOCKET))
        listener.listen(64)
        subprocess.run(
            [sys.executable, "-m", "danbao_core.testing", str(folder), str(listener.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
            start_new_session=True,  # a Ctrl-C at the terminal ends the tests, and their leaving ends the host
            cwd="/",
            env=_environment(),
            check=False,
        )
    return folder


def _environment() -> dict[str, str]:
    """Ours, without what the shell has set for another core, and with paths that hold wherever the host works."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DANBAO_")}
    if paths := environment.get("PYTHONPATH"):
        environment["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in paths.split(os.pathsep) if path)
    return environment


def _leave(connection: socket.socket, folder: Path) -> None:
    """Gives back what was asked for, and waits until the host says that it is gone by closing the connection, too."""
    connection.settimeout(_STOP_SECONDS)
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1024):
            pass
    with suppress(FileNotFoundError), locked(folder) as is_there:
        if not is_there:
            return
        if still_there := _connect(folder):
            still_there.close()
        else:
            remove(folder)  # the host was killed, and what it had started with it


def _log_of(folder: Path) -> str:
    try:
        return f"The host of the test run ended.\n{(folder / _LOG).read_text(errors='replace')[-4096:]}"
    except OSError as error:
        return f"The host of the test run ended, and its log cannot be read ({error})."
