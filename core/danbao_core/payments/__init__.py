"""Payments: `lifecycle.py` has the tables of what may happen, `steps.py` what a step does, `commands.py` who asks for it."""

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
from danbao_core.payments.rows import OrderRef, Payment, ShipmentMethod

__all__ = [
    "Actor",
    "CancelPayment",
    "CapturePayment",
    "CatchUp",
    "CloseReason",
    "ConfirmPayment",
    "CorrectShipment",
    "CreatePayment",
    "CreatePayments",
    "Event",
    "ExtendConfirmation",
    "Mode",
    "OrderRef",
    "PayPayment",
    "Payment",
    "PaymentBatch",
    "ShipPayment",
    "Shipment",
    "ShipmentMethod",
    "State",
    "VoidPayment",
]
