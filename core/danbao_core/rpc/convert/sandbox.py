"""The sandbox's clock and bank."""

from google.protobuf.duration_pb2 import Duration

from danbao.v1 import sandbox_pb2
from danbao_core.bank.sandbox.behaviour import Behaviour
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


def channel_behaviour(channel: sandbox_pb2.BankChannel) -> Behaviour:
    """How the bank of cards is to behave."""
    return Behaviour(
        answer_delay_ms=channel.answer_delay_ms,
        refused_bps=channel.refused_bps,
        hanging_bps=channel.hanging_bps,
        lost_bps=channel.lost_bps,
        settlement_delay_ms=channel.settlement_delay_ms,
        reversed_bps=channel.reversed_bps,
        reversed_after_days=channel.reversed_after_days or 2,
    )


def bank(row: Bank, channel: sandbox_pb2.BankChannel | None) -> sandbox_pb2.Bank:
    """The message for a row, with what was said of the bank of cards."""
    return sandbox_pb2.Bank(behaviour=sandbox_pb2.Bank.Behaviour.ValueType(row.behaviour), channel=channel)


def answer_funding(request: sandbox_pb2.AnswerFundingRequest, origin: Origin) -> SettleFunding:
    """The command for a request."""
    return SettleFunding(origin=origin, funding_id=id_of(request.name), accepted=request.accepted)
