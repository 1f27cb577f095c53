"""What the machine of `payments_machine.py` knows of payments, in plain integers."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final, Protocol, TypeVar
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import Bundle

from danbao_core.accounts import (
    AccountKind,
)
from danbao_core.engine import Command, Row
from danbao_core.errors import Refusal
from danbao_core.payments import (
    CancelPayment,
    CapturePayment,
    CarryOutRefund,
    ConfirmPayment,
    CorrectShipment,
    CreateRefund,
    ExtendConfirmation,
    Mode,
    PayPayment,
    ShipmentMethod,
    ShipPayment,
    VoidPayment,
)
from danbao_core.proposals import ApproveProposal
from danbao_core.refunds_at_bank import LeaveUnboundCard, TakeRefundOutcome
from danbao_core.service_keys import ServiceKey
from tests.memory_core import NOON

R = TypeVar("R", bound=msgspec.Struct)
S = TypeVar("S", bound=Row)

PAYMENTS = Bundle("payments")
"""Every payment that was made."""
CURRENCIES = ("CNY", "USD", "JPY", "KWD")
PLATFORM: Final = ("ESCROW", "FEES", "SUSPENSE", "COMPENSATION")
"""What the platform has balances for."""
PEOPLE: Final = (
    (AccountKind.PERSONAL, CURRENCIES),
    (AccountKind.PERSONAL, ("CNY", "USD", "JPY")),
    (AccountKind.MERCHANT, CURRENCIES),
    (AccountKind.MERCHANT, ("USD", "KWD", "CNY")),
)
"""Two buyers and two sellers, and the wallets that they begin with: one of each lacks one. Their accounts are a service's; the
fifth is a person's (`people_model.py`)."""
ACCOUNTS: Final = st.integers(0, len(PEOPLE))
"""One of the accounts, by its place."""
START: Final = NOON
BEGAN: Final = int(START.timestamp())
"""When the machine begins, in business time."""
DAY = 86_400
DUE_AFTER = {"AWAITING_PAYMENT": 30 * 60, "PAID": 15 * DAY, "AUTHORIZED": 7 * DAY, "SUCCEEDED": 365 * DAY}
CONFIRM_AFTER = {ShipmentMethod.EXPRESS: 10 * DAY, ShipmentMethod.VIRTUAL: 3 * DAY, ShipmentMethod.PICK_UP: 2 * DAY}
EXTENSION = 3 * DAY
STEPS: Final = {
    ApproveProposal,
    CancelPayment,
    CapturePayment,
    CarryOutRefund,
    CreateRefund,
    ConfirmPayment,
    CorrectShipment,
    ExtendConfirmation,
    LeaveUnboundCard,
    PayPayment,
    ShipPayment,
    TakeRefundOutcome,
    VoidPayment,
}
"""What the machine does with payments, and with the money of who takes part in them."""
ENDS: Final = {*Mode, *CURRENCIES, "captured in part"}
"""How, and in which currencies, payments are to end well."""
REFUNDED: Final = {
    *(f"{source} {state}" for source in ("ESCROW", "PAYEE") for state in ("SUCCEEDED", "FAILED")),
    *(f"closed from {state}" for state in ("PAID", "SHIPPED", "SUCCEEDED")),
    "served",
    "released in part",
    "confirmation put off",
    "finish put off",
    *(f"to a card {state}" for state in ("SUCCEEDED", "PENDING", "FAILED")),
    "called off without what is at the bank",
}
"""What is to become of refunds, and of payments by them."""
BY_TIME = {
    "AWAITING_PAYMENT": "CLOSED",
    "PAID": "CLOSED",
    "SHIPPED": "SUCCEEDED",
    "AUTHORIZED": "CLOSED",
    "SUCCEEDED": "FINISHED",
}


class Core(Protocol):
    """What the machine drives."""

    def carry_out(self, command: Command[R]) -> R: ...
    def carry_out_together(self, commands: Sequence[Command[R]]) -> list[R | Refusal]:
        """What commands come to that share a batch, in their order."""

    def advance(self, seconds: int) -> None: ...
    def all(self, row_type: type[S]) -> Iterable[S]: ...
    def claim(self, what: str, which: UUID) -> None:
        """Writes down that a worker sets out to ask the bank for a funding or a refund."""


