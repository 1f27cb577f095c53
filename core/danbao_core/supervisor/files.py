"""Small files that are either there in full or not at all, and for our eyes only."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from danbao_core.embedded import StartError

KEYRING_FILE: Final = "keyring.toml"
"""In a sandbox's folder, the keys for what is secret in its database."""


def write_private(path: Path, text: str) -> None:
    """Puts `text` at `path` (mode 0600), durably and in one step: a reader sees the old content or
    the new.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600, a name that nobody else has
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
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
        secret = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        secret = make()
        write_private(path, f"{secret}\n")
    except (OSError, UnicodeError) as error:
        raise StartError(f"{path} cannot be read ({error}). Restore it, or delete the whole folder to begin anew.") from None
    if not secret:
        raise StartError(f"{path} is empty. Restore it, or delete the whole folder to begin anew.")
    return secret
