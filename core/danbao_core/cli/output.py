"""What commands print: for people, or with `--json` exactly one object on stdout."""

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from rich.console import RenderableType

    from danbao_client import DanbaoError

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else there.")]

_INTERRUPTED_EXIT_CODE: Final = 130
_WIDTH_OF_FILES: Final = 400

_WHERE: Final = " Does it run at that address, and is DANBAO_TLS_CA set where, and only where, it has TLS?"
_KEY: Final = " Set DANBAO_KEY to a key of this core that is in use; `danbao keys create` makes one."
HINTS: Final = {
    "UNAVAILABLE": _WHERE,
    "DEADLINE_EXCEEDED": _WHERE,
    "UNIMPLEMENTED": " It is no sandbox, or of another release than this command.",
    "TOKEN_MISSING": _KEY,
    "TOKEN_INVALID": _KEY,
    "KEY_REVOKED": _KEY,
    "SCOPE_MISSING": " Set DANBAO_KEY to a key that has it.",
}
"""What to do, by the reason of a refusal, or by the code where the core gave none."""


class CommandFailed(Exception):
    """A command cannot do what it was asked for: `reason` for programs, the message for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Output:
    """Where a command's results go; progress always goes to stderr."""

    def __init__(self, *, as_json: bool) -> None:
        from rich.console import Console

        self.as_json = as_json
        self.progress = Console(stderr=True, highlight=False)
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = _WIDTH_OF_FILES  # names and scopes stay on one line

    def say(self, *shown: "RenderableType") -> None:
        """Something for people; nothing with `--json`."""
        if not self.as_json:
            for each in shown:
                self._console.print(each)

    def result(self, answer: Mapping[str, Any], *shown: "RenderableType") -> None:
        """The end of a command: the one JSON object, or what is shown to people instead."""
        if self.as_json:
            typer.echo(json.dumps(answer, ensure_ascii=False))
        self.say(*shown)

    def failure(self, reason: str, message: str) -> None:
        """Why there is no result: a line on stderr, and with `--json` the object {"error": {"reason", "message"}}."""
        if self.as_json:
            typer.echo(json.dumps({"error": {"reason": reason, "message": message}}, ensure_ascii=False))
        typer.echo(f"error: {message}", err=True)


def run(
    command: Callable[[Output], Coroutine[Any, Any, None]], *, as_json: bool, when_stopped: str = "Nothing more was done."
) -> None:
    """Runs a command to its end. What it cannot do ends with a message and exit code 1, Ctrl-C with 130.

    `when_stopped` says, after Ctrl-C, where that leaves the user.
    """
    import asyncio

    output = Output(as_json=as_json)
    try:
        with asyncio.Runner(loop_factory=_fast_loop()) as runner:
            runner.run(command(output))
    except CommandFailed as failure:
        output.failure(failure.reason, str(failure))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        output.failure("INTERRUPTED", f"Stopped. {when_stopped}")
        raise typer.Exit(_INTERRUPTED_EXIT_CODE) from None
    except Exception as error:
        # Imported only here: it brings grpc, and a command may want to start child processes before.
        from danbao_client import DanbaoError

        if not isinstance(error, DanbaoError):
            raise
        output.failure(error.reason or error.code.name, in_words(error))
        raise typer.Exit(1) from None


def in_words(error: "DanbaoError") -> str:
    """A failed call for people: the core's own words, or that it did not answer; and what to do, where that is known."""
    code = error.code.name
    hint = HINTS.get(error.reason or code, "")
    if error.reason:
        return f"{error.message} ({error.reason}){hint}"
    did_not_answer = code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    return f"The core {'does not answer' if did_not_answer else 'failed'}: {error.message} ({code}){hint}"


def _fast_loop() -> "Callable[[], AbstractEventLoop]":
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        import asyncio

        return asyncio.new_event_loop
    return uvloop.new_event_loop
