"""What the machine of `payments_machine.py` does with disputes."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import multiple, rule

from danbao_core.accounts import Purpose
from danbao_core.disputes import (
    AcceptDispute,
    AcceptOffer,
    AppealDispute,
    CatchUpDispute,
    DecideDispute,
    Dispute,
    EscalateDispute,
    OfferSettlement,
    OpenDispute,
    Party,
    PayCompensation,
    Reason,
    RejectDispute,
    SubmitEvidence,
    WaiveAppeal,
    WithdrawDispute,
)
from danbao_core.engine import Command
from danbao_core.money import Money
from danbao_core.payments import Mode, ShipmentMethod
from danbao_core.proposals import Side
from danbao_core.sandbox import BankBehaviour
from tests.builders import origin
from tests.property.disputes_model import DisputesModel, ExpectedDispute
from tests.property.payments_model import CURRENCIES, DAY, PAYMENTS

DISPUTE_STEPS: Final = {
    AcceptDispute,
    AcceptOffer,
    AppealDispute,
    CatchUpDispute,
    DecideDispute,
    EscalateDispute,
    OfferSettlement,
    OpenDispute,
    PayCompensation,
    RejectDispute,
    SubmitEvidence,
    WaiveAppeal,
    WithdrawDispute,
}
DISPUTED: Final = {
    *(f"ESCROW settled {state}" for state in ("SUCCEEDED", "CLOSED")),
    *(f"PAYEE settled {state}" for state in ("SUCCEEDED", "CLOSED")),
    "seller silent",
    "buyer silent",
    "award final",
    "appeal decided",
    "owed",
    "compensated",
    "waits for the fund",
    "waits behind others",
    "compensated later",
}
"""What is to become of disputes."""
POSSIBLE: Final = {
    "accept": ("AWAITING_SELLER",),
    "reject": ("AWAITING_SELLER",),
    "offer": ("AWAITING_SELLER",),
    "accept_offer": ("AWAITING_BUYER",),
    "escalate": ("AWAITING_BUYER",),
    "withdraw": ("AWAITING_SELLER", "AWAITING_BUYER", "UNDER_REVIEW", "DECIDED"),
    "show": ("AWAITING_SELLER", "AWAITING_BUYER", "UNDER_REVIEW"),
    "decide": ("UNDER_REVIEW",),
    "appeal": ("DECIDED",),
    "waive": ("DECIDED",),
}
WAYS: Final = (
    (),
    ("accept",),
    ("reject",),
    ("withdraw",),
    ("offer", "accept_offer"),
    ("show", "reject", "escalate", "show", "decide"),
    ("reject", "escalate", "decide", "appeal", "decide"),
    ("offer", "escalate", "decide", "waive", "waive"),
)
"""What is rarely reached by chance."""


class DisputeRules(DisputesModel):
    """Opening disputes of payments that the machine makes, and every step of them."""

    create: Callable[..., Any]
    ship: Callable[..., None]
    confirm: Callable[..., None]
    refund: Callable[..., None]
    adjusted: Callable[..., str]
    withdraw: Callable[..., None]
    time_passes: Callable[[int], None]

    @rule(
        target=PAYMENTS,
        amount=st.integers(1, 600),
        state=st.sampled_from(["PAID", "SHIPPED", "SUCCEEDED", "SUCCEEDED"]),
        percent=st.sampled_from([None, 33, 100]),
        refunded=st.sampled_from([0, 0, 33]),
        poor=st.booleans(),
        way=st.sampled_from(WAYS),
        award=st.sampled_from([0, 1, 50, 100]),
        added=st.sampled_from([0, 33, 50]),
        later=st.sampled_from([0, 2 * DAY, 3 * DAY, 7 * DAY, 365 * DAY]),
    )
    def purchase_and_dispute(
        self,
        *,
        amount: int,
        state: str,
        percent: int | None,
        refunded: int,
        poor: bool,
        way: tuple[str, ...],
        award: int,
        added: int,
        later: int,
    ) -> Any:
        """A purchase that comes to a dispute, and the dispute to an end or to a deadline. `award` and what the fund is to have
        `added` are percents of what is disputed."""
        payee = 2 + len(self.expected) % 2
        payment = self.create(0, payee, "CNY", amount, Mode.ESCROW, "", pay=True)
        if not isinstance(payment, UUID):
            return payment
        if state != "PAID":
            self.ship(payment, ShipmentMethod.EXPRESS)
        if state == "SUCCEEDED":
            self.confirm(payment)
        expected = self.expected[payment]
        if poor and self.wallets[expected.payee, "CNY"]:
            self.withdraw(payee, "CNY", self.wallets[expected.payee, "CNY"], BankBehaviour.ACCEPT)
        if refunded:
            self.refund(payment, refunded)
        self.dispute(payment, percent, Reason.UNAUTHORIZED if added else Reason.OTHER)
        if expected.disputed:
            newest = len(self.disputes) - 1
            for place, action in enumerate(way):
                second = action == "decide" and place > 2
                self.dispute_step(newest, action, award, added, seller=place % 2 == 1, bert=second)
        if later:
            self.time_passes(later)
            self.time_comes_by(0)
        return payment

    @rule(
        target=PAYMENTS,
        amount=st.integers(3, 600),
        count=st.integers(1, 3),
        before=st.sampled_from([0, 1_000]),
        after=st.sampled_from([0, 1_000]),
    )
    def purchases_that_nobody_authorized(self, amount: int, count: int, before: int, after: int) -> Any:
        """Purchases whose disputes award a compensation, and a fund that is filled before, after, or not at all."""
        if before:
            self.fill_fund("CNY", before)
        made = [
            self.purchase_and_dispute(
                amount=amount,
                state="SUCCEEDED",
                percent=None,
                refunded=0,
                poor=False,
                way=("reject", "escalate", "decide", "waive", "waive"),
                award=50,
                added=33,
                later=0,
            )
            for _ in range(count)
        ]
        self.worker_compensates(0, after)
        return multiple(*[each for each in made if isinstance(each, UUID)])

    @rule(
        which=PAYMENTS,
        percent=st.sampled_from([None, None, 1, 50, 100, 101]),
        reason=st.sampled_from([Reason.OTHER, Reason.UNAUTHORIZED]),
    )
    def dispute(self, which: UUID, percent: int | None, reason: Reason) -> None:
        """All that is left of a payment, or so much of the amount."""
        for before in self.disputes.values():
            if before.payment is self.expected[which]:
                self._dispute_caught_up(before)
        expected = self._caught_up(which)
        amount = None if percent is None else -(-expected.amount * percent // 100)
        asked = None if amount is None else Money(amount, expected.currency)
        command = OpenDispute(origin=origin(), payment_id=which, reason=reason, amount=asked)
        dispute, outcome = self.attempt(command)
        assert outcome == self._foresee_opening(which, reason, amount)
        if dispute is not None:
            expected.had.add(reason)
            self.disputes[dispute.id] = self._opened(expected, expected.refundable if amount is None else amount, reason)

    def _foresee_opening(self, which: UUID, reason: Reason, amount: int | None) -> str:
        expected, days = self.expected[which], 60 if reason is Reason.UNAUTHORIZED else 15
        if expected.state == "FINISHED" or (expected.state == "SUCCEEDED" and self.now >= expected.succeeded + days * DAY):
            return "DISPUTE_WINDOW_CLOSED"
        if expected.state not in ("PAID", "SHIPPED", "SUCCEEDED"):
            return "INVALID_TRANSITION"
        if expected.disputed:
            return "DISPUTE_OPEN"
        if reason in expected.had:
            return "ALREADY_DISPUTED"
        if not 0 < (expected.refundable if amount is None else amount) <= expected.refundable:
            return "DISPUTE_EXCEEDS_REMAINING"
        return "ACCOUNT_CLOSED" if {expected.payer, expected.payee} & self.closed else "OK"

    @rule(number=st.integers(0, 5))
    def time_comes_by(self, number: int) -> None:
        """A worker, to one that is open or, as well it may be, over."""
        for dispute in self._some(number):
            _, outcome = self.attempt(CatchUpDispute(origin=origin(), dispute_id=dispute))
            assert outcome == "OK"
            self._dispute_caught_up(self.disputes[dispute])

    @rule(currency=st.sampled_from(CURRENCIES), amount=st.sampled_from([1, 100, 1_000]))
    def fill_fund(self, currency: str, amount: int) -> None:
        """Two operators give the fund of a currency some of the fees."""
        assert self.adjusted(Side(Purpose.FEES), Side(Purpose.COMPENSATION), Money(amount, currency)) == "OK"
        self.platform["FEES", currency] -= amount
        self.platform["COMPENSATION", currency] += amount

    @rule(place=st.integers(0, 30), filled=st.sampled_from([0, 1_000]))
    def worker_compensates(self, place: int, filled: int) -> None:
        """A worker, to one that waits for the fund, which is filled before or not; where none waits, to any."""
        waiting = [each for each, foreseen in self.disputes.items() if foreseen.waits]
        some = waiting or list(self.disputes)
        if not some:
            return
        dispute_id = some[place % len(some)]
        dispute = self.disputes[dispute_id]
        if filled:
            self.fill_fund(dispute.payment.currency, filled)
        _, outcome = self.attempt(PayCompensation(origin=origin(), dispute_id=dispute_id))
        assert outcome == "OK"
        self._compensate(dispute)
        if waiting and dispute.compensated:
            self.went_back.add("compensated later")

    def _some(self, number: int) -> list[UUID]:
        """A dispute that is open, counted from the newest, or any."""
        under_way = [each for each, foreseen in self.disputes.items() if foreseen.open] or list(self.disputes)
        return (under_way[::-1][number:] or under_way)[:1]

    @rule(
        number=st.integers(0, 5),
        action=st.integers(0, 59),
        wanted=st.booleans(),
        percent=st.sampled_from([0, 1, 33, 100, 101]),
        added=st.sampled_from([0, 0, 1, 50]),
        seller=st.booleans(),
        bert=st.booleans(),
    )
    def some_dispute_step(
        self, number: int, action: int, wanted: bool, percent: int, added: int, seller: bool, bert: bool
    ) -> None:
        """Any step, or one that is possible as things stand."""
        for dispute in self._some(number):
            state = self.disputes[dispute].state
            steps = [each for each, states in POSSIBLE.items() if not wanted or state in states] or list(POSSIBLE)
            place = list(self.disputes).index(dispute)
            self.dispute_step(place, steps[action % len(steps)], percent, added, seller=seller, bert=bert)

    def dispute_step(self, place: int, action: str, percent: int, added: int, *, seller: bool, bert: bool) -> None:
        """A step of the dispute that was opened in this place; the award and what the fund adds are percents of what is
        disputed."""
        dispute_id = list(self.disputes)[place]
        dispute = self.disputes[dispute_id]
        self._dispute_caught_up(dispute)
        amount, compensation = (-(-dispute.amount * each // 100) for each in (percent, added))
        side, decider = "SELLER" if seller else "BUYER", "bert" if bert else "anna"
        currency = dispute.payment.currency
        command = self._command(dispute_id, action, Money(amount, currency), Money(compensation, currency), side, decider)
        _, outcome = self.attempt(command)
        assert outcome == self._foresee_step(dispute, action, amount, compensation, side, decider)
        if outcome == "OK":
            self._take_step(dispute, action, amount, compensation, side, decider)

    def _command(self, dispute: UUID, action: str, amount: Money, compensation: Money, side: str, decider: str) -> Command[Any]:
        given: dict[str, Any] = {"origin": origin(), "dispute_id": dispute}
        match action:
            case "offer":
                return OfferSettlement(**given, amount=amount)
            case "decide":
                by_decider = given | {"origin": origin(caller=f"service:{decider}")}
                return DecideDispute(**by_decider, to_buyer=amount, compensation=compensation)
            case "show":
                return SubmitEvidence(**given, party=Party[side], text="x")
            case "appeal":
                return AppealDispute(**given, party=Party[side])
            case "waive":
                return WaiveAppeal(**given, party=Party[side])
        alone: dict[str, type[Command[Dispute]]] = {
            "accept": AcceptDispute,
            "reject": RejectDispute,
            "accept_offer": AcceptOffer,
            "escalate": EscalateDispute,
            "withdraw": WithdrawDispute,
        }
        return alone[action](**given)

    def _foresee_step(
        self, dispute: ExpectedDispute, action: str, amount: int, compensation: int, side: str, decider: str
    ) -> str:
        if dispute.state not in POSSIBLE[action]:
            return "INVALID_TRANSITION"
        if action == "offer" and amount <= 0:
            return "AMOUNT_NOT_POSITIVE"
        if action == "decide":
            return self._foresee_award(dispute, amount, compensation, decider)
        if action == "offer" and amount > dispute.amount:
            return "AWARD_EXCEEDS_DISPUTED"
        if action == "accept_offer" and not dispute.offer:
            return "INVALID_TRANSITION"
        if action in ("appeal", "waive") and side in dispute.waived:
            return "APPEAL_WAIVED"
        over = dispute.evidence_until is not None and dispute.evidence_until <= self.now
        return "EVIDENCE_CLOSED" if action == "show" and over else "OK"

    def _foresee_award(self, dispute: ExpectedDispute, amount: int, compensation: int, decider: str) -> str:
        if dispute.appealed and dispute.decider == decider:
            return "ALREADY_DECIDED_BY_YOU"
        if amount + compensation > dispute.amount:
            return "AWARD_EXCEEDS_DISPUTED"
        return "COMPENSATION_NOT_POSSIBLE" if compensation and dispute.reason is not Reason.UNAUTHORIZED else "OK"

    def _take_step(
        self, dispute: ExpectedDispute, action: str, amount: int, compensation: int, side: str, decider: str
    ) -> None:
        if action == "decide":
            dispute.compensation = compensation
        match action:
            case "accept":
                self._settle(dispute, dispute.amount, self.now)
            case "reject":
                dispute.enters("AWAITING_BUYER", self.now)
            case "offer":
                dispute.offer = amount
                dispute.enters("AWAITING_BUYER", self.now)
            case "accept_offer":
                self._settle(dispute, dispute.offer, self.now)
            case "escalate":
                dispute.enters("UNDER_REVIEW", self.now)
            case "withdraw":
                self._give_up(dispute, self.now)
            case "decide" if dispute.appealed:
                self._settle(dispute, amount, self.now)
                self.went_back.add("appeal decided")
            case "decide":
                dispute.award, dispute.decider = amount, decider
                dispute.enters("DECIDED", self.now)
            case "appeal":
                dispute.appealed = True
                dispute.enters("UNDER_REVIEW", self.now)
            case "waive":
                dispute.waived.add(side)
                if len(dispute.waived) == 2:
                    self._settle(dispute, dispute.award, self.now)

    def check_disputes(self) -> None:
        """The core's rows against the model."""
        for dispute in self.core.all(Dispute):
            foreseen = self.disputes[dispute.id]
            assert (dispute.state.name, dispute.held_minor) == (foreseen.state, foreseen.held)
            assert (dispute.paid_back_minor, dispute.fee_returned_minor) == (foreseen.back, foreseen.share)
            assert dispute.owed_minor == foreseen.owed
            assert dispute.compensated_minor == foreseen.compensated
