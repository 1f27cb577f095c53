"""What a payout is made of, in sums by sort."""

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from danbao_core import sql
from danbao_core.statements.reading import RELEASES, Extract

if TYPE_CHECKING:
    import asyncpg


class Sort(Enum):
    """What a movement is to a merchant; each is a word of `Words`, and a field of the contract."""

    PAYMENTS = "payments"
    """Payments to it, before fees."""
    FEES = "fees"
    REFUNDS = "refunds"
    """What it gave back, by refunds and by disputes."""
    ADJUSTMENTS = "adjustments"
    FUNDINGS = "fundings"
    PURCHASES = "purchases"
    """What it paid itself, and what came back of it."""


class Sum(NamedTuple):
    """Over movements of one sort; minor units."""

    amount_minor: int = 0
    number: int = 0
    """How many movements."""

    def plus(self, amount_minor: int, number: int) -> "Sum":
        """Itself with more movements."""
        return Sum(self.amount_minor + amount_minor, self.number + number)


async def sums_of(pool: "asyncpg.Pool[Any]", extract: Extract) -> dict[Sort, Sum]:
    """An extract's movements by sort. With what was there before they come to what was there afterwards."""
    sums = dict.fromkeys(Sort, Sum())
    records = await pool.fetch(
        sql.load(__package__, "sum_lines"), extract.balance_id, extract.after, extract.until, extract.account_id
    )
    for record in records:
        released = record["kind"] in RELEASES or record["ends_escrow"]
        sort, amount_minor = _sort(record["kind"], payee=record["payee"], released=released), record["amount_minor"]
        if sort is Sort.PAYMENTS and released:
            sums[Sort.FEES] = sums[Sort.FEES].plus(-record["fee_minor"], record["fee_count"])
            amount_minor += record["fee_minor"]
        sums[sort] = sums[sort].plus(amount_minor, record["count"])
    total_minor = sum(each.amount_minor for each in sums.values())
    assert extract.opening_minor + total_minor == extract.closing_minor, "a balance is the sum of its entries"
    return sums


def _sort(kind: str, *, payee: bool, released: bool) -> Sort:
    match kind.partition(".")[0]:
        case "payment":
            return Sort.PAYMENTS if payee else Sort.PURCHASES
        case "dispute" if payee:
            return Sort.PAYMENTS if released else Sort.REFUNDS
        case "dispute":
            return Sort.PURCHASES
        case "refund":
            return Sort.PURCHASES if kind == "refund.succeed" else Sort.REFUNDS
        case "funding":
            return Sort.FUNDINGS
        case _:
            return Sort.ADJUSTMENTS
