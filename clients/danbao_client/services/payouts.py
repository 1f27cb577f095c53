"""`danbao.payouts`. Written by `make protos`: change the protos, not this file."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from danbao.v1 import payouts_pb2, statements_pb2
from danbao_client.files import chunks_of
from danbao_client.money import AnyMoney
from danbao_client.pages import Pages
from danbao_client.rpc import Rpc, WatchRpc
from danbao_client.service import Service
from danbao_client.values import request_of


class Payouts(Service):
    """What merchants are paid out by a schedule, and what each payout is made of.

    When a payout is due, all that the wallet can spend is withdrawn, as Withdraw does it: the account holds the money until
    a bank has answered, and where the bank says no it is part of the next payout. A service key that is bound to an account
    sees that account alone; any other is answered NOT_FOUND.
    """

    descriptor = payouts_pb2.DESCRIPTOR.services_by_name["PayoutService"]

    SetPayoutSchedule: Rpc[payouts_pb2.SetPayoutScheduleRequest, payouts_pb2.PayoutSchedule]
    GetPayoutSchedule: Rpc[payouts_pb2.GetPayoutScheduleRequest, payouts_pb2.PayoutSchedule]
    GetPayout: Rpc[payouts_pb2.GetPayoutRequest, payouts_pb2.Payout]
    ListPayouts: Rpc[payouts_pb2.ListPayoutsRequest, payouts_pb2.ListPayoutsResponse]
    GetSettlementReport: Rpc[payouts_pb2.GetSettlementReportRequest, payouts_pb2.SettlementReport]
    ExportSettlementReport: WatchRpc[payouts_pb2.ExportSettlementReportRequest, statements_pb2.FileChunk]

    async def set_schedule(
        self,
        *,
        account: str,
        cadence: payouts_pb2.PayoutSchedule.Cadence.ValueType,
        least: AnyMoney,
        weekday: int = 0,
        instrument: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> payouts_pb2.PayoutSchedule:
        """Says when a merchant is paid out in one currency; CADENCE_NEVER ends it. What the wallet holds when its schedule is
        first set is part of the first payout. A key that is bound to no account needs the scope `fundings.withdraw_any`,
        too (SCOPE_MISSING). Refused with PAYOUTS_FOR_MERCHANTS for a person's account, with INSTRUMENT_NOT_FOUND for a card
        that is not bound to the account, with BANK_MISSING by a live core where no card is named, with ACCOUNT_FROZEN and
        ACCOUNT_CLOSED.

        - `account`: `accounts/{uuid}` of the merchant.
        - `cadence`: When payouts are due.
        - `least`: What the wallet must be able to spend for a payout, more than zero, in the currency that is paid out. The
          account must have the wallet: WALLET_MISSING otherwise.
        - `weekday`: With CADENCE_WEEKLY, 1 for Monday to 7 for Sunday; else 0.
        - `instrument`: To which card of the account. Empty for a sandbox's till.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            payouts_pb2.SetPayoutScheduleRequest,
            account=account,
            cadence=cadence,
            least=least,
            weekday=weekday,
            instrument=instrument,
            request_id=request_id,
        )
        return await self.SetPayoutSchedule(request, deadline_seconds=deadline_seconds)

    async def get_schedule(
        self,
        *,
        account: str,
        currency_code: str,
        deadline_seconds: float | None = None,
    ) -> payouts_pb2.PayoutSchedule:
        """Answers when an account is paid out in a currency. Where that was never set: PAYOUT_SCHEDULE_NOT_FOUND.

        - `account`: `accounts/{uuid}` of the merchant.
        - `currency_code`: ISO 4217 code of the wallet.
        """
        request = request_of(
            payouts_pb2.GetPayoutScheduleRequest,
            account=account,
            currency_code=currency_code,
        )
        return await self.GetPayoutSchedule(request, deadline_seconds=deadline_seconds)

    async def get(
        self,
        name: str,
        *,
        deadline_seconds: float | None = None,
    ) -> payouts_pb2.Payout:
        """Answers one payout.

        - `name`: `payouts/{uuid}`.
        """
        request = request_of(
            payouts_pb2.GetPayoutRequest,
            name=name,
        )
        return await self.GetPayout(request, deadline_seconds=deadline_seconds)

    def list(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        account: str = "",
        deadline_seconds: float | None = None,
    ) -> Pages[payouts_pb2.ListPayoutsResponse, payouts_pb2.Payout]:
        """Lists payouts, newest first; see "Lists" at the head of common.proto. A key that is bound to an account is shown
        those of its account.

        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        - `account`: `accounts/{uuid}`: only its payouts. Empty for those of all accounts or, for a key that is bound to
          one, of that.
        """
        request = request_of(
            payouts_pb2.ListPayoutsRequest,
            page_size=page_size,
            page_token=page_token,
            account=account,
        )
        return Pages(self.ListPayouts, request, "payouts", deadline_seconds)

    async def get_settlement_report(
        self,
        name: str,
        *,
        deadline_seconds: float | None = None,
    ) -> payouts_pb2.SettlementReport:
        """Answers what a payout is made of, in sums.

        - `name`: `payouts/{uuid}`.
        """
        request = request_of(
            payouts_pb2.GetSettlementReportRequest,
            name=name,
        )
        return await self.GetSettlementReport(request, deadline_seconds=deadline_seconds)

    def export_settlement_report(
        self,
        name: str,
        *,
        format: statements_pb2.FileFormat.ValueType,
        language: str = "",
        deadline_seconds: float | None = None,
    ) -> AsyncGenerator[statements_pb2.FileChunk, None]:
        """Makes a file of what a payout is made of: every movement of the wallet since the payout before, and the sums of
        GetSettlementReport. Refused as ExportStatement is.

        - `name`: `payouts/{uuid}`.
        - `format`: What kind of file.
        - `language`: Of the words in it: "zh-CN", "en", "fr" or "es"; empty for "zh-CN".
        """
        request = request_of(
            payouts_pb2.ExportSettlementReportRequest,
            name=name,
            format=format,
            language=language,
        )
        return chunks_of(self.ExportSettlementReport, request, deadline_seconds)
