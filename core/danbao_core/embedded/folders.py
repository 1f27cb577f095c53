"""Where an embedded server keeps its data and its socket.

A server's folder is the one that it was given, except where root runs Postgres as a user that may
not walk there: then it is below /var/lib/danbao, and a file beside the given folder says so.
Parents are never opened to anybody.
"""

import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from danbao_core.embedded.account import Account
from danbao_core.embedded.errors import StartError

SHARED_FOLDER = Path("/var/lib/danbao")
_MAX_SOCKET_PATH_BYTES = 99  # the kernel takes 107, macOS 103


def private_folder(folder: Path, account: Account | None) -> Path:
    """Makes `folder` (mode 0700, owned by `account` or ourselves) if it is missing, and answers it.

    Raises StartError when what is there belongs to somebody else, is open to others, or is no
    folder.
    """
    owner = account.uid if account else os.geteuid()
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise StartError(f"Cannot make {folder}: {error.strerror}.") from error
    else:
        if account:
            os.chown(folder, account.uid, account.gid)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise StartError(f"{folder} is not a folder. Remove it.")
    if found.st_uid != owner:
        raise StartError(
            f"{folder} belongs to another user (uid {found.st_uid}), not to uid {owner}. "
            f"Run danbao as before, or choose another folder with --data."
        )
    if found.st_mode & 0o077:
        raise StartError(f"{folder} is open to other users. Close it: chmod 700 {folder}")
    return folder


def data_folder(wanted: Path, account: Account | None) -> Path:
    """The folder that takes the place of `wanted`: itself, or one that `account` may walk to.

    The choice is made once and stays, so that a later start finds the data. Raises StartError when
    the place chosen before is gone or can no longer be reached.
    """
    record = location_file(wanted)
    if record.exists():
        return private_folder(_recorded(record), account)
    if account is None:
        return private_folder(wanted, None)
    if account.can_walk_to(wanted.parent):
        return private_folder(wanted, account)
    if (wanted / "data").exists():
        raise StartError(
            f"Postgres runs as uid {account.uid}, which may no longer walk to {wanted}. "
            f"Restore the access to the folders above it, or choose another folder with --data."
        )
    # A random part, because the data of a folder that was deleted and made anew is not this
    # folder's data.
    name = f"{short_hash(wanted)}-{secrets.token_hex(4)}"
    chosen = private_folder(shared_folder() / name, account)
    _write_record(record, chosen)
    return chosen


def discard(wanted: Path, socket_name: str, account: Account | None) -> None:
    """Deletes what `data_folder` and `socket_folder` made for `wanted`, wherever it is."""
    record = location_file(wanted)
    home = Path(record.read_text().strip()) if record.exists() else wanted
    for folder in (socket_folder(home, socket_name, account), home):
        shutil.rmtree(folder, ignore_errors=True)
    record.unlink(missing_ok=True)


def location_file(wanted: Path) -> Path:
    """The file that says where the data went when they could not be kept in `wanted`."""
    return wanted.with_name(wanted.name + ".location")


def socket_folder(preferred: Path, socket_name: str, account: Account | None) -> Path:
    """A private folder for a Unix socket: `preferred` unless the socket's path would be too long
    for the kernel.

    Otherwise a folder below the temporary one whose name follows from `preferred`. A comma is
    avoided in the same way, because it parts hosts in a database URL.
    """
    if _fits(preferred / socket_name):
        return preferred
    name = f"danbao-{account.uid if account else os.geteuid()}-{short_hash(preferred)}"
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - the leaf is private and verified
        if _fits(parent / name / socket_name):
            return private_folder(parent / name, account)
    raise StartError("The path of the temporary folder is too long for a socket. Set TMPDIR to a short one.")


def shared_folder() -> Path:
    """/var/lib/danbao, made if missing. Raises StartError when others than root may write there."""
    with suppress(FileExistsError):
        SHARED_FOLDER.mkdir(mode=0o755, parents=True)
        SHARED_FOLDER.chmod(0o755)  # whatever our umask is: the server's user must walk through
    found = SHARED_FOLDER.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise StartError(f"{SHARED_FOLDER} must be a folder that only root may write to.")
    return SHARED_FOLDER


def short_hash(folder: Path) -> str:
    """16 hex digits that stand for a folder's real path."""
    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]


def _fits(socket: Path) -> bool:
    path = os.fsencode(socket)
    return len(path) <= _MAX_SOCKET_PATH_BYTES and b"," not in path


def _recorded(record: Path) -> Path:
    folder = Path(record.read_text().strip())
    if not folder.is_dir():
        raise StartError(
            f"{record} says that the data are in {folder}, which is gone. "
            f"Restore it, or delete {record} to begin with an empty database."
        )
    return folder


def _write_record(record: Path, folder: Path) -> None:
    partial = record.with_name(record.name + ".partial")
    partial.write_text(f"{folder}\n")
    partial.replace(record)
