"""What only a sandbox serves."""

from typing import TYPE_CHECKING, Any

import msgspec

from danbao.v1 import accounts_pb2, sandbox_pb2, sandbox_pb2_grpc
from danbao_core import sql
from danbao_core.bank.port import BankNotAnswering
from danbao_core.bank_errors import BankUnavailable
from danbao_core.engine import Engine
from danbao_core.engine.reads import fetch_rows
from danbao_core.errors import BankMissing
from danbao_core.keyring import Keyring
from danbao_core.people.messages import Message
from danbao_core.people.phones import phone_of
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert
from danbao_core.sandbox import ClockReading

if TYPE_CHECKING:
    import asyncpg
    import grpc

    from danbao_core.bank.http_bank import HttpBank

    _Context = grpc.aio.ServicerContext[Any, Any]
    _Pool = asyncpg.Pool[Any]


class Sandbox(sandbox_pb2_grpc.SandboxServiceServicer):
    """What only a sandbox serves."""

    def __init__(self, engine: Engine, pool: "_Pool", keyring: Keyring, bank: "HttpBank | None") -> None:
        self._engine = engine
        self._pool = pool
        self._keyring = keyring
        self._bank = bank

    async def AdvanceClock(self, request: sandbox_pb2.AdvanceClockRequest, context: "_Context") -> sandbox_pb2.Clock:
        command = convert.advance_clock(request, calls.current().origin)
        return convert.clock(await calls.submit(self._engine, command))

    async def GetClock(self, request: sandbox_pb2.GetClockRequest, context: "_Context") -> sandbox_pb2.Clock:
        (row,) = await self._pool.fetch(sql.load("danbao_core", "read_clock"))
        return convert.clock(ClockReading(row["time"], row["offset_seconds"]))

    async def SetBankBehaviour(self, request: sandbox_pb2.SetBankBehaviourRequest, context: "_Context") -> sandbox_pb2.Bank:
        command = convert.set_bank_behaviour(request, calls.current().origin)
        channel = request.channel if request.HasField("channel") else None
        if channel is not None:
            await self._tell_bank(channel)
        return convert.bank(await calls.submit(self._engine, command), channel)

    async def _tell_bank(self, channel: sandbox_pb2.BankChannel) -> None:
        """Has the bank of cards behave so. Raises BankMissing and BankUnavailable."""
        if self._bank is None:
            raise BankMissing
        try:
            await self._bank.set_behaviour(convert.channel_behaviour(channel))
        except BankNotAnswering:
            raise BankUnavailable from None

    async def AnswerFunding(self, request: sandbox_pb2.AnswerFundingRequest, context: "_Context") -> accounts_pb2.Funding:
        command = convert.answer_funding(request, calls.current().origin)
        return convert.funding(await calls.submit(self._engine, command))

    async def ListSentMessages(
        self, request: sandbox_pb2.ListSentMessagesRequest, context: "_Context"
    ) -> sandbox_pb2.ListSentMessagesResponse:
        address, keyring = phone_of(request.address), self._keyring
        text = sql.load("danbao_core.people", "list_messages")
        rows = await fetch_rows(self._pool, Message, text, keyring.lookups("phone", address))
        opened = [(row, msgspec.json.decode(keyring.open(row.parameters, "message", "parameters", row.id))) for row in rows]
        return sandbox_pb2.ListSentMessagesResponse(
            messages=[convert.sent_message(row, address, parameters) for row, parameters in opened]
        )
