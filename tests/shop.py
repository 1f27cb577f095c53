"""A shop, a buyer, and a core in memory, for the stories of single decisions."""

from typing import Any

from danbao_core import fundings
from danbao_core.accounts import Account, AccountKind, Balance, CreateAccount, Purpose, balance_id
from danbao_core.engine import Command
from danbao_core.ids import uuid7
from danbao_core.money import Money
from danbao_core.payments import (
    CarryOutRefund,
    ConfirmPayment,
    CreatePayment,
    CreateRefund,
    Mode,
    Payment,
    Refund,
    ShipPayment,
)
from tests.builders import EXPRESS, origin
from tests.memory_core import MemoryCore


class Shop:
    """A buyer with money, a seller, and what they do."""

    def __init__(self, funds_minor: int = 10_000, currencies: tuple[str, ...] = ("CNY",)) -> None:
        self.core = MemoryCore()
        self.buyer = self.open(AccountKind.PERSONAL, currencies)
        self.seller = self.open(AccountKind.MERCHANT, currencies)
        for currency in currencies if funds_minor else ():
            top_up = fundings.TopUp(origin=origin(), account_id=self.buyer.id, amount=Money(funds_minor, currency))
            self.core.carry_out(top_up)

    def open(self, kind: AccountKind, currencies: tuple[str, ...] = ("CNY",)) -> Account:
        return self.core.carry_out(CreateAccount(origin=origin(), kind=kind, display_name="x", currencies=currencies))

    def order(self, amount_minor: int = 1_000, mode: Mode = Mode.ESCROW, **facts: Any) -> Payment:
        return self.core.carry_out(self.ordering(amount_minor, mode, **facts))

    def ordering(self, amount_minor: int = 1_000, mode: Mode = Mode.ESCROW, **facts: Any) -> CreatePayment:
        given: dict[str, Any] = {"origin": origin(), "payer_id": self.buyer.id, "payee_id": self.seller.id} | facts
        return CreatePayment(amount=Money(amount_minor, given.pop("currency", "CNY")), mode=mode, **given)

    def step(self, command: type[Command[Payment]], payment: Payment, by: Account | None = None, **facts: Any) -> Payment:
        actor = origin() if by is None else bound(by)
        return self.core.carry_out(command(origin=actor, payment_id=payment.id, **facts))  # type: ignore[call-arg]

    def shipped(self, **facts: Any) -> Payment:
        return self.step(ShipPayment, self.order(pay=True, **facts), shipment=EXPRESS)

    def succeeded(self, **facts: Any) -> Payment:
        return self.step(ConfirmPayment, self.shipped(**facts))

    def refund(self, payment: Payment, amount_minor: int | None = None, by: Any = None, **facts: Any) -> Refund:
        """A refund that somebody asks for, by default a service."""
        amount = None if amount_minor is None else Money(amount_minor, facts.pop("currency", payment.currency))
        return self.core.carry_out(CreateRefund(origin=by or origin(), payment_id=payment.id, amount=amount, **facts))

    def carried_out(self, refund: Refund) -> Refund:
        """The refund after a worker came by."""
        return self.core.carry_out(CarryOutRefund(origin=origin(), refund_id=refund.id))

    def now(self, row: Any) -> Any:
        """The row as it is now."""
        return next(each for each in self.core.all(type(row)) if each.key_values == row.key_values)

    def available(self, account: Account, currency: str = "CNY") -> int:
        return self.balance(account, Purpose.AVAILABLE, currency)

    def balance(self, account: Account, purpose: Purpose, currency: str = "CNY") -> int:
        of = balance_id(account.id, currency, purpose)
        return next(balance.amount_minor for balance in self.core.all(Balance) if balance.id == of)

    def platform(self, purpose: Purpose) -> int:
        return sum(balance.amount_minor for balance in self.core.all(Balance) if balance.purpose is purpose)


def bound(account: Account, *scopes: str) -> Any:
    """A caller whose key is bound to an account."""
    return origin(account_id=account.id, key_id=uuid7(), scopes=frozenset(scopes or ("payments.pay",)))
