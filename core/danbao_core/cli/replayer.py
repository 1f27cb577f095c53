"""What `danbao replay` does: orders through escrow, over gRPC, like any other caller."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import UUID, uuid5

import grpc
from google.protobuf.duration_pb2 import Duration

from danbao.v1.accounts_pb2 import Account, CreateAccountRequest, TopUpRequest
from danbao.v1.common_pb2 import Money
from danbao.v1.payments_pb2 import (
    ConfirmPaymentRequest,
    CreatePaymentRequest,
    Payment,
    PayPaymentRequest,
    Shipment,
    ShipPaymentRequest,
)
from danbao.v1.sandbox_pb2 import AdvanceClockRequest
from danbao_client import Danbao, DanbaoError
from danbao_core.cli.orders import Order

_NAMESPACE: Final = UUID("5f0c5c4e-52d1-4d0b-9b0f-8d5f3c1f6a1e")
"""Of the request ids of replays. It never changes: a repeat under another one would do everything again."""

_TIME_TO_PAY: Final = Duration(seconds=15 * 24 * 3600)
"""The longest that the contract allows, so that a replay which stopped in the middle can go on days later."""

_DAY_SECONDS: Final = 24 * 3600

# What the core answers where it looked at a purchase and said no; any other failure concerns all purchases.
_REFUSALS: Final = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.FAILED_PRECONDITION,
    }
)


@dataclass
class Tally:
    """What became of the orders so far."""

    succeeded: int = 0
    refused_by_reason: Counter[str] = field(default_factory=Counter)
    takings_minor: int = 0
    """What the merchant got, after fees."""
    fees_minor: int = 0

    @property
    def refused(self) -> int:
        return self.refused_by_reason.total()

    def count(self, payment: Payment) -> None:
        """Adds a payment that succeeded."""
        self.succeeded += 1
        self.takings_minor += payment.amount.amount_minor - payment.fee.amount_minor
        self.fees_minor += payment.fee.amount_minor


class Replayer:
    """One run over orders.

    Every request id follows from what is asked for. So a second run is answered with the first answers and changes nothing, and
    one after a run that was stopped goes on where that stopped.
    """

    def __init__(self, danbao: Danbao, merchant: str, currency: str, concurrency: int, on_order: Callable[[], None]) -> None:
        """At most `concurrency` purchases are under way at once; `on_order` is called after each."""
        self._danbao = danbao
        self._merchant = merchant
        self._currency = currency
        self._concurrency = concurrency
        self._on_order = on_order
        self._payee = ""
        self._buyers: dict[str, str] = {}
        self._tally = Tally()

    async def run(self, orders: Sequence[Order]) -> Tally:
        """Takes orders, which are sorted by date, through escrow and answers what became of them.

        Raises DanbaoError for whatever is not the refusal of one purchase.
        """
        self._payee = await self._account(self._merchant, Account.KIND_MERCHANT, "merchant")
        last: date | None = None
        for ordered_on, of_the_date in itertools.groupby(orders, key=lambda order: order.date):
            if last is not None:
                await self._move_clock(last, ordered_on)
            await self._take_all(list(of_the_date))
            last = ordered_on
        return self._tally

    async def _move_clock(self, since: date, until: date) -> None:
        request_id = self._request_id("clock", since.isoformat(), until.isoformat())
        gap = Duration(seconds=(until - since).days * _DAY_SECONDS)
        await self._danbao.sandbox.AdvanceClock(AdvanceClockRequest(request_id=request_id, by=gap))

    async def _take_all(self, orders: Sequence[Order]) -> None:
        """Takes the orders of one date, many at once."""
        waiting = iter(orders)

        async def take_in_turn() -> None:
            for order in waiting:
                await self._take(order)
                self._on_order()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._concurrency, len(orders))):
                    group.create_task(take_in_turn())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _take(self, order: Order) -> None:
        try:
            self._tally.count(await self._purchase(order))
        except DanbaoError as error:
            if error.code not in _REFUSALS:
                raise
            self._tally.refused_by_reason[error.reason or error.code.name] += 1

    async def _purchase(self, order: Order) -> Payment:
        """One order from creation to release. The buyer is topped up only once there is something to pay."""
        number, payments = order.order_no, self._danbao.payments
        amount = Money(amount_minor=order.amount_minor, currency_code=self._currency)
        payer = await self._buyer(order.customer)
        created = await payments.CreatePayment(
            CreatePaymentRequest(
                request_id=self._request_id("create", number),
                payer=payer,
                payee=self._payee,
                amount=amount,
                mode=Payment.MODE_ESCROW,
                order_no=number,
                subject=f"Order {number}",
                metadata={"date": order.date.isoformat(), "quantity": order.quantity, "customer": order.customer},
                expire_after=_TIME_TO_PAY,
            )
        )
        await self._danbao.accounts.TopUp(
            TopUpRequest(request_id=self._request_id("top-up", number), account=payer, amount=amount)
        )
        await payments.PayPayment(PayPaymentRequest(request_id=self._request_id("pay", number), name=created.name))
        shipment = Shipment(method=Shipment.METHOD_EXPRESS)
        await payments.ShipPayment(
            ShipPaymentRequest(request_id=self._request_id("ship", number), name=created.name, shipment=shipment)
        )
        return await payments.ConfirmPayment(
            ConfirmPaymentRequest(request_id=self._request_id("confirm", number), name=created.name)
        )

    async def _buyer(self, customer: str) -> str:
        """The account of a customer, made with the first order.

        Two first orders at once ask for it twice with one request id, and get the same account.
        """
        if customer not in self._buyers:
            self._buyers[customer] = await self._account(customer, Account.KIND_PERSONAL, "buyer", customer)
        return self._buyers[customer]

    async def _account(self, display_name: str, kind: Account.Kind.ValueType, *step: str) -> str:
        account = await self._danbao.accounts.CreateAccount(
            CreateAccountRequest(
                request_id=self._request_id(*step), kind=kind, display_name=display_name, currency_codes=[self._currency]
            )
        )
        return account.name

    def _request_id(self, *step: str) -> str:
        """The same one for the same step, whenever it is taken."""
        return str(uuid5(_NAMESPACE, json.dumps([self._merchant, self._currency, *step])))
