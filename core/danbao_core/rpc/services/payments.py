"""Payments and their life."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from danbao.v1 import payments_pb2, payments_pb2_grpc
from danbao_core.clock import WallClock
from danbao_core.engine import Engine, Origin
from danbao_core.engine.reads import fetch_row
from danbao_core.errors import PaymentNotFound
from danbao_core.keyring import Keyring
from danbao_core.notification_errors import WatchesBusy
from danbao_core.notifications.events import EventFilter
from danbao_core.payments import OrderRef, Payment, Refund
from danbao_core.payments.lists import list_payments
from danbao_core.payments.refund_lists import list_refunds
from danbao_core.payments.steps import actor_of
from danbao_core.people_errors import ServiceNeeded
from danbao_core.refund_errors import (
    RefundNotFound,
)
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert
from danbao_core.rpc.paging import Pages
from danbao_core.rpc.payment_stream import PaymentStream
from danbao_core.rpc.services.files import UnderWay
from danbao_core.rpc.services.proofs import proofs_of
from danbao_core.rpc.services.visible import account_for_list, may_see_one_of
from danbao_core.rpc.watching import MOST_OF_A_CALLER, Watcher, Watching

if TYPE_CHECKING:
    import asyncpg
    import grpc

    _Context = grpc.aio.ServicerContext[Any, Any]
    _Pool = asyncpg.Pool[Any]


_WATCHED = frozenset({"payment", "refund"})
"""The kinds of events that a watch of payments tells."""


class Payments(payments_pb2_grpc.PaymentServiceServicer):
    """Payments and their life."""

    def __init__(
        self,
        engine: Engine,
        pool: "_Pool",
        pages: Pages,
        hash_key: bytes,
        wall_clock: WallClock,
        keyring: Keyring,
        watching: Watching,
        *,
        has_bank: bool,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._pages = pages
        self._hash_key = hash_key
        self._wall_clock = wall_clock
        self._keyring = keyring
        self._watching = watching
        self._watches = UnderWay(MOST_OF_A_CALLER, WatchesBusy)
        self._has_bank = has_bank

    async def CreatePayment(self, request: payments_pb2.CreatePaymentRequest, context: "_Context") -> payments_pb2.Payment:
        command = convert.create_payment(request, calls.current().origin)
        return convert.payment(await calls.submit(self._engine, command))

    async def GetPayment(self, request: payments_pb2.GetPaymentRequest, context: "_Context") -> payments_pb2.Payment:
        return convert.payment(await self._payment(request.name))

    async def _payment(self, name: str) -> Payment:
        """The payment with this resource name. Raises PaymentNotFound, also for one that the caller may not see."""
        payment = await fetch_row(self._pool, Payment, convert.id_of(name))
        if payment is None or actor_of(calls.current().origin, payment) is None:
            raise PaymentNotFound(payment=name)
        return payment

    async def GetPaymentByOrderNo(
        self, request: payments_pb2.GetPaymentByOrderNoRequest, context: "_Context"
    ) -> payments_pb2.Payment:
        ref = await fetch_row(self._pool, OrderRef, convert.id_of(request.payee), request.order_no)
        payment = None if ref is None else await fetch_row(self._pool, Payment, ref.payment_id)
        if payment is None or actor_of(calls.current().origin, payment) is None:
            raise PaymentNotFound(payee=request.payee, order_no=request.order_no)
        return convert.payment(payment)

    async def ListPayments(
        self, request: payments_pb2.ListPaymentsRequest, context: "_Context"
    ) -> payments_pb2.ListPaymentsResponse:
        call = calls.current()
        page = self._pages.page(call, request)
        wanted = convert.payment_filter(request, await account_for_list(self._pool, call.origin, request.account))
        found = await list_payments(self._pool, wanted, before=page.before_id, limit=page.reach)
        payments, token = page.show_found(found, convert.payment)
        return payments_pb2.ListPaymentsResponse(payments=payments, next_page_token=token)

    async def PayPayment(self, request: payments_pb2.PayPaymentRequest, context: "_Context") -> payments_pb2.Payment:
        origin = calls.current().origin
        proofs = await proofs_of(self._pool, self._keyring, origin, request.payment_password, request.approval)
        command = convert.pay_payment(request, origin, proofs)
        return convert.payment(await calls.submit(self._engine, command))

    async def ShipPayment(self, request: payments_pb2.ShipPaymentRequest, context: "_Context") -> payments_pb2.Payment:
        command = convert.ship_payment(request, calls.current().origin)
        return convert.payment(await calls.submit(self._engine, command))

    async def CorrectShipment(self, request: payments_pb2.CorrectShipmentRequest, context: "_Context") -> payments_pb2.Payment:
        command = convert.correct_shipment(request, calls.current().origin)
        return convert.payment(await calls.submit(self._engine, command))

    async def ExtendConfirmation(
        self, request: payments_pb2.ExtendConfirmationRequest, context: "_Context"
    ) -> payments_pb2.Payment:
        command = convert.extend_confirmation(request, calls.current().origin)
        return convert.payment(await calls.submit(self._engine, command))

    async def ConfirmPayment(self, request: payments_pb2.ConfirmPaymentRequest, context: "_Context") -> payments_pb2.Payment:
        origin = calls.current().origin
        proofs = await proofs_of(self._pool, self._keyring, origin, request.payment_password)
        command = convert.confirm_payment(request, origin, proofs)
        return convert.payment(await calls.submit(self._engine, command))

    async def CapturePayment(self, request: payments_pb2.CapturePaymentRequest, context: "_Context") -> payments_pb2.Payment:
        command = convert.capture_payment(request, calls.current().origin)
        return convert.payment(await calls.submit(self._engine, command))

    async def VoidPayment(self, request: payments_pb2.VoidPaymentRequest, context: "_Context") -> payments_pb2.Payment:
        command = convert.void_payment(request, calls.current().origin)
        return convert.payment(await calls.submit(self._engine, command))

    async def CancelPayment(self, request: payments_pb2.CancelPaymentRequest, context: "_Context") -> payments_pb2.Payment:
        command = convert.cancel_payment(request, calls.current().origin)
        return convert.payment(await calls.submit(self._engine, command))

    async def CreateRefund(self, request: payments_pb2.CreateRefundRequest, context: "_Context") -> payments_pb2.Refund:
        origin = calls.current().origin
        proofs = await proofs_of(self._pool, self._keyring, origin, request.payment_password)
        command = convert.create_refund(request, origin, proofs, has_bank=self._has_bank)
        return convert.refund(await calls.submit(self._engine, command))

    async def GetRefund(self, request: payments_pb2.GetRefundRequest, context: "_Context") -> payments_pb2.Refund:
        payment_id, refund_id = convert.refund_ids(request.name)
        refund = await fetch_row(self._pool, Refund, refund_id)
        sides = () if refund is None else (refund.payer_id, refund.payee_id)
        if refund is None or payment_id not in (None, refund.payment_id) or not may_see_one_of(calls.current().origin, *sides):
            raise RefundNotFound(refund=request.name)
        return convert.refund(refund)

    async def ListRefunds(
        self, request: payments_pb2.ListRefundsRequest, context: "_Context"
    ) -> payments_pb2.ListRefundsResponse:
        call = calls.current()
        page = self._pages.page(call, request)
        wanted = convert.refund_filter(request, await account_for_list(self._pool, call.origin, request.account))
        if request.payment:
            await self._payment(request.payment)
        found = await list_refunds(self._pool, wanted, before=page.before_id, limit=page.reach)
        refunds, token = page.show_found(found, convert.refund)
        return payments_pb2.ListRefundsResponse(refunds=refunds, next_page_token=token)

    async def BatchCreatePayments(
        self, request: payments_pb2.BatchCreatePaymentsRequest, context: "_Context"
    ) -> payments_pb2.BatchCreatePaymentsResponse:
        command = convert.create_payments(request, _services_origin())
        return convert.payments(await calls.submit(self._engine, command))

    def StreamPayments(
        self, request_iterator: AsyncIterator[payments_pb2.StreamPaymentsRequest], context: "_Context"
    ) -> AsyncIterator[payments_pb2.StreamPaymentsResponse]:
        _services_origin()
        stream = PaymentStream(self._engine, request_iterator, calls.current(), self._hash_key, self._wall_clock)
        return stream.answers()

    async def WatchPayments(
        self, request: payments_pb2.WatchPaymentsRequest, context: "_Context"
    ) -> AsyncIterator[payments_pb2.WatchPaymentsResponse]:
        call = calls.current()
        assert call.outlet is not None, "a watch has an outlet"
        account_id = await account_for_list(self._pool, call.origin, request.account)
        payment_id = convert.id_of(request.payment) if request.payment else None
        wanted = EventFilter(_WATCHED, account_id=account_id, ordering_id=payment_id)
        with self._watches.one_of(call.caller.id):
            async with contextlib.aclosing(self._watching.watch(Watcher(wanted, call.outlet), request.cursor)) as told:
                async for seen in told:
                    yield convert.watched_payment(seen.cursor, seen.event)


def _services_origin() -> Origin:
    """Who calls, of a call for services alone: rates bound the calls of people, not what is in them. Raises ServiceNeeded."""
    origin = calls.current().origin
    if origin.by_person:
        raise ServiceNeeded
    return origin
