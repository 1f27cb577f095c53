"""When merchants are paid out, and what each payout is made of."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from danbao.v1 import payouts_pb2, payouts_pb2_grpc, statements_pb2
from danbao_core.accounts import Account
from danbao_core.bank.ways import Ways
from danbao_core.engine import Engine
from danbao_core.engine.reads import fetch_row
from danbao_core.payout_errors import PayoutNotFound, PayoutScheduleNotFound
from danbao_core.payouts import Payout, PayoutSchedule, schedule_id
from danbao_core.payouts.lists import list_payouts
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert
from danbao_core.rpc.paging import Pages, place_of
from danbao_core.rpc.services.files import UnderWay, chunks_of
from danbao_core.rpc.services.visible import account_for_list, may_see, visible_account
from danbao_core.statements.exporting import Exporter
from danbao_core.statements.reading import Extract, extract_between
from danbao_core.statements.settlement import sums_of
from danbao_core.statements.words import words_of

if TYPE_CHECKING:
    import asyncpg
    import grpc

    _Context = grpc.aio.ServicerContext[Any, Any]
    _Pool = asyncpg.Pool[Any]


class Payouts(payouts_pb2_grpc.PayoutServiceServicer):
    """When merchants are paid out, and what each payout is made of."""

    def __init__(self, engine: Engine, pool: "_Pool", pages: Pages, ways: Ways) -> None:
        self._engine = engine
        self._pool = pool
        self._pages = pages
        self._ways = ways
        self._exporter = Exporter(pool)
        self._under_way = UnderWay()

    async def SetPayoutSchedule(
        self, request: payouts_pb2.SetPayoutScheduleRequest, context: "_Context"
    ) -> payouts_pb2.PayoutSchedule:
        command = convert.set_payout_schedule(request, calls.current().origin, self._ways)
        return convert.payout_schedule(await calls.submit(self._engine, command))

    async def GetPayoutSchedule(
        self, request: payouts_pb2.GetPayoutScheduleRequest, context: "_Context"
    ) -> payouts_pb2.PayoutSchedule:
        account = await visible_account(self._pool, calls.current().origin, request.account)
        schedule = await fetch_row(self._pool, PayoutSchedule, schedule_id(account.id, request.currency_code))
        if schedule is None:
            raise PayoutScheduleNotFound(account=account.name, currency=request.currency_code)
        return convert.payout_schedule(schedule)

    async def GetPayout(self, request: payouts_pb2.GetPayoutRequest, context: "_Context") -> payouts_pb2.Payout:
        return convert.payout(await self._payout(request.name))

    async def ListPayouts(
        self, request: payouts_pb2.ListPayoutsRequest, context: "_Context"
    ) -> payouts_pb2.ListPayoutsResponse:
        call = calls.current()
        page = self._pages.page(call, request)
        account_id = await account_for_list(self._pool, call.origin, request.account)
        rows = await list_payouts(self._pool, account_id, before=page.before_id, limit=page.reach)
        payouts, token = page.show(rows, convert.payout, place_of)
        return payouts_pb2.ListPayoutsResponse(payouts=payouts, next_page_token=token)

    async def GetSettlementReport(
        self, request: payouts_pb2.GetSettlementReportRequest, context: "_Context"
    ) -> payouts_pb2.SettlementReport:
        payout = await self._payout(request.name)
        return convert.settlement_report(payout, await sums_of(self._pool, await self._extract(payout)))

    async def ExportSettlementReport(
        self, request: payouts_pb2.ExportSettlementReportRequest, context: "_Context"
    ) -> AsyncGenerator[statements_pb2.FileChunk, None]:
        payout, words = await self._payout(request.name), words_of(request.language)
        account = await fetch_row(self._pool, Account, payout.account_id)
        assert account is not None, "the audit holds every payout to have its account"
        with self._under_way.one_of(calls.current().caller.id):
            name = f"settlement-{payout.id}"
            file_format = convert.format_of(request.format)
            extract = await self._extract(payout)
            file = await self._exporter.settlement(name, account, extract, payout.due_at, file_format, words)
            async with aclosing(chunks_of(file)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _payout(self, name: str) -> Payout:
        """The payout with this name. Raises PayoutNotFound, also for one that the caller may not see."""
        payout = await fetch_row(self._pool, Payout, convert.id_of(name))
        if payout is None or not may_see(calls.current().origin, payout.account_id):
            raise PayoutNotFound(payout=name)
        return payout

    async def _extract(self, payout: Payout) -> Extract:
        return await extract_between(
            self._pool, payout.account_id, payout.currency, payout.after_version, payout.until_version, payout.created_at
        )
