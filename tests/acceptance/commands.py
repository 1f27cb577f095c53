"""`danbao` commands as processes, most of them forked from one that has loaded the program already (`command_host.py`)."""

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.acceptance.command_host import MESSAGE_BYTES

_HOST = Path(__file__).with_name("command_host.py")
_COMMAND_SECONDS = 120.0

_hosts: list[socket.socket] = []
"""Where the host of this process is asked, once it has one."""


class Result(NamedTuple):
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        """The one JSON object on stdout. Fails where there is anything else."""
        answer = json.loads(self.out)
        assert isinstance(answer, dict)
        return answer


class RunningCommand:
    """A `danbao` command under way."""

    def __init__(self, pid: int, out: asyncio.StreamReader, err: asyncio.StreamReader, status: asyncio.StreamReader) -> None:
        self._pid = pid
        self._out = out
        self._err = err
        self._code = asyncio.create_task(_last_number(status))

    @property
    def is_running(self) -> bool:
        return not self._code.done()

    async def line(self) -> str:
        """The next line on stdout."""
        async with asyncio.timeout(_COMMAND_SECONDS):
            return (await self._out.readline()).decode()

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal; SIGINT is what Ctrl-C sends."""
        if self.is_running:
            os.kill(self._pid, number)

    async def result(self) -> Result:
        """Waits for its end."""
        async with asyncio.timeout(_COMMAND_SECONDS):
            out, err, code = await asyncio.gather(self._out.read(), self._err.read(), self._code)
        return Result(code, out.decode(), err.decode())


async def run(arguments: list[str], environment: Mapping[str, str], folder: Path) -> RunningCommand:
    """Starts a command with this environment in this folder."""
    pipes = [os.pipe() for _ in range(3)]
    request = json.dumps({"arguments": arguments, "environment": dict(environment), "folder": str(folder)}).encode()
    assert len(request) < MESSAGE_BYTES
    socket.send_fds(_host(), [request], [theirs for _, theirs in pipes])
    for _, theirs in pipes:
        os.close(theirs)
    out, err, status = [await _reader(ours) for ours, _ in pipes]
    return RunningCommand(int(await status.readline()), out, err, status)


def _host() -> socket.socket:
    """Where the host is asked; it ends with this process, however that ends."""
    if not _hosts:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            host = subprocess.Popen(
                [sys.executable, str(_HOST), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))},
            )
        _hosts.append(ours)
        atexit.register(_end, ours, host)
    return _hosts[0]


def _end(asked: socket.socket, host: "subprocess.Popen[bytes]") -> None:
    asked.close()
    host.wait()


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=2**20)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


async def _last_number(lines: asyncio.StreamReader) -> int:
    return int(await lines.read())  # to its end, so that the pipe is closed
