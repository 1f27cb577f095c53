"""Who runs Postgres. It refuses to run as root, so root runs it as a system user of our own."""

import os
import pwd
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from danbao_core.embedded.errors import StartError

_NAME = "danbao"
_USERADD_OPTIONS = (
    "--system",
    "--user-group",
    "--no-create-home",
    "--home-dir=/nonexistent",
    "--shell=/usr/sbin/nologin",
    "--comment=Embedded Postgres of danbao",
)
_RACE_SECONDS = 5.0
_TRIES = 3


@dataclass(frozen=True)
class Account:
    """A user of this machine."""

    uid: int
    gid: int

    def can_walk_to(self, folder: Path) -> bool:
        """Whether this user may enter `folder`, by every rule the machine has (modes, access lists,
        mounts).
        """
        return self._succeeds("/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder))

    def can_run(self, program: Path) -> bool:
        """Whether this user may run `program`, shared libraries included; asked by `--version`."""
        return self._succeeds(str(program), "--version")

    def _succeeds(self, *command: str) -> bool:
        code = -1
        for _ in range(_TRIES):
            try:
                done = subprocess.run(
                    command,
                    user=self.uid,
                    group=self.gid,
                    extra_groups=[],
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    check=False,
                )
            except OSError:
                return False
            code = done.returncode
            if code >= 0:
                break  # a child that died of a signal, as under gRPC's threads one may between fork and exec, has said nothing
        return code == 0


def postgres_account() -> Account | None:
    """The user to run Postgres as: None (ourselves) unless we are root.

    As root the system user `danbao` is made when it is missing. Raises StartError when that is
    impossible.
    """
    if os.geteuid() != 0:
        return None
    account = _find() or _create()
    if account.uid == 0:
        raise StartError(f"The user {_NAME} is root, and Postgres refuses to run as root.")
    return account


def _find() -> Account | None:
    try:
        entry = pwd.getpwnam(_NAME)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def _create() -> Account:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        raise StartError(
            f"Postgres does not run as root and this machine has no useradd. "
            f"Create a system user named {_NAME}, or run danbao as an ordinary user."
        )
    done = subprocess.run(
        [useradd, *_USERADD_OPTIONS, _NAME],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    # Another start may have created it at the same moment, and ours failed for that.
    deadline = time.monotonic() + (_RACE_SECONDS if done.returncode else 0.0)
    while (account := _find()) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if account is None:
        raise StartError(
            f"Postgres does not run as root and the system user {_NAME} could not be created: "
            f"{done.stderr.strip() or f'useradd ended with {done.returncode}'}. "
            f"Create it, or run danbao as an ordinary user."
        )
    return account
