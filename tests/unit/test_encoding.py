"""How rows are stored in others."""

from collections.abc import Iterator
from typing import Any

import msgspec

import danbao_core.server  # noqa: F401  # every command is declared then
from danbao_core.engine import Command
from danbao_core.engine.encoding import encoded
from danbao_core.money import Money


def test_each_struct_is_stored_as_what_it_is() -> None:
    one, equal, other = Money(1, "CNY"), Money(1, "CNY"), Money(2, "CNY")
    for money in (one, one, other, equal, one, other, other):
        assert msgspec.msgpack.decode(encoded(money), type=Money) == money


def test_what_an_event_and_an_answer_tell_is_made_once() -> None:
    money = Money(1, "CNY")
    assert encoded(money) is encoded(money)


def test_every_answer_stays_as_it_is() -> None:
    """Else an answer might be stored as it was when its event was made."""
    commands = {each for each in _below(Command) if each.__module__.startswith("danbao_")}
    assert len(commands) > 60
    for command in commands:
        if result_type := getattr(command, "result_type", None):
            assert result_type.__struct_config__.frozen, command


def _below(command: type[Command[Any]]) -> Iterator[type[Command[Any]]]:
    for each in command.__subclasses__():
        yield each
        yield from _below(each)