class ExpectedRefund:
    """What the model knows of a refund."""

    def __init__(self, payment: "Expected", amount: int, source: str, card: UUID | None = None) -> None:
        self.payment, self.amount, self.source, self.card = payment, amount, source, card
        """The card is where it is to go; None for the payer's wallet, also once it cannot go to the card."""
        self.sent = False
        """Whether the bank may have it."""
        self.state, self.share = "PENDING", 0
        self.due: int | None = None

    @property
    def open(self) -> bool:
        return self.state in ("PENDING", "AWAITING_FUNDS")


class Expected:
    """What the model knows of a payment. Moments are seconds since the machine began."""

    def __init__(self, payer: UUID, payee: UUID, currency: str, amount: int, fee: int, mode: Mode, at: int) -> None:
        self.payer, self.payee, self.currency, self.amount, self.fee, self.mode = payer, payee, currency, amount, fee, mode
        self.state, self.held, self.released, self.returned = "AWAITING_PAYMENT", 0, 0, 0
        self.corrected = self.extended = False
        self.due: int | None = at + DUE_AFTER["AWAITING_PAYMENT"]
        self.refunds: list[ExpectedRefund] = []
        self.disputed, self.had = False, set[Any]()
        """Whether a dispute is open, and for which reasons there was one."""
        self.awarded = 0
        """What disputes gave back, """
        self.awards: list[tuple[int, int]] = []
        """and of that after the release, each with the share of the fee."""
        self.succeeded = 0
        self.touched = at
        """When a refund last changed it."""
        self.paid: int | None = None

    def of_refunds(self, *states: str, source: str = "") -> int:
        """What refunds in these states come to."""
        return sum(each.amount for each in self.refunds if each.state in states and source in ("", each.source))

    @property
    def reserved(self) -> int:
        return self.of_refunds("PENDING", "AWAITING_FUNDS")

    @property
    def refundable(self) -> int:
        paid = self.released if self.mode is Mode.AUTHORIZATION else self.amount
        return paid - self.reserved - self.of_refunds("SUCCEEDED") - self.awarded

    @property
    def put_off(self) -> bool:
        """Whether refunds keep time from doing what is due."""
        return self.reserved > 0 and (self.state == "SUCCEEDED" or (self.state == "SHIPPED" and self.reserved == self.held))


