"""Money: exact integers in minor units of an ISO 4217 currency."""

from decimal import Decimal, InvalidOperation
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


def exponent(currency: str) -> int:
    """How many decimal places the minor unit of a currency stands for: CNY 2, JPY 0, KWD 3.

    Raises CurrencyUnknown for a code that ISO 4217 does not list with minor units.
    """
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise CurrencyUnknown(currency=currency) from None


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
    def parse(cls, amount: str, currency: str) -> "Money":
        """Money from a decimal figure such as "12.50"; exact, so "1.005" of CNY is a ValueError."""
        places = exponent(currency)
        try:
            minor = Decimal(amount).scaleb(places)
        except InvalidOperation:
            raise ValueError(f"{amount!r} is not a decimal figure") from None
        if not minor.is_finite() or minor != minor.to_integral_value():
            raise ValueError(f"{amount!r} is not a whole number of minor units of {currency}")
        return cls(int(minor), currency)

    def __str__(self) -> str:
        places = exponent(self.currency)
        return f"{Decimal(self.amount_minor).scaleb(-places):,.{places}f} {self.currency}"


def fee_minor(amount_minor: int, fee_bps: int) -> int:
    """The fee on an amount, both in minor units, at a rate in basis points; rounded half up, once."""
    return (amount_minor * fee_bps + 5_000) // 10_000
