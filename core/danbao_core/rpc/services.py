"""The services: each method translates, submits or reads, and translates back. What all calls share is in `interceptor.py`."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from danbao.v1 import (
    accounts_pb2,
    accounts_pb2_grpc,
    operations_pb2,
    operations_pb2_grpc,
    payments_pb2,
    payments_pb2_grpc,
    sandbox_pb2,
    sandbox_pb2_grpc,
)
from danbao_core import sql
from danbao_core.accounts import PLATFORM_ID, Account, Purpose
from danbao_core.audit import audit
from danbao_core.engine import Engine, Origin
from danbao_core.engine.reads import fetch_all, fetch_row
from danbao_core.errors import AccountNotFound, BankMissing, FundingNotFound, PaymentNotFound, PaymentsOpen, SecretAlreadyShown
from danbao_core.fundings import Funding
from danbao_core.ids import uuid7
from danbao_core.payments import Payment
from danbao_core.payments.steps import actor_of
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert
from danbao_core.rpc.authentication import Authenticator
from danbao_core.sandbox import ClockReading
from danbao_core.service_keys import ServiceKey, Token

if TYPE_CHECKING:
    import asyncpg
    import grpc

    _Context = grpc.aio.ServicerContext[Any, Any]
    _Pool = asyncpg.Pool[Any]


class Accounts(accounts_pb2_grpc.AccountServiceServicer):
    """Accounts, wallets and fundings."""

    def __init__(self, engine: Engine, pool: "_Pool", *, sandbox: bool) -> None:
        self._engine = engine
        self._pool = pool
        self._sandbox = sandbox

    async def CreateAccount(self, request: accounts_pb2.CreateAccountRequest, context: "_Context") -> accounts_pb2.Account:
        command = convert.create_account(request, calls.current().origin)
        return convert.account(await calls.submit(self._engine, command))

    async def GetAccount(self, request: accounts_pb2.GetAccountRequest, context: "_Context") -> accounts_pb2.Account:
        return convert.account(await self._account(convert.id_of(request.name)))

    async def OpenWallet(self, request: accounts_pb2.OpenWalletRequest, context: "_Context") -> accounts_pb2.Account:
        command = convert.open_wallet(request, calls.current().origin)
        return convert.account(await calls.submit(self._engine, command))

    async def CloseAccount(self, request: accounts_pb2.CloseAccountRequest, context: "_Context") -> accounts_pb2.Account:
        account = await self._account(convert.id_of(request.name))
        # A payment that another server creates in this very moment may slip past the count; what it later gives to the closed
        # account goes to SUSPENSE, so nothing is lost.
        if await self._pool.fetchval(sql.load("danbao_core.payments", "count_open"), account.id):
            raise PaymentsOpen(account=account.name)
        command = convert.close_account(request, calls.current().origin)
        return convert.account(await calls.submit(self._engine, command))

    async def ListBalances(
        self, request: accounts_pb2.ListBalancesRequest, context: "_Context"
    ) -> accounts_pb2.ListBalancesResponse:
        account = await self._account(convert.id_of(request.name))
        wallets: dict[str, dict[Purpose, int]] = {}
        for row in await self._pool.fetch(sql.load("danbao_core.accounts", "list_balances"), account.id):
            wallets.setdefault(row["currency"], {})[Purpose(row["purpose"])] = row["amount_minor"]
        return accounts_pb2.ListBalancesResponse(
            balances=[
                accounts_pb2.WalletBalance(
                    available=convert.money(held[Purpose.AVAILABLE], currency),
                    held=convert.money(held[Purpose.HELD], currency),
                    owed=convert.money(-held[Purpose.RECEIVABLE], currency),
                )
                for currency, held in wallets.items()
            ]
        )

    async def TopUp(self, request: accounts_pb2.TopUpRequest, context: "_Context") -> accounts_pb2.Funding:
        if not self._sandbox:
            raise BankMissing
        command = convert.top_up(request, calls.current().origin)
        return convert.funding(await calls.submit(self._engine, command))

    async def GetFunding(self, request: accounts_pb2.GetFundingRequest, context: "_Context") -> accounts_pb2.Funding:
        funding = await fetch_row(self._pool, Funding, convert.id_of(request.name))
        if funding is None or not _may_see(calls.current().origin, funding.account_id):
            raise FundingNotFound(funding=request.name)
        return convert.funding(funding)

    async def _account(self, account_id: UUID) -> Account:
        account = await fetch_row(self._pool, Account, account_id)
        if account is None or account_id == PLATFORM_ID or not _may_see(calls.current().origin, account_id):
            raise AccountNotFound(account=f"accounts/{account_id}")
        return account


def _may_see(origin: Origin, account_id: UUID) -> bool:
    return origin.account_id in (None, account_id)


class Payments(payments_pb2_grpc.PaymentServiceServicer):
    """Payments and their life."""

    def __init__(self, engine: Engine, pool: "_Pool") -> None:
        self._engine = engine
        self._pool = pool

    async def CreatePayment(self, request: payments_pb2.CreatePaymentRequest, context: "_Context") -> payments_pb2.Payment:
        command = convert.create_payment(request, calls.current().origin)
        return convert.payment(await calls.submit(self._engine, command))

    async def GetPayment(self, request: payments_pb2.GetPaymentRequest, context: "_Context") -> payments_pb2.Payment:
        payment = await fetch_row(self._pool, Payment, convert.id_of(request.name))
        if payment is None or actor_of(calls.current().origin, payment) is None:
            raise PaymentNotFound(payment=request.name)
        return convert.payment(payment)

    async def PayPayment(self, request: payments_pb2.PayPaymentRequest, context: "_Context") -> payments_pb2.Payment:
        command = convert.pay_payment(request, calls.current().origin)
        return convert.payment(await calls.submit(self._engine, command))

    async def ShipPayment(self, request: payments_pb2.ShipPaymentRequest, context: "_Context") -> payments_pb2.Payment:
        command = convert.ship_payment(request, calls.current().origin)
        return convert.payment(await calls.submit(self._engine, command))

    async def ConfirmPayment(self, request: payments_pb2.ConfirmPaymentRequest, context: "_Context") -> payments_pb2.Payment:
        command = convert.confirm_payment(request, calls.current().origin)
        return convert.payment(await calls.submit(self._engine, command))

    async def CancelPayment(self, request: payments_pb2.CancelPaymentRequest, context: "_Context") -> payments_pb2.Payment:
        command = convert.cancel_payment(request, calls.current().origin)
        return convert.payment(await calls.submit(self._engine, command))


class Operations(operations_pb2_grpc.OperationsServiceServicer):
    """Service keys, and the audit of the books."""

    def __init__(self, engine: Engine, pool: "_Pool", authenticator: Authenticator, database_url: str) -> None:
        self._engine = engine
        self._pool = pool
        self._authenticator = authenticator
        self._database_url = database_url

    async def CreateServiceKey(
        self, request: operations_pb2.CreateServiceKeyRequest, context: "_Context"
    ) -> operations_pb2.CreateServiceKeyResponse:
        token = Token.new(uuid7())
        key = await self._once(convert.create_service_key(request, calls.current().origin, token))
        return operations_pb2.CreateServiceKeyResponse(service_key=convert.service_key(key), token=str(token))

    async def ListServiceKeys(
        self, request: operations_pb2.ListServiceKeysRequest, context: "_Context"
    ) -> operations_pb2.ListServiceKeysResponse:
        rows = await fetch_all(self._pool, ServiceKey)
        return operations_pb2.ListServiceKeysResponse(service_keys=[convert.service_key(row) for row in rows])

    async def RotateServiceKey(
        self, request: operations_pb2.RotateServiceKeyRequest, context: "_Context"
    ) -> operations_pb2.RotateServiceKeyResponse:
        token = Token.new(convert.id_of(request.name))
        key = await self._once(convert.rotate_service_key(request, calls.current().origin, token))
        self._authenticator.forget(key.id)
        return operations_pb2.RotateServiceKeyResponse(service_key=convert.service_key(key), token=str(token))

    async def RevokeServiceKey(
        self, request: operations_pb2.RevokeServiceKeyRequest, context: "_Context"
    ) -> operations_pb2.ServiceKey:
        command = convert.revoke_service_key(request, calls.current().origin)
        key = await calls.submit(self._engine, command)
        self._authenticator.forget(key.id)
        return convert.service_key(key)

    async def AuditLedger(
        self, request: operations_pb2.AuditLedgerRequest, context: "_Context"
    ) -> operations_pb2.AuditLedgerResponse:
        return convert.audit_checks(await audit(self._database_url))

    async def _once(self, command: Any) -> ServiceKey:
        """Carries out a command whose answer shows a secret, which no repeat may."""
        call = calls.current()
        answer = await self._engine.submit(command, timeout_seconds=call.remaining_seconds)
        if answer.replayed:
            raise SecretAlreadyShown(service_key=f"serviceKeys/{answer.result.id}")
        key: ServiceKey = answer.result
        return key


class Sandbox(sandbox_pb2_grpc.SandboxServiceServicer):
    """What only a sandbox serves."""

    def __init__(self, engine: Engine, pool: "_Pool") -> None:
        self._engine = engine
        self._pool = pool

    async def AdvanceClock(self, request: sandbox_pb2.AdvanceClockRequest, context: "_Context") -> sandbox_pb2.Clock:
        command = convert.advance_clock(request, calls.current().origin)
        return convert.clock(await calls.submit(self._engine, command))

    async def GetClock(self, request: sandbox_pb2.GetClockRequest, context: "_Context") -> sandbox_pb2.Clock:
        (row,) = await self._pool.fetch(sql.load("danbao_core", "read_clock"))
        return convert.clock(ClockReading(row["time"], row["offset_seconds"]))
