"""What is known of a payment, and what follows from it. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from danbao_core.accounts import PLATFORM_ID, Purpose
from danbao_core.disputes import Dispute, Step
from danbao_core.history import Fact
from danbao_core.payments import Payment, Refund, RefundState
from danbao_core.people.challenges import FactorKind

SET_ASIDE: Final = frozenset({Purpose.HELD, Purpose.ESCROW, Purpose.SUSPENSE})
"""Balances in which money waits for what becomes of it."""


class Posted(NamedTuple):
    """One balance's part in a journal; amounts are minor units of the payment's currency."""

    journal_id: UUID
    account_id: UUID
    purpose: Purpose
    amount_minor: int
    balance_after_minor: int

    @property
    def of_platform(self) -> bool:
        """Whether it is one of the platform's balances, of which there are several for the same purpose."""
        return self.account_id == PLATFORM_ID


class Told(NamedTuple):
    """An event."""

    id: UUID
    topic: str
    subject_id: UUID
    payload: bytes
    created_at: datetime
    """When it took place; what time brought about, when that was due."""
    told: bool
    """Whether the relay has taken it."""


class Approved(NamedTuple):
    """A challenge to pay the payment that was answered."""

    id: UUID
    account_id: UUID
    factor: FactorKind
    created_at: datetime
    used_at: datetime | None


class Hold(NamedTuple):
    """What the journals have set aside and not taken out again."""

    account_id: UUID
    purpose: Purpose
    amount_minor: int
    since: datetime


class Timer(NamedTuple):
    """What time will bring about."""

    subject: str
    """A resource name."""
    what: str
    at: datetime


class Explanation(NamedTuple):
    """All that is known of a payment. Facts, events and approvals each are in the order of their ids."""

    payment: Payment
    refunds: Sequence[Refund]
    disputes: Sequence[Dispute]
    dispute_steps: Sequence[Step]
    """Dispute after dispute, each in order."""
    facts: Sequence[Fact]
    posted: Sequence[Posted]
    events: Sequence[Told]
    approvals: Sequence[Approved]
    truncated: bool
    """Whether there were more than were read."""

    def posted_by(self, journal_id: UUID) -> list[Posted]:
        """The entries of a journal: accounts' before the platform's, what went before what came."""
        found = [each for each in self.posted if each.journal_id == journal_id]
        return sorted(found, key=lambda each: (each.of_platform, each.amount_minor, each.purpose))

    def holds(self) -> list[Hold]:
        """What is set aside now, in the order in which it was; nothing where not all journals were read."""
        if self.truncated:
            return []
        holds: dict[tuple[UUID, Purpose], Hold] = {}
        for fact in sorted(self.facts, key=lambda fact: (fact.created_at, fact.id)):
            for each in self.posted_by(fact.id):
                if each.purpose not in SET_ASIDE:
                    continue
                place = (each.account_id, each.purpose)
                before = holds.pop(place, Hold(*place, 0, fact.created_at))
                after = before._replace(amount_minor=before.amount_minor + each.amount_minor)
                if after.amount_minor:
                    holds[place] = after
        return sorted(holds.values(), key=lambda hold: hold.since)

    def timers(self) -> list[Timer]:
        """What time will bring about, the soonest first."""
        timers = [_timer_of(refund) for refund in self.refunds if refund.due_at is not None]
        timers += [
            Timer(dispute.name, dispute.due_event.name, dispute.due_at)
            for dispute in self.disputes
            if dispute.due_at is not None and dispute.due_event is not None
        ]
        if self.payment.due_at is not None and self.payment.due_event is not None:
            timers.append(Timer(self.payment.name, self.payment.due_event.name, self.payment.due_at))
        return sorted(timers, key=lambda timer: timer.at)


def _timer_of(refund: Refund) -> Timer:
    assert refund.due_at is not None, "an open refund is due"
    what = "GIVE_UP" if refund.state is RefundState.AWAITING_FUNDS else "CARRY_OUT"
    return Timer(f"refunds/{refund.id}", what, refund.due_at)
