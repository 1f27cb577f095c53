"""Logs: one JSON object a line on stderr. Never what callers send: of an error its type and where it arose, not its message.

Should a card number reach a line all the same, such as in a request id, its last four digits are what is left of it.
"""

import asyncio
import contextlib
import logging
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog

from danbao_core.cards import holds_card_number, may_hold_card_number, without_card_numbers

_encoder = msgspec.json.Encoder(enc_hook=repr)

MOST_FRAMES: Final = 12
"""Of an error, the innermost ones."""


class _Lines:
    """Writes lines. One that cannot be written (a full disk, a reader that left) is lost: no payment fails for it.

    Within an event loop, what is no more than information goes out at the end of the loop's turn, together: of the calls that
    one batch answers each has a line, and a system call takes longer than a line.
    """

    def __init__(self) -> None:
        self._file = sys.stderr.buffer
        self._waiting_in: asyncio.AbstractEventLoop | None = None
        """The loop at the end of whose turn lines go out."""

    def later(self, line: bytes) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.at_once(line)
            return
        with contextlib.suppress(OSError, ValueError):
            self._file.write(line)
        if self._waiting_in is not loop:
            self._waiting_in = loop
            loop.call_soon(self._end_of_turn)

    def at_once(self, line: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._file.write(line)
            self._file.flush()

    def _end_of_turn(self) -> None:
        self._waiting_in = None
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()

    debug = info = later
    warning = error = critical = msg = at_once


def configure(level: str) -> None:
    """Sets up structlog for this process; `level` is a name such as "info"."""
    structlog.configure(
        processors=PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: _Lines(),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    if not any(isinstance(handler, FromLibraries) for handler in root.handlers):
        root.addHandler(FromLibraries(logging.WARNING))


def line_writer(name: str) -> Callable[[dict[str, Any], str], None]:
    """What writes lines of information for whoever writes very many: the same ones as a logger of that name, in half the time.

    It is given what the line says, its `event` last, and those texts of it, each on a line, that are not made by us: in these
    alone a card number is sought. Made when logs are set up, and once: what is set up later is not looked at.
    """
    log = structlog.get_logger(name).bind()
    if structlog.get_config()["processors"] is not PROCESSORS:  # as in tests
        return lambda facts, _: log.info(facts.pop("event"), **facts)
    if not log.is_enabled_for(logging.INFO):
        return lambda *_: None
    write = _Lines().later

    def write_line(facts: dict[str, Any], not_ours: str) -> None:
        facts["level"] = "info"
        facts["timestamp"] = datetime.now(UTC)
        write(_render(None, "info", facts) if holds_card_number(not_ours) else _encoder.encode(facts) + b"\n")

    return write_line


def _stamp(_logger: Any, _name: str, event: Any) -> Any:
    event["timestamp"] = datetime.now(UTC)  # the encoder writes it three times as fast as `isoformat`
    return event


def without_messages(_logger: Any, _name: str, event: Any) -> Any:
    """Puts `exception` in the place of `exc_info`: what it is and where it arose, for it and its causes.

    Messages stay out: those of databases and converters quote the values that were wrong, which are people's.
    """
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        event["exception"] = list(_in_words(error))
    return event


def _in_words(error: BaseException | None) -> Any:
    while error is not None:
        facts = {name: getattr(error, name, None) for name in ("sqlstate", "table_name", "column_name", "constraint_name")}
        frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
        yield {
            "type": f"{type(error).__module__}.{type(error).__qualname__}",
            "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames)],
            **{name: fact for name, fact in facts.items() if fact},
        }
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _render(_logger: Any, _name: str, event: Any) -> bytes:
    line = _encoder.encode(event)
    # Found out in a microsecond, and for request ids of many digits in some more: the whole line is taken apart where it holds
    # one, or might. Gaps that are not ASCII, and tabs, are not what they were in the text.
    if not line.isascii() or b"\\t" in line or (may_hold_card_number(line) and holds_card_number(line.decode())):
        line = _encoder.encode(_without_card_numbers(msgspec.json.decode(line)))
    return line + b"\n"


def _without_card_numbers(value: Any) -> Any:
    match value:
        case str():
            return without_card_numbers(value)
        case dict():
            return {without_card_numbers(key): _without_card_numbers(each) for key, each in value.items()}
        case list():
            return [_without_card_numbers(each) for each in value]
        case int() if not isinstance(value, bool) and (masked := without_card_numbers(str(value))) != str(value):
            return masked
    return value


class FromLibraries(logging.Handler):
    """Takes what libraries say by `logging` into the same lines: the first line of what they wrote into their source.

    What they fill in stays out: it quotes what was wrong, and what asyncio tells of a task has its exception's message.
    """

    def emit(self, record: logging.LogRecord) -> None:
        error = None if record.exc_info is None else record.exc_info[1]
        words = str(record.msg).partition("\n")[0]
        log = structlog.get_logger(record.name)
        log.log(record.levelno, words, logger=record.name, **({} if error is None else {"exc_info": error}))


PROCESSORS: Final = (structlog.processors.add_log_level, _stamp, without_messages, _render)
"""From what is logged to a line."""
