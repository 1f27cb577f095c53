"""The lines that a process writes into its log, as they are written."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from danbao_core import logs


class Lines(list[bytes]):
    """Everything that was logged; also a logger, to which structlog hands the lines."""

    def msg(self, line: bytes) -> None:
        self.append(line)

    debug = info = warning = error = critical = msg

    def of(self, event: str) -> list[dict[str, Any]]:
        """The lines of an event, parsed."""
        return [line for line in map(json.loads, self) if line["event"] == event]


@contextmanager
def log_lines() -> Iterator[Lines]:
    """What is logged meanwhile, made into lines as in a real process."""
    lines = Lines()
    before = structlog.get_config()
    structlog.configure(processors=list(logs.PROCESSORS), logger_factory=lambda *_: lines, cache_logger_on_first_use=False)
    try:
        yield lines
    finally:
        structlog.configure(**before)
