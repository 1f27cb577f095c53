"""Every reason has a message, a code and a safe size; RetryInfo stands exactly where a retry is safe."""

import grpc
import pytest
from google.rpc import error_details_pb2

from danbao_core import bank_errors, errors, notification_errors, payout_errors, people_errors, refund_errors
from danbao_core.errors import ExternalIdTaken, FieldInvalid, Kind, OrderNoTaken, Refusal, Violation
from danbao_core.rpc.status import CODES, status_of

REASONS = [
    each
    for module in (errors, bank_errors, notification_errors, payout_errors, people_errors, refund_errors)
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, Refusal) and each.__module__ == module.__name__ and each is not Refusal
]


def an_example(refusal: type[Refusal]) -> Refusal:
    if issubclass(refusal, FieldInvalid):
        return refusal([Violation("amount", "must be more than zero")])
    if refusal is ExternalIdTaken:
        return ExternalIdTaken(account="accounts/1", external_id="7")
    return OrderNoTaken(payment="payments/1", order_no="7") if refusal is OrderNoTaken else refusal(fact="x")


@pytest.mark.parametrize("refusal", REASONS, ids=lambda refusal: refusal.__name__)
def test_every_reason_has_a_message_and_a_status(refusal: type[Refusal]) -> None:
    status = status_of(an_example(refusal))
    info = error_details_pb2.ErrorInfo()
    assert refusal.message.endswith((".", "?"))
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == (refusal.reason, "danbao")
    assert status.code == CODES[refusal.kind].value[0]


def test_reasons_are_unique() -> None:
    assert len({refusal.reason for refusal in REASONS}) == len(REASONS)


def test_the_table_of_codes_is_complete() -> None:
    assert set(CODES) == set(Kind)


@pytest.mark.parametrize("refusal", REASONS, ids=lambda refusal: refusal.__name__)
def test_retry_info_stands_where_a_retry_is_safe_and_nowhere_else(refusal: type[Refusal]) -> None:
    safe = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED)
    status = status_of(an_example(refusal))
    has_retry_info = any(detail.Unpack(error_details_pb2.RetryInfo()) for detail in status.details)
    assert has_retry_info == (CODES[refusal.kind] in safe)


def test_a_name_becomes_a_reason() -> None:
    assert errors.InsufficientFunds.reason == "INSUFFICIENT_FUNDS"


def test_what_is_taken_is_named() -> None:
    status = status_of(OrderNoTaken(payment="payments/1", order_no="7"))
    resource = error_details_pb2.ResourceInfo()
    assert any(detail.Unpack(resource) for detail in status.details)
    assert resource.resource_name == "payments/1"


def test_the_worst_list_of_violations_fits_into_headers() -> None:
    worst = FieldInvalid([Violation(f"metadata.{'長' * 500}", "壞" * 500, "R" * 64) for _ in range(500)])
    assert len(status_of(worst).SerializeToString()) < 5 * 1024  # 4 KiB of details and the message
