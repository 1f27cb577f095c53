"""Becomes another program that dies with its parent. Run as a script, by path, with `python -I -S`:

    launch.py DEATH_SIGNAL PARENT_PID UID GID PROGRAM [ARGUMENT ...]      (UID and GID may be -)

A process of its own instead of `preexec_fn`, because Python code between fork and exec is unsafe as
soon as the parent has threads, and newer Pythons warn of it.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def become(uid: int, gid: int) -> None:
    """Gives up root for good, supplementary groups first: afterwards there is no right left to drop
    them.
    """
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with_parent(death_signal: int, parent_pid: int) -> None:
    """Asks the kernel for `death_signal` when the parent is gone, after any change of user, which
    would reset it.
    """
    if sys.platform != "linux":
        return  # elsewhere a next start finds and stops what survived
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        sys.exit(f"cannot ask for the parent's death signal: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent_pid:  # it died before we asked
        sys.exit("the parent is gone")


def main() -> None:
    death_signal, parent_pid, uid, gid = sys.argv[1:5]
    command = sys.argv[5:]
    if uid != "-":
        become(int(uid), int(gid))
    die_with_parent(int(death_signal), int(parent_pid))
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is the point
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
