"""Many payments at once."""

from danbao.v1 import payments_pb2
from danbao_core.engine import Origin
from danbao_core.errors import FieldInvalid, Refusal, Violation
from danbao_core.payments import CreatePayment, CreatePayments, PaymentBatch
from danbao_core.rpc.convert.payments import create_payment, payment
from danbao_core.rpc.validation import must_be_of_bounded_size, validate


def create_payments(request: payments_pb2.BatchCreatePaymentsRequest, origin: Origin) -> CreatePayments:
    """The command for a request. Raises FieldInvalid, which names the item, for one that breaks a rule."""
    must_be_of_bounded_size(request)
    return CreatePayments(
        origin=origin, items=tuple(_item(number, item, origin) for number, item in enumerate(request.requests))
    )


def _item(number: int, item: payments_pb2.CreatePaymentRequest, origin: Origin) -> CreatePayment:
    try:
        if item.request_id:
            raise FieldInvalid([Violation("request_id", "must be empty: the batch has one for all")])
        item.request_id = origin.request_id  # under which it stands; so it must keep the rules that it would keep alone
        validate(item)
        return create_payment(item, origin)
    except Refusal as refusal:
        raise refusal.of_item(number) from None


def payments(batch: PaymentBatch) -> payments_pb2.BatchCreatePaymentsResponse:
    """The response for what was created."""
    return payments_pb2.BatchCreatePaymentsResponse(payments=map(payment, batch.payments))
