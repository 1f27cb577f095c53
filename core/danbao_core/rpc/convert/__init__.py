"""Between the contract and the domain: the only package that knows both. One module per area of the contract."""

from danbao_core.rpc.convert.accounts import account, close_account, create_account, entry, funding, open_wallet, top_up
from danbao_core.rpc.convert.bulk import create_payments, payments
from danbao_core.rpc.convert.operations import (
    audit_checks,
    audit_event,
    create_service_key,
    fact_filter,
    revoke_service_key,
    rotate_service_key,
    service_key,
    set_merchant_plan,
)
from danbao_core.rpc.convert.parts import id_of, money, money_of, timestamp, whole_seconds
from danbao_core.rpc.convert.payments import (
    cancel_payment,
    capture_payment,
    confirm_payment,
    correct_shipment,
    create_payment,
    extend_confirmation,
    pay_payment,
    payment,
    payment_filter,
    ship_payment,
    void_payment,
)
from danbao_core.rpc.convert.sandbox import advance_clock, clock

__all__ = [
    "account",
    "advance_clock",
    "audit_checks",
    "audit_event",
    "cancel_payment",
    "capture_payment",
    "clock",
    "close_account",
    "confirm_payment",
    "correct_shipment",
    "create_account",
    "create_payment",
    "create_payments",
    "create_service_key",
    "entry",
    "extend_confirmation",
    "fact_filter",
    "funding",
    "id_of",
    "money",
    "money_of",
    "open_wallet",
    "pay_payment",
    "payment",
    "payment_filter",
    "payments",
    "revoke_service_key",
    "rotate_service_key",
    "service_key",
    "set_merchant_plan",
    "ship_payment",
    "timestamp",
    "top_up",
    "void_payment",
    "whole_seconds",
]
