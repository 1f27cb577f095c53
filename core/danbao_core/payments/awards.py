"""What a dispute makes of its payment. Pure."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from danbao_core.money import fee_minor
from danbao_core.payments.lifecycle import Actor, CloseReason, Event, State, state_after
from danbao_core.payments.rows import Payment
from danbao_core.policy import Policy


def disputed(payment: Payment, dispute_id: UUID, bit: int, at: datetime) -> Payment:
    """The payment while a dispute is open: its time stands still. Raises InvalidTransition."""
    return _step(payment, Event.DISPUTE, at).replace(
        dispute_id=dispute_id, disputes_had=payment.disputes_had | bit, due_at=None
    )


def resumed(payment: Payment, left_seconds: int, at: datetime, policy: Policy) -> Payment:
    """The payment after its dispute was closed: its time goes on with what was left of it, or a little more."""
    return _step(payment, Event.RESUME, at).replace(dispute_id=None, due_at=_due_at(left_seconds, at, policy))


def awarded(
    payment: Payment, award_minor: int, fee_share_minor: int, left_seconds: int, at: datetime, policy: Policy
) -> tuple[Event, Payment]:
    """The payment after its dispute was settled, and the event that this was.

    Before the release the payee gets the rest of what no refund is to give back. After it the payee keeps the rest, and
    `fee_share_minor` is what of the award the platform gives back of its fee.
    """
    facts: dict[str, Any] = {"dispute_id": None, "awarded_minor": payment.awarded_minor + award_minor}
    if payment.state is State.SUCCEEDED:
        event = Event.AWARD_ALL if payment.given_back_minor + award_minor == payment.paid_minor else Event.AWARD
        facts |= {
            "refund_taken_minor": payment.refund_taken_minor + award_minor,
            "fee_returned_minor": payment.fee_returned_minor + fee_share_minor,
            "due_at": _due_at(left_seconds, at, policy),
        }
    else:
        released_minor = payment.releasable_minor - award_minor
        event = Event.AWARD if released_minor else Event.AWARD_ALL
        facts |= {
            "held_minor": payment.refund_reserved_minor,
            "released_minor": released_minor,
            "returned_minor": payment.returned_minor + award_minor,
        }
        if released_minor:
            facts |= {
                "fee_minor": fee_minor(released_minor, payment.fee_bps),
                "succeeded_at": at,
                "due_event": Event.FINISH,
                "due_at": at + timedelta(seconds=policy.refund_window_seconds),
            }
    if event is Event.AWARD_ALL:
        facts |= {"close_reason": CloseReason.AWARDED, "closed_at": at, "due_event": None, "due_at": None}
    return event, _step(payment, event, at).replace(**facts)


def _step(payment: Payment, event: Event, at: datetime) -> Payment:
    state = state_after(payment.mode, payment.state, event, Actor.TIMER)
    return payment.replace(state=state, updated_at=at, version=payment.version + 1)


def _due_at(left_seconds: int, at: datetime, policy: Policy) -> datetime:
    return at + timedelta(seconds=max(left_seconds, policy.dispute_resume_seconds))
