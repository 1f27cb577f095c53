"""Accounts, wallets and fundings."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple

from danbao.v1 import accounts_pb2, accounts_pb2_grpc, statements_pb2
from danbao_core import sql
from danbao_core.accounts import Account, AccountKind, AccountRef, AccountState, Purpose, balance_id
from danbao_core.accounts.lists import list_accounts
from danbao_core.bank.port import Bank
from danbao_core.bank.ways import Ways
from danbao_core.engine import Engine
from danbao_core.engine.reads import fetch_row
from danbao_core.errors import AccountNotFound, FundingNotFound, NotYourAccount, WalletMissing
from danbao_core.fundings import Funding, list_fundings
from danbao_core.keyring import Keyring
from danbao_core.ledger import Line, list_entries
from danbao_core.people.channels import SandboxProvider
from danbao_core.people.instruments import BankTokenizer, SandboxTokenizer
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert
from danbao_core.rpc.paging import Pages, place_of
from danbao_core.rpc.services.desk import Desk
from danbao_core.rpc.services.files import UnderWay, chunks_of
from danbao_core.rpc.services.identity import Identity
from danbao_core.rpc.services.limits import LimitsReader
from danbao_core.rpc.services.passwords import Passwords
from danbao_core.rpc.services.proofs import proofs_of
from danbao_core.rpc.services.visible import account_for_list, may_see
from danbao_core.statements.exporting import Exporter
from danbao_core.statements.words import words_of

if TYPE_CHECKING:
    import asyncpg
    import grpc

    _Context = grpc.aio.ServicerContext[Any, Any]
    _Pool = asyncpg.Pool[Any]


class Accounts(Identity, LimitsReader, Passwords, accounts_pb2_grpc.AccountServiceServicer):
    """Accounts, wallets and fundings, and the people behind accounts. A sandbox has a till and channels of its own."""

    def __init__(  # what a server is put together of
        self,
        engine: Engine,
        pool: "_Pool",
        pages: Pages,
        keyring: Keyring,
        desk: Desk,
        bank: Bank | None = None,
        *,
        sandbox: bool,
    ) -> None:
        self._desk = desk
        self._engine = engine
        self._pool = pool
        self._pages = pages
        self._keyring = keyring
        self._exporter = Exporter(pool)
        self._under_way = UnderWay()
        self._identities = SandboxProvider() if sandbox else None
        self._ways = Ways(bank=bank is not None, till=sandbox)
        self._tokenizer = BankTokenizer(bank) if bank is not None else SandboxTokenizer() if sandbox else None

    async def CreateAccount(self, request: accounts_pb2.CreateAccountRequest, context: "_Context") -> accounts_pb2.Account:
        command = convert.create_account(request, calls.current().origin)
        return convert.account(await calls.submit(self._engine, command))

    async def GetAccount(self, request: accounts_pb2.GetAccountRequest, context: "_Context") -> accounts_pb2.Account:
        return convert.account(await self._account(request.name))

    async def GetAccountByExternalId(
        self, request: accounts_pb2.GetAccountByExternalIdRequest, context: "_Context"
    ) -> accounts_pb2.Account:
        ref = await fetch_row(self._pool, AccountRef, request.external_id)
        account = None if ref is None else await fetch_row(self._pool, Account, ref.account_id)
        if account is None or not may_see(calls.current().origin, account.id):
            raise AccountNotFound(external_id=request.external_id)
        return convert.account(account)

    async def ListAccounts(
        self, request: accounts_pb2.ListAccountsRequest, context: "_Context"
    ) -> accounts_pb2.ListAccountsResponse:
        call = calls.current()
        if call.origin.account_id is not None:
            raise NotYourAccount
        page = self._pages.page(call, request)
        kinds = [AccountKind(kind) for kind in request.kinds]
        states = [AccountState(state) for state in request.states]
        found = await list_accounts(self._pool, kinds, states, before=page.before_id, limit=page.reach)
        accounts, token = page.show_found(found, convert.account)
        return accounts_pb2.ListAccountsResponse(accounts=accounts, next_page_token=token)

    async def UpdateAccount(self, request: accounts_pb2.UpdateAccountRequest, context: "_Context") -> accounts_pb2.Account:
        command = convert.update_account(request, calls.current().origin)
        return convert.account(await calls.submit(self._engine, command))

    async def OpenWallet(self, request: accounts_pb2.OpenWalletRequest, context: "_Context") -> accounts_pb2.Account:
        command = convert.open_wallet(request, calls.current().origin)
        return convert.account(await calls.submit(self._engine, command))

    async def CloseAccount(self, request: accounts_pb2.CloseAccountRequest, context: "_Context") -> accounts_pb2.Account:
        command = convert.close_account(request, calls.current().origin)
        return convert.account(await calls.submit(self._engine, command))

    async def ListBalances(
        self, request: accounts_pb2.ListBalancesRequest, context: "_Context"
    ) -> accounts_pb2.ListBalancesResponse:
        account = await self._account(request.name)
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

    async def ListEntries(
        self, request: accounts_pb2.ListEntriesRequest, context: "_Context"
    ) -> accounts_pb2.ListEntriesResponse:
        page = self._pages.page(calls.current(), request)
        account = await self._account(request.account)
        if request.currency_code not in account.currencies.split():
            raise WalletMissing(account=account.name, currency=request.currency_code)
        place = _Place.parse(page.place)
        lines: list[_Line] = []
        for purpose in sorted(Purpose(each) for each in request.purposes or (Purpose.AVAILABLE,)):
            if purpose < place.purpose or len(lines) == page.reach:
                continue
            balance = balance_id(account.id, request.currency_code, purpose)
            before = place.version if purpose == place.purpose else None
            found = await list_entries(self._pool, balance, before=before, limit=page.reach - len(lines))
            lines += [_Line(purpose, each) for each in found]
        entries, token = page.show(
            lines,
            lambda line: convert.entry(line.line, line.purpose, request.currency_code),
            lambda line: str(_Place(line.purpose, line.line.version)),
        )
        return accounts_pb2.ListEntriesResponse(entries=entries, next_page_token=token)

    async def ExportStatement(
        self, request: statements_pb2.ExportStatementRequest, context: "_Context"
    ) -> AsyncGenerator[statements_pb2.FileChunk, None]:
        period, words = convert.period_of(request), words_of(request.language)
        account, currency = await self._account(request.account), request.currency_code
        if currency not in account.currencies.split():
            raise WalletMissing(account=account.name, currency=currency)
        with self._under_way.one_of(calls.current().caller.id):
            file = await self._exporter.statement(account, currency, period, convert.format_of(request.format), words)
            async with aclosing(chunks_of(file)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def TopUp(self, request: accounts_pb2.TopUpRequest, context: "_Context") -> accounts_pb2.Funding:
        command = convert.top_up(request, calls.current().origin, self._ways)
        return convert.funding(await calls.submit(self._engine, command))

    async def Withdraw(self, request: accounts_pb2.WithdrawRequest, context: "_Context") -> accounts_pb2.Funding:
        origin = calls.current().origin
        proofs = await proofs_of(self._pool, self._keyring, origin, request.payment_password, request.approval)
        command = convert.withdraw(request, origin, proofs, self._ways)
        return convert.funding(await calls.submit(self._engine, command))

    async def GetFunding(self, request: accounts_pb2.GetFundingRequest, context: "_Context") -> accounts_pb2.Funding:
        funding = await fetch_row(self._pool, Funding, convert.id_of(request.name))
        if funding is None or not may_see(calls.current().origin, funding.account_id):
            raise FundingNotFound(funding=request.name)
        return convert.funding(funding)

    async def ListFundings(
        self, request: accounts_pb2.ListFundingsRequest, context: "_Context"
    ) -> accounts_pb2.ListFundingsResponse:
        call = calls.current()
        page = self._pages.page(call, request)
        account_id = await account_for_list(self._pool, call.origin, request.account)
        rows = await list_fundings(self._pool, account_id, before=page.before_id, limit=page.reach)
        fundings, token = page.show(rows, convert.funding, place_of)
        return accounts_pb2.ListFundingsResponse(fundings=fundings, next_page_token=token)


class _Line(NamedTuple):
    """A line of a statement, and whose."""

    purpose: Purpose
    line: Line


class _Place(NamedTuple):
    """Where a statement was left: which balance, and its last entry that was shown."""

    purpose: int
    version: int | None

    @classmethod
    def parse(cls, text: str | None) -> "_Place":
        """The place in a page's token; before everything on the first page."""
        if text is None:
            return cls(0, None)
        purpose, version = text.split(".")
        return cls(int(purpose), int(version))

    def __str__(self) -> str:
        return f"{int(self.purpose)}.{self.version}"
