"""Small files that are either there in full or not at all, and for our eyes only."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from danbao_core.embedded import StartError


def write_private(path: Path, text: str) -> None:
    """Puts `text` at `path` (mode 0600), durably and in one step: a reader sees the old content or
    the new.
    """
    partial = path.with_name(f".{path.name}.partial")
    with suppress(FileNotFoundError):
        partial.unlink()
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def kept(path: Path, make: Callable[[], str]) -> str:
    """The secret in `path`; made and written at the first call, the same ever after.

    Raises StartError when the file is there but empty: a new secret in its place would not fit the
    data.
    """
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        secret = make()
        write_private(path, f"{secret}\n")
    if not secret:
        raise StartError(f"{path} is empty. Restore it, or delete the whole folder to begin anew.")
    return secret
