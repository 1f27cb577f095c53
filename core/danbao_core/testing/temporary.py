"""Where tests have Postgres and Valkey write."""

import shutil
import tempfile
from pathlib import Path
from typing import Final

import psutil

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder with a random name is made there
_ENOUGH_BYTES: Final = 4 * 1024**3


def a_temporary_folder(prefix: str) -> Path:
    """A new folder, in memory where there is room: making databases is mostly making files, for which a disk has others wait.

    Whoever makes it removes it. Others may walk through it, not read it: where root runs the tests, Postgres runs as another
    user.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_MEMORY if _has_room() else None))
    folder.chmod(0o711)
    return folder


def _has_room() -> bool:
    return (
        _MEMORY.is_dir()
        and shutil.disk_usage(_MEMORY).free >= _ENOUGH_BYTES
        and psutil.virtual_memory().available >= _ENOUGH_BYTES
    )
