"""What the machine of `payments_machine.py` knows of fundings, in plain integers."""

from uuid import UUID

from tests.property.payments_model import Model


class ExpectedFunding:
    """What the model knows of a funding."""

    def __init__(self, kind: str, account: UUID, currency: str, amount: int, at: int, card: UUID | None) -> None:
        self.kind, self.account, self.currency, self.amount, self.at, self.card = kind, account, currency, amount, at, card
        """The card is that whose bank is asked; None for the till."""
        self.state, self.asked = "PENDING", 0

    @property
    def open(self) -> bool:
        return self.state in ("PENDING", "UNKNOWN")


class FundingsModel(Model):
    """Money that comes in and goes out, and what banks say to it."""

    def __init__(self) -> None:
        super().__init__()
        self.fundings: dict[UUID, ExpectedFunding] = {}
        self.cards: dict[UUID, UUID] = {}
        """The card that each account has, or had last."""
        self.unbound: set[UUID] = set()

    def _card_is_bound(self, account: UUID) -> bool:
        return self.cards[account] not in self.unbound

    def _held_for_withdrawals(self, account: UUID, currency: str) -> int:
        open_ones = (each for each in self.fundings.values() if each.open and each.kind == "WITHDRAWAL")
        return sum(each.amount for each in open_ones if (each.account, each.currency) == (account, currency))

    def _asked_for(self, funding: UUID, kind: str, account: UUID, currency: str, amount: int, card: UUID | None) -> None:
        """A funding that is granted, and to which nobody has answered."""
        self.fundings[funding] = ExpectedFunding(kind, account, currency, amount, self.now, card)
        if kind == "WITHDRAWAL":
            self.wallets[account, currency] -= amount
            self._spend(account, currency, amount, withdrawn=True)

    def _answered(self, funding: UUID, *, accepted: bool) -> None:
        """What the answer to a funding that is open brings about."""
        expected = self.fundings[funding]
        expected.state = "SUCCEEDED" if accepted else "FAILED"
        account, currency, amount = expected.account, expected.currency, expected.amount
        if accepted:
            self.outside[currency] += amount if expected.kind == "WITHDRAWAL" else -amount
        if accepted == (expected.kind == "TOP_UP"):
            self._give(account, currency, amount)
        if not accepted and expected.kind == "WITHDRAWAL":
            self._have_back(account, currency, amount, expected.at, self.now, withdrawn=True)
        self.went_back.add(f"{expected.kind} {'at bank' if expected.card else 'over the till'} {expected.state}")

    def _taken_back(self, expected: ExpectedFunding) -> None:
        """A top-up that the bank takes back: what the account has of it goes, and the rest it owes."""
        wallet = (expected.account, expected.currency)
        at_hand = min(expected.amount, self.wallets[wallet])
        self.wallets[wallet] -= at_hand
        self.owed[wallet] += expected.amount - at_hand
        self.outside[expected.currency] += expected.amount
        expected.state = "REVERSED"
        self.went_back.add("reversed and owed" if at_hand < expected.amount else "reversed")
