"""What people are told is worded in every language alike, with amounts and times as they are written there."""

import ast
import re
from pathlib import Path

import pytest

import danbao_core
from danbao_core.notifications.formats import amount_text, time_text
from danbao_core.notifications.templates import LANGUAGES, language, language_for, worded

_ENGLISH = language("en")


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_language_has_every_template(tag: str) -> None:
    assert language(tag).templates.keys() == _ENGLISH.templates.keys()


@pytest.mark.parametrize("tag", LANGUAGES)
@pytest.mark.parametrize("name", _ENGLISH.templates)
def test_a_template_says_the_same_in_every_language(tag: str, name: str) -> None:
    template, english = language(tag).templates[name], _ENGLISH.templates[name]
    assert template.placeholders == english.placeholders
    assert template.title
    assert template.text
    assert not re.search("[{}]", re.sub(r"\{[a-z_]+\}", "", template.title + template.text))


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_language_has_every_word(tag: str) -> None:
    assert {name: words.keys() for name, words in language(tag).words.items()} == {
        name: words.keys() for name, words in _ENGLISH.words.items()
    }


def test_what_the_core_writes_has_a_template() -> None:
    """Every name that is given to `letter` or `letter_to` as it stands."""
    written = set()
    for file in Path(danbao_core.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _called(node) in ("letter", "letter_to", "letter_by", "_letter"):
                written |= {each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    assert {"code", "password_locked", "new_device", "factor_recovery_done"} <= written <= _ENGLISH.templates.keys()


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_words_are_filled_in() -> None:
    assert worded("password_locked", {"password": "payment"}, "en").title == "Your payment password is locked"
    assert worded("password_locked", {"password": "payment"}, "zh-CN").title == "支付密码已锁定"


def test_amounts_and_times_are_filled_in() -> None:
    parameters = {"amount_minor": "123456", "currency": "CNY", "order": "A-1", "confirm_time": "2026-03-01T12:00:00+00:00"}
    assert worded("payment_shipped", parameters, "zh-CN").text == (
        "【担保】订单 A-1 已发货。收到后请确认；到 2026年3月1日 20:00 仍未确认，¥1,234.56 将自动付给卖家。"  # noqa: RUF001
    )
    assert worded("payment_shipped", parameters, "en").text == (
        "[Danbao] Order A-1 was shipped. Confirm when it has arrived; without a word from you, CN¥1,234.56 goes to the seller "
        "on Mar 1, 2026 20:00."
    )


def test_what_is_filled_in_is_not_looked_at_again() -> None:
    parameters = {"amount_minor": "1", "currency": "CNY", "order": "{amount} {code}"}
    assert "{amount} {code}" in worded("payment_created", parameters, "en").text


def test_a_parameter_that_is_missing_is_refused() -> None:
    with pytest.raises(KeyError):
        worded("code", {}, "en")


@pytest.mark.parametrize(
    ("currency", "tag", "text"),
    [
        ("CNY", "zh-CN", "¥12,345.67"),
        ("USD", "en", "$12,345.67"),
        ("EUR", "fr", "12\u202f345,67\u00a0€"),
        ("EUR", "es", "12.345,67\u00a0€"),
        ("JPY", "en", "¥1,234,567"),
        ("KWD", "en", "KWD\u00a01,234.567"),
        ("HUF", "en", "HUF\u00a012,345.67"),
    ],
)
def test_an_amount_has_the_places_of_its_currency(currency: str, tag: str, text: str) -> None:
    assert amount_text(1_234_567, currency, tag) == text


def test_the_largest_amount_is_exact() -> None:
    assert amount_text(2**63 - 1, "CNY", "en") == "CN¥92,233,720,368,547,758.07"


def test_a_time_is_told_as_clocks_in_shanghai_show_it() -> None:
    assert time_text("2026-11-22T19:06:03+00:00", "en") == "Nov 23, 2026 03:06"


@pytest.mark.parametrize(
    ("stated", "phone", "tag"),
    [
        ("fr", "+8613800138000", "fr"),
        ("", "+8613800138000", "zh-CN"),
        ("", "+33612345678", "en"),
        ("", "", "zh-CN"),
        ("tlh", "+33612345678", "en"),
    ],
)
def test_the_language_is_the_stated_one_or_that_of_the_number(stated: str, phone: str, tag: str) -> None:
    assert language_for(stated, phone) == tag
