"""Amounts and times as people of a language write them (CLDR, by Babel)."""

import copy
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Final

from babel import Locale
from babel.dates import format_skeleton
from babel.numbers import NumberPattern

from danbao_core.money import exponent

ZONE: Final = timezone(timedelta(hours=8))
"""Asia/Shanghai, in which times are told; it has had no summer time since 1991."""


@cache
def _locale(tag: str) -> Locale:
    return Locale.parse(tag, sep="-")


@cache
def _pattern(tag: str, places: int) -> NumberPattern:
    """How amounts are written with so many decimal places; CLDR's own count differs from ISO 4217 for some currencies."""
    pattern = copy.copy(_locale(tag).currency_formats["standard"])
    pattern.frac_prec = (places, places)
    return pattern


def amount_text(amount_minor: int, currency: str, tag: str) -> str:
    """An amount in a language, such as "¥12.50" or "12,50 €". Raises CurrencyUnknown."""
    places = exponent(currency)
    amount = Decimal(amount_minor).scaleb(-places)
    text: str = _pattern(tag, places).apply(amount, _locale(tag), currency=currency, currency_digits=False)
    return text


def time_text(iso: str, tag: str) -> str:
    """A moment, given in ISO 8601, on the clocks of Asia/Shanghai. Raises ValueError for what is no time."""
    return format_skeleton("yMMMdHm", datetime.fromisoformat(iso), tzinfo=ZONE, locale=_locale(tag))
