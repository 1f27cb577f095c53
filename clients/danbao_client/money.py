"""Amounts as people write them, exact."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import total_ordering
from typing import Final, TypeAlias

from danbao.v1 import common_pb2

_CODES_BY_DECIMALS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY "
        "COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS "
        "INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR "
        "MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP "
        "STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
"""ISO 4217: how many decimals an amount of a currency has. A test holds it to the table that the core uses."""

_DECIMALS: Final = {code: decimals for decimals, codes in _CODES_BY_DECIMALS.items() for code in codes.split()}

_FIGURE: Final = re.compile(r"(-?)([0-9]{1,40})(?:\.([0-9]{1,40}))?")
_CODE: Final = re.compile("[A-Z]{3}")


@total_ordering
@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class Money:
    """An exact amount of one currency: `Money("12.50", "CNY")`. It does not change.

    Every parameter of the client that is an amount takes it. Answers hold the contract's own message, which `Money.of` reads
    and which compares with it: `payment.amount == Money("12.50", "CNY")`.
    """

    amount_minor: int
    """Minor units of the currency."""
    currency: str
    """ISO 4217 code."""

    def __init__(self, amount: str | Decimal, currency: str) -> None:
        """Takes a decimal figure, as text or Decimal, in the currency's usual unit.

        Raises TypeError for a float, which is hardly ever the amount that was written, and for an int, which could be either
        unit; ValueError for more digits than the currency has, and for a currency that ISO 4217 does not list.
        """
        object.__setattr__(self, "amount_minor", _minor(amount, currency))
        object.__setattr__(self, "currency", currency)

    @classmethod
    def of_minor(cls, amount_minor: int, currency: str) -> "Money":
        """So many minor units: `Money.of_minor(1250, "CNY")` is 12.50 yuan. Raises TypeError for what is no int, and ValueError
        for a currency that is not three capital letters."""
        if type(amount_minor) is not int:
            raise TypeError(f"minor units are an int, not {type(amount_minor).__name__}")
        if not _CODE.fullmatch(currency):
            raise ValueError(f"{currency!r} is not an ISO 4217 code such as CNY")
        money = cls.__new__(cls)
        object.__setattr__(money, "amount_minor", amount_minor)
        object.__setattr__(money, "currency", currency)
        return money

    @classmethod
    def of(cls, message: common_pb2.Money) -> "Money":
        """What a message of the contract says. Raises ValueError for one that was left unset."""
        return cls.of_minor(message.amount_minor, message.currency_code)

    @property
    def decimal(self) -> Decimal:
        """In the currency's usual unit, with all its decimals. Raises ValueError where ISO 4217 does not list the currency."""
        digits = tuple(map(int, str(abs(self.amount_minor))))  # arithmetic would round as the caller's decimal context says
        return Decimal((int(self.amount_minor < 0), digits, -decimals_of(self.currency)))

    @property
    def message(self) -> common_pb2.Money:
        """As the contract has it, for the fields of messages."""
        return common_pb2.Money(amount_minor=self.amount_minor, currency_code=self.currency)

    def __add__(self, other: "Money") -> "Money":
        """Of one currency; another is a ValueError."""
        if not isinstance(other, Money):
            return NotImplemented
        return Money.of_minor(self.amount_minor + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        """Of one currency; another is a ValueError."""
        if not isinstance(other, Money):
            return NotImplemented
        return Money.of_minor(self.amount_minor - self._same(other), self.currency)

    def __mul__(self, times: int) -> "Money":
        """So many times as much. Shares and rates would need rounding, which is not for this class to choose."""
        if type(times) is not int:
            return NotImplemented
        return Money.of_minor(self.amount_minor * times, self.currency)

    __rmul__ = __mul__

    def __neg__(self) -> "Money":
        return Money.of_minor(-self.amount_minor, self.currency)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, common_pb2.Money):
            return (self.amount_minor, self.currency) == (other.amount_minor, other.currency_code)
        if not isinstance(other, Money):
            return NotImplemented
        return (self.amount_minor, self.currency) == (other.amount_minor, other.currency)

    def __lt__(self, other: "Money") -> bool:
        """Of one currency; another is a ValueError."""
        if not isinstance(other, Money):
            return NotImplemented
        return self.amount_minor < self._same(other)

    def __hash__(self) -> int:
        return hash((self.amount_minor, self.currency))

    def __str__(self) -> str:
        if self.currency not in _DECIMALS:
            return f"{self.amount_minor:,} minor units of {self.currency}"
        return f"{self.decimal:,f} {self.currency}"

    def __repr__(self) -> str:
        if self.currency not in _DECIMALS:
            return f'Money.of_minor({self.amount_minor}, "{self.currency}")'
        return f'Money("{self.decimal:f}", "{self.currency}")'

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise ValueError(f"{self!r} and {other!r} are of two currencies")
        return other.amount_minor


AnyMoney: TypeAlias = Money | common_pb2.Money
"""What parameters that are amounts take."""


def decimals_of(currency: str) -> int:
    """How many decimals amounts of a currency have: CNY 2, JPY 0, KWD 3. Raises ValueError for a currency that is not known."""
    try:
        return _DECIMALS[currency]
    except (KeyError, TypeError):
        raise ValueError(
            f"{currency!r} is not an ISO 4217 code with minor units that this release knows; "
            "for a newer one count minor units yourself: Money.of_minor"
        ) from None


def _minor(amount: object, currency: str) -> int:
    """Minor units of a decimal figure; raises what Money raises."""
    if type(amount) is int:
        raise TypeError(
            f'{amount} could be whole units or minor ones: write Money("{amount}", "{currency}"), '
            f'or Money.of_minor({amount}, "{currency}")'
        )
    if not isinstance(amount, str | Decimal):
        raise TypeError(f'{amount!r} is no exact amount: write it as text, as in Money("12.50", "{currency}")')
    decimals = decimals_of(currency)
    text = amount if isinstance(amount, str) else f"{amount:f}"
    parts = _FIGURE.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text!r} is not a decimal figure such as 12.50, without spaces and thousands separators")
    sign, whole, fraction = parts.groups(default="")
    fraction = fraction.rstrip("0")
    if len(fraction) > decimals:
        raise ValueError(f"{text} has more than the {decimals} decimals of {currency}: round it first, as your trade rounds")
    return int(f"{sign}{whole}{fraction.ljust(decimals, '0')}")
