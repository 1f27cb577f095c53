"""Disputes in random states, made by the commands that everybody uses, and a model of what time then brings about.

The model is written after the domain's description, hours and all, and shares nothing with the core.
"""

import asyncio
import hashlib
import random
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from danbao_core.accounts import Account
from danbao_core.disputes import (
    AcceptDispute,
    AcceptOffer,
    AppealDispute,
    DecideDispute,
    Dispute,
    DisputeEvent,
    DisputeState,
    EscalateDispute,
    OfferSettlement,
    OpenDispute,
    Party,
    Reason,
    RejectDispute,
    Step,
    SubmitEvidence,
    WaiveAppeal,
    WithdrawDispute,
)
from danbao_core.engine import Command, Engine
from danbao_core.errors import Refusal
from danbao_core.money import Money
from danbao_core.payments import Mode, Payment
from tests.builders import (
    a_confirmed_payment,
    a_merchant,
    a_paid_payment,
    a_refund,
    a_shipped_payment,
    a_withdrawal,
    an_account,
    carried_out,
    later,
    origin,
)
from tests.engines import available

AN_HOUR: Final = 3_600
_AT_ONCE: Final = 100
_ROUNDS: Final = 6
_NOTHING: Final = "nothing"

_CHOICES: Final[dict[DisputeState, list[str]]] = {
    DisputeState.AWAITING_SELLER: ["accept", *["reject"] * 5, *["offer"] * 5, "evidence", "withdraw", *[_NOTHING] * 2],
    DisputeState.AWAITING_BUYER: ["accept_offer", *["escalate"] * 8, "evidence", "withdraw", _NOTHING],
    DisputeState.UNDER_REVIEW: [*["evidence"] * 2, *["decide"] * 5, "withdraw", *[_NOTHING] * 3],
    DisputeState.DECIDED: [*["appeal"] * 4, "waive", "waive", "withdraw", *[_NOTHING] * 3],
}


async def random_disputes(engine: Engine, chance: random.Random, count: int) -> None:
    """So many disputes, opened over a few days and taken on by some steps. Business time moves by whole hours."""
    buyers = [await an_account(engine, funds_minor=count * 10_000) for _ in range(5)]
    sellers = [await a_merchant(engine) for _ in range(5)]
    payments: list[Payment] = []
    for first in range(0, count, _AT_ONCE):
        making = [_a_payment(engine, chance, buyers, sellers) for _ in range(min(_AT_ONCE, count - first))]
        payments += await asyncio.gather(*making)
    for seller in sellers[:2]:
        await _emptied(engine, seller)
    disputes: list[Dispute] = []
    for number in range(_ROUNDS):
        disputes = await _all([partial(_stepped, engine, chance, dispute) for dispute in disputes])
        disputes += await _all([partial(_opened, engine, chance, payment) for payment in payments[number::_ROUNDS]])
        await later(engine, chance.randrange(8, 30) * AN_HOUR)


async def _all(making: Sequence[Callable[[], Coroutine[Any, Any, Dispute]]]) -> list[Dispute]:
    made: list[Dispute] = []
    for first in range(0, len(making), _AT_ONCE):
        made += await asyncio.gather(*(make() for make in making[first : first + _AT_ONCE]))
    return made


