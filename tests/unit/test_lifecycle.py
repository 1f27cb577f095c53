"""Every mode, state, event and actor: the tables against what the contract promises, written down again."""

from enum import IntEnum
from itertools import product
from typing import Any

import pytest

from danbao.v1 import payments_pb2
from danbao_core.errors import ActorNotAllowed, InvalidTransition
from danbao_core.payments.lifecycle import (
    TERMINAL,
    TRANSITIONS,
    Actor,
    CloseReason,
    Event,
    Mode,
    State,
    close_reason,
    state_after,
)

# mode, state, event, state after, who may
PROMISED = """
ESCROW         AWAITING_PAYMENT  PAY           PAID        PAYER SERVICE OPERATOR
ESCROW         AWAITING_PAYMENT  CANCEL        CLOSED      PAYER PAYEE SERVICE OPERATOR
ESCROW         AWAITING_PAYMENT  EXPIRE        CLOSED      TIMER
ESCROW         PAID              SHIP          SHIPPED     PAYEE SERVICE OPERATOR
ESCROW         PAID              CANCEL        CLOSED      PAYER PAYEE SERVICE OPERATOR
ESCROW         PAID              SHIP_BY       CLOSED      TIMER
ESCROW         PAID              REFUND        PAID        PAYEE SERVICE OPERATOR
ESCROW         PAID              RETURN        CLOSED      TIMER
ESCROW         PAID              DISPUTE       PAID        TIMER
ESCROW         PAID              RESUME        PAID        TIMER
ESCROW         PAID              AWARD         SUCCEEDED   TIMER
ESCROW         PAID              AWARD_ALL     CLOSED      TIMER
ESCROW         SHIPPED           CORRECT       SHIPPED     PAYEE SERVICE OPERATOR
ESCROW         SHIPPED           EXTEND        SHIPPED     PAYER SERVICE OPERATOR
ESCROW         SHIPPED           CONFIRM       SUCCEEDED   PAYER SERVICE OPERATOR
ESCROW         SHIPPED           AUTO_CONFIRM  SUCCEEDED   TIMER
ESCROW         SHIPPED           REFUND        SHIPPED     PAYEE SERVICE OPERATOR
ESCROW         SHIPPED           RETURN        CLOSED      TIMER
ESCROW         SHIPPED           DISPUTE       SHIPPED     TIMER
ESCROW         SHIPPED           RESUME        SHIPPED     TIMER
ESCROW         SHIPPED           AWARD         SUCCEEDED   TIMER
ESCROW         SHIPPED           AWARD_ALL     CLOSED      TIMER
ESCROW         SUCCEEDED         FINISH        FINISHED    TIMER
ESCROW         SUCCEEDED         REFUND        SUCCEEDED   PAYEE SERVICE OPERATOR
ESCROW         SUCCEEDED         RETURN        CLOSED      TIMER
ESCROW         SUCCEEDED         DISPUTE       SUCCEEDED   TIMER
ESCROW         SUCCEEDED         RESUME        SUCCEEDED   TIMER
ESCROW         SUCCEEDED         AWARD         SUCCEEDED   TIMER
ESCROW         SUCCEEDED         AWARD_ALL     CLOSED      TIMER
INSTANT        AWAITING_PAYMENT  PAY           SUCCEEDED   PAYER SERVICE OPERATOR
INSTANT        AWAITING_PAYMENT  CANCEL        CLOSED      PAYER PAYEE SERVICE OPERATOR
INSTANT        AWAITING_PAYMENT  EXPIRE        CLOSED      TIMER
INSTANT        SUCCEEDED         FINISH        FINISHED    TIMER
INSTANT        SUCCEEDED         REFUND        SUCCEEDED   PAYEE SERVICE OPERATOR
INSTANT        SUCCEEDED         RETURN        CLOSED      TIMER
INSTANT        SUCCEEDED         DISPUTE       SUCCEEDED   TIMER
INSTANT        SUCCEEDED         RESUME        SUCCEEDED   TIMER
INSTANT        SUCCEEDED         AWARD         SUCCEEDED   TIMER
INSTANT        SUCCEEDED         AWARD_ALL     CLOSED      TIMER
AUTHORIZATION  AWAITING_PAYMENT  PAY           AUTHORIZED  PAYER SERVICE OPERATOR
AUTHORIZATION  AWAITING_PAYMENT  CANCEL        CLOSED      PAYER PAYEE SERVICE OPERATOR
AUTHORIZATION  AWAITING_PAYMENT  EXPIRE        CLOSED      TIMER
AUTHORIZATION  AUTHORIZED        CAPTURE       SUCCEEDED   PAYEE SERVICE OPERATOR
AUTHORIZATION  AUTHORIZED        VOID          CLOSED      PAYEE SERVICE OPERATOR
AUTHORIZATION  AUTHORIZED        HOLD_EXPIRY   CLOSED      TIMER
AUTHORIZATION  SUCCEEDED         FINISH        FINISHED    TIMER
AUTHORIZATION  SUCCEEDED         REFUND        SUCCEEDED   PAYEE SERVICE OPERATOR
AUTHORIZATION  SUCCEEDED         RETURN        CLOSED      TIMER
AUTHORIZATION  SUCCEEDED         DISPUTE       SUCCEEDED   TIMER
AUTHORIZATION  SUCCEEDED         RESUME        SUCCEEDED   TIMER
AUTHORIZATION  SUCCEEDED         AWARD         SUCCEEDED   TIMER
AUTHORIZATION  SUCCEEDED         AWARD_ALL     CLOSED      TIMER
"""

