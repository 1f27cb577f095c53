"""Amounts and times as people of a language write them (CLDR, by Babel)."""

import copy
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import cache, lru_cache
from typing import Final

from babel import Locale
from babel.dates import format_skeleton
from babel.numbers import NumberPattern

from danbao_core.money import exponent

ZONE: Final = timezone(timedelta(hours=8))
"""Asia/Shanghai, in which times are told; it has had no summer time since 1991."""

_SYMBOL_THAT_IS_A_WORD: Final = re.compile(r"(?<=[A-Z])(?=\d)")
"""As in KWD1.000, where CLDR asks for a space that Babel leaves out."""


@cache
def _locale(tag: str) -> Locale:
    return Locale.parse(tag, sep="-")


@cache
def _pattern(tag: str, places: int) -> NumberPattern:
    """How amounts are written with so many decimal places; CLDR's own count differs from ISO 4217 for some currencies."""
    pattern: NumberPattern = copy.copy(_locale(tag).currency_formats["standard"])
    pattern.frac_prec = (places, places)
    return pattern


@lru_cache(4096)
def amount_text(amount_minor: int, currency: str, tag: str) -> str:
    """An amount in a language, such as "¥12.50" or "12,50 €". Raises CurrencyUnknown."""
    places = exponent(currency)
    amount = Decimal(amount_minor).scaleb(-places)
    text: str = _pattern(tag, places).apply(amount, _locale(tag), currency=currency, currency_digits=False)
    return _SYMBOL_THAT_IS_A_WORD.sub("\u00a0", text)


def time_text(iso: str, tag: str) -> str:
    """A moment, given in ISO 8601, on the clocks of Asia/Shanghai. Raises ValueError for what is no time."""
    at = datetime.fromisoformat(iso).astimezone(ZONE)
    return " ".join(format_skeleton(skeleton, at, tzinfo=ZONE, locale=_locale(tag)) for skeleton in ("yMMMd", "Hm"))
