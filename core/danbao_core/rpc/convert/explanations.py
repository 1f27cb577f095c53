"""All that is known of a payment, as a row of steps in order of time."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from danbao.v1 import operations_pb2, verification_pb2
from danbao_core.accounts import Purpose
from danbao_core.disputes import Dispute, Step
from danbao_core.explaining import Approved, Explanation, Hold, Posted, Timer, Told
from danbao_core.history import Fact
from danbao_core.ids import BEFORE_ALL, resource_name
from danbao_core.notifications.topics import kind_of
from danbao_core.payments import Payment, Refund
from danbao_core.rpc.convert.disputes import dispute, dispute_step
from danbao_core.rpc.convert.events import subject_of
from danbao_core.rpc.convert.operations import audit_event
from danbao_core.rpc.convert.parts import money, timestamp
from danbao_core.rpc.convert.payments import payment, put_payment
from danbao_core.rpc.convert.refunds import refund

_Step = operations_pb2.PaymentStep


class _Happened(NamedTuple):
    """A step that happened, and its place in time."""

    at: datetime
    id: UUID
    step: _Step


def explanation(known: Explanation) -> operations_pb2.ExplainPaymentResponse:
    """The answer: what happened, what is set aside, what is still to come."""
    currency = known.payment.currency
    happened = [
        *(_Happened(fact.created_at, fact.id, _done(fact, known.posted_by(fact.id), currency)) for fact in known.facts),
        *(_Happened(event.created_at, event.id, _told(event)) for event in known.events),
        # Before what was done with it in the same moment.
        *(_Happened(each.used_at or each.created_at, BEFORE_ALL, _approved(each)) for each in known.approvals),
        *(_Happened(each.at, BEFORE_ALL, _said(each, currency)) for each in known.dispute_steps),
    ]
    happened.sort(key=lambda each: each[:2])
    return operations_pb2.ExplainPaymentResponse(
        payment=payment(known.payment),
        refunds=map(refund, known.refunds),
        disputes=map(dispute, known.disputes),
        steps=[
            *(each.step for each in happened),
            *(_hold(hold, known.payment) for hold in known.holds()),
            *map(_timer, known.timers()),
        ],
        truncated=known.truncated,
    )


def _done(fact: Fact, posted: list[Posted], currency: str) -> _Step:
    return _Step(
        time=timestamp(fact.created_at),
        subject=resource_name(fact.kind, fact.subject_id),
        done=audit_event(fact),
        entries=[_entry(each, currency) for each in posted],
    )


def _entry(posted: Posted, currency: str) -> operations_pb2.JournalEntry:
    return operations_pb2.JournalEntry(
        account="" if posted.of_platform else f"accounts/{posted.account_id}",
        purpose=_purpose(posted.purpose),
        amount=money(posted.amount_minor, currency),
        balance_after=None if posted.of_platform else money(posted.balance_after_minor, currency),
    )


def _purpose(purpose: Purpose) -> operations_pb2.JournalEntry.Purpose.ValueType:
    return operations_pb2.JournalEntry.Purpose.ValueType(purpose)


def _told(event: Told) -> _Step:
    message = operations_pb2.ToldEvent(event_id=str(event.id), topic=event.topic, told=event.told)
    match _subject_of(event):
        case Payment() as row:
            put_payment(row, message.payment)
        case Refund() as row:
            message.refund.CopyFrom(refund(row))
        case Dispute() as row:
            message.dispute.CopyFrom(dispute(row))
    return _Step(time=timestamp(event.created_at), subject=resource_name(kind_of(event.topic), event.subject_id), event=message)


def _subject_of(event: Told) -> object:
    """What an event is about; None where it was written by another release."""
    try:
        return subject_of(event.topic, event.payload)
    except (KeyError, msgspec.DecodeError):
        return None


def _said(row: Step, currency: str) -> _Step:
    return _Step(
        time=timestamp(row.at),
        subject=f"disputes/{row.dispute_id}",
        dispute_step=dispute_step(row, currency, with_caller=True),
    )


def _approved(approval: Approved) -> _Step:
    return _Step(
        time=timestamp(approval.used_at or approval.created_at),
        subject=f"approvals/{approval.id}",
        approval=operations_pb2.GivenApproval(
            name=f"approvals/{approval.id}",
            account=f"accounts/{approval.account_id}",
            factor=verification_pb2.Factor.Kind.ValueType(approval.factor),
            use_time=timestamp(approval.used_at),
        ),
    )


def _hold(hold: Hold, of: Payment) -> _Step:
    by_platform = hold.purpose not in (Purpose.AVAILABLE, Purpose.HELD, Purpose.RECEIVABLE)
    message = operations_pb2.Hold(
        account="" if by_platform else f"accounts/{hold.account_id}",
        purpose=_purpose(hold.purpose),
        amount=money(hold.amount_minor, of.currency),
    )
    return _Step(time=timestamp(hold.since), subject=of.name, hold=message)


def _timer(timer: Timer) -> _Step:
    return _Step(time=timestamp(timer.at), subject=timer.subject, timer=operations_pb2.Timer(what=timer.what))
