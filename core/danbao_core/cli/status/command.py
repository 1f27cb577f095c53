"""`danbao status`: a live page in the terminal, one page, or one JSON object."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from danbao_core.cli.locate import DataOption
from danbao_core.cli.output import CommandFailed, JsonOption, Output, run

if TYPE_CHECKING:
    from danbao_core.cli.status.figures import Look, Status

_EVERY_SECONDS: Final = 2.0


def status(
    data: DataOption = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics", metavar="URL", help="A page for Prometheus of a core elsewhere. Repeat it for each server and worker."
        ),
    ] = None,
    every: Annotated[
        float, typer.Option(min=0.1, max=3600, metavar="SECONDS", help="Time between two looks, of which rates are.")
    ] = _EVERY_SECONDS,
    once: Annotated[bool, typer.Option("--once", help="Print one page and end.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Watch a running core: calls, batches, queues, lags, what is due, its processes and stores. Ends with q or Ctrl-C.

    It asks for no key: it reads the pages for Prometheus of the processes, and the health of the core at DANBAO_ADDRESS, where
    that is set. What it shows is of the last seconds, not of all time.
    """
    if metrics and data is not None:
        raise typer.BadParameter("goes without --data: it names a core in another way", param_hint="--metrics")

    async def command(output: Output) -> None:
        from danbao_core.cli.status.view import page

        if once or as_json:
            found = await _once(data, metrics or [], every)
            output.result(found.as_dict(), page(found))
            return
        if not sys.stdout.isatty():
            raise CommandFailed("NOT_A_TERMINAL", "A live page needs a terminal: print one page with --once, or with --json.")
        await _live(data, metrics or [], every)

    run(command, as_json=as_json, when_stopped="A status changes nothing.")


async def _once(data: Path | None, metrics: list[str], every_seconds: float) -> "Status":
    from danbao_core.cli.status.figures import status_of

    before = await _first_look(data, metrics)
    await asyncio.sleep(every_seconds)
    return status_of(before, await _look(data, metrics))


async def _first_look(data: Path | None, metrics: list[str]) -> "Look":
    """Raises CommandFailed where there is nothing to look at: one who has just asked wants to know why."""
    from danbao_core.cli.status.look import find_place, look_at

    found = await look_at(find_place(data, metrics))
    if not found.pages:
        raise CommandFailed(
            "METRICS_UNAVAILABLE",
            f"No process tells what it does at {' or '.join(found.silent) or 'any address'}. Does the core run, and is its "
            "DANBAO_METRICS_LISTEN set to that address?",
        )
    return found


async def _look(data: Path | None, metrics: list[str]) -> "Look":
    """A later look; where there is nothing any more, it says so and goes on, because it may come again."""
    from danbao_core.cli.status.figures import Look
    from danbao_core.cli.status.look import find_place, look_at

    try:
        return await look_at(find_place(data, metrics))
    except CommandFailed as failure:
        return Look(at_seconds=time.monotonic(), health=failure.reason)


async def _live(data: Path | None, metrics: list[str], every_seconds: float) -> None:
    """Shows page after page until q or Ctrl-C, which is quiet also before there is a first one."""
    from rich.console import Console
    from rich.live import Live

    from danbao_core.cli.status.figures import status_of
    from danbao_core.cli.status.view import LINES_BESIDE_CALLS, page

    console = Console(highlight=False)
    try:
        before = await _first_look(data, metrics)
    except asyncio.CancelledError:  # by Ctrl-C alone: nobody else ends a command
        return
    async with _quitting() as quit_asked:
        with Live(f"Looking at {before.address or 'the core'} ...", console=console, screen=True, auto_refresh=False) as live:
            live.refresh()
            while not await _asked_within(quit_asked, every_seconds):
                now = await _look(data, metrics)
                live.update(page(status_of(before, now), max(2, console.height - LINES_BESIDE_CALLS)), refresh=True)
                before = now


async def _asked_within(asked: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asked.wait()
    return asked.is_set()


@contextlib.asynccontextmanager
async def _quitting() -> AsyncIterator[asyncio.Event]:
    """What is set once q is pressed, or Ctrl-C, which is the end of a page and no failure."""
    asked, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, asked.set)
    try:
        with _single_keys() as keys:
            if keys is None:
                yield asked
                return
            loop.add_reader(keys, lambda: asked.set() if _means_the_end(os.read(keys, 1024)) else None)
            try:
                yield asked
            finally:
                loop.remove_reader(keys)
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _means_the_end(typed: bytes) -> bool:
    """Whether q is among the keys, or nobody can type any more. An arrow is three bytes, and all there is has to be read."""
    return not typed or b"q" in typed.lower()


@contextlib.contextmanager
def _single_keys() -> Iterator[int | None]:
    """The terminal's keyboard, each key at once and without an echo; None where nobody types."""
    if not sys.stdin.isatty():
        yield None
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
