"""Accounts, wallets and fundings."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from danbao.v1 import accounts_pb2, accounts_pb2_grpc
from danbao_core import sql
from danbao_core.accounts import PLATFORM_ID, Account, Purpose
from danbao_core.engine import Engine, Origin
from danbao_core.engine.reads import fetch_row
from danbao_core.errors import AccountNotFound, BankMissing, FundingNotFound
from danbao_core.fundings import Funding
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert

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
