"""The first story that `danbao demo` tells, and what its stories have in common: who does what, where the money is after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from danbao.v1.accounts_pb2 import Account
from danbao.v1.operations_pb2 import AuditCheck
from danbao.v1.payments_pb2 import Payment, Shipment
from danbao_client import Danbao, Money
from danbao_core.cli.output import CommandFailed

CURRENCY: Final = "CNY"
_TOP_UP_MINOR: Final = 500_00
_FIRST_MINOR: Final = 128_00
_SECOND_MINOR: Final = 88_00
_AUDIT_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Step:
    """Something that happened, and the money afterwards, in minor units by who has it."""

    number: int
    what: str
    why: str
    money_minor: dict[str, int]

    @property
    def total_minor(self) -> int:
        return sum(self.money_minor.values())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"step": self.what, "money_minor": self.money_minor, "total_minor": self.total_minor}


class Told:
    """What stories have in common: a buyer, a seller, what they agreed on, and all of the money after every step."""

    def __init__(self, danbao: Danbao, on_step: Callable[[Step], None]) -> None:
        self._danbao = danbao
        self._on_step = on_step
        self._buyer = ""
        self._seller = ""
        self._payments: list[str] = []
        self._topped_up_minor = 0
        self.steps: list[Step] = []

    async def _account(self, kind: Account.Kind.ValueType, display_name: str) -> str:
        account = await self._danbao.accounts.create(kind=kind, display_name=display_name, currency_codes=[CURRENCY])
        return account.name

    async def _order(self, order_no: str, subject: str, amount_minor: int) -> str:
        payment = await self._danbao.payments.create(
            payer=self._buyer,
            payee=self._seller,
            amount=Money.of_minor(amount_minor, CURRENCY),
            order_no=order_no,
            subject=subject,
        )
        self._payments.append(payment.name)
        return payment.name

    async def _ship(self, name: str, tracking_no: str) -> None:
        shipment = Shipment(method=Shipment.METHOD_EXPRESS, carrier="SF Express", tracking_no=tracking_no)
        await self._danbao.payments.ship(name, shipment=shipment)

    async def _step(self, what: str, why: str) -> None:
        """Looks where the money is, and shows it. Raises CommandFailed where it is not all there."""
        payments = [await self._danbao.payments.get(name) for name in self._payments]
        money_minor = {
            "buyer": await self._balance_minor(self._buyer),
            "seller": await self._balance_minor(self._seller),
            "escrow": sum(payment.held.amount_minor for payment in payments),
            "fees": await self._fees_minor(payments),
        }
        step = Step(len(self.steps) + 1, what, why, money_minor)
        self.steps.append(step)
        self._on_step(step)
        if step.total_minor != self._topped_up_minor:
            raise CommandFailed(
                "DOES_NOT_ADD_UP",
                f"{self._topped_up_minor} minor units should be there, but {step.total_minor} are.",
            )

    async def _fees_minor(self, payments: Sequence[Payment]) -> int:
        """What the platform kept of payments."""
        return sum(payment.fee.amount_minor for payment in payments if payment.state == Payment.STATE_SUCCEEDED)

    async def _balance_minor(self, account: str) -> int:
        wallets = [wallet async for wallet in self._danbao.accounts.list_balances(account)]
        return sum(wallet.available.amount_minor + wallet.held.amount_minor for wallet in wallets)


class Story(Told):
    """Two purchases, asked for by a service. With people of its own, so that it can be told again on the same core."""

    async def tell(self) -> None:
        """From two empty wallets to the end. Raises DanbaoError, and CommandFailed where the money does not add up."""
        self._buyer = await self._account(Account.KIND_PERSONAL, "Lin Xiao")
        self._seller = await self._account(Account.KIND_MERCHANT, "Book Pavilion")
        await self._step("A buyer and a seller open accounts", "Each has one wallet, in yuan, with nothing in it.")
        await self._danbao.accounts.top_up(account=self._buyer, amount=Money.of_minor(_TOP_UP_MINOR, CURRENCY))
        self._topped_up_minor = _TOP_UP_MINOR
        await self._step("The buyer tops up", "Money comes in from outside; a sandbox books it at once.")
        await self._first_purchase()
        await self._second_purchase()

    async def audit(self) -> Sequence[AuditCheck]:
        """Every invariant of the ledger, over the whole database."""
        answer = await self._danbao.operations.audit_ledger(deadline_seconds=_AUDIT_SECONDS)
        return answer.checks

    async def _first_purchase(self) -> None:
        payments = self._danbao.payments
        name = await self._order("PAVILION-1", "Dream of the Red Chamber", _FIRST_MINOR)
        await self._step("The buyer orders a book", "A payment is created. No money moves yet.")
        await payments.pay(name)
        await self._step("The buyer pays", "The money waits in escrow: the buyer no longer has it, the seller not yet.")
        await self._ship(name, "SF0000000000001")
        await self._step("The seller ships", "The buyer now has ten days to confirm; after that, time confirms.")
        await payments.confirm(name)
        await self._step("The buyer confirms", "The money leaves escrow for the seller, less the platform's fee.")

    async def _second_purchase(self) -> None:
        payments = self._danbao.payments
        name = await self._order("PAVILION-2", "Journey to the West", _SECOND_MINOR)
        await payments.pay(name)
        await self._step("The buyer orders another book and pays", "Again the money waits in escrow.")
        await payments.cancel(name)
        await self._step("It is out of print: the order is called off", "All of it returns to the buyer, without a fee.")
