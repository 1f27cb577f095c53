"""What may happen to a dispute, and who brings it about."""

import pytest

from danbao_core.disputes import (
    DisputeEvent,
    DisputeState,
    Party,
)
from danbao_core.disputes.lifecycle import FINAL, OPEN_STATES, TRANSITIONS, state_after
from danbao_core.errors import (
    ActorNotAllowed,
    InvalidTransition,
)

PROMISED = """
AWAITING_SELLER  ACCEPT            SETTLED         SELLER
AWAITING_SELLER  REJECT            AWAITING_BUYER  SELLER
AWAITING_SELLER  OFFER             AWAITING_BUYER  SELLER
AWAITING_SELLER  SUBMIT_EVIDENCE   AWAITING_SELLER BUYER SELLER
AWAITING_SELLER  WITHDRAW          CLOSED          BUYER
AWAITING_SELLER  ANNOUNCE          AWAITING_SELLER TIMER
AWAITING_SELLER  SELLER_SILENT     SETTLED         TIMER
AWAITING_BUYER   ACCEPT_OFFER      SETTLED         BUYER
AWAITING_BUYER   ESCALATE          UNDER_REVIEW    BUYER
AWAITING_BUYER   SUBMIT_EVIDENCE   AWAITING_BUYER  BUYER SELLER
AWAITING_BUYER   WITHDRAW          CLOSED          BUYER
AWAITING_BUYER   ANNOUNCE          AWAITING_BUYER  TIMER
AWAITING_BUYER   BUYER_SILENT      CLOSED          TIMER
UNDER_REVIEW     SUBMIT_EVIDENCE   UNDER_REVIEW    BUYER SELLER
UNDER_REVIEW     DECIDE            DECIDED         ARBITRATOR SUPERVISOR
UNDER_REVIEW     WITHDRAW          CLOSED          BUYER
UNDER_REVIEW     ANNOUNCE          UNDER_REVIEW    TIMER
UNDER_REVIEW     EVIDENCE_END      UNDER_REVIEW    TIMER
UNDER_REVIEW     REMIND            UNDER_REVIEW    TIMER
UNDER_REVIEW     CALL_SUPERVISORS  UNDER_REVIEW    TIMER
DECIDED          APPEAL            UNDER_REVIEW    BUYER SELLER
DECIDED          WAIVE             DECIDED         BUYER SELLER
DECIDED          WITHDRAW          CLOSED          BUYER
DECIDED          ANNOUNCE          DECIDED         TIMER
DECIDED          APPEAL_END        SETTLED         TIMER
SETTLED          COMPENSATE        SETTLED         TIMER
"""
ALLOWED = {
    (DisputeState[state], DisputeEvent[event], Party[actor]): DisputeState[after]
    for state, event, after, *actors in (line.split() for line in PROMISED.strip().splitlines())
    for actor in actors
}
DECLARED = {(state, event) for state, event, _ in ALLOWED}


@pytest.mark.parametrize("state", DisputeState, ids=lambda state: state.name)
@pytest.mark.parametrize("event", DisputeEvent, ids=lambda event: event.name)
@pytest.mark.parametrize("actor", Party, ids=lambda actor: actor.name)
def test_every_combination(state: DisputeState, event: DisputeEvent, actor: Party) -> None:
    if (state, event, actor) in ALLOWED:
        assert state_after(state, event, actor) is ALLOWED[state, event, actor]
    elif (state, event) in DECLARED:
        with pytest.raises(ActorNotAllowed):
            state_after(state, event, actor)
    else:
        with pytest.raises(InvalidTransition):
            state_after(state, event, actor)


def test_the_last_word_settles() -> None:
    assert set(FINAL) == {
        (DisputeState.UNDER_REVIEW, DisputeEvent.DECIDE),
        (DisputeState.DECIDED, DisputeEvent.WAIVE),
    }
    assert set(FINAL.values()) == {DisputeState.SETTLED}
    assert {state for state, _ in TRANSITIONS} == OPEN_STATES | {DisputeState.SETTLED}
