"""What the machine of `payments_machine.py` knows of payouts, in plain integers."""

from uuid import UUID

from tests.property.fundings_model import FundingsModel
from tests.property.payments_model import BEGAN, DAY

HOUR = 3_600
IN_SHANGHAI = 8 * HOUR
"""How far the clocks of Asia/Shanghai are ahead of UTC."""


class ExpectedSchedule:
    """What the model knows of a payout schedule. Moments are seconds since the machine began."""

    def __init__(self, account: UUID, currency: str, carried: int) -> None:
        self.account, self.currency, self.carried = account, currency, carried
        """What was in the wallet before the first entry of the next payout."""
        self.cadence, self.weekday, self.least = "NEVER", 0, 1
        self.card: UUID | None = None
        self.due: int | None = None
        self.open: UUID | None = None
        """The payout that is under way."""
        self.skip = "NONE"

    def due_after(self, now: int) -> int | None:
        day = (BEGAN + IN_SHANGHAI + now) // DAY  # since 1970-01-01, a Thursday
        if self.cadence == "THRESHOLD":
            return (BEGAN + now) // HOUR * HOUR + HOUR - BEGAN
        if self.cadence == "NEVER":
            return None
        following = (each for each in range(day + 1, day + 8) if self.cadence == "DAILY" or (each + 3) % 7 + 1 == self.weekday)
        return next(following) * DAY - IN_SHANGHAI - BEGAN


class ExpectedPayout:
    """What the model knows of a payout."""

    def __init__(self, schedule: ExpectedSchedule, amount: int, funding: UUID) -> None:
        self.schedule, self.amount, self.carried, self.funding = schedule, amount, schedule.carried, funding
        self.state = "PENDING"


class PayoutsModel(FundingsModel):
    """When merchants are paid out, each payout, and what the platform can have of its fees."""

    def __init__(self) -> None:
        super().__init__()
        self.schedules: dict[UUID, ExpectedSchedule] = {}
        self.payouts: dict[UUID, ExpectedPayout] = {}

    def _skips(self, schedule: ExpectedSchedule) -> str:
        """Why nothing can be paid out now, or NONE."""
        if schedule.open is not None:
            return "PAYOUT_UNDER_WAY"
        if schedule.account in self.closed:
            return "ACCOUNT_CLOSED"
        if self.wallets[schedule.account, schedule.currency] < schedule.least:
            return "TOO_LITTLE"
        if schedule.account in self.frozen:
            return "ACCOUNT_FROZEN"
        if schedule.card in self.unbound:
            return "INSTRUMENT_MISSING"
        return "REFUNDS_WAITING" if self._waiting(schedule.account, schedule.currency) else "NONE"

    def _earned(self, currency: str) -> int:
        """What fees have come to, less what refunds under way give back of them."""
        refunds = (refund for each in self.expected.values() if each.currency == currency for refund in each.refunds)
        return self.platform["FEES", currency] - sum(each.share for each in refunds if each.state == "PENDING")