class Model:
    """Who has what, where the payments stand, and what each step does to both."""

    core: Core
    granted: ClassVar[set[type[Command[Any]]]] = set()
    """What was granted at least once, in any run."""
    ended: ClassVar[set[Mode | str]] = set()
    """How, and in which currencies, payments ended well at least once, in any run."""
    went_back: ClassVar[set[str]] = set()
    """What became of refunds at least once, in any run."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.accounts: list[UUID] = []
        """In the order in which they were opened."""
        self.operators: list[ServiceKey] = []
        self.wallets: dict[tuple[UUID, str], int] = {}
        self.merchants: set[UUID] = set()
        self.closed: set[UUID] = set()
        self.frozen: set[UUID] = set()
        self.taken: dict[UUID, int] = {}
        """When money of a payment last reached a merchant."""
        self.expected: dict[UUID, Expected] = {}
        self.orders: set[tuple[UUID, str]] = set()
        self.owed: Counter[tuple[UUID, str]] = Counter()
        self.platform = {(purpose, currency): 0 for purpose in PLATFORM for currency in CURRENCIES}
        self.outside = dict.fromkeys(CURRENCIES, 0)
        self.refunds: dict[UUID, ExpectedRefund] = {}

    def attempt(self, command: Command[R]) -> tuple[R | None, str]:
        """The result and OK, or None and the reason."""
        try:
            result = self.core.carry_out(command)
        except Refusal as refusal:
            return None, refusal.reason
        self.granted.add(type(command))
        return result, "OK"

    def _newest(self, state: str) -> UUID | None:
        """The newest payment that is in a state, for which a step is wanted that is granted; by chance few are."""
        for payment, expected in reversed(self.expected.items()):
            if expected.state == state and expected.due is not None and expected.due > self.now:
                return payment
        return None

    def _pay(self, expected: Expected) -> None:
        self.wallets[expected.payer, expected.currency] -= expected.amount
        self._spend(expected.payer, expected.currency, expected.amount)
        expected.paid = self.now
        if expected.mode is Mode.INSTANT:
            self._succeed(expected, expected.amount, self.now)
            return
        if expected.mode is Mode.ESCROW:
            self.platform["ESCROW", expected.currency] += expected.amount
        expected.state, expected.held = "PAID" if expected.mode is Mode.ESCROW else "AUTHORIZED", expected.amount
        expected.due = self.now + DUE_AFTER[expected.state]

    def _release(self, expected: Expected, at: int) -> None:
        reserved, released = expected.reserved, expected.held - expected.reserved
        self._unhold(expected, leaving=reserved)
        if released < expected.amount:
            self.went_back.add("released in part")
        self._succeed(expected, released, at)

    def _capture(self, expected: Expected, amount: int) -> None:
        self._unhold(expected)
        expected.returned = expected.amount - amount
        self._give_back(expected, expected.returned, self.now)
        self._succeed(expected, amount, self.now)

    def _succeed(self, expected: Expected, amount: int, at: int) -> None:
        expected.fee = self._fee(expected.payee, amount)
        self._give(expected.payee, expected.currency, amount - expected.fee)
        if expected.payee in self.merchants:
            self.taken[expected.payee] = self.now
        self.platform["FEES", expected.currency] += expected.fee
        expected.state, expected.released, expected.due = "SUCCEEDED", amount, at + DUE_AFTER["SUCCEEDED"]
        expected.succeeded = at
        in_part = amount < expected.amount and expected.mode is Mode.AUTHORIZATION
        self.ended.update(("captured in part" if in_part else expected.mode, expected.currency))

    def _return(self, expected: Expected, at: int) -> None:
        """Refunds that a bank may have go on."""
        at_bank = [each for each in expected.refunds if each.open and each.card and each.sent]
        left = sum(each.amount for each in at_bank)
        returned = expected.held - left
        expected.returned += returned
        self._unhold(expected, leaving=left)
        self._give_back(expected, returned, at)
        expected.state, expected.due = "CLOSED", None
        for refund in expected.refunds:
            if refund.open and refund not in at_bank:
                refund.state = "FAILED"
                self.went_back.add("ESCROW FAILED")
        if at_bank:
            self.went_back.add("called off without what is at the bank")

    def _give_back(self, expected: Expected, amount: int, at: int) -> None:
        """The payer has some of what they paid again."""
        self._give(expected.payer, expected.currency, amount)
        if expected.paid is not None:
            self._have_back(expected.payer, expected.currency, amount, expected.paid, at)

    def _unhold(self, expected: Expected, leaving: int = 0) -> None:
        if expected.mode is Mode.ESCROW:
            self.platform["ESCROW", expected.currency] -= expected.held - leaving
        expected.held = leaving

    def _held(self, account: UUID, currency: str) -> int:
        """What an account's authorizations, withdrawals and refunds hold."""
        refunds = (refund for each in self.expected.values() for refund in each.refunds)
        parts = sum(
            each.amount - each.share
            for each in refunds
            if (each.source, each.state) == ("PAYEE", "PENDING")
            and (each.payment.payee, each.payment.currency) == (account, currency)
        )
        return parts + self._held_for_others(account, currency) + self._held_for_disputes(account, currency)

    def _held_for_disputes(self, account: UUID, currency: str) -> int:
        raise NotImplementedError

    def _held_for_others(self, account: UUID, currency: str) -> int:
        authorizations = (each for each in self.expected.values() if each.mode is Mode.AUTHORIZATION)
        held = sum(each.held for each in authorizations if (each.payer, each.currency) == (account, currency))
        return held + self._held_for_withdrawals(account, currency)

    def _held_for_withdrawals(self, account: UUID, currency: str) -> int:
        raise NotImplementedError

    # --- People (`people_model.py`) ---

    def _spend(self, account: UUID, currency: str, amount: int, *, withdrawn: bool = False) -> None:
        raise NotImplementedError

    def _have_back(self, account: UUID, currency: str, amount: int, spent_at: int, at: int, *, withdrawn: bool = False) -> None:
        raise NotImplementedError

    def _exceeds(self, account: UUID, currency: str, amount: int) -> bool:
        """Whether nobody may pay so much for this account's person."""
        raise NotImplementedError

    def _fee(self, payee: UUID, amount: int) -> int:
        return (amount * 150 + 5_000) // 10_000 if payee in self.merchants else 0

    def _give(self, account: UUID, currency: str, amount: int) -> None:
        if account in self.closed:
            self.platform["SUSPENSE", currency] += amount
        else:
            repaid = min(amount, self.owed[account, currency])
            self.owed[account, currency] -= repaid
            self.wallets[account, currency] += amount - repaid

    def _caught_up(self, which: UUID) -> Expected:
        """What the payment is by now. An action that comes late first does what time has brought about."""
        return self._caught_up_of(self.expected[which])

    def _caught_up_of(self, expected: Expected) -> Expected:
        while expected.due is not None and expected.due <= self.now:
            if expected.put_off:
                self.went_back.add(f"{'finish' if expected.state == 'SUCCEEDED' else 'confirmation'} put off")
                break
            at, after = max(expected.due, expected.touched), BY_TIME[expected.state]
            if after == "CLOSED":
                self._return(expected, at)
            elif after == "SUCCEEDED":
                self._release(expected, at)
            else:
                expected.state, expected.due = after, None
        return expected

    # --- Refunds ---

    def _waiting(self, payee: UUID, currency: str) -> list[ExpectedRefund]:
        """The refunds that wait for the money of an account's wallet."""
        of_wallet = (each for each in self.expected.values() if (each.payee, each.currency) == (payee, currency))
        refunds = (refund for each in of_wallet for refund in each.refunds)
        return [refund for refund in refunds if refund.state == "AWAITING_FUNDS"]

    def _share(self, refund: ExpectedRefund) -> int:
        """What of the fee goes back with one more refund of what was released."""
        return self._share_of(refund.payment, refund.amount, refund)

    def _share_of(self, of: Expected, amount: int, refund: ExpectedRefund | None = None) -> int:
        """The same, with so much more that goes back by a refund or an award."""
        taken = [each for each in of.refunds if each.source == "PAYEE" and each.state in ("PENDING", "SUCCEEDED")]
        before = [(each.amount, each.share) for each in taken if each is not refund] + of.awards
        in_all = of.fee * (sum(each for each, _ in before) + amount) // of.released
        return in_all - sum(share for _, share in before)

    def _take(self, refund: ExpectedRefund) -> bool:
        """Sets the payee's part aside, where it is there."""
        wallet, share = (refund.payment.payee, refund.payment.currency), self._share(refund)
        if self.wallets[wallet] < refund.amount - share:
            return False
        refund.share, refund.state, refund.due = share, "PENDING", None
        self.wallets[wallet] -= refund.amount - share
        return True

    def _refund(self, expected: Expected, amount: int, card: UUID | None) -> ExpectedRefund:
        """A refund that is granted."""
        refund = ExpectedRefund(expected, amount, "PAYEE" if expected.state == "SUCCEEDED" else "ESCROW", card)
        must_wait = bool(self._waiting(expected.payee, expected.currency))
        expected.refunds.append(refund)
        expected.touched = self.now
        if refund.source == "PAYEE" and (must_wait or not self._take(refund)):
            refund.state, refund.due = "AWAITING_FUNDS", self.now + 7 * DAY
        return refund

    def _step(self, refund: ExpectedRefund) -> None:
        """The next step of a refund, where one can be taken."""
        if not refund.open:
            return
        expected = self._caught_up_of(refund.payment)
        if refund.state == "PENDING" and refund.card is not None:
            return
        if refund.state == "PENDING":
            self._give(expected.payer, expected.currency, refund.amount)
            self._refunded(refund)
        elif refund.state == "AWAITING_FUNDS" and refund.due is not None and refund.due <= self.now:
            refund.state = "FAILED"
        elif refund.state == "AWAITING_FUNDS" and self._take(refund):
            self.went_back.add("served")
        else:
            return
        self._stepped(refund)

    def _refunded(self, refund: ExpectedRefund) -> None:
        """What a refund does beside bringing the money where it is to go."""
        expected, refund.state = refund.payment, "SUCCEEDED"
        if expected.paid is not None:
            self._have_back(expected.payer, expected.currency, refund.amount, expected.paid, self.now)
        if refund.source == "ESCROW":
            self.platform["ESCROW", expected.currency] -= refund.amount
            expected.held -= refund.amount
            expected.returned += refund.amount
        self.platform["FEES", expected.currency] -= refund.share
        if expected.refundable == 0 and not expected.reserved and expected.state != "CLOSED":
            self.went_back.add(f"closed from {expected.state}")
            expected.state, expected.due = "CLOSED", None

    def _stepped(self, refund: ExpectedRefund) -> None:
        refund.payment.touched = self.now
        self.went_back.add(f"{refund.source} {refund.state}")
        self._caught_up_of(refund.payment)
