"""The sandbox's clock."""

from google.protobuf.duration_pb2 import Duration

from danbao.v1 import sandbox_pb2
from danbao_core.engine import Origin
from danbao_core.rpc.convert.parts import timestamp, whole_seconds
from danbao_core.sandbox import AdvanceClock, ClockReading


def advance_clock(request: sandbox_pb2.AdvanceClockRequest, origin: Origin) -> AdvanceClock:
    """The command for a request."""
    return AdvanceClock(origin=origin, by_seconds=whole_seconds("by", request.by))


def clock(reading: ClockReading) -> sandbox_pb2.Clock:
    """The message for a reading."""
    return sandbox_pb2.Clock(time=timestamp(reading.time), offset=Duration(seconds=reading.offset_seconds))
