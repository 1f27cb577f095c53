"""The sandbox's clock and bank."""

from google.protobuf.duration_pb2 import Duration

from danbao.v1 import sandbox_pb2
from danbao_core.engine import Origin
from danbao_core.fundings import SettleFunding
from danbao_core.rpc.convert.parts import id_of, timestamp, whole_seconds
from danbao_core.sandbox import AdvanceClock, Bank, BankBehaviour, ClockReading, SetBankBehaviour


def advance_clock(request: sandbox_pb2.AdvanceClockRequest, origin: Origin) -> AdvanceClock:
    """The command for a request."""
    return AdvanceClock(origin=origin, by_seconds=whole_seconds("by", request.by))


def clock(reading: ClockReading) -> sandbox_pb2.Clock:
    """The message for a reading."""
    return sandbox_pb2.Clock(time=timestamp(reading.time), offset=Duration(seconds=reading.offset_seconds))


def set_bank_behaviour(request: sandbox_pb2.SetBankBehaviourRequest, origin: Origin) -> SetBankBehaviour:
    """The command for a request."""
    return SetBankBehaviour(origin=origin, behaviour=BankBehaviour(request.behaviour))


def bank(row: Bank) -> sandbox_pb2.Bank:
    """The message for a row."""
    return sandbox_pb2.Bank(behaviour=sandbox_pb2.Bank.Behaviour.ValueType(row.behaviour))


def answer_funding(request: sandbox_pb2.AnswerFundingRequest, origin: Origin) -> SettleFunding:
    """The command for a request."""
    return SettleFunding(origin=origin, funding_id=id_of(request.name), accepted=request.accepted)
