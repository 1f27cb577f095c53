"""Traces: which calls are traced, and what is written down of one. Spans are made of it at the end, in `spans.py`."""

import re
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol

from danbao_core.engine.timeline import Lap, Timeline

if TYPE_CHECKING:
    from danbao_core.rpc.seen import Seen

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
"""https://www.w3.org/TR/trace-context/#traceparent-header"""


class Trace:
    """A sampled call: the span of the caller to which its spans belong, and what happened when."""

    __slots__ = ("began_at", "began_ns", "parent_id", "reads", "timeline", "trace_id")

    def __init__(self, trace_id: int, parent_id: int) -> None:
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.began_ns = time.time_ns()
        self.began_at = time.perf_counter()
        self.timeline = Timeline()
        """Of the command, where the call submits one."""
        self.reads: list[Lap] = []
        """Statements outside the engine."""

    @property
    def traceparent(self) -> str:
        """What continues the trace elsewhere: work that this call brings about belongs to its caller's span, as it does."""
        return f"00-{self.trace_id:032x}-{self.parent_id:016x}-01"

    def ns(self, at: float) -> int:
        """A time of `perf_counter` as wall time in nanoseconds: one clock for the whole call, so its spans fit together."""
        return self.began_ns + round((at - self.began_at) * 1e9)


class Tracer(Protocol):
    """Takes finished calls."""

    def finish(self, trace: Trace, seen: "Seen") -> None:
        """Makes the spans of a call that is over."""


reading: ContextVar[Trace | None] = ContextVar("danbao_reading", default=None)
"""The trace of the task that reads, where its call is sampled."""


def sampled(traceparent: str) -> Trace | None:
    """What a `traceparent` header asks for: a trace where it is well formed and its caller samples, else nothing."""
    if traceparent[53:55] == "00":
        return None
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return None
    version, trace_id, parent_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not int(flags, 16) & 1:
        return None
    if not int(trace_id, 16) or not int(parent_id, 16):
        return None
    return Trace(int(trace_id, 16), int(parent_id, 16))
