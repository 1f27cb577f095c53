"""The file of orders that `danbao replay` reads, checked as a whole before anything is done with it."""

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from danbao_core.errors import CurrencyUnknown
from danbao_core.money import MAX_AMOUNT_MINOR, Money


class OrdersInvalid(Exception):
    """The file is not one of orders; the message names the line."""


class Order(NamedTuple):
    """One purchase, as the file has it."""

    order_no: str
    customer: str
    date: date
    quantity: str
    amount_minor: int


def read_orders(file: Path, currency: str) -> list[Order]:
    """The orders of a CSV file with the columns order_no, customer, date, quantity and amount_<currency>, sorted by date.

    Orders of one date stay in the order of the file; other columns are left alone. Raises OrdersInvalid.
    """
    amount_column = f"amount_{currency.lower()}"
    wanted = ["order_no", "customer", "date", "quantity", amount_column]
    try:
        # A file that a spreadsheet wrote may begin with a byte order mark, which is no part of the first column's name.
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, strict=True)
            missing = [column for column in wanted if column not in (reader.fieldnames or ())]
            if missing:
                raise OrdersInvalid(f"{file}, line 1: there is no column {' and no '.join(missing)}.")
            orders = list(_orders(file, reader, amount_column, currency))
    except OSError as error:
        raise OrdersInvalid(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise OrdersInvalid(f"{file} is not text in UTF-8.") from None
    except csv.Error as error:
        raise OrdersInvalid(f"{file} is not a CSV file: {error}.") from None
    if not orders:
        raise OrdersInvalid(f"{file} has no orders.")
    return sorted(orders, key=lambda order: order.date)


def _orders(file: Path, reader: "csv.DictReader[str]", amount_column: str, currency: str) -> Iterator[Order]:
    lines_by_order_no: dict[str, int] = {}
    for row in reader:
        line = reader.line_num
        try:
            order = _order(row, amount_column, currency)
        except ValueError as error:
            raise OrdersInvalid(f"{file}, line {line}: {error}.") from None
        first = lines_by_order_no.setdefault(order.order_no, line)
        if first != line:
            raise OrdersInvalid(f"{file}, line {line}: the order_no {order.order_no!r} stands in line {first} already.")
        yield order


def _order(row: dict[Any, Any], amount_column: str, currency: str) -> Order:
    """Raises ValueError that says what is wrong with the row."""
    if None in row or None in row.values():
        raise ValueError("it has another number of fields than the first line")
    for column in ("order_no", "customer"):
        if not row[column].strip():
            raise ValueError(f"{column} is empty")
    try:
        ordered_on = date.fromisoformat(row["date"])
    except ValueError:
        raise ValueError(f"the date {row['date']!r} is not like 1997-01-31") from None
    return Order(row["order_no"], row["customer"], ordered_on, row["quantity"], _amount_minor(row[amount_column], currency))


def _amount_minor(figure: str, currency: str) -> int:
    """Raises ValueError for what is no amount, or one that no payment could ever have."""
    try:
        amount_minor = Money.parse(figure, currency).amount_minor
    except CurrencyUnknown:
        raise ValueError(f"{currency!r} is not an ISO 4217 code such as USD") from None
    if amount_minor < 0:
        raise ValueError(f"the amount {figure!r} is negative")
    if amount_minor > MAX_AMOUNT_MINOR:
        raise ValueError(f"the amount {figure!r} is out of range")
    return amount_minor
