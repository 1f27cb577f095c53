"""Payments: `lifecycle.py` has the tables of what may happen, `steps.py` what a step does, `commands.py` who asks for it.

`refunding.py` has refunds: who asks, and each step of carrying one out.
"""

from danbao_core.payments.batch import CreatePayments, PaymentBatch
from danbao_core.payments.commands import (
    CancelPayment,
    CapturePayment,
    CatchUp,
    ConfirmPayment,
    CorrectShipment,
    CreatePayment,
    ExtendConfirmation,
    PayPayment,
    Shipment,
    ShipPayment,
    VoidPayment,
)
from danbao_core.payments.lifecycle import Actor, CloseReason, Event, Mode, State
from danbao_core.payments.refund_rows import Refund, RefundState
from danbao_core.payments.refunding import CarryOutRefund, CreateRefund
from danbao_core.payments.rows import OrderRef, Payment, ShipmentMethod

__all__ = [
    "Actor",
    "CancelPayment",
    "CapturePayment",
    "CarryOutRefund",
    "CatchUp",
    "CloseReason",
    "ConfirmPayment",
    "CorrectShipment",
    "CreatePayment",
    "CreatePayments",
    "CreateRefund",
    "Event",
    "ExtendConfirmation",
    "Mode",
    "OrderRef",
    "PayPayment",
    "Payment",
    "PaymentBatch",
    "Refund",
    "RefundState",
    "ShipPayment",
    "Shipment",
    "ShipmentMethod",
    "State",
    "VoidPayment",
]
