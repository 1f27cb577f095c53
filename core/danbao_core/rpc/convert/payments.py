"""Payments."""

import json
from typing import Final
from uuid import UUID

from danbao.v1 import payments_pb2
from danbao_core.engine import Json, Origin
from danbao_core.errors import FieldInvalid, Violation
from danbao_core.payments import (
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    CorrectShipment,
    CreatePayment,
    ExtendConfirmation,
    Mode,
    Payment,
    PayPayment,
    Shipment,
    ShipmentMethod,
    ShipPayment,
    State,
    VoidPayment,
)
from danbao_core.payments.lists import PaymentFilter, Side
from danbao_core.people.proofs import Proofs
from danbao_core.rpc.convert.parts import id_of, moment, money_of, put_money, put_time, whole_seconds

_SIDES: Final = {
    payments_pb2.ListPaymentsRequest.SIDE_UNSPECIFIED: Side.EITHER,
    payments_pb2.ListPaymentsRequest.SIDE_PAYER: Side.PAYER,
    payments_pb2.ListPaymentsRequest.SIDE_PAYEE: Side.PAYEE,
}


def create_payment(request: payments_pb2.CreatePaymentRequest, origin: Origin) -> CreatePayment:
    """The command for a request."""
    return CreatePayment(
        origin=origin,
        payer_id=id_of(request.payer),
        payee_id=id_of(request.payee),
        amount=money_of(request.amount),
        mode=Mode(request.mode or Mode.ESCROW),
        order_no=request.order_no,
        subject=request.subject,
        metadata=Json(json.dumps(dict(request.metadata), ensure_ascii=False, sort_keys=True))
        if request.metadata
        else Json("{}"),
        expire_after_seconds=(
            whole_seconds("expire_after", request.expire_after) if request.HasField("expire_after") else None
        ),
        pay=request.pay,
    )


def payment_filter(request: payments_pb2.ListPaymentsRequest, account_id: UUID | None) -> PaymentFilter:
    """Which payments a request asks for, of `account_id` or of all. Raises FieldInvalid for a side without an account."""
    if request.side and account_id is None:
        raise FieldInvalid([Violation("side", "needs an account")])
    side = Side.ALL if account_id is None else _SIDES[request.side]
    return PaymentFilter(
        side=side,
        account_id=account_id,
        states=[State(state) for state in request.states],
        modes=[Mode(mode) for mode in request.modes],
        created_from=moment("created_from", request.created_from) if request.HasField("created_from") else None,
        created_before=moment("created_before", request.created_before) if request.HasField("created_before") else None,
    )


def pay_payment(request: payments_pb2.PayPaymentRequest, origin: Origin, proofs: Proofs) -> PayPayment:
    """The command for a request."""
    return PayPayment(origin=origin, payment_id=id_of(request.name), proofs=proofs)


def ship_payment(request: payments_pb2.ShipPaymentRequest, origin: Origin) -> ShipPayment:
    """The command for a request."""
    return ShipPayment(origin=origin, payment_id=id_of(request.name), shipment=_shipment_of(request.shipment))


def correct_shipment(request: payments_pb2.CorrectShipmentRequest, origin: Origin) -> CorrectShipment:
    """The command for a request."""
    return CorrectShipment(origin=origin, payment_id=id_of(request.name), shipment=_shipment_of(request.shipment))


def _shipment_of(message: payments_pb2.Shipment) -> Shipment:
    return Shipment(method=ShipmentMethod(message.method), carrier=message.carrier, tracking_no=message.tracking_no)


def extend_confirmation(request: payments_pb2.ExtendConfirmationRequest, origin: Origin) -> ExtendConfirmation:
    """The command for a request."""
    return ExtendConfirmation(origin=origin, payment_id=id_of(request.name))


def confirm_payment(request: payments_pb2.ConfirmPaymentRequest, origin: Origin, proofs: Proofs) -> ConfirmPayment:
    """The command for a request."""
    return ConfirmPayment(origin=origin, payment_id=id_of(request.name), proofs=proofs)


def capture_payment(request: payments_pb2.CapturePaymentRequest, origin: Origin) -> CapturePayment:
    """The command for a request."""
    amount = money_of(request.amount) if request.HasField("amount") else None
    return CapturePayment(origin=origin, payment_id=id_of(request.name), amount=amount)


def void_payment(request: payments_pb2.VoidPaymentRequest, origin: Origin) -> VoidPayment:
    """The command for a request."""
    return VoidPayment(origin=origin, payment_id=id_of(request.name))


def cancel_payment(request: payments_pb2.CancelPaymentRequest, origin: Origin) -> CancelPayment:
    """The command for a request."""
    return CancelPayment(origin=origin, payment_id=id_of(request.name))


_Mode = payments_pb2.Payment.Mode.ValueType
_State = payments_pb2.Payment.State.ValueType
_DueEvent = payments_pb2.Payment.DueEvent.ValueType
_CloseReason = payments_pb2.Payment.CloseReason.ValueType

_TIMES: Final = (
    ("due_time", "due_at"),
    ("create_time", "created_at"),
    ("update_time", "updated_at"),
    ("pay_time", "paid_at"),
    ("ship_time", "shipped_at"),
    ("success_time", "succeeded_at"),
    ("close_time", "closed_at"),
    ("shipment_correct_time", "shipment_corrected_at"),
    ("confirmation_extend_time", "confirmation_extended_at"),
)
"""Where a payment's times stand: in the message and on the row."""


def payment(row: Payment) -> payments_pb2.Payment:
    """The resource for a row."""
    message = payments_pb2.Payment()
    put_payment(row, message)
    return message


def put_payment(row: Payment, message: payments_pb2.Payment) -> None:
    """Makes a message that is empty the resource for a row.

    It writes into the messages within: one that is made alone and then put there is copied, which takes longer than to fill it.
    """
    message.name = f"payments/{row.id}"
    message.payer = f"accounts/{row.payer_id}"
    message.payee = f"accounts/{row.payee_id}"
    put_money(row.amount_minor, row.currency, message.amount)
    put_money(row.fee_minor, row.currency, message.fee)
    message.mode = _Mode(row.mode)
    message.state = _State(row.state)
    message.order_no = row.order_no
    message.subject = row.subject
    put_money(row.held_minor, row.currency, message.held)
    put_money(row.released_minor, row.currency, message.released)
    put_money(row.returned_minor, row.currency, message.returned)
    put_money(row.refunded_minor, row.currency, message.refunded)
    put_money(row.refund_reserved_minor, row.currency, message.refund_reserved)
    put_money(row.awarded_minor, row.currency, message.awarded)
    if row.dispute_id is not None:
        message.dispute = f"disputes/{row.dispute_id}"
    message.due_event = _DueEvent(row.due_event or 0)
    message.close_reason = _CloseReason(row.close_reason)
    for field, column in _TIMES:
        at = getattr(row, column)
        if at is not None:
            put_time(at, getattr(message, field))
    if row.metadata != "{}":
        message.metadata.update(json.loads(row.metadata))
    if row.shipment_method:
        message.shipment.method = payments_pb2.Shipment.Method.ValueType(row.shipment_method)
        message.shipment.carrier = row.carrier
        message.shipment.tracking_no = row.tracking_no
