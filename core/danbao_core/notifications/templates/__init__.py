"""What people are told, in their language: one file for each, with the same templates and the same placeholders."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

import phonenumbers
from phonenumbers import NumberParseException

from danbao_core.notifications.formats import amount_text, time_text

LANGUAGES: Final = ("zh-CN", "en", "fr", "es")
"""BCP 47 tags of the languages in which there are templates."""

MAINLAND: Final = 86

_WORDS: Final = "words"
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")


class Template(NamedTuple):
    """The words for one kind of news, with placeholders such as `{amount}`."""

    title: str
    text: str

    @property
    def placeholders(self) -> frozenset[str]:
        return frozenset(_PLACEHOLDER.findall(self.title) + _PLACEHOLDER.findall(self.text))


class Worded(NamedTuple):
    """What somebody reads."""

    title: str
    text: str


class Language(NamedTuple):
    """All templates of one language."""

    tag: str
    templates: Mapping[str, Template]
    words: Mapping[str, Mapping[str, str]]
    """By parameter, what its values are called."""


@cache
def language(tag: str) -> Language:
    """The templates of one of LANGUAGES."""
    document: dict[str, Any] = tomllib.loads(resources.files(__package__).joinpath(f"{tag}.toml").read_text(encoding="utf-8"))
    words = document.pop(_WORDS)
    return Language(tag, {name: Template(**fields) for name, fields in document.items()}, words)


def language_for(stated: str, phone: str = "") -> str:
    """In which language somebody is written to: the one that was stated, else Chinese for mainland numbers and English for
    all others; where no number is known either, Chinese, which is the platform's own."""
    if stated in LANGUAGES:
        return stated
    try:
        return "zh-CN" if not phone or phonenumbers.parse(phone).country_code == MAINLAND else "en"
    except NumberParseException:
        return "en"


def worded(template: str, parameters: Mapping[str, str], tag: str) -> Worded:
    """What somebody reads in a language. Raises KeyError for a template that there is not, or a parameter that is missing.

    `NAME_minor` with `currency` is shown as `{NAME}`, an amount; a parameter that ends with `_time`, in ISO 8601, as a time of
    Asia/Shanghai. All others are shown as they are, or as the language's words call them.
    """
    of_language = language(tag)
    found = of_language.templates[template]
    filled = {name: _shown(name, value, of_language) for name, value in parameters.items()}
    for name, value in parameters.items():
        if name.endswith("_minor"):
            filled[name.removesuffix("_minor")] = amount_text(int(value), parameters["currency"], tag)
    return Worded(_filled(found.title, filled), _filled(found.text, filled))


def _shown(name: str, value: str, of_language: Language) -> str:
    if name.endswith("_time"):
        return time_text(value, of_language.tag)
    return of_language.words.get(name, {}).get(value, value)


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Only what a placeholder names is filled in, and what is filled in is not looked at again."""
    return _PLACEHOLDER.sub(lambda found: values[found.group(1)], text)
