"""Refunds."""

from typing import Final
from uuid import UUID

from danbao.v1 import payments_pb2
from danbao_core.engine import Origin
from danbao_core.errors import FieldInvalid, Violation
from danbao_core.ids import uuid_of
from danbao_core.payments import CreateRefund, Refund, RefundState
from danbao_core.payments.refund_lists import Of, RefundFilter
from danbao_core.people.proofs import Proofs
from danbao_core.rpc.convert.parts import id_of, money_of, optional_id_of, put_money, put_time

_SIDES: Final = {
    payments_pb2.ListRefundsRequest.SIDE_UNSPECIFIED: Of.EITHER,
    payments_pb2.ListRefundsRequest.SIDE_PAYER: Of.PAYER,
    payments_pb2.ListRefundsRequest.SIDE_PAYEE: Of.PAYEE,
}
_ANY: Final = "-"


def create_refund(request: payments_pb2.CreateRefundRequest, origin: Origin, proofs: Proofs, *, has_bank: bool) -> CreateRefund:
    """The command for a request."""
    return CreateRefund(
        origin=origin,
        payment_id=id_of(request.payment),
        amount=money_of(request.amount) if request.HasField("amount") else None,
        reason=request.reason,
        instrument_id=optional_id_of(request.instrument),
        proofs=proofs,
        has_bank=has_bank,
    )


def refund_ids(name: str) -> tuple[UUID | None, UUID]:
    """The ids of the payment, None where it may be any, and of the refund in a name that the contract's rules have let pass."""
    _, payment, _, refund = name.split("/")
    return (None if payment == _ANY else uuid_of(payment)), uuid_of(refund)


def refund_filter(request: payments_pb2.ListRefundsRequest, account_id: UUID | None) -> RefundFilter:
    """Which refunds a request asks for, of a payment, of `account_id` or of all. Raises FieldInvalid for a side without an
    account, and for a payment with one."""
    states = [RefundState(state) for state in request.states]
    if request.payment:
        wrong = [field for field in ("account", "side") if getattr(request, field)]
        if wrong:
            raise FieldInvalid([Violation(field, "does not go with a payment") for field in wrong])
        return RefundFilter(Of.PAYMENT, id_of(request.payment), states)
    if request.side and account_id is None:
        raise FieldInvalid([Violation("side", "needs an account")])
    return RefundFilter(Of.ALL if account_id is None else _SIDES[request.side], account_id, states)


_TIMES: Final = (
    ("create_time", "created_at"),
    ("update_time", "updated_at"),
    ("end_time", "ended_at"),
)
"""Where a refund's times stand: in the message and on the row."""


def refund(row: Refund) -> payments_pb2.Refund:
    """The resource for a row."""
    message = payments_pb2.Refund(
        name=row.name,
        payment=f"payments/{row.payment_id}",
        payer=f"accounts/{row.payer_id}",
        payee=f"accounts/{row.payee_id}",
        state=payments_pb2.Refund.State.ValueType(row.state),
        source=payments_pb2.Refund.Source.ValueType(row.source),
        destination=payments_pb2.Refund.Destination.ValueType(row.destination),
        instrument=f"instruments/{row.instrument_id}" if row.instrument_id else "",
        fallback_reason=payments_pb2.Refund.FallbackReason.ValueType(row.fallback),
        reason=row.reason,
        failure_reason=payments_pb2.Refund.FailureReason.ValueType(row.failure),
    )
    put_money(row.amount_minor, row.currency, message.amount)
    put_money(row.fee_share_minor, row.currency, message.fee_share)
    for field, column in _TIMES:
        at = getattr(row, column)
        if at is not None:
            put_time(at, getattr(message, field))
    if row.state is RefundState.AWAITING_FUNDS and row.due_at is not None:
        put_time(row.due_at, message.due_time)
    return message
