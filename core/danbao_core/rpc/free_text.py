"""What people write as they like, as the contract marks it: a card number in it is refused before anything is kept.

Which fields those are is found once for each type of message, in it and in the messages inside it. Items of bulk requests are
validated one by one, as everywhere, so they are not sought here.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from danbao.v1 import common_pb2
from danbao_core.cards import holds_card_number
from danbao_core.errors import Violation
from danbao_core.people_errors import CardNumberInText


class _Texts(NamedTuple):
    """The free texts of a type of message."""

    fields: tuple[tuple[str, Callable[[Any], bool]], ...]
    """Names, and what says whether a value holds a card number."""
    inside: tuple[str, ...]
    """Fields whose messages have free texts."""


def must_hold_no_card_number(request: Message) -> None:
    """Raises CardNumberInText, naming each field that holds one."""
    texts = free_texts(request.DESCRIPTOR)
    if found := _found(request, texts, ""):
        raise CardNumberInText([Violation(path, "must not hold a card number", CardNumberInText.reason) for path in found])


def _found(message: Message, texts: _Texts, prefix: str) -> list[str]:
    found: list[str] = []
    for name, is_held in texts.fields:
        value = getattr(message, name)
        if value and is_held(value):
            found.append(prefix + name)
    for name in texts.inside:
        if message.HasField(name):
            inside = getattr(message, name)
            found += _found(inside, free_texts(inside.DESCRIPTOR), f"{prefix}{name}.")
    return found


@cache
def free_texts(message: Descriptor) -> _Texts:
    """Where free texts are. Raises LookupError for a field marked as one that can hold none."""
    marked = [field for field in message.fields if field.GetOptions().Extensions[common_pb2.free_text]]
    singular = [field for field in message.fields if field.message_type is not None and not field.is_repeated]
    return _Texts(
        tuple((field.name, _search_of(field)) for field in marked),
        tuple(field.name for field in singular if any(free_texts(field.message_type))),
    )


def _search_of(field: FieldDescriptor) -> Callable[[Any], bool]:
    """Of a text the search of it, of a map of texts that of its keys and values."""
    if field.type == FieldDescriptor.TYPE_STRING:
        return (lambda texts: any(map(holds_card_number, texts))) if field.is_repeated else holds_card_number
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return lambda pairs: any(map(holds_card_number, pairs)) or any(map(holds_card_number, pairs.values()))
    raise LookupError(f"{field.full_name} is marked as free text and is none")
