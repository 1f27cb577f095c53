"""Requests that are nearly right: sound ones of which a few fields, or a few bytes, are not.

    data = mutated(random, request, names)

All chance comes from the generator that is given, so a seed gives the same bytes again.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

STRINGS: Final = (
    "", " ", "\0", "a\0b", "\n", "\r\n", "\x7f", "\x85", "\u2028", "\ufeff", "\u202eabc", "a\u200db", "e\u0301" * 40,
    "\ufdfa" * 30, "😀" * 70, "買い物", "\u0130", "ß", "\ufb00", "\u0663", "\uff11\uff12", "\U0010ffff", "\ue000", "%s%n", "{}",
    "$1", "\\", "' OR 1=1 --", '"; DROP TABLE x', "../../etc/passwd", "<script>", "=1+1", "-", "0", "-1", "1e9", "NaN", "null",
    "x" * 64, "x" * 65, "x" * 5_000, "長" * 70_000, "4242424242424242", "accounts/", "accounts/x", "payments/-", "/", "//",
    "http://[", "https://a@b:99999/", "2026-02-30", "9999-12-31", "0000-00-00", "+0", "+8613812345678", "ada@example.com",
    "@", "CNY", "cny", "XXX", "*", "payment.*",
)  # fmt: skip
"""Texts that have been trouble to somebody: unicode that looks, sorts or folds oddly, controls, other languages' syntax."""

_SHORT: Final = tuple(text for text in STRINGS if len(text) <= 100)
"""Those of which a message may hold thousands."""

_EDGES: Final = tuple(
    sorted({sign * (2**bits + step) for bits in (0, 7, 31, 32, 53, 63) for step in (-1, 0, 1) for sign in (1, -1)})
)
"""Numbers beside which others begin to be too large for something."""

_MANY: Final = (17, 65, 257, 3_000)

_RANGES: Final = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_ENUM: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
}


def mutated(random: Random, request: Message, names: Sequence[str]) -> bytes:
    """The bytes of a request after none to three changes; `names` are of resources of any kind."""
    changed = type(request)()
    changed.CopyFrom(request)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        places = list(_messages_in(changed))
        field_of(random, random.choice(places), names)
    data = changed.SerializeToString()
    return random.choice(_ON_BYTES)(random, data) if random.random() < 0.15 else data


def field_of(random: Random, message: Message, names: Sequence[str]) -> None:
    """Changes one field of a message: drops it, or gives it what nobody in their senses would."""
    fields: Sequence[Any] = message.DESCRIPTOR.fields
    if not fields:
        return
    field = random.choice(fields)
    if random.random() < 0.2:
        message.ClearField(field.name)
        return
    value: Any = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        for number in range(random.choice(_MANY)):
            value[f"{random.choice(_SHORT)}{number}"] = random.choice(_SHORT)
    elif field.message_type is not None and field.is_repeated:
        for _ in range(random.choice(_MANY)):
            value.add()
    elif field.message_type is not None:
        value.SetInParent()
        field_of(random, value, names)
    elif field.is_repeated:
        odd = _odd(random, field, names)
        value.extend([odd] * (random.choice(_MANY) if random.random() < 0.5 and len(str(odd)) <= 100 else 1))
    else:
        setattr(message, field.name, _odd(random, field, names))


def _odd(random: Random, field: FieldDescriptor, names: Sequence[str]) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return random.choice(names if random.random() < 0.4 else STRINGS)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return random.choice((b"", b"\0", bytes(range(256)), bytes(2**20), bytes(2**20 + 1)))
    if field.type == FieldDescriptor.TYPE_BOOL:
        return random.random() < 0.5
    least, most = _RANGES[field.type]
    return min(max(random.choice(_EDGES) if random.random() < 0.7 else random.randint(-5, 500), least), most)


def _messages_in(message: Message) -> Iterator[Message]:
    """A message, and those that are set in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for each in value if field.is_repeated else (value,):
            yield from _messages_in(each)


# --- Bytes that no sound caller makes --------------------------------------------------------------------------------------


def _varint(number: int) -> bytes:
    head = bytearray()
    while number >= 128:
        head.append(number % 128 + 128)
        number //= 128
    return bytes([*head, number])


def _cut_off(random: Random, data: bytes) -> bytes:
    return data[: random.randint(0, len(data))]


def _flipped(random: Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(random.randint(1, 4) if data else 0):
        found[random.randrange(len(found))] ^= 1 << random.randrange(8)
    return bytes(found)


def _with_noise(random: Random, data: bytes) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.randbytes(random.randint(1, 12)) + data[at:]


def _with_unknown_fields(random: Random, data: bytes) -> bytes:
    number = random.choice((15, 16, 99, 18_999, 2**29 - 1))
    text = _varint(number * 8 + 2) + _varint(30) + bytes(30)
    return data + (text + _varint(number * 8) + _varint(2**64 - 1)) * random.choice((1, 100, 10_000))


def _twice(_: Random, data: bytes) -> bytes:
    """Every field once more: of single ones the last counts, messages are merged, repeated ones get longer."""
    return data + data


def _many_times(random: Random, data: bytes) -> bytes:
    return data * random.choice((50, 1_000)) if len(data) < 2_000 else data


def _nested(random: Random, data: bytes) -> bytes:
    """Groups in groups, or messages in messages, deeper than any parser follows."""
    deep = random.choice((50, 101, 5_000))
    if random.random() < 0.5:
        return data + b"\x7b" * deep + b"\x7c" * deep
    inner = b""
    for _ in range(min(deep, 200)):
        inner = b"\x0a" + _varint(len(inner)) + inner
    return data + inner


def _overlong(_: Random, data: bytes) -> bytes:
    """A length of which nothing comes, and a number of more bytes than numbers have."""
    return data + b"\x0a\xff\xff\xff\xff\x07" + b"\x80" * 11


_ON_BYTES: Final[tuple[Callable[[Random, bytes], bytes], ...]] = (
    _cut_off, _flipped, _flipped, _with_noise, _with_noise, _with_unknown_fields, _twice, _many_times, _nested, _overlong,
)  # fmt: skip
