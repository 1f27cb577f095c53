"""A sandbox's business time in tests."""

from datetime import UTC, datetime, timedelta

from danbao.v1 import sandbox_pb2
from danbao_core.testing.calls import Calls


class Clock:
    """The clock of one core. It moves forward only, and everything that the core decides goes by it."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def now(self) -> datetime:
        """Business time; compare with this, not with the machine's clock, which it is ahead of once it was moved."""
        return self._told(self._calls("SandboxService", "GetClock", sandbox_pb2.GetClockRequest(), sandbox_pb2.Clock))

    def advance(self, by: timedelta) -> datetime:
        """Moves it on by whole seconds, 1 second to 10 years; answers the new time. Raises ValueError for anything else.

        What comes due by it (a confirmation, an expiry) is decided by the new time from this moment on. Workers carry it out a
        moment later, as in a live core: read until it shows, or watch.
        """
        if by < timedelta(seconds=1) or by.microseconds:
            raise ValueError(f"the clock moves forward by whole seconds, not by {by}")
        request = sandbox_pb2.AdvanceClockRequest()
        request.by.FromTimedelta(by)
        return self._told(self._calls("SandboxService", "AdvanceClock", request, sandbox_pb2.Clock))

    def _told(self, clock: sandbox_pb2.Clock) -> datetime:
        return clock.time.ToDatetime(UTC)