ALLOWED = {
    (Mode[mode], State[state], Event[event], Actor[actor]): State[after]
    for mode, state, event, after, *actors in (line.split() for line in PROMISED.strip().splitlines())
    for actor in actors
}
DECLARED = {(mode, state, event) for mode, state, event, _ in ALLOWED}


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
@pytest.mark.parametrize("actor", Actor, ids=lambda actor: actor.name)
def test_every_combination(mode: Mode, state: State, event: Event, actor: Actor) -> None:
    if (mode, state, event, actor) in ALLOWED:
        assert state_after(mode, state, event, actor) is ALLOWED[mode, state, event, actor]
    elif (mode, state, event) in DECLARED:
        with pytest.raises(ActorNotAllowed):
            state_after(mode, state, event, actor)
    else:
        with pytest.raises(InvalidTransition):
            state_after(mode, state, event, actor)


def test_terminal_states_are_those_that_nothing_leaves() -> None:
    left = {(mode, state) for mode, state, _ in TRANSITIONS}
    reached = {(mode, after) for (mode, _, _), after in TRANSITIONS.items()}
    assert {state for mode, state in reached if (mode, state) not in left} == TERMINAL


def test_a_timer_event_leads_out_of_every_state_that_is_not_terminal() -> None:
    reached = {(mode, after) for (mode, _, _), after in TRANSITIONS.items()} | {(mode, State.AWAITING_PAYMENT) for mode in Mode}
    for mode, state in reached:
        by_time = [event for event in Event if event < 10 and (mode, state, event) in TRANSITIONS]
        assert len(by_time) == (0 if state in TERMINAL else 1)


@pytest.mark.parametrize(
    ("event", "actor", "reason"),
    [
        (Event.EXPIRE, Actor.TIMER, CloseReason.EXPIRED),
        (Event.SHIP_BY, Actor.TIMER, CloseReason.NOT_SHIPPED),
        (Event.HOLD_EXPIRY, Actor.TIMER, CloseReason.HOLD_EXPIRED),
        (Event.RETURN, Actor.TIMER, CloseReason.REFUNDED),
        (Event.AWARD_ALL, Actor.TIMER, CloseReason.AWARDED),
        (Event.VOID, Actor.PAYEE, CloseReason.VOIDED),
        (Event.VOID, Actor.SERVICE, CloseReason.VOIDED),
        (Event.VOID, Actor.OPERATOR, CloseReason.VOIDED),
        (Event.CANCEL, Actor.PAYER, CloseReason.CANCELLED_BY_PAYER),
        (Event.CANCEL, Actor.PAYEE, CloseReason.CANCELLED_BY_PAYEE),
        (Event.CANCEL, Actor.SERVICE, CloseReason.CANCELLED_BY_PLATFORM),
        (Event.CANCEL, Actor.OPERATOR, CloseReason.CANCELLED_BY_PLATFORM),
    ],
)
def test_who_closed_it_says_why(event: Event, actor: Actor, reason: CloseReason) -> None:
    assert close_reason(event, actor) is reason


def test_every_event_that_closes_has_a_reason_of_its_own_kind() -> None:
    closing = {event for (_, _, event), after in TRANSITIONS.items() if after is State.CLOSED}
    for event, actor in product(closing, Actor):
        assert close_reason(event, actor) is not CloseReason.NOT_CLOSED


@pytest.mark.parametrize(
    ("domain", "contract", "prefix"),
    [
        (Mode, payments_pb2.Payment.Mode, "MODE_"),
        (State, payments_pb2.Payment.State, "STATE_"),
        (CloseReason, payments_pb2.Payment.CloseReason, "CLOSE_REASON_"),
        (Event, payments_pb2.Payment.DueEvent, "DUE_EVENT_"),
    ],
)
def test_the_numbers_are_those_of_the_contract(domain: type[IntEnum], contract: Any, prefix: str) -> None:
    of_domain = {each.name: each.value for each in domain if each.value and (domain is not Event or each < 10)}
    assert of_domain == {name.removeprefix(prefix): number for name, number in contract.items() if number}
