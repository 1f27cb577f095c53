"""The file of orders: what is read of it, and what is refused with its line."""

from datetime import date
from pathlib import Path

import pytest

from danbao_core.cli.orders import Order, OrdersInvalid, read_orders

HEADER = "order_no,customer,date,quantity,amount_usd\n"


def a_file(folder: Path, text: str | bytes) -> Path:
    file = folder / "orders.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_orders_are_read_exactly_and_sorted_by_date(tmp_path: Path) -> None:
    file = a_file(tmp_path, HEADER + "3,ada,2001-02-01,1,0.10\n1,bo,2001-01-31,2,92233720368547758.07\n2,ada,2001-02-01,3,7\n")
    assert read_orders(file, "USD") == [
        Order("1", "bo", date(2001, 1, 31), "2", 2**63 - 1),
        Order("3", "ada", date(2001, 2, 1), "1", 10),
        Order("2", "ada", date(2001, 2, 1), "3", 700),
    ]


def test_the_amounts_are_those_of_the_currency(tmp_path: Path) -> None:
    file = a_file(tmp_path, "amount_jpy,amount_kwd,note,order_no,customer,date,quantity\n1200,1.005,x,1,ada,2001-01-31,1\n")
    assert read_orders(file, "JPY")[0].amount_minor == 1200
    assert read_orders(file, "KWD")[0].amount_minor == 1005


def test_a_spreadsheets_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    file = a_file(tmp_path, b"\xef\xbb\xbf" + (HEADER + "1,Zo\u00eb,2001-01-31,1,5.00\n").encode())
    assert read_orders(file, "USD")[0].customer == "Zo\u00eb"


def test_an_amount_of_zero_is_left_to_the_core(tmp_path: Path) -> None:
    assert read_orders(a_file(tmp_path, HEADER + "1,ada,2001-01-31,1,0.00\n"), "USD")[0].amount_minor == 0


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("1,ada,2001-01-31,1", "it has another number of fields than the first line"),
        ("1,ada,2001-01-31,1,5.00,6.00", "it has another number of fields than the first line"),
        (",ada,2001-01-31,1,5.00", "order_no is empty"),
        ("1, ,2001-01-31,1,5.00", "customer is empty"),
        ("1,ada,31/01/2001,1,5.00", "the date '31/01/2001' is not like 1997-01-31"),
        ("1,ada,2001-02-30,1,5.00", "the date '2001-02-30' is not like 1997-01-31"),
        ("1,ada,2001-01-31,1,five", "'five' is not a decimal figure such as 12.50"),
        ("1,ada,2001-01-31,1,", "'' is not a decimal figure such as 12.50"),
        ("1,ada,2001-01-31,1,NaN", "'NaN' is not a decimal figure such as 12.50"),
        ("1,ada,2001-01-31,1,5.005", "'5.005' is not a whole number of minor units of USD"),
        ("1,ada,2001-01-31,1,-0.01", "the amount '-0.01' is negative"),
        ("1,ada,2001-01-31,1,92233720368547758.08", "the amount '92233720368547758.08' is out of range"),
        ("1,ada,2001-01-31,1,9e999999", "'9e999999' is not a decimal figure such as 12.50"),
        ("0,ada,2001-01-31,1,5.00", "the order_no '0' stands in line 2 already"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(tmp_path: Path, row: str, complaint: str) -> None:
    file = a_file(tmp_path, HEADER + "0,ada,2001-01-31,1,5.00\n" + row + "\n")
    with pytest.raises(OrdersInvalid) as refused:
        read_orders(file, "USD")
    assert str(refused.value) == f"{file}, line 3: {complaint}."


@pytest.mark.parametrize(
    ("text", "currency", "complaint"),
    [
        ("", "USD", ", line 1: there is no column order_no and no customer and no date and no quantity and no amount_usd."),
        (HEADER, "EUR", ", line 1: there is no column amount_eur."),
        (
            HEADER.replace("usd", "usx") + "1,ada,2001-01-31,1,5.00\n",
            "USX",
            ", line 2: 'USX' is not an ISO 4217 code such as USD.",
        ),
        (HEADER, "USD", " has no orders."),
        (b"\xff\xfe\x00", "USD", " is not text in UTF-8."),
        (HEADER + '1,"ada,2001-01-31,1,5.00\n', "USD", " is not a CSV file: unexpected end of data."),
    ],
)
def test_what_is_no_file_of_orders_is_refused(tmp_path: Path, text: str | bytes, currency: str, complaint: str) -> None:
    file = a_file(tmp_path, text)
    with pytest.raises(OrdersInvalid) as refused:
        read_orders(file, currency)
    assert str(refused.value) == f"{file}{complaint}"


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(OrdersInvalid, match=r"none\.csv cannot be read: No such file or directory\.$"):
        read_orders(tmp_path / "none.csv", "USD")
