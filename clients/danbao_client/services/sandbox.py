"""`danbao.sandbox`. Written by `make protos`: change the protos, not this file."""

from __future__ import annotations

from danbao.v1 import accounts_pb2, sandbox_pb2
from danbao_client.pages import Pages
from danbao_client.rpc import Rpc
from danbao_client.service import Service
from danbao_client.values import AnyDuration, request_of


class Sandbox(Service):
    """What only a sandbox has; a live core does not serve it."""

    descriptor = sandbox_pb2.DESCRIPTOR.services_by_name["SandboxService"]

    AdvanceClock: Rpc[sandbox_pb2.AdvanceClockRequest, sandbox_pb2.Clock]
    GetClock: Rpc[sandbox_pb2.GetClockRequest, sandbox_pb2.Clock]
    SetBankBehaviour: Rpc[sandbox_pb2.SetBankBehaviourRequest, sandbox_pb2.Bank]
    AnswerFunding: Rpc[sandbox_pb2.AnswerFundingRequest, accounts_pb2.Funding]
    ListSentMessages: Rpc[sandbox_pb2.ListSentMessagesRequest, sandbox_pb2.ListSentMessagesResponse]

    async def advance_clock(
        self,
        *,
        by: AnyDuration,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> sandbox_pb2.Clock:
        """Moves business time forward. It never goes back; tokens and leases, which follow wall time, do not move.

        - `by`: How far: whole seconds, 1 second to 10 years at a time, and never past the year 9000 (CLOCK_OUT_OF_RANGE).
        - `request_id`: Makes a retry safe: a repeat does not move the clock again. See the head of common.proto. Left out,
          the client makes one, and keeps it when it sends the request again.
        """
        request = request_of(
            sandbox_pb2.AdvanceClockRequest,
            by=by,
            request_id=request_id,
        )
        return await self.AdvanceClock(request, deadline_seconds=deadline_seconds)

    async def get_clock(
        self,
        *,
        deadline_seconds: float | None = None,
    ) -> sandbox_pb2.Clock:
        """Answers what business time it is."""
        request = request_of(sandbox_pb2.GetClockRequest)
        return await self.GetClock(request, deadline_seconds=deadline_seconds)

    async def set_bank_behaviour(
        self,
        *,
        behaviour: sandbox_pb2.Bank.Behaviour.ValueType,
        channel: sandbox_pb2.BankChannel | None = None,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> sandbox_pb2.Bank:
        """Says how the sandbox's bank answers top-ups and withdrawals from now on. What it has left open stays so. `behaviour`
        is that of the till, which answers where no card is named; `channel` that of the bank that cards are asked of.
        Refused with BANK_MISSING and BANK_UNAVAILABLE where a channel is named, and there is none or it does not answer.

        - `behaviour`: How the bank is to answer.
        - `channel`: How the bank of cards is to behave; left out, it goes on as before.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            sandbox_pb2.SetBankBehaviourRequest,
            behaviour=behaviour,
            channel=channel,
            request_id=request_id,
        )
        return await self.SetBankBehaviour(request, deadline_seconds=deadline_seconds)

    async def answer_funding(
        self,
        name: str,
        *,
        accepted: bool = False,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> accounts_pb2.Funding:
        """Answers a pending funding in the till's place. Refused with FUNDING_NOT_PENDING where the funding is settled, and
        with FUNDING_AT_BANK where a card's bank is asked.

        - `name`: `fundings/{uuid}`.
        - `accepted`: Whether the bank says yes; left out, it says no.
        - `request_id`: Makes a retry safe, for ever; see the head of common.proto. Left out, the client makes one, and
          keeps it when it sends the request again.
        """
        request = request_of(
            sandbox_pb2.AnswerFundingRequest,
            name=name,
            accepted=accepted,
            request_id=request_id,
        )
        return await self.AnswerFunding(request, deadline_seconds=deadline_seconds)

    def list_sent_messages(
        self,
        *,
        address: str,
        deadline_seconds: float | None = None,
    ) -> Pages[sandbox_pb2.ListSentMessagesResponse, sandbox_pb2.SentMessage]:
        """Lists the messages to an address, newest first, 100 at most: what a live core would have sent.

        - `address`: The number in E.164, or the e-mail address.
        """
        request = request_of(
            sandbox_pb2.ListSentMessagesRequest,
            address=address,
        )
        return Pages(self.ListSentMessages, request, "messages", deadline_seconds)
