"""The lines that a process writes into its log, as they are written."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from danbao_core import logs


class Lines(list[bytes]):
    """Everything that was logged."""

    def take(self, _logger: Any, _name: str, line: Any) -> Any:
        """Takes the place of whoever writes lines."""
        self.append(line)
        raise structlog.DropEvent

    def of(self, event: str) -> list[dict[str, Any]]:
        """The lines of an event, parsed."""
        return [line for line in map(json.loads, self) if line["event"] == event]


@contextmanager
def log_lines() -> Iterator[Lines]:
    """What is logged meanwhile, made into lines as in a real process."""
    lines = Lines()
    processors = structlog.get_config()["processors"]  # in place, for loggers that were bound before
    before = processors.copy()
    processors[:] = [*logs.PROCESSORS, lines.take]
    try:
        yield lines
    finally:
        processors[:] = before
