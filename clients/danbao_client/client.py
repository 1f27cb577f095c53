"""The client: channels to one core, and its services."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from types import TracebackType
from typing import Final

from danbao.v1 import payments_pb2, payouts_pb2, statements_pb2
from danbao_client.bulk import PaymentStream
from danbao_client.channels import Tls, open_channels
from danbao_client.files import chunks_of
from danbao_client.rpc import CallSettings, Stubs
from danbao_client.services import (
    Accounts,
    Disputes,
    Notifications,
    Operations,
    Payments,
    Payouts,
    Sandbox,
    Sessions,
    Verification,
)

DEADLINE_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 30.0


class Danbao:
    """A core, as one caller sees it. Make it with `connect`, on the event loop that uses it; `async with` closes it.

    People log in without a key, and act with the access token that they get:

        async with Danbao.connect("127.0.0.1:50051") as nobody:
            tokens = (await nobody.sessions.CreateSession(...)).tokens
            lin = nobody.with_token(tokens.access_token)
            await lin.payments.PayPayment(...)
    """

    def __init__(self, stubs: Stubs, settings: CallSettings) -> None:
        self._stubs = stubs
        self._settings = settings
        self.accounts = Accounts(stubs, settings)
        self.payments = Payments(stubs, settings)
        self.payouts = Payouts(stubs, settings)
        self.disputes = Disputes(stubs, settings)
        self.notifications = Notifications(stubs, settings)
        self.operations = Operations(stubs, settings)
        self.sandbox = Sandbox(stubs, settings)
        self.sessions = Sessions(stubs, settings)
        self.verification = Verification(stubs, settings)

    @classmethod
    def connect(
        cls,
        address: str,
        *,
        key: str = "",
        deadline_seconds: float = DEADLINE_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        channels: int = 1,
        tls: Tls | bool = False,
        insecure: bool = False,
    ) -> "Danbao":
        """A client of the core on `address` ("host:port") that calls with a service key, or with the access token of a session.
        Without a `key` it can call what needs no token: a person registers and logs in so.

        `tls=True` is TLS to a core whose certificate is signed by an authority that this machine trusts anyway, `Tls` names
        others and the client's own certificate. Without TLS the key is sent to this machine itself only, unless
        `insecure=True` says that the network may be trusted with it.

        One attempt of a call may take `deadline_seconds`, all of them together `patience_seconds`. A channel is one connection,
        which reaches one server process: for load, open several `channels`, which take turns. Nothing is sent before the first
        call. Raises ValueError for figures that make no sense, for an address elsewhere without TLS and for what is no PEM, and
        OSError for a file that cannot be read.
        """
        if deadline_seconds <= 0 or patience_seconds <= 0:
            raise ValueError("deadline_seconds and patience_seconds must be more than 0")
        if channels < 1:
            raise ValueError("channels must be at least 1")
        opened = open_channels(address, channels, tls=tls, insecure=insecure)
        return cls(Stubs(opened), CallSettings(key, deadline_seconds, patience_seconds))

    def with_token(self, token: str) -> "Danbao":
        """The same core, over the same connections, as another caller sees it: a person by the access token of a session, or a
        service by its key. Closing either closes the connections of both."""
        return Danbao(self._stubs, self._settings._replace(token=token))

    def stream_payments(
        self, requests: AsyncIterable[payments_pb2.CreatePaymentRequest]
    ) -> AsyncGenerator[payments_pb2.PaymentResult, None]:
        """Creates payments in bulk: answers one result for each request, in order, a payment or why there is none.

        Requests are taken up to 1,024 ahead of their results and sent up to 256 in a message. One whose `request_id` is empty
        goes out with a fresh UUID, which its result tells; messages are copied when they are taken. Where the connection is
        lost, what has no result yet is sent again with the same ids, so each payment is made once, until no result came for the
        client's patience since the connection was first lost. Results that are refusals are handed out like others and never
        sent again: `DanbaoError.of_result` tells whether they may be.

        Raises DanbaoError where the core refuses the stream, where patience ends, or where no answer comes in the client's
        deadline: its `unanswered` holds what was taken and has no result, with the ids, to be sent again in whichever way.
        What the requests raise comes after the results of those before, and so does TypeError for what is no request.
        """
        return PaymentStream(self.payments.StreamPayments, requests, self._settings).results()

    def export_statement(
        self, request: statements_pb2.ExportStatementRequest
    ) -> AsyncGenerator[statements_pb2.FileChunk, None]:
        """A wallet's statement as a file, in chunks as they come; the first one tells what to call it.

        Nothing is sent again: where it raises DanbaoError, throw away what has come. It takes as long as it takes.
        """
        return chunks_of(self.accounts.ExportStatement(request))

    def export_settlement_report(
        self, request: payouts_pb2.ExportSettlementReportRequest
    ) -> AsyncGenerator[statements_pb2.FileChunk, None]:
        """What a payout is made of as a file, as `export_statement`."""
        return chunks_of(self.payouts.ExportSettlementReport(request))

    async def __aenter__(self) -> "Danbao":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections; calls under way end as CANCELLED."""
        await asyncio.gather(*(channel.close() for channel in self._stubs.channels))
