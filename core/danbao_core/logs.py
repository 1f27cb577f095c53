"""Logs: one JSON object a line on stderr. Never what callers send: of an error its type and where it arose, not its message."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog

_encoder = msgspec.json.Encoder(enc_hook=repr)

MOST_FRAMES: Final = 12
"""Of an error, the innermost ones."""


class _Lines:
    """Writes lines. One that cannot be written (a full disk, a reader that left) is lost: no payment fails for it."""

    def __init__(self) -> None:
        self._file = sys.stderr.buffer

    def msg(self, line: bytes) -> None:
        try:
            self._file.write(line)
            self._file.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = msg


def configure(level: str) -> None:
    """Sets up structlog for this process; `level` is a name such as "info"."""
    structlog.configure(
        processors=PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: _Lines(),
        cache_logger_on_first_use=True,
    )


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
    return _encoder.encode(event) + b"\n"


PROCESSORS: Final = (structlog.processors.add_log_level, _stamp, without_messages, _render)
"""From what is logged to a line."""
