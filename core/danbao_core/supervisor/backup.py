"""Backups of a sandbox: its database with every change, its keys, and the books of its bank.

A backup is a folder: `base` and `wal` (`embedded/recovery.py`), `keys`, and `bank`. The bank is never brought back to a moment,
as no bank would be: so it knows of what the books have lost.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

from danbao_core.embedded import recovery
from danbao_core.embedded.errors import StartError
from danbao_core.supervisor.files import KEYRING_FILE, write_private
from danbao_core.supervisor.lock import FolderLock
from danbao_core.supervisor.operator_keys import FIRST_FILE, SECOND_FILE
from danbao_core.supervisor.supervisor import make_folder

_KEY_FILES: Final = (FIRST_FILE, SECOND_FILE, "hash.key", "bank.key", KEYRING_FILE)
_BANK: Final = Path("bank", "bank.sqlite")


async def back_up(sandbox: Path, database_url: str, folder: Path, on_step: Callable[[str], None]) -> datetime:
    """Brings the backup of a running sandbox up to date, and answers up to which moment; makes it where `folder` holds none.

    Raises CopyFailed, OSError, sqlite3.Error and what the database raises.
    """
    _must_take_a_backup(folder)
    up_to = await recovery.copy(database_url, folder, on_step)
    (folder / "keys").mkdir(mode=0o700, exist_ok=True)
    for name in _KEY_FILES:
        write_private(folder / "keys" / name, (sandbox / name).read_text())
    if (sandbox / _BANK).exists():
        await asyncio.to_thread(_copy_bank, sandbox / _BANK, folder / _BANK)
    return up_to


async def restore(folder: Path, sandbox: Path, to: datetime | None, on_step: Callable[[str], None]) -> datetime | None:
    """Makes a sandbox out of a backup, as it was at a moment or at the backup's end; `danbao up` then starts it.

    Answers when the last transaction in it was committed, None where nothing was since the backup was begun. Raises StartError,
    which leaves nothing of it, where there is a sandbox already, and where the backup cannot be brought to that moment.
    """
    _must_be_new(sandbox, folder)
    make_folder(sandbox)
    with FolderLock(sandbox):
        try:
            on_step("Bringing the database back")
            last = await recovery.recover(folder, sandbox / "postgres", to, log=sandbox / "restore.log")
            for name in _KEY_FILES:
                write_private(sandbox / name, (folder / "keys" / name).read_text())
            if (folder / _BANK).exists():
                await asyncio.to_thread(_copy_bank, folder / _BANK, sandbox / _BANK)
        except BaseException:
            recovery.discard(sandbox / "postgres")
            shutil.rmtree(sandbox)
            raise
    return last


def _must_take_a_backup(folder: Path) -> None:
    """Makes the folder where there is none. Raises CopyFailed where it holds something else, and OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = {each.name for each in folder.iterdir()}
    if recovery.BASE not in names and names - {recovery.PARTIAL}:
        raise recovery.CopyFailed(f"{folder} holds something else: name a folder that is new or empty, or that holds a backup.")


def _must_be_new(sandbox: Path, folder: Path) -> None:
    """Raises StartError where there is something already, or nothing to make it of."""
    if not (folder / recovery.BASE).exists():
        raise StartError(f"{folder} holds no backup.")
    if sandbox.exists() and any(sandbox.iterdir()):
        raise StartError(f"{sandbox} is not empty: name a new folder with --data.")


def _copy_bank(source: Path, target: Path) -> None:
    """Copies a bank's books as they are at one moment, while it works."""
    target.parent.mkdir(mode=0o700, exist_ok=True)
    with closing(sqlite3.connect(source)) as books, closing(sqlite3.connect(target)) as copy:
        books.backup(copy)
