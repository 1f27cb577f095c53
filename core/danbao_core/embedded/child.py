"""One child process: it dies with us even under kill -9, is waited for without blocking, and is
stopped step by step.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from danbao_core.embedded.account import Account

_LAUNCH = Path(__file__).with_name("launch.py")
_POLL_SECONDS = 0.05
_TAIL_BYTES = 4096

# Signals, each with the seconds it is given, from polite to final.
StopSteps = Sequence[tuple[signal.Signals, float]]


class Child:
    """A process that we started.

    Nothing of it is tied to an event loop except while a coroutine waits for it.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path, log_offset: int) -> None:
        self._process = process
        self._log = log
        self._log_offset = log_offset

    @classmethod
    def launch(
        cls,
        command: Sequence[str],
        *,
        log: Path,
        death_signal: signal.Signals,
        account: Account | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        pass_fds: Sequence[int] = (),
    ) -> "Child":
        """Starts `command` in a session of its own, so that a Ctrl-C at the terminal reaches only
        us.

        Its output is appended to `log` (mode 0600). `death_signal` is what it gets when we die.
        Raises RuntimeError outside the main thread: the kernel sends the death signal when the
        *thread* that started the child ends.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("start child processes from the main thread: they die with their thread")
        uid, gid = (str(account.uid), str(account.gid)) if account else ("-", "-")
        launcher = [sys.executable, "-I", "-S", str(_LAUNCH)]
        arguments = [str(int(death_signal)), str(os.getpid()), uid, gid, *command]
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            offset = os.fstat(output).st_size
            process = subprocess.Popen(
                [*launcher, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                cwd=cwd,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        finally:
            os.close(output)
        return cls(process, log, offset)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal, as `subprocess` has it."""
        return self._process.poll()

    async def wait(self) -> int:
        """Waits for its end and answers its exit code. Any number of callers may wait."""
        while (code := self._process.poll()) is None:
            await _wait_for_exit(self.pid)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Does nothing when it has ended."""
        self._process.send_signal(number)

    async def stop(self, steps: StopSteps, hasten: asyncio.Event | None = None) -> int:
        """Stops it by the first signal that works and answers its exit code.

        `steps` are signals with the seconds each is given, from polite to final; after the last it
        is waited for without limit. `hasten`, once set, leaves the first step out or cuts it short.
        """
        exited = asyncio.ensure_future(self.wait())
        hurried = asyncio.ensure_future((hasten or asyncio.Event()).wait())
        try:
            for number, (step, seconds) in enumerate(steps):
                polite = number == 0 and len(steps) > 1
                if polite and hasten is not None and hasten.is_set():
                    continue
                self.send_signal(step)
                watched = {exited, hurried} if polite else {exited}
                await asyncio.wait(watched, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
                if exited.done():
                    break
            return await exited
        finally:
            hurried.cancel()
            exited.cancel()

    def log_tail(self, lines: int = 12) -> str:
        """The last lines that were written to the log since it started."""
        try:
            with self._log.open("rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_offset, end - _TAIL_BYTES))
                text = log.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def describe_exit(code: int) -> str:
    """An exit code in words: `exit 3` or `signal 9 (SIGKILL)`."""
    if code >= 0:
        return f"exit {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"


async def _wait_for_exit(pid: int) -> None:
    """Returns when our child `pid` has ended or, where the kernel has no pidfd, after a moment."""
    if sys.platform != "linux":
        await asyncio.sleep(_POLL_SECONDS)
        return
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        await asyncio.sleep(_POLL_SECONDS)
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
