"""What time brings about in disputes, and when. Pure.

A dispute knows the next of these events alone; the one after it counts from when this one was due, whenever somebody came by.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from danbao_core.disputes.lifecycle import DisputeEvent, DisputeState
from danbao_core.policy import Policy


class Due(NamedTuple):
    """What happens next by itself."""

    event: DisputeEvent
    at: datetime
    respond_by: datetime
    """The deadline of whoever is to act."""


_DEADLINES: Final = {
    DisputeState.AWAITING_SELLER: DisputeEvent.SELLER_SILENT,
    DisputeState.AWAITING_BUYER: DisputeEvent.BUYER_SILENT,
    DisputeState.UNDER_REVIEW: DisputeEvent.EVIDENCE_END,
    DisputeState.DECIDED: DisputeEvent.APPEAL_END,
}
"""What happens when nobody acts in a state."""

BY_TIME: Final = frozenset(
    {*_DEADLINES.values(), DisputeEvent.ANNOUNCE, DisputeEvent.REMIND, DisputeEvent.CALL_SUPERVISORS},
)


def entering(state: DisputeState, at: datetime, policy: Policy) -> Due:
    """What is due in a state that begins at a moment: its deadline, and before that the announcement of it."""
    respond_by = at + timedelta(seconds=_seconds(state, policy))
    announced_at = respond_by - timedelta(seconds=policy.dispute_announce_seconds)
    if announced_at > at:
        return Due(DisputeEvent.ANNOUNCE, announced_at, respond_by)
    return Due(_DEADLINES[state], respond_by, respond_by)


def following(event: DisputeEvent, state: DisputeState, at: datetime, respond_by: datetime, policy: Policy) -> Due:
    """What is due after an event that time brought about at a moment, and that left the dispute open."""
    reminded, called = policy.dispute_remind_seconds, policy.dispute_supervise_seconds
    match event:
        case DisputeEvent.EVIDENCE_END:
            over = policy.dispute_evidence_seconds
            decide_by = at + timedelta(seconds=called - over)
            return Due(DisputeEvent.REMIND, at + timedelta(seconds=reminded - over), decide_by)
        case DisputeEvent.REMIND:
            return Due(DisputeEvent.CALL_SUPERVISORS, at + timedelta(seconds=called - reminded), respond_by)
        case DisputeEvent.CALL_SUPERVISORS:
            again = timedelta(seconds=policy.dispute_supervise_again_seconds)
            return Due(DisputeEvent.CALL_SUPERVISORS, at + again, respond_by)
        case _:
            return Due(_DEADLINES[state], respond_by, respond_by)


def _seconds(state: DisputeState, policy: Policy) -> int:
    """How long a state lasts where nobody acts; of a review, the time for evidence."""
    return {
        DisputeState.AWAITING_SELLER: policy.dispute_seller_seconds,
        DisputeState.AWAITING_BUYER: policy.dispute_buyer_seconds,
        DisputeState.UNDER_REVIEW: policy.dispute_evidence_seconds,
        DisputeState.DECIDED: policy.dispute_appeal_seconds,
    }[state]
