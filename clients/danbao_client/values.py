"""Requests out of what Python has: amounts, times, mappings."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from danbao_client.money import Money

Request = TypeVar("Request", bound=Message)

_PLAIN: Final = (str, int, Message)
"""What fields take as it is."""

_WORDS: Final[dict[int, str]] = {
    FieldDescriptor.CPPTYPE_STRING: "a str",
    FieldDescriptor.CPPTYPE_BOOL: "a bool",
    FieldDescriptor.CPPTYPE_INT32: "an int",
    FieldDescriptor.CPPTYPE_INT64: "an int",
}
_WORDS_OF_MESSAGES: Final = {
    "danbao.v1.Money": 'an amount such as Money("12.50", "CNY")',
    Timestamp.DESCRIPTOR.full_name: "a datetime with a time zone",
    Duration.DESCRIPTOR.full_name: "a timedelta",
    FieldMask.DESCRIPTOR.full_name: "a sequence of names of fields",
}
"""What fields take, by their kind, for who gave something else."""

_NEVER_MASKED: Final = frozenset({"request_id", "name", "update_mask"})
"""Of requests that change a resource: what says which one, and is no part of the change."""

AnyTime: TypeAlias = datetime | Timestamp
"""A moment; a datetime must know its time zone."""
AnyDuration: TypeAlias = timedelta | Duration
AnyMask: TypeAlias = Sequence[str] | FieldMask
"""Names of fields."""


class _Shape(NamedTuple):
    """What has to be known of a kind of request to make one; looked up once, because descriptors are slow to ask."""

    choices: tuple[frozenset[str], ...]
    """Fields that exclude each other."""
    lists: frozenset[str]
    """Fields that take several values; masks are among them."""
    masks: frozenset[str]


def request_of(kind: type[Request], /, **fields: Any) -> Request:
    """A request with these fields; None leaves one out. An `update_mask` that is left out names the fields that are given.

    Raises TypeError and ValueError, with its name, for what a field cannot hold, and ValueError for two of which the contract
    takes one and for what an `update_mask` does not name: the core would leave it as it is.
    """
    shape = _shape(kind)
    given = {name: value for name, value in fields.items() if value is not None}
    if "update_mask" in shape.masks and "update_mask" not in given:
        given["update_mask"] = [name for name in given if name not in _NEVER_MASKED]
    for choice in shape.choices:  # the last would win silently, and what the caller meant would be lost
        if len(chosen := [name for name in given if name in choice]) > 1:
            raise ValueError(f"give one of {' and '.join(chosen)}, they exclude each other")
    for name, value in given.items():
        if not isinstance(value, _PLAIN) or name in shape.lists:
            given[name] = _as_contract(shape, name, value)
    try:
        request = kind(**given)
    except (TypeError, ValueError):  # whose words are about protobuf, and leave out which field it is
        _must_fit_alone(kind, given, fields)
        raise
    if "update_mask" in shape.masks:
        _must_be_masked(request, given)
    return request


def _must_fit_alone(kind: type[Message], given: dict[str, Any], as_given: dict[str, Any]) -> None:
    """Raises TypeError or ValueError with the name of the first field that does not take what it was given."""
    for name, value in given.items():
        try:
            kind(**{name: value})
        except TypeError:
            wanted = _in_words(kind.DESCRIPTOR.fields_by_name[name])
            raise TypeError(f"{name} takes {wanted}, not {type(as_given[name]).__name__}") from None
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


def _must_be_masked(request: Any, given: dict[str, Any]) -> None:
    masked = {path.partition(".")[0] for path in request.update_mask.paths}
    for name in given:
        if name not in masked and name not in _NEVER_MASKED:
            raise ValueError(f"{name} is given, and update_mask does not name it: nothing would change it")


def _in_words(field: Any) -> str:
    """What a field takes, by its descriptor."""
    message, choice = field.message_type, field.enum_type
    if message is not None and message.GetOptions().map_entry:
        key, value = (_WORDS.get(part.cpp_type, "a value") for part in message.fields)
        return f"a mapping from {key} to {value}"
    if message is not None:
        one = _WORDS_OF_MESSAGES.get(message.full_name, f"a {message.full_name.removeprefix('danbao.v1.')}")
    elif choice is not None:
        one = f"a value of {choice.full_name.removeprefix('danbao.v1.')}"
    else:
        one = _WORDS.get(field.cpp_type, "another value")
    return f"a sequence, each {one}" if field.is_repeated else one


_shapes: Final[dict[type[Message], _Shape]] = {}


def _shape(kind: type[Message]) -> _Shape:
    if kind not in _shapes:
        _shapes[kind] = _looked_up(kind)
    return _shapes[kind]


def _looked_up(kind: type[Message]) -> _Shape:
    descriptor = kind.DESCRIPTOR
    masks = frozenset(
        field.name
        for field in descriptor.fields
        if field.message_type is not None and field.message_type.full_name == FieldMask.DESCRIPTOR.full_name
    )
    return _Shape(
        choices=tuple(frozenset(field.name for field in choice.fields) for choice in descriptor.oneofs),
        lists=frozenset(field.name for field in descriptor.fields if field.is_repeated) | masks,
        masks=masks,
    )


def _as_contract(shape: _Shape, name: str, value: Any) -> Any:
    """A value as the message takes it; messages and scalars are left as they are."""
    match value:
        case str() if name in shape.lists:
            raise TypeError(f"{name} takes a sequence, such as [{value!r}], not a single text")
        case Money():
            return value.message
        case datetime():
            return _timestamp(name, value)
        case timedelta():
            duration = Duration()
            duration.FromTimedelta(value)
            return duration
        case list() | tuple() if name in shape.masks:
            return FieldMask(paths=value)
    return value


def _timestamp(name: str, value: datetime) -> Timestamp:
    if value.utcoffset() is None:
        raise ValueError(f"{name} has no time zone: say which, as in datetime.now(UTC)")
    timestamp = Timestamp()
    timestamp.FromDatetime(value)
    return timestamp
