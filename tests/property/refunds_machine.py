"""What the machine of `payments_machine.py` does with refunds."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import rule

from danbao_core.bank.port import Answer, DeclineReason, Outcome
from danbao_core.money import Money
from danbao_core.payments import CarryOutRefund, CreateRefund, Mode, ShipmentMethod
from danbao_core.refunds_at_bank import LeaveUnboundCard, TakeRefundOutcome
from danbao_core.sandbox import BankBehaviour
from tests.builders import origin
from tests.property.fundings_model import FundingsModel
from tests.property.payments_model import DAY, PAYMENTS, ExpectedRefund

PERCENT: Final = st.sampled_from([None, None, 1, 33, 50, 99, 100, 101])


class RefundRules(FundingsModel):
    """Asking for refunds, and carrying them out, of payments that the machine makes."""

    create: Callable[..., Any]
    ship: Callable[..., None]
    confirm: Callable[..., None]
    cancel: Callable[..., None]
    withdraw: Callable[..., None]
    top_up: Callable[..., None]
    time_passes: Callable[[int], None]

    @rule(
        target=PAYMENTS,
        payee=st.integers(2, 3),
        currency=st.sampled_from(["CNY", "USD"]),
        amount=st.integers(1, 600),
        state=st.sampled_from(["PAID", "SHIPPED", "SUCCEEDED"]),
        percent=PERCENT,
        poor=st.booleans(),
        later=st.sampled_from([0, 0, 7 * DAY, 10 * DAY, 365 * DAY]),
        carried_out=st.booleans(),
        answers=st.lists(st.sampled_from(Answer), max_size=2),
        called_off=st.booleans(),
    )
    def purchase_and_refund(
        self,
        payee: int,
        currency: str,
        amount: int,
        state: str,
        percent: int | None,
        *,
        poor: bool,
        later: int,
        carried_out: bool,
        answers: Sequence[Answer] = (),
        called_off: bool = False,
    ) -> Any:
        """What is rarely reached by chance: refunds that time, a release or an empty wallet meets."""
        payment = self.create(0, payee, currency, amount, Mode.ESCROW, "", pay=True)
        if not isinstance(payment, UUID):
            return payment
        if state != "PAID":
            self.ship(payment, ShipmentMethod.EXPRESS)
        if state == "SUCCEEDED":
            self.confirm(payment)
        has = self.wallets[self.expected[payment].payee, currency]
        if poor and has:
            self.withdraw(payee, currency, has, BankBehaviour.ACCEPT)
        self.refund(payment, percent, by_card=bool(answers))
        for answer in answers:
            self.bank_of_refund(0, answer)
        if called_off:
            self.cancel(payment)
        if later:
            self.time_passes(later)
        elif poor:
            self.top_up(payee, currency, 5_000)
        if carried_out:
            for refund in [each for each, foreseen in self.refunds.items() if foreseen.payment is self.expected[payment]]:
                self._carry_out(refund, 2)
        return payment

    @rule(which=PAYMENTS, wanted=st.sampled_from(["", "PAID", "SHIPPED", "SUCCEEDED"]), percent=PERCENT, by_card=st.booleans())
    def refund(self, which: UUID, percent: int | None, wanted: str = "", by_card: bool = False) -> None:
        """All that is left, or so much of the amount."""
        which = (wanted and self._newest(wanted)) or which
        expected = self._caught_up(which)
        amount = None if percent is None else -(-expected.amount * percent // 100)
        asked = None if amount is None else Money(amount, expected.currency)
        card = self.cards[expected.payer] if by_card else None
        refund, outcome = self.attempt(CreateRefund(origin=origin(), payment_id=which, amount=asked, instrument_id=card))
        over = expected.state == "SUCCEEDED" and expected.due is not None and expected.due <= self.now
        if expected.state == "FINISHED" or over:
            assert outcome == "REFUND_WINDOW_CLOSED"
        elif expected.state not in ("PAID", "SHIPPED", "SUCCEEDED"):
            assert outcome == "INVALID_TRANSITION"
        elif expected.disputed:
            assert outcome == "DISPUTE_OPEN"
        elif not 0 < (expected.refundable if amount is None else amount) <= expected.refundable:
            assert outcome == "REFUND_EXCEEDS_REMAINING"
        elif expected.state == "SUCCEEDED" and expected.payee in self.closed:
            assert outcome == "ACCOUNT_CLOSED"
        elif card is not None and not self._card_is_bound(expected.payer):
            assert outcome == "INSTRUMENT_NOT_FOUND"
        else:
            assert outcome == "OK"
            assert refund is not None
            self.refunds[refund.id] = self._refund(expected, expected.refundable if amount is None else amount, card)

    @rule(number=st.integers(0, 3), steps=st.integers(1, 2), done=st.booleans())
    def carry_out_refunds(self, number: int, steps: int, done: bool) -> None:
        """Steps of one that is under way or, as well it may be, over."""
        under_way = [each for each, foreseen in self.refunds.items() if foreseen.open] or list(self.refunds)
        for refund in [*(under_way[number:] or under_way)[:1], *list(self.refunds)[: int(done)]]:
            self._carry_out(refund, steps)

    @rule(number=st.integers(0, 3), answer=st.sampled_from(Answer))
    def bank_of_refund(self, number: int, answer: Answer) -> None:
        """A worker asks the bank for one that is under way to a card, counted from the newest, or finds the card unbound. What
        is not under way to a card it leaves as it is."""
        under_way = [each for each, foreseen in self.refunds.items() if foreseen.open and foreseen.card]
        for refund in (under_way[::-1][number:] or under_way or list(self.refunds))[:1]:
            foreseen = self.refunds[refund]
            self._leave_unbound(refund)
            if foreseen.state == "PENDING" and foreseen.card is not None:
                self.core.claim("refund", refund)
                foreseen.sent = True
            reason = DeclineReason.OTHER if answer is Answer.DECLINED else DeclineReason.NONE
            outcome = Outcome(answer, reason)
            command = TakeRefundOutcome(origin=origin(), refund_id=refund, outcome=outcome, ask_again_at=datetime.now(UTC))
            _, granted = self.attempt(command)
            assert granted == "OK"
            self._bank_said(foreseen, answer)

    def _leave_unbound(self, refund: UUID) -> None:
        foreseen = self.refunds[refund]
        _, outcome = self.attempt(LeaveUnboundCard(origin=origin(), refund_id=refund))
        assert outcome == "OK"
        if foreseen.open:
            self._caught_up_of(foreseen.payment)
        if foreseen.state == "PENDING" and foreseen.card in self.unbound and not foreseen.sent:
            foreseen.card = None

    def _bank_said(self, foreseen: ExpectedRefund, answer: Answer) -> None:
        if foreseen.open:
            self._caught_up_of(foreseen.payment)
        if foreseen.state != "PENDING" or foreseen.card is None:
            return
        if answer is Answer.ACCEPTED:
            self.outside[foreseen.payment.currency] += foreseen.amount
            self._refunded(foreseen)
            self._stepped(foreseen)
        elif answer is Answer.DECLINED:
            foreseen.card = None
        self.went_back.add(f"to a card {'FAILED' if foreseen.card is None else foreseen.state}")

    def _carry_out(self, refund: UUID, steps: int) -> None:
        for _ in range(steps):
            _, outcome = self.attempt(CarryOutRefund(origin=origin(), refund_id=refund))
            assert outcome == "OK"
            self._step(self.refunds[refund])
