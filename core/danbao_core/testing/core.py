"""A running core as tests see it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast
from uuid import uuid4

import grpc

from danbao.v1 import accounts_pb2, common_pb2, sandbox_pb2
from danbao_client import Danbao
from danbao_client.client import DEADLINE_SECONDS, PATIENCE_SECONDS
from danbao_client.rpc import CallSettings, Stubs
from danbao_core.supervisor import Endpoint, read_endpoint
from danbao_core.testing.calls import Calls, calls_to
from danbao_core.testing.channels import EveryLoop
from danbao_core.testing.clock import Clock
from danbao_core.testing.lease import folder_of, lease
from danbao_core.testing.messages import Messages

CURRENCIES: Final = ("CNY", "EUR", "USD")
FUNDS_MINOR: Final = 10_000_00
_SET_BANK_BEHAVIOUR: Final = "/danbao.v1.SandboxService/SetBankBehaviour"


class RunningCore:
    """A sandbox that this process has for itself."""

    def __init__(self, folder: Path, calls: Calls) -> None:
        self.folder = folder
        """Where its files are, as commands take it: `danbao audit --data FOLDER`."""
        self.clock = Clock(calls)
        self.messages = Messages(calls)
        self._calls = calls

    @property
    def endpoint(self) -> Endpoint:
        """Everything that is known of where it is now: processes that were killed come back with other pids."""
        return read_endpoint(self.folder)

    @property
    def address(self) -> str:
        """`host:port` for gRPC without TLS."""
        return self.endpoint.address

    @property
    def key(self) -> str:
        """The operator's service key, which may do everything."""
        return self.endpoint.operator_key

    @property
    def second_key(self) -> str:
        """A second operator's, for what takes two."""
        return self.endpoint.second_operator_key

    @property
    def environment(self) -> dict[str, str]:
        """DANBAO_ADDRESS and DANBAO_KEY, for a program under test that is told of the core by its environment."""
        return {"DANBAO_ADDRESS": self.address, "DANBAO_KEY": self.key}

    @contextmanager
    def client(self) -> Iterator[Danbao]:
        """A client on whichever event loops call with it, with the operator's key. What it says of how the sandbox's bank
        behaves is taken back at the end."""
        channel = EveryLoop(self.address)
        settings = CallSettings(self.key, DEADLINE_SECONDS, PATIENCE_SECONDS)
        try:
            yield Danbao(Stubs([cast("grpc.aio.Channel", channel)]), settings)
        finally:
            channel.drop()
            if _SET_BANK_BEHAVIOUR in channel.called:
                self._reset_bank()

    def _reset_bank(self) -> None:
        request = sandbox_pb2.SetBankBehaviourRequest(
            behaviour=sandbox_pb2.Bank.BEHAVIOUR_ACCEPT, channel=sandbox_pb2.BankChannel()
        )
        self._calls("SandboxService", "SetBankBehaviour", request, sandbox_pb2.Bank)

    def new_buyer(self) -> accounts_pb2.Account:
        """A new personal account with money in each wallet."""
        account = self._new_account(accounts_pb2.Account.KIND_PERSONAL, "Buyer")
        for currency_code in CURRENCIES:
            amount = common_pb2.Money(amount_minor=FUNDS_MINOR, currency_code=currency_code)
            request = accounts_pb2.TopUpRequest(account=account.name, amount=amount)
            self._calls("AccountService", "TopUp", request, accounts_pb2.Funding)
        return account

    def new_merchant(self) -> accounts_pb2.Account:
        """A new merchant's account with empty wallets."""
        return self._new_account(accounts_pb2.Account.KIND_MERCHANT, "Merchant")

    def _new_account(self, kind: "accounts_pb2.Account.Kind.ValueType", role: str) -> accounts_pb2.Account:
        request = accounts_pb2.CreateAccountRequest(
            kind=kind, display_name=f"{role} {uuid4().hex[:8]}", currency_codes=CURRENCIES
        )
        return self._calls("AccountService", "CreateAccount", request, accounts_pb2.Account)


@contextmanager
def a_running_core(run: str) -> Iterator[RunningCore]:
    """A core of the run of that name. Raises HostFailed."""
    with lease(folder_of(run), "core") as answer:
        folder = Path(answer["folder"])
        with calls_to(read_endpoint(folder).address, lambda: read_endpoint(folder).operator_key) as calls:
            yield RunningCore(folder, calls)
