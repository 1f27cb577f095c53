"""The client: channels to one core, and its services."""

import asyncio
import math
from types import TracebackType
from typing import Final

from danbao_client.channels import Tls, open_channels
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
            tokens = (await nobody.sessions.create(...)).tokens
            lin = nobody.with_token(tokens.access_token)
            await lin.payments.pay(...)
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

        One attempt of a call may take `deadline_seconds`, and none begins later than `patience_seconds` after the first. A
        channel is one connection, which reaches one server process: for load, open several `channels`, which take turns.
        Nothing is sent before the first call. Raises ValueError for figures that make no sense, for what is no address or no
        key, for an address elsewhere without TLS and for what is no PEM, OSError for a file that cannot be read, and
        RuntimeError where no event loop runs.
        """
        if not 0 < deadline_seconds < math.inf or not patience_seconds > 0:
            raise ValueError("deadline_seconds and patience_seconds must be more than 0, and deadline_seconds an end")
        if channels < 1:
            raise ValueError("channels must be at least 1")
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # gRPC would take another loop, and fail each call for a reason that is hard to guess
            raise RuntimeError("make the client where it is used: in a coroutine, not when a module is loaded") from None
        settings = CallSettings(_sendable(key), deadline_seconds, patience_seconds)
        return cls(Stubs(open_channels(address, channels, tls=tls, insecure=insecure)), settings)

    def with_token(self, token: str) -> "Danbao":
        """The same core, over the same connections, as another caller sees it: a person by the access token of a session, or a
        service by its key. Closing either closes the connections of both. Raises ValueError for what is no token."""
        return Danbao(self._stubs, self._settings._replace(token=_sendable(token)))

    async def __aenter__(self) -> "Danbao":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections. Calls, watches and streams under way raise DanbaoError (CANCELLED), and so do later ones."""
        await asyncio.gather(*(channel.close() for channel in self._stubs.channels))


def _sendable(token: str) -> str:
    """The token; gRPC fails calls with one that no header can hold, and does not tell why. Raises ValueError."""
    if token and not (token.isascii() and token.isprintable()):
        raise ValueError("the key holds what no key does: is there the end of a line behind it, as in files?")
    return token
