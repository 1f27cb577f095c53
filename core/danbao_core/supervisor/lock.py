"""One supervisor per folder, by a lock that the kernel frees however its holder dies."""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from danbao_core.embedded import StartError
from danbao_core.supervisor.endpoint import NotRunning, read_endpoint


class FolderLock:
    """Held from `with` to its end. Children do not inherit it: the descriptor is closed on exec."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1

    def __enter__(self) -> None:
        """Raises StartError, with pid and address, when a supervisor runs on the folder already."""
        path = self._folder / "lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise StartError(self._who_runs(pid)) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The file stays: removing it would let two later starts lock two different files.
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _who_runs(self, pid: str) -> str:
        try:
            where = f"serves {read_endpoint(self._folder).address}"
        except NotRunning:
            where = "is starting or stopping"
        return (
            f"danbao is up already on {self._folder}: pid {pid or 'unknown'} {where}. "
            f"Use it, stop it (kill {pid or 'PID'}), or choose another folder with --data."
        )
