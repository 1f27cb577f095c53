"""Money is exact."""

import pytest

from danbao_core.errors import AmountNotPositive, AmountOverflow, CurrencyUnknown
from danbao_core.money import Money, exponent, fee_minor


@pytest.mark.parametrize(("currency", "places"), [("CNY", 2), ("USD", 2), ("JPY", 0), ("KWD", 3)])
def test_minor_units_are_those_of_iso_4217(currency: str, places: int) -> None:
    assert exponent(currency) == places


@pytest.mark.parametrize("currency", ["XXX", "XAU", "ABC", "", "cny", "CN\0"])
def test_what_has_no_minor_units_is_no_currency(currency: str) -> None:
    with pytest.raises(CurrencyUnknown):
        exponent(currency)


@pytest.mark.parametrize(
    ("figure", "currency", "minor"),
    [("12.50", "CNY", 1250), ("1250", "JPY", 1250), ("1.050", "KWD", 1050), ("0.00", "USD", 0), ("-3.1", "USD", -310)],
)
def test_figures_are_read_exactly(figure: str, currency: str, minor: int) -> None:
    assert Money.parse(figure, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    "figure", ["1.005", f"1.{'0' * 33}1", "1e-3", "9e999999", "NaN", "Infinity", "", "1,000.00", "ten", ".5", "5.", "٣"]
)
def test_figures_that_are_not_whole_minor_units_are_refused(figure: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        Money.parse(figure, "USD")


def test_money_is_shown_in_its_currency() -> None:
    assert str(Money(123456, "CNY")) == "1,234.56 CNY"
    assert str(Money(1050, "JPY")) == "1,050 JPY"
    assert str(Money(-1, "KWD")) == "-0.001 KWD"


def test_only_positive_amounts_of_64_bits_can_be_paid() -> None:
    Money(2**63 - 1, "CNY").must_be_payable()
    for amount_minor in (0, -1):
        with pytest.raises(AmountNotPositive):
            Money(amount_minor, "CNY").must_be_payable()
    with pytest.raises(AmountOverflow):
        Money(2**63, "CNY").must_be_payable()


@pytest.mark.parametrize(
    ("amount_minor", "fee_bps", "fee"), [(1000, 150, 15), (33, 150, 0), (34, 150, 1), (100, 150, 2), (99, 0, 0), (7, 10_000, 7)]
)
def test_fees_round_half_up_once(amount_minor: int, fee_bps: int, fee: int) -> None:
    assert fee_minor(amount_minor, fee_bps) == fee