async def _a_payment(engine: Engine, chance: random.Random, buyers: list[Account], sellers: list[Account]) -> Payment:
    make = chance.choice([a_paid_payment, a_shipped_payment, a_confirmed_payment, a_paid_payment])
    facts: dict[str, Any] = {"payer": chance.choice(buyers), "payee": chance.choice(sellers)}
    if make is a_paid_payment and chance.random() < 0.5:
        facts["mode"] = Mode.INSTANT
    payment = await make(engine, amount_minor=chance.randrange(100, 10_000), **facts)
    if chance.random() < 0.2:
        await a_refund(engine, payment, chance.randrange(1, payment.amount_minor // 2))
    return payment


async def _emptied(engine: Engine, seller: Account) -> None:
    """Takes what a seller has, as far as refunds that wait allow."""
    try:
        await a_withdrawal(engine, seller, await available(engine, seller))
    except Refusal:
        return


async def _opened(engine: Engine, chance: random.Random, payment: Payment) -> Dispute:
    amount = Money(chance.randrange(1, payment.amount_minor // 2), payment.currency) if chance.random() < 0.5 else None
    command = OpenDispute(origin=origin(), payment_id=payment.id, reason=chance.choice(list(Reason)), amount=amount, text="no")
    return await carried_out(engine, command)


async def _stepped(engine: Engine, chance: random.Random, dispute: Dispute) -> Dispute:
    """The dispute after somebody did something, or came too late to."""
    if not dispute.open:
        return dispute
    command = _command(chance, dispute, chance.choice(_CHOICES[dispute.state]))
    if command is None:
        return dispute
    try:
        answer = await carried_out(engine, command)
    except Refusal:
        return dispute  # time was faster; the next step meets it where it is now
    return answer if isinstance(answer, Dispute) else dispute


def _command(chance: random.Random, dispute: Dispute, what: str) -> Command[Any] | None:
    facts: dict[str, Any] = {"origin": origin(caller=f"service:desk-{chance.randrange(3)}"), "dispute_id": dispute.id}
    either = chance.choice([Party.BUYER, Party.SELLER])
    making: dict[str, Callable[[], Command[Any]]] = {
        "accept": lambda: AcceptDispute(**facts),
        "reject": lambda: RejectDispute(text="no", **facts),
        "offer": lambda: OfferSettlement(amount=_part(chance, dispute, 1), text="half", **facts),
        "accept_offer": lambda: AcceptOffer(**facts),
        "escalate": lambda: EscalateDispute(**facts),
        "withdraw": lambda: WithdrawDispute(**facts),
        "evidence": lambda: _evidence(chance, facts | {"party": either}),
        "decide": lambda: _decision(chance, dispute, facts),
        "appeal": lambda: AppealDispute(party=either, text="no", **facts),
        "waive": lambda: WaiveAppeal(party=either, **facts),
    }
    return None if what == _NOTHING else making[what]()


def _decision(chance: random.Random, dispute: Dispute, facts: dict[str, Any]) -> DecideDispute:
    award = _part(chance, dispute, 0)
    left_minor = dispute.amount_minor - award.amount_minor
    compensated = dispute.reason is Reason.UNAUTHORIZED and left_minor > 0
    compensation = Money(chance.randint(1, left_minor), dispute.currency) if compensated else None
    return DecideDispute(to_buyer=award, compensation=compensation, text="so be it", **facts)


def _evidence(chance: random.Random, facts: dict[str, Any]) -> SubmitEvidence:
    if chance.random() < 0.5:
        return SubmitEvidence(text="seen", **facts)
    content = chance.randbytes(100)
    sha256 = hashlib.sha256(content).digest()
    return SubmitEvidence(file_name="a.png", media_type="image/png", sha256=sha256, content=content, **facts)


def _part(chance: random.Random, dispute: Dispute, least_minor: int) -> Money:
    return Money(chance.randint(least_minor, dispute.amount_minor), dispute.currency)


# --- What time brings about -------------------------------------------------------------------------------------------------


class Expected(NamedTuple):
    """A step that time is to bring about."""

    event: DisputeEvent
    at: datetime
    state: DisputeState
    """Where it leads."""


_HOURS: Final[dict[DisputeState, list[tuple[int, DisputeEvent, DisputeState]]]] = {
    DisputeState.AWAITING_SELLER: [
        (36, DisputeEvent.ANNOUNCE, DisputeState.AWAITING_SELLER),
        (48, DisputeEvent.SELLER_SILENT, DisputeState.SETTLED),
    ],
    DisputeState.AWAITING_BUYER: [
        (60, DisputeEvent.ANNOUNCE, DisputeState.AWAITING_BUYER),
        (72, DisputeEvent.BUYER_SILENT, DisputeState.CLOSED),
    ],
    DisputeState.UNDER_REVIEW: [
        (60, DisputeEvent.ANNOUNCE, DisputeState.UNDER_REVIEW),
        (72, DisputeEvent.EVIDENCE_END, DisputeState.UNDER_REVIEW),
        (5 * 24, DisputeEvent.REMIND, DisputeState.UNDER_REVIEW),
        *((day * 24, DisputeEvent.CALL_SUPERVISORS, DisputeState.UNDER_REVIEW) for day in range(7, 31)),
    ],
    DisputeState.DECIDED: [
        (7 * 24 - 12, DisputeEvent.ANNOUNCE, DisputeState.DECIDED),
        (7 * 24, DisputeEvent.APPEAL_END, DisputeState.SETTLED),
    ],
}


def to_come(steps: list[Step], after: datetime, until: datetime) -> list[Expected]:
    """What time brings about between two moments in a dispute with these steps, where nobody does anything."""
    state = steps[-1].state
    entered_at = steps[-1].at
    for step, before in zip(steps[::-1], [*steps[-2::-1], None], strict=True):
        entered_at = step.at
        if before is None or before.state is not state or step.event is DisputeEvent.APPEAL:
            break
    expected = [Expected(event, entered_at + timedelta(hours=hours), led_to) for hours, event, led_to in _HOURS.get(state, [])]
    return [each for each in expected if after < each.at <= until]
