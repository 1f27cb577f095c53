"""Runs `danbao` commands as processes that need not load the program: they are forked from this one, which has loaded it.

python command_host.py CONTROL_FD         (until the other side of CONTROL_FD is closed)

Loading takes longer than most commands. A request is one message, a JSON object of arguments, environment and folder, with
three descriptors: stdout, stderr, and a pipe on which the pid and, at the end, the exit code are written, a line each.
"""

import array
import gc
import importlib
import json
import os
import pkgutil
import random
import signal
import socket
import sys
import threading
from typing import Any, Final

import danbao_core.cli

MESSAGE_BYTES: Final = 1024 * 1024
DESCRIPTORS: Final = 3


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    for module in pkgutil.iter_modules(danbao_core.cli.__path__, "danbao_core.cli."):
        importlib.import_module(module.name)
    for name in ("danbao_client", "danbao_core.bootstrap", "danbao_core.server"):  # which commands load when they need them
        importlib.import_module(name)
    assert threading.active_count() == 1, "what has threads cannot be forked"
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.freeze()
    while True:
        message, ancillary, _, _ = control.recvmsg(MESSAGE_BYTES, socket.CMSG_SPACE(DESCRIPTORS * 4))
        if not message:
            return
        descriptors = array.array("i")
        descriptors.frombytes(ancillary[0][2])
        if os.fork() == 0:
            control.close()
            keep(json.loads(message), *descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)
        _reap()


def keep(request: dict[str, Any], out: int, err: int, status: int) -> None:
    """Runs one command and tells what becomes of it."""
    pid = os.fork()
    if pid == 0:
        os.close(status)
        become(request, out, err)
        return  # unreachable but for commands that end by returning
    os.close(out)
    os.close(err)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.write(status, f"{pid}\n".encode())
    _, ended = os.waitpid(pid, 0)
    os.write(status, f"{os.waitstatus_to_exitcode(ended)}\n".encode())
    os._exit(0)


def become(request: dict[str, Any], out: int, err: int) -> None:
    """Is the command from here on, with its streams, environment and folder; the interpreter ends as it does elsewhere."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, stream in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    random.seed()
    sys.argv = ["danbao", *request["arguments"]]
    danbao_core.cli.main()


def _reap() -> None:
    """Takes note of keepers that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    main()
