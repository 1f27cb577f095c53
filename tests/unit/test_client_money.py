"""Amounts of the client: exact, or refused."""

from decimal import Decimal, localcontext
from typing import Any

import iso4217
import pytest

from danbao.v1 import common_pb2
from danbao_client import Money
from danbao_client.money import decimals_of
from danbao_core.money import MAX_AMOUNT_MINOR


def test_it_knows_the_currencies_of_the_core() -> None:
    of_core = {currency.code: currency.exponent for currency in iso4217.Currency if currency.exponent is not None}
    assert {code: decimals_of(code) for code in of_core} == of_core
    for code in {currency.code for currency in iso4217.Currency} - of_core.keys():
        with pytest.raises(ValueError, match=code):
            decimals_of(code)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.50", "CNY", 1250),
        ("12.5", "CNY", 1250),
        ("12.500", "CNY", 1250),
        ("-0.01", "CNY", -1),
        ("1050", "JPY", 1050),
        ("1050.0", "JPY", 1050),
        ("1.05", "KWD", 1050),
        ("1.0001", "CLF", 10001),
        (Decimal("12.50"), "CNY", 1250),
        (Decimal("1E+3"), "CNY", 100_000),
        ("92233720368547758.07", "CNY", MAX_AMOUNT_MINOR),
    ],
)
def test_what_is_written_is_what_it_is(amount: Any, currency: str, minor: int) -> None:
    money = Money(amount, currency)
    assert (money.amount_minor, money.currency) == (minor, currency)
    assert money == Money.of_minor(minor, currency) == Money(money.decimal, currency)
    assert Money.of(money.message) == money
    assert eval(repr(money), {"Money": Money}) == money


@pytest.mark.parametrize(
    ("amount", "currency", "kind", "what"),
    [
        (12.5, "CNY", TypeError, "write it as text"),
        (12, "CNY", TypeError, r'Money\("12", "CNY"\), or Money.of_minor\(12, "CNY"\)'),
        (True, "CNY", TypeError, "exact"),
        (None, "CNY", TypeError, "exact"),
        ("1.005", "CNY", ValueError, "2 decimals of CNY: round it first"),
        ("0.5", "JPY", ValueError, "0 decimals of JPY"),
        ("1,000", "CNY", ValueError, "thousands"),
        ("1e3", "CNY", ValueError, "decimal figure"),
        (" 1", "CNY", ValueError, "decimal figure"),
        ("+1", "CNY", ValueError, "decimal figure"),
        ("\u0661", "CNY", ValueError, "decimal figure"),
        ("", "CNY", ValueError, "decimal figure"),
        (Decimal("NaN"), "CNY", ValueError, "decimal figure"),
        (Decimal("Infinity"), "CNY", ValueError, "decimal figure"),
        ("1", "RMB", ValueError, "'RMB' is not an ISO 4217 code"),
        ("1", "XAU", ValueError, "of_minor"),
    ],
)
def test_what_is_not_exact_is_refused_and_told_how_to_write(amount: Any, currency: str, kind: Any, what: str) -> None:
    with pytest.raises(kind, match=what):
        Money(amount, currency)


def test_a_currency_of_tomorrow_is_counted_in_minor_units() -> None:
    money = Money.of_minor(5, "QQQ")
    assert money + money == Money.of_minor(10, "QQQ")
    assert repr(money) == 'Money.of_minor(5, "QQQ")'
    assert str(money) == "5 minor units of QQQ"
    with pytest.raises(ValueError, match="QQQ"):
        _ = money.decimal
    with pytest.raises(ValueError, match="ISO 4217"):
        Money.of(common_pb2.Money())
    with pytest.raises(TypeError, match="int"):
        Money.of_minor(1.5, "CNY")  # type: ignore[arg-type]


def test_it_counts_within_one_currency_only() -> None:
    two, three = Money("2", "CNY"), Money("3", "CNY")
    assert two + three == Money("5", "CNY")
    assert three - two * 2 == -Money("1", "CNY")
    assert two < three <= Money("3", "CNY")
    assert max(two, three) is three
    for wrong in (lambda: two + Money("1", "USD"), lambda: two - Money("1", "USD"), lambda: two < Money("1", "USD")):
        with pytest.raises(ValueError, match="two currencies"):
            wrong()
    for senseless in (lambda: two + 1, lambda: two * 1.5, lambda: two < 3, lambda: two * two):  # type: ignore[operator]
        with pytest.raises(TypeError):
            senseless()
    assert Money("1", "CNY") != Money("1", "USD")


def test_it_compares_with_answers_and_reads_well() -> None:
    answered = common_pb2.Money(amount_minor=125_000, currency_code="CNY")
    assert answered == Money("1250", "CNY")
    assert Money("1250.01", "CNY") != answered
    assert str(Money.of(answered)) == "1,250.00 CNY"
    assert len({Money("1", "CNY"), Money("1.00", "CNY"), Money("1", "USD")}) == 2
    with pytest.raises(AttributeError):
        Money("1", "CNY").amount_minor = 2  # type: ignore[misc]


@pytest.mark.parametrize("figure", ["-123456.78", "123456789012345678901234567890.12"])
def test_it_is_exact_whatever_the_callers_decimals_are_rounded_to(figure: str) -> None:
    with localcontext(prec=4):
        money = Money(figure, "CNY")
        assert (repr(money), str(money).replace(",", "")) == (f'Money("{figure}", "CNY")', f"{figure} CNY")
        assert money.decimal.compare_total(Decimal(figure)) == 0
