"""Disputes of a shop's payments on decisions alone: what tests of them begin with, and look at."""

from typing import Any

from danbao_core import fundings
from danbao_core.accounts import Account, FreezeAccount, Purpose
from danbao_core.disputes import (
    DecideDispute,
    Dispute,
    EscalateDispute,
    OpenDispute,
    Reason,
    RejectDispute,
    Step,
)
from danbao_core.engine import Command
from danbao_core.ids import uuid7
from danbao_core.ledger import Journal
from danbao_core.money import Money
from danbao_core.payments import (
    Payment,
)
from danbao_core.trail import Outbox
from tests.builders import origin
from tests.shop import Shop

HOUR = 3_600
DAY = 24 * HOUR


def opening(payment: Payment, amount_minor: int | None = None, by: Any = None, **facts: Any) -> OpenDispute:
    amount = None if amount_minor is None else Money(amount_minor, facts.pop("currency", "CNY"))
    given = {"reason": Reason.NOT_RECEIVED} | facts
    return OpenDispute(origin=by or origin(), payment_id=payment.id, amount=amount, text="Where is it?", **given)


def disputed(shop: Shop, payment: Payment, amount_minor: int | None = None, **facts: Any) -> Dispute:
    return shop.core.carry_out(opening(payment, amount_minor, **facts))


def step(shop: Shop, command: type[Command[Any]], dispute: Dispute, by: Any = None, **facts: Any) -> Dispute:
    """The dispute after a step, by default of the system for the side whose step it is."""
    shop.core.carry_out(command(origin=by or origin(), dispute_id=dispute.id, **facts))  # type: ignore[call-arg]
    after: Dispute = shop.now(dispute)
    return after


def arbitrator(name: str = "anna", scope: str = "disputes.decide") -> Any:
    return origin(caller=f"service:{name}", key_id=uuid7(), scopes=frozenset({scope}))


def decided(shop: Shop, dispute: Dispute, to_buyer_minor: int, by: Any = None, **facts: Any) -> Dispute:
    return step(shop, DecideDispute, dispute, by or arbitrator(), to_buyer=Money(to_buyer_minor, "CNY"), **facts)


def under_review(shop: Shop, dispute: Dispute) -> Dispute:
    return step(shop, EscalateDispute, step(shop, RejectDispute, dispute, text="No."), text="Yes.")


def payment_of(shop: Shop, dispute: Dispute) -> Payment:
    return next(each for each in shop.core.all(Payment) if each.id == dispute.payment_id)


def wealth(shop: Shop) -> tuple[int, int, int, int]:
    """What the buyer and the seller can spend, what the seller owes, and the fees."""
    return (
        shop.available(shop.buyer),
        shop.available(shop.seller),
        -shop.balance(shop.seller, Purpose.RECEIVABLE),
        shop.platform(Purpose.FEES),
    )


def topics(shop: Shop, dispute: Dispute) -> list[str]:
    told = [each for each in shop.core.all(Outbox) if each.subject_id == dispute.id]
    assert {each.ordering_id for each in told} == {dispute.payment_id}
    return [each.topic.removeprefix("dispute.") for each in told]


def steps_of(shop: Shop, dispute: Dispute) -> list[Step]:
    return sorted([each for each in shop.core.all(Step) if each.dispute_id == dispute.id], key=lambda each: each.version)


def journals(shop: Shop, dispute: Dispute) -> list[str]:
    return [each.kind for each in shop.core.all(Journal) if each.subject_id == dispute.id]


def withdraw(shop: Shop, account: Account, amount_minor: int) -> None:
    shop.core.carry_out(fundings.Withdraw(origin=origin(), account_id=account.id, amount=Money(amount_minor, "CNY")))


def top_up(shop: Shop, account: Account, amount_minor: int) -> None:
    shop.core.carry_out(fundings.TopUp(origin=origin(), account_id=account.id, amount=Money(amount_minor, "CNY")))


def freeze(shop: Shop, account: Account) -> None:
    shop.core.carry_out(FreezeAccount(origin=origin(), account_id=account.id, reason="x"))
