"""One child kept alive: restarted with back-off when it dies, stopped when asked."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from danbao_core.embedded import Child, StartError
from danbao_core.embedded.child import StopSteps, describe_exit
from danbao_core.supervisor.roles import Role

FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 5.0
GOOD_RUN_SECONDS = 10.0
ATTEMPTS_BEFORE_READY = 5

_READY_SECONDS = 60.0
_CANCEL_AGAIN_SECONDS = 1.0


class Program(Protocol):
    """Something that can be launched any number of times: a server of `danbao_core.embedded`, or a
    `RoleProgram`.
    """

    async def launch(self) -> Child:
        """Starts it anew. Raises StartError. It must not be suspended after the child exists, or a
        stop could lose it.
        """

    async def wait_until_ready(self, child: Child) -> None:
        """Returns when it does its work. Raises StartError when it ended, or takes too long."""


class SupervisedProcess:
    """Keeps one process of a program alive from `start` to `stop`."""

    def __init__(
        self,
        role: str,
        program: Program,
        stop_steps: StopSteps,
        *,
        on_change: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._role = role
        self._program = program
        self._stop_steps = stop_steps
        self._on_change = on_change
        self._say = say
        self._child: Child | None = None
        self._is_ready = False
        self._was_ready = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that runs now; None while there is none that is ready."""
        return self._child.pid if self._child and self._is_ready else None

    def start(self) -> None:
        """Begins to keep it alive; `ready` tells when it first does its work."""
        self._keeper = asyncio.create_task(self._keep_alive())

    async def ready(self) -> None:
        """Returns when it was ready once. Raises StartError when it failed five times without ever
        being ready.
        """
        assert self._keeper is not None, "call start() first"
        was_ready = asyncio.ensure_future(self._was_ready.wait())
        try:
            await asyncio.wait({was_ready, self._keeper}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            was_ready.cancel()
        if self._keeper.done():
            await self._keeper  # it gave up, and says why

    async def failed(self) -> None:
        """Waits for as long as it is kept alive; raises what ended that."""
        assert self._keeper is not None, "call start() first"
        await asyncio.wait({self._keeper})
        if not self._keeper.cancelled():
            self._keeper.result()

    async def stop(self, hasten: asyncio.Event) -> None:
        """Ends it for good, step by step; `hasten` cuts the polite first step short. Does nothing
        when it never started.
        """
        if self._keeper is None:
            return
        while not self._keeper.done():  # a library that a program waits with may swallow a cancellation
            self._keeper.cancel()
            await asyncio.wait({self._keeper}, timeout=_CANCEL_AGAIN_SECONDS)
        if not self._keeper.cancelled():
            self._keeper.exception()  # told by `ready` already
        if self._child is not None:
            await self._child.stop(self._stop_steps, hasten)
            self._child = None
        self._changed(is_ready=False)

    async def _keep_alive(self) -> None:
        delay_seconds = FIRST_DELAY_SECONDS
        failures = 0
        while True:
            started_at = time.monotonic()
            what, detail = await self._live_once()
            if time.monotonic() - started_at >= GOOD_RUN_SECONDS:
                delay_seconds = FIRST_DELAY_SECONDS
            failures += 1
            if not self._was_ready.is_set() and failures == ATTEMPTS_BEFORE_READY:
                raise StartError(f"{what}, {failures} times without ever being ready.\n{detail}")
            self._say(f"{what}; starting again in {delay_seconds:g} s")
            await asyncio.sleep(delay_seconds)
            delay_seconds = min(delay_seconds * 2, LONGEST_DELAY_SECONDS)

    async def _live_once(self) -> tuple[str, str]:
        """From launch to death. Answers what happened, and details that help before the first
        readiness.
        """
        try:
            self._child = child = await self._program.launch()
        except (StartError, OSError) as error:
            return f"{self._role} could not be started", str(error)
        reason = ""
        try:
            await self._program.wait_until_ready(child)
        except StartError as error:
            reason = str(error)
            await child.stop([(signal.SIGKILL, 0)])
        else:
            self._changed(is_ready=True)
            if self._was_ready.is_set():
                self._say(f"{self._role} runs again (pid {child.pid})")
            self._was_ready.set()
        code = await child.wait()
        self._child = None
        self._changed(is_ready=False)
        return f"{self._role} (pid {child.pid}) died: {describe_exit(code)}", reason

    def _changed(self, *, is_ready: bool) -> None:
        if self._is_ready != is_ready:
            self._is_ready = is_ready
            self._on_change()


class RoleProgram:
    """A process of a `Role`, with its environment and its log. One of a role that waits begins when `go` is set."""

    def __init__(self, role: Role, environment: Mapping[str, str], log: Path, go: asyncio.Event | None = None) -> None:
        assert go is not None or not role.waits, "it would wait for ever"
        self._role = role
        self._environment = environment
        self._log = log
        self._go = go
        self._ready_fd = -1
        self._go_fd = -1
        self.metrics_url = ""
        """Where the process that is ready tells Prometheus of itself; it says so, because it takes any free port."""

    async def launch(self) -> Child:
        """Starts the command with a descriptor to say "ready" on, and one to wait at where it does."""
        self._close_descriptors()
        self.metrics_url = ""
        self._ready_fd, ready_fd = os.pipe()
        theirs = {"--ready-fd": ready_fd}
        if self._role.waits:
            theirs["--go-fd"], self._go_fd = os.pipe()
        try:
            return Child.launch(
                [*self._role.command, *(word for name, fd in theirs.items() for word in (name, str(fd)))],
                log=self._log,
                death_signal=signal.SIGKILL,
                env=os.environ | dict(self._environment),
                pass_fds=tuple(theirs.values()),
            )
        finally:
            for descriptor in theirs.values():
                os.close(descriptor)

    async def wait_until_ready(self, child: Child) -> None:
        """Lets it begin, and reads "ready" from the descriptor. Raises StartError when it ended before or said nothing for a
        minute after that.
        """
        if self._role.waits and self._go is not None:
            await self._go.wait()
            with suppress(BrokenPipeError):  # it has ended, which is told below
                os.write(self._go_fd, b"\n")
        try:
            async with asyncio.timeout(_READY_SECONDS):
                line = await self._read_line()
                word, _, metrics_url = line.decode().removesuffix("\n").partition(" ")
                if word == "ready" and line.endswith(b"\n"):
                    self.metrics_url = metrics_url
                    return
                code = await child.wait()
        except TimeoutError:
            reason = f"It was not ready within {_READY_SECONDS:g} s"
        else:
            reason = f"It ended before it was ready, with {describe_exit(code)}"
        raise StartError(f"{reason}. The end of its log:\n{child.log_tail()}")

    async def _read_line(self) -> bytes:
        """One line, or what there was when the other side closed."""
        descriptor, self._ready_fd = self._ready_fd, -1
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
        )
        try:
            return await reader.readline()
        finally:
            transport.close()

    def _close_descriptors(self) -> None:
        for descriptor in (self._ready_fd, self._go_fd):
            if descriptor >= 0:
                os.close(descriptor)
        self._ready_fd = self._go_fd = -1
