"""Money: exact integers in minor units of an ISO 4217 currency."""

import re
from decimal import Decimal
from typing import Final

import iso4217
import msgspec

from danbao_core.errors import AmountNotPositive, AmountOverflow, CurrencyUnknown

MAX_AMOUNT_MINOR: Final = 2**63 - 1
MIN_AMOUNT_MINOR: Final = -(2**63)

# Codes without minor units in the standard ("N.A.": gold, bonds, test codes) are no money that a wallet can hold.
_EXPONENTS: Final[dict[str, int]] = {
    currency.code: currency.exponent for currency in iso4217.Currency if currency.exponent is not None
}

CURRENCIES: Final = tuple(sorted(_EXPONENTS))
"""The codes of all of them."""


def exponent(currency: str) -> int:
    """How many decimal places the minor unit of a currency stands for: CNY 2, JPY 0, KWD 3.

    Raises CurrencyUnknown for a code that ISO 4217 does not list with minor units.
    """
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise CurrencyUnknown(currency=currency) from None


_FIGURE: Final = re.compile(r"(-?)(\d{1,40})(?:\.(\d{1,40}))?", re.ASCII)


class Money(msgspec.Struct, frozen=True):
    """An amount of one currency, in minor units; any sign."""

    amount_minor: int
    currency: str

    def must_be_payable(self) -> "Money":
        """Itself, where it can be paid: a known currency and an amount from 1 to 2**63 - 1.

        Raises CurrencyUnknown, AmountNotPositive or AmountOverflow.
        """
        exponent(self.currency)
        if self.amount_minor <= 0:
            raise AmountNotPositive(amount_minor=self.amount_minor)
        if self.amount_minor > MAX_AMOUNT_MINOR:
            raise AmountOverflow
        return self

    @classmethod
    def parse(cls, figure: str, currency: str) -> "Money":
        """Money from a decimal figure such as "12.50"; exact, so "1.005" of CNY is a ValueError."""
        places = exponent(currency)
        parts = _FIGURE.fullmatch(figure)
        if parts is None:
            raise ValueError(f"{figure!r} is not a decimal figure such as 12.50")
        sign, whole, fraction = parts.groups(default="")
        fraction = fraction.rstrip("0")
        if len(fraction) > places:
            raise ValueError(f"{figure!r} is not a whole number of minor units of {currency}")
        return cls(int(f"{sign}{whole}{fraction.ljust(places, '0')}"), currency)

    def __str__(self) -> str:
        places = exponent(self.currency)
        figure = Decimal(self.amount_minor) / 10**places  # exact: 28 digits hold 64 bits
        return f"{figure:,.{places}f} {self.currency}"


def fee_minor(amount_minor: int, fee_bps: int) -> int:
    """The fee on an amount, both in minor units, at a rate in basis points; rounded half up, once."""
    return (amount_minor * fee_bps + 5_000) // 10_000
