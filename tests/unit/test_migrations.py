"""Migrations keep the release before working: they add, and take away only what no release in use needs."""

import re
from importlib import resources
from typing import Final

import pytest

from danbao_core import migrations

_LAST_BEFORE_THE_RULE: Final = "0020_dispute_lists"
"""Nothing was released before it, so no server of before had to go on."""

_BREAKING: Final = {
    "adding-field-with-default",
    "adding-not-nullable-field",
    "adding-required-field",
    "adding-serial-primary-key-field",
    "ban-drop-column",
    "changing-column-type",
    "constraint-missing-not-valid",
    "disallowed-unique-constraint",
    "renaming-column",
    "renaming-table",
    "require-concurrent-index-creation",
}
"""What squawk finds, and a file may have it ignore; a way down may ignore them, too, so there they are for the whole file."""

_CONTRACTS: Final = re.compile(r"^-- contracts what \d+\.\d+ no longer uses", re.MULTILINE)


def breaks(text: str) -> set[str]:
    """What in a file would stop the release before, and is not said to be unused."""
    if _CONTRACTS.search(text):
        return set()
    ignored = {rule for rules in re.findall(r"squawk-ignore(?:-file)? +(.*)", text) for rule in re.split(r"[\s,]+", rules)}
    up = text.partition("-- migrate:up")[2].partition("-- migrate:down")[0]
    dropped = set(re.findall(r"\bDROP (?:TABLE|VIEW|FUNCTION)\b", up, re.IGNORECASE))  # squawk is not asked about these
    return (ignored & _BREAKING) | dropped


@pytest.mark.parametrize("version", [m.version for m in migrations.available() if m.version > _LAST_BEFORE_THE_RULE])
def test_a_migration_only_adds(version: str) -> None:
    assert not breaks((resources.files(migrations) / f"{version}.sql").read_text())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("-- migrate:up\nALTER TABLE a ADD COLUMN b text;\n-- migrate:down\nDROP TABLE a;", set()),
        ("-- migrate:up\nDROP TABLE a;", {"DROP TABLE"}),
        ("-- squawk-ignore-file ban-drop-constraint, renaming-column\n-- migrate:up\n", {"renaming-column"}),
        ("-- migrate:up\n-- squawk-ignore changing-column-type\nALTER …", {"changing-column-type"}),
        ("-- contracts what 0.3 no longer uses\n-- squawk-ignore-file ban-drop-column\n-- migrate:up\n", set()),
    ],
)
def test_what_takes_something_away_has_to_say_so(text: str, found: set[str]) -> None:
    assert breaks(text) == found


def test_the_rule_tells_the_migrations_of_before_it() -> None:
    before = [m.version for m in migrations.available() if m.version <= _LAST_BEFORE_THE_RULE]
    assert before[-1] == _LAST_BEFORE_THE_RULE
    assert breaks((resources.files(migrations) / "0018_money.sql").read_text()) >= {"renaming-column", "changing-column-type"}
