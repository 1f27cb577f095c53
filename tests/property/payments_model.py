"""What the machine of `payments_machine.py` knows of payments, in plain integers."""

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar, Final, Protocol, TypeVar
from uuid import UUID

import msgspec

from danbao_core.accounts import (
    AccountKind,
)
from danbao_core.engine import Command, Row
from danbao_core.fundings import SettleFunding, Withdraw
from danbao_core.payments import (
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    CorrectShipment,
    ExtendConfirmation,
    Mode,
    PayPayment,
    ShipmentMethod,
    ShipPayment,
    VoidPayment,
)
from danbao_core.proposals import ApproveProposal

R = TypeVar("R", bound=msgspec.Struct)
S = TypeVar("S", bound=Row)

CURRENCIES = ("CNY", "USD", "JPY", "KWD")
PEOPLE: Final = (
    (AccountKind.PERSONAL, CURRENCIES),
    (AccountKind.PERSONAL, ("CNY", "USD", "JPY")),
    (AccountKind.MERCHANT, CURRENCIES),
    (AccountKind.MERCHANT, ("USD", "KWD", "CNY")),
)
"""Two buyers and two sellers, and the wallets that they begin with: one of each lacks one."""
DAY = 86_400
DUE_AFTER = {"AWAITING_PAYMENT": 30 * 60, "PAID": 15 * DAY, "AUTHORIZED": 7 * DAY, "SUCCEEDED": 365 * DAY}
CONFIRM_AFTER = {ShipmentMethod.EXPRESS: 10 * DAY, ShipmentMethod.VIRTUAL: 3 * DAY, ShipmentMethod.PICK_UP: 2 * DAY}
EXTENSION = 3 * DAY
STEPS: Final = {
    ApproveProposal,
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    CorrectShipment,
    ExtendConfirmation,
    PayPayment,
    SettleFunding,
    ShipPayment,
    VoidPayment,
    Withdraw,
}
"""What the machine does with payments, and with the money of who takes part in them."""
ENDS: Final = {*Mode, *CURRENCIES, "captured in part"}
"""How, and in which currencies, payments are to end well."""
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
    def advance(self, seconds: int) -> None: ...
    def all(self, row_type: type[S]) -> Iterable[S]: ...


class Expected:
    """What the model knows of a payment. Moments are seconds since the machine began."""

    def __init__(self, payer: UUID, payee: UUID, currency: str, amount: int, fee: int, mode: Mode, at: int) -> None:
        self.payer, self.payee, self.currency, self.amount, self.fee, self.mode = payer, payee, currency, amount, fee, mode
        self.state, self.held, self.released, self.returned = "AWAITING_PAYMENT", 0, 0, 0
        self.corrected = self.extended = False
        self.due: int | None = at + DUE_AFTER["AWAITING_PAYMENT"]


class Model:
    """Who has what, where the payments stand, and what each step does to both."""

    ended: ClassVar[set[Mode | str]] = set()
    """How, and in which currencies, payments ended well at least once, in any run."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.wallets: dict[tuple[UUID, str], int] = {}
        self.merchants: set[UUID] = set()
        self.closed: set[UUID] = set()
        self.frozen: set[UUID] = set()
        self.taken: dict[UUID, int] = {}
        """When money of a payment last reached a merchant."""
        self.expected: dict[UUID, Expected] = {}
        self.orders: set[tuple[UUID, str]] = set()
        self.owed: Counter[tuple[UUID, str]] = Counter()
        self.withdrawing: dict[UUID, tuple[UUID, str, int]] = {}
        """Withdrawals that the bank has left open."""
        self.platform = {(purpose, currency): 0 for purpose in ("ESCROW", "FEES", "SUSPENSE") for currency in CURRENCIES}
        self.outside = dict.fromkeys(CURRENCIES, 0)

    def _pay(self, expected: Expected) -> None:
        self.wallets[expected.payer, expected.currency] -= expected.amount
        if expected.mode is Mode.INSTANT:
            self._succeed(expected, expected.amount, self.now)
            return
        if expected.mode is Mode.ESCROW:
            self.platform["ESCROW", expected.currency] += expected.amount
        expected.state, expected.held = "PAID" if expected.mode is Mode.ESCROW else "AUTHORIZED", expected.amount
        expected.due = self.now + DUE_AFTER[expected.state]

    def _release(self, expected: Expected, at: int) -> None:
        self._unhold(expected)
        self._succeed(expected, expected.amount, at)

    def _capture(self, expected: Expected, amount: int) -> None:
        self._unhold(expected)
        expected.fee, expected.returned = self._fee(expected.payee, amount), expected.amount - amount
        self._give(expected.payer, expected.currency, expected.returned)
        self._succeed(expected, amount, self.now)

    def _succeed(self, expected: Expected, amount: int, at: int) -> None:
        self._give(expected.payee, expected.currency, amount - expected.fee)
        if expected.payee in self.merchants:
            self.taken[expected.payee] = self.now
        self.platform["FEES", expected.currency] += expected.fee
        expected.state, expected.released, expected.due = "SUCCEEDED", amount, at + DUE_AFTER["SUCCEEDED"]
        self.ended.update((expected.mode if amount == expected.amount else "captured in part", expected.currency))

    def _return(self, expected: Expected) -> None:
        expected.returned = expected.held
        self._unhold(expected)
        self._give(expected.payer, expected.currency, expected.returned)
        expected.state, expected.due = "CLOSED", None

    def _unhold(self, expected: Expected) -> None:
        if expected.mode is Mode.ESCROW:
            self.platform["ESCROW", expected.currency] -= expected.held
        expected.held = 0

    def _held(self, account: UUID, currency: str) -> int:
        """What an account's authorizations and withdrawals hold."""
        authorizations = (each for each in self.expected.values() if each.mode is Mode.AUTHORIZATION)
        held = sum(each.held for each in authorizations if (each.payer, each.currency) == (account, currency))
        return held + sum(minor for *of, minor in self.withdrawing.values() if of == [account, currency])

    def _settled(self, funding: UUID, *, accepted: bool) -> None:
        account, currency, amount = self.withdrawing.pop(funding)
        if accepted:
            self.outside[currency] += amount
        else:
            self._give(account, currency, amount)

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
        expected = self.expected[which]
        while expected.due is not None and expected.due <= self.now:
            at, after = expected.due, BY_TIME[expected.state]
            if after == "CLOSED":
                self._return(expected)
            elif after == "SUCCEEDED":
                self._release(expected, at)
            else:
                expected.state, expected.due = after, None
        return expected
