"""What the machine of `payments_machine.py` does with refunds."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import rule

from danbao_core.money import Money
from danbao_core.payments import CarryOutRefund, CreateRefund, Mode, ShipmentMethod
from danbao_core.sandbox import BankBehaviour
from tests.builders import origin
from tests.property.payments_model import DAY, PAYMENTS, Model

PERCENT: Final = st.sampled_from([None, None, 1, 33, 50, 99, 100, 101])


class RefundRules(Model):
    """Asking for refunds, and carrying them out, of payments that the machine makes."""

    create: Callable[..., Any]
    ship: Callable[..., None]
    confirm: Callable[..., None]
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
    )
    def purchase_and_refund(
        self, payee: int, currency: str, amount: int, state: str, percent: int | None, poor: bool, later: int, carried_out: bool
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
        self.refund(payment, percent)
        if later:
            self.time_passes(later)
        elif poor:
            self.top_up(payee, currency, 5_000)
        if carried_out:
            for refund in [each for each, foreseen in self.refunds.items() if foreseen.payment is self.expected[payment]]:
                self._carry_out(refund, 2)
        return payment

    @rule(which=PAYMENTS, wanted=st.sampled_from(["", "PAID", "SHIPPED", "SUCCEEDED"]), percent=PERCENT)
    def refund(self, which: UUID, percent: int | None, wanted: str = "") -> None:
        """All that is left, or so much of the amount."""
        which = (wanted and self._newest(wanted)) or which
        expected = self._caught_up(which)
        amount = None if percent is None else -(-expected.amount * percent // 100)
        asked = None if amount is None else Money(amount, expected.currency)
        refund, outcome = self.attempt(CreateRefund(origin=origin(), payment_id=which, amount=asked))
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
        else:
            assert outcome == "OK"
            assert refund is not None
            self.refunds[refund.id] = self._refund(expected, expected.refundable if amount is None else amount)

    @rule(number=st.integers(0, 3), steps=st.integers(1, 2), done=st.booleans())
    def carry_out_refunds(self, number: int, steps: int, done: bool) -> None:
        """Steps of one that is under way or, as well it may be, over."""
        under_way = [each for each, foreseen in self.refunds.items() if foreseen.open] or list(self.refunds)
        for refund in [*(under_way[number:] or under_way)[:1], *list(self.refunds)[: int(done)]]:
            self._carry_out(refund, steps)

    def _carry_out(self, refund: UUID, steps: int) -> None:
        for _ in range(steps):
            _, outcome = self.attempt(CarryOutRefund(origin=origin(), refund_id=refund))
            assert outcome == "OK"
            self._step(self.refunds[refund])
