"""Requests for payments that are plainly within the contract's rules, found out in a fifth of protovalidate's time.

They are nearly all that a core is asked for. Nothing is refused here: whatever is not plain, or makes use of what few payments
have (metadata, a time to pay), protovalidate has the word on. A test holds these rules to the contract's, so that both change
together.
"""

import re
from typing import Final

from google.protobuf.message import Message

from danbao.v1 import payments_pb2

_is_request_id: Final = re.compile("[ -~]{1,64}").fullmatch
_is_account: Final = re.compile("accounts/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_is_currency: Final = re.compile("[A-Z]{3}").fullmatch
_is_order_no: Final = re.compile("[ -~]{0,64}").fullmatch
_is_subject: Final = re.compile(r"[^\x00-\x1f\x7f]{0,256}").fullmatch
_MODES: Final = frozenset(payments_pb2.Payment.Mode.values())


def is_plain_payment(request: Message) -> bool:
    """Whether a message is a CreatePaymentRequest that breaks no rule for certain."""
    if not isinstance(request, payments_pb2.CreatePaymentRequest):
        return False
    amount = request.amount
    return (
        amount.amount_minor > 0  # so it is there
        and _is_currency(amount.currency_code) is not None
        and _is_request_id(request.request_id) is not None
        and _is_account(request.payer) is not None
        and _is_account(request.payee) is not None
        and request.mode in _MODES
        and _is_order_no(request.order_no) is not None
        and _is_subject(request.subject) is not None
        and not request.metadata
        and not request.HasField("expire_after")
    )
