"""Made-up orders for replays, and what has to come of them."""

import csv
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

FEE_BPS = 150
"""What a sandbox's platform keeps of a payment to a merchant."""


class Orders(NamedTuple):
    """A file of orders, and the totals that it comes to."""

    file: Path
    succeeded: int
    refused: int
    takings_minor: int
    fees_minor: int
    customers: int
    days: int
    """From the first date to the last."""

    def are_told_by(self, answer: dict[str, object]) -> bool:
        """Whether a replay's answer has these totals."""
        return {name: answer[name] for name in ("succeeded", "refused", "takings_minor", "fees_minor")} == {
            "succeeded": self.succeeded,
            "refused": self.refused,
            "takings_minor": self.takings_minor,
            "fees_minor": self.fees_minor,
        }


def some_orders(folder: Path, count: int = 60, dates: int = 6, name: str = "orders") -> Orders:
    """`count` orders over `dates` dates with gaps: every 20th for nothing, many buyers twice, some twice on one date."""
    file = folder / f"{name}.csv"
    amounts_minor = [0 if number % 20 == 19 else 99 + number * 977 % 40_000 for number in range(count)]
    customers = [f"c{number * 7 % (count // 2) // 2:04}" for number in range(count)]
    dates_of = [date(2001, 2, 26) + timedelta(days=3 * (number * dates // count)) for number in range(count)]
    with file.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["order_no", "customer", "date", "quantity", "amount_usd"])
        for number, (customer, on, minor) in enumerate(zip(customers, dates_of, amounts_minor, strict=True)):
            writer.writerow([f"{name}-{number}", customer, on, number % 4 + 1, f"{minor // 100}.{minor % 100:02}"])
    fees_minor = [(minor * FEE_BPS + 5_000) // 10_000 for minor in amounts_minor]
    return Orders(
        file,
        succeeded=sum(minor > 0 for minor in amounts_minor),
        refused=amounts_minor.count(0),
        takings_minor=sum(amounts_minor) - sum(fees_minor),
        fees_minor=sum(fees_minor),
        customers=len(set(customers)),
        days=(dates_of[-1] - dates_of[0]).days,
    )
