"""Refunds: their table of states and events, and what is told of them."""

from itertools import product
from typing import Any

import pytest

from danbao.v1 import payments_pb2
from danbao_core.errors import (
    InvalidTransition,
)
from danbao_core.payments import (
    CancelPayment,
    RefundState,
)
from danbao_core.payments.refund_rows import (
    OPEN,
    TRANSITIONS,
    Destination,
    Fallback,
    RefundEvent,
    RefundFailure,
    Source,
)
from danbao_core.rpc.convert.events import parties_of, resource_of
from danbao_core.trail import Outbox
from tests.memory_core import NOON
from tests.shop import Shop

# --- The table --------------------------------------------------------------------------------------------------------------

PROMISED = """
PENDING         WAIT       AWAITING_FUNDS
PENDING         TAKE       PENDING
PENDING         FALL_BACK  PENDING
PENDING         SUCCEED    SUCCEEDED
PENDING         FAIL       FAILED
AWAITING_FUNDS  TAKE       PENDING
AWAITING_FUNDS  FAIL       FAILED
"""
ALLOWED = {
    (RefundState[state], RefundEvent[event]): RefundState[after]
    for state, event, after in (line.split() for line in PROMISED.strip().splitlines())
}


@pytest.mark.parametrize(("state", "event"), list(product(RefundState, RefundEvent)), ids=lambda value: value.name)
def test_every_state_and_event(state: RefundState, event: RefundEvent) -> None:
    shop = Shop()
    refund = shop.refund(shop.order(pay=True)).replace(state=state)
    if (state, event) in ALLOWED:
        after = refund.after(event, NOON)
        assert (after.state, after.version) == (ALLOWED[state, event], refund.version + 1)
        assert (after.due_at is None, after.ended_at) == ((True, NOON) if after.state not in OPEN else (False, None))
    else:
        with pytest.raises(InvalidTransition):
            refund.after(event, NOON)
    assert set(TRANSITIONS) == set(ALLOWED)


@pytest.mark.parametrize(
    ("domain", "contract", "prefix"),
    [
        (RefundState, payments_pb2.Refund.State, "STATE_"),
        (Source, payments_pb2.Refund.Source, "SOURCE_"),
        (Destination, payments_pb2.Refund.Destination, "DESTINATION_"),
        (RefundFailure, payments_pb2.Refund.FailureReason, "FAILURE_REASON_"),
        (Fallback, payments_pb2.Refund.FallbackReason, "FALLBACK_REASON_"),
    ],
)
def test_the_numbers_are_those_of_the_contract(domain: Any, contract: Any, prefix: str) -> None:
    assert {each.name: each.value for each in domain if each.value} == {
        name.removeprefix(prefix): number for name, number in contract.items() if number
    }


# --- What is told -----------------------------------------------------------------------------------------------------------


def test_events_are_told_in_order_with_those_of_the_payment() -> None:
    shop = Shop()
    payment = shop.order(pay=True)
    superseded = shop.refund(payment, 1)
    shop.carried_out(shop.refund(payment, 2))
    shop.step(CancelPayment, payment)
    assert shop.now(superseded).state is RefundState.FAILED
    told = [each for each in shop.core.all(Outbox) if each.topic.startswith("refund.")]
    assert {each.topic for each in told} == {"refund.created", "refund.succeeded", "refund.failed"}
    assert {each.ordering_id for each in told} == {payment.id}


def test_events_show_the_refund_as_it_was_then() -> None:
    shop = Shop()
    refund = shop.refund(shop.order(pay=True), 1)
    shop.carried_out(refund)
    told = [each for each in shop.core.all(Outbox) if each.subject_id == refund.id]
    shown = [resource_of(each.topic, each.payload) for each in told]
    assert [(each.name, each.state) for each in shown] == [  # type: ignore[attr-defined]  # both are refunds
        (refund.name, payments_pb2.Refund.STATE_PENDING),
        (refund.name, payments_pb2.Refund.STATE_SUCCEEDED),
    ]
    assert {parties_of(each.topic, each.payload) for each in told} == {(shop.seller.id, shop.buyer.id)}
