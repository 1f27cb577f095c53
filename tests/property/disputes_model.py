"""What the machine of `payments_machine.py` knows of disputes, in plain integers."""

from uuid import UUID

from danbao_core.disputes import Reason
from tests.property.payments_model import DAY, Expected, Model

LASTS = {"AWAITING_SELLER": 2 * DAY, "AWAITING_BUYER": 3 * DAY, "DECIDED": 7 * DAY}
"""How long a state lasts when nobody acts; a review lasts until it is decided."""


class ExpectedDispute:
    """What the model knows of a dispute."""

    def __init__(self, payment: Expected, amount: int, reason: Reason, left: int, held: int, at: int) -> None:
        self.payment, self.amount, self.reason, self.left, self.held = payment, amount, reason, left, held
        self.released = payment.state == "SUCCEEDED"
        self.state, self.due = "AWAITING_SELLER", at + LASTS["AWAITING_SELLER"]
        self.offer = self.award = self.back = self.share = self.owed = 0
        self.compensation = self.compensated = 0
        """What the fund is to give the buyer besides, and what it gave."""
        self.evidence_until: int | None = None
        self.decider, self.appealed, self.waived = "", False, set[str]()

    @property
    def open(self) -> bool:
        return self.state not in ("SETTLED", "CLOSED")

    @property
    def waits(self) -> bool:
        """Whether the fund was short."""
        return self.state == "SETTLED" and self.compensated < self.compensation

    def enters(self, state: str, at: int) -> None:
        self.state, self.due = state, at + LASTS.get(state, 1_000_000 * DAY)
        if state == "UNDER_REVIEW":
            self.evidence_until = at + 3 * DAY


class DisputesModel(Model):
    """What disputes do to payments and to the money of their sides."""

    def __init__(self) -> None:
        super().__init__()
        self.disputes: dict[UUID, ExpectedDispute] = {}

    def _held_for_disputes(self, account: UUID, currency: str) -> int:
        """What disputes hold of an account's wallet."""
        return sum(
            each.held for each in self.disputes.values() if (each.payment.payee, each.payment.currency) == (account, currency)
        )

    def _opened(self, expected: Expected, amount: int, reason: Reason) -> ExpectedDispute:
        """A dispute that is granted."""
        held = 0
        if expected.state == "SUCCEEDED":
            wallet = (expected.payee, expected.currency)
            held = min(self.wallets[wallet], amount - self._share_of(expected, amount))
            self.wallets[wallet] -= held
        left = 0 if expected.due is None else max(0, expected.due - self.now)
        dispute = ExpectedDispute(expected, amount, reason, left, held, self.now)
        expected.disputed, expected.due = True, None
        return dispute

    def _dispute_caught_up(self, dispute: ExpectedDispute) -> None:
        """What time has brought about for a dispute."""
        while dispute.open and dispute.due <= self.now:
            match dispute.state:
                case "AWAITING_SELLER":
                    self._settle(dispute, dispute.amount, dispute.due)
                    self.went_back.add("seller silent")
                case "AWAITING_BUYER":
                    self._give_up(dispute, dispute.due)
                    self.went_back.add("buyer silent")
                case _:
                    self._settle(dispute, dispute.award, dispute.due)
                    self.went_back.add("award final")

    def _give_up(self, dispute: ExpectedDispute, at: int) -> None:
        expected = dispute.payment
        dispute.state, held, dispute.held = "CLOSED", dispute.held, 0
        expected.disputed, expected.due = False, at + max(dispute.left, DAY)
        self._give(expected.payee, expected.currency, held)

    def _settle(self, dispute: ExpectedDispute, back: int, at: int) -> None:
        expected = dispute.payment
        others_wait = any(each.waits and each.payment.currency == expected.currency for each in self.disputes.values())
        dispute.state, dispute.back, expected.disputed = "SETTLED", back, False
        self._give_back(expected, back, at)
        if not others_wait:
            self._compensate(dispute)
        if dispute.compensated:
            self.went_back.add("compensated")
        if dispute.waits:
            self.went_back.add("waits behind others" if others_wait else "waits for the fund")
        if dispute.released:
            self._take_back(dispute, back, at)
        else:
            rest = expected.held - expected.reserved - back
            self._unhold(expected, leaving=expected.reserved)
            expected.returned += back
            expected.awarded += back
            if rest:
                self._succeed(expected, rest, at)
            else:
                expected.state, expected.due = "CLOSED", None
        self.went_back.add(f"{'PAYEE' if dispute.released else 'ESCROW'} settled {expected.state}")

    def _compensate(self, dispute: ExpectedDispute) -> None:
        """Gives a buyer what the fund adds, where it has that."""
        fund = ("COMPENSATION", dispute.payment.currency)
        if dispute.waits and self.platform[fund] >= dispute.compensation:
            self.platform[fund] -= dispute.compensation
            dispute.compensated = dispute.compensation
            self._give(dispute.payment.payer, dispute.payment.currency, dispute.compensation)

    def _take_back(self, dispute: ExpectedDispute, back: int, at: int) -> None:
        """Takes the payee's part of an award from what is held, then from the wallet, and then as a debt."""
        expected, wallet = dispute.payment, (dispute.payment.payee, dispute.payment.currency)
        dispute.share = self._share_of(expected, back)
        part, held, dispute.held = back - dispute.share, dispute.held, 0
        self._give(*wallet, max(0, held - part))
        lacking = max(0, part - held)
        at_hand = min(lacking, self.wallets[wallet])
        self.wallets[wallet] -= at_hand
        dispute.owed = lacking - at_hand
        self.owed[wallet] += dispute.owed
        if dispute.owed:
            self.went_back.add("owed")
        self.platform["FEES", expected.currency] -= dispute.share
        expected.awarded += back
        expected.awards.append((back, dispute.share))
        if expected.refundable == 0 and not expected.reserved:
            expected.state, expected.due = "CLOSED", None
        else:
            expected.due = at + max(dispute.left, DAY)
