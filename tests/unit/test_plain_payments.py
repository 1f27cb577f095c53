"""Plain payments: what is let pass without protovalidate keeps the contract's rules, as they are now."""

import hashlib
from typing import Any

import protovalidate
import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from danbao.v1 import common_pb2, payments_pb2
from danbao_core.errors import FieldInvalid
from danbao_core.rpc.plain_payments import is_plain_payment
from danbao_core.rpc.validation import validate, validate_item
from tests.rpc_requests import UNKNOWN, a_payment, a_transfer, an_authorization, cancel, changed, money

ADA, BOB = f"accounts/{UNKNOWN}", f"accounts/{UNKNOWN[:-1]}0"
PLAIN = a_payment(ADA, BOB, subject="\u4e24\u672c\u4e66", order_no="A-1")
VALIDATOR = protovalidate.Validator()


@pytest.mark.parametrize("request_", [PLAIN, a_transfer(ADA, BOB), an_authorization(ADA, BOB), a_payment(ADA, BOB, pay=False)])
def test_most_payments_are_plain(request_: payments_pb2.CreatePaymentRequest) -> None:
    assert is_plain_payment(request_)


NOT_PLAIN: list[dict[str, Any]] = [
    {"request_id": ""},
    {"request_id": "7" * 65},
    {"request_id": "a\n"},
    {"request_id": "\u00e9"},
    {"payer": ""},
    {"payer": ADA.upper()},
    {"payer": ADA + "\n"},
    {"payer": "payments/" + UNKNOWN},
    {"payee": BOB[:-1]},
    {"payee": " " + BOB},
    {"amount": None},
    {"amount": money(0)},
    {"amount": money(-1)},
    {"amount": money(1, "cny")},
    {"amount": money(1, "CNY\n")},
    {"amount": money(1, "CNYX")},
    {"mode": 99},
    {"order_no": "7" * 65},
    {"order_no": "a\tb"},
    {"order_no": "A-1\n"},
    {"subject": "x" * 257},
    {"subject": "a\nb"},
    {"subject": "a\n"},
    {"subject": "\x7f"},
    {"metadata": {"": "x"}},
    {"metadata": {"a": "x" * 501}},
    {"expire_after": Duration(seconds=59)},
]


@pytest.mark.parametrize("fields", NOT_PLAIN, ids=str)
def test_what_breaks_a_rule_is_not_plain_and_is_refused(fields: dict[str, Any]) -> None:
    request = changed(PLAIN, **fields)
    assert not is_plain_payment(request)
    for check in (validate, validate_item):
        with pytest.raises(FieldInvalid):
            check(request)


def test_what_few_payments_have_is_left_to_protovalidate() -> None:
    for request in (
        changed(PLAIN, metadata={"a": "b"}),
        changed(PLAIN, expire_after=Duration(seconds=60)),
        cancel("payments/1"),
    ):
        assert not is_plain_payment(request)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=70) | st.from_regex(r"[ -~\n]{0,66}", fullmatch=True)
NAMES = st.sampled_from([ADA, BOB, ADA + "\n", ADA[:-1], "accounts/"]) | TEXTS


@given(
    st.builds(
        payments_pb2.CreatePaymentRequest,
        request_id=TEXTS,
        payer=NAMES,
        payee=NAMES,
        amount=st.builds(
            common_pb2.Money,
            amount_minor=st.integers(-2, 2),
            currency_code=st.sampled_from(["CNY", "USD", "", "\u0391\u0392\u0393"]) | TEXTS,
        ),
        mode=st.integers(-1, 5),
        order_no=TEXTS,
        subject=TEXTS | st.just("\u4e66" * 256) | st.just("\u4e66" * 257),
    )
)
def test_what_is_plain_keeps_the_rules(request: payments_pb2.CreatePaymentRequest) -> None:
    for each in (request, changed(PLAIN, subject=request.subject), changed(PLAIN, order_no=request.order_no)):
        assert not is_plain_payment(each) or not VALIDATOR.collect_violations(each)


def test_the_rules_are_those_that_plain_payments_were_written_for() -> None:
    """Where this fails the contract changed: see to `plain_payments` first, then put the new digest here."""
    fields = [*payments_pb2.CreatePaymentRequest.DESCRIPTOR.fields, *common_pb2.Money.DESCRIPTOR.fields]
    told = b"".join(field.full_name.encode() + field.GetOptions().SerializeToString(deterministic=True) for field in fields)
    told += payments_pb2.CreatePaymentRequest.DESCRIPTOR.GetOptions().SerializeToString(deterministic=True)
    assert hashlib.sha256(told).hexdigest() == "39f9834680055670a9869ee9d8b671476b28e4accf3193803ca3ac152abde190"
