"""What statements say, in the languages of their readers; one TOML file for each, all with the same keys."""

import tomllib
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Final

import msgspec

from danbao_core.clock import SHANGHAI
from danbao_core.money import exponent

DEFAULT_LANGUAGE: Final = "zh-CN"
LANGUAGES: Final = (DEFAULT_LANGUAGE, "en", "fr", "es")


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The words of one language. `page` holds {number} and {of}, `days` {first} and {last}."""

    statement: str
    settlement: str
    account: str
    currency: str
    period: str
    days: str
    made: str
    page: str
    time: str
    what: str
    reference: str
    order_no: str
    subject: str
    counterparty: str
    fee: str
    amount: str
    balance: str
    opening: str
    closing: str
    total_in: str
    total_out: str
    payout: str
    carried: str
    sorts: dict[str, str]
    """What the sums of a settlement report are called, by `settlement.Sort`."""
    no_lines: str
    group: str
    """Between thousands, in a PDF."""
    point: str
    """Before the decimals, in a PDF."""
    kinds: dict[str, str]
    """What moved the money: the kind of a journal, with ".in" behind it where money that comes in is another thing."""

    def kind(self, kind: str, amount_minor: int) -> str:
        """A journal's kind in words; one that has none as it is."""
        incoming = self.kinds.get(f"{kind}.in") if amount_minor > 0 else None
        return incoming or self.kinds.get(kind, kind)

    def figure(self, amount_minor: int, currency: str) -> str:
        """An amount as people of the language write it, without the currency: "1,234.50"."""
        plain = figure(amount_minor, currency)
        whole, point, decimals = plain.lstrip("-").partition(".")
        sign = "-" if amount_minor < 0 else ""
        return f"{sign}{int(whole):,}".replace(",", self.group) + (self.point + decimals if point else "")


def figure(amount_minor: int, currency: str) -> str:
    """An amount as programs read it: "-1234.50". Exact. Raises CurrencyUnknown."""
    places = exponent(currency)
    digits = str(abs(amount_minor)).rjust(places + 1, "0")
    sign = "-" if amount_minor < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else sign + digits


def time_text(at: datetime) -> str:
    """A moment on the clocks of Asia/Shanghai."""
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


@cache
def words_of(language: str) -> Words:
    """The words of one of LANGUAGES; of the default for an empty one."""
    text = resources.files(__package__).joinpath("words", f"{language or DEFAULT_LANGUAGE}.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Words)
