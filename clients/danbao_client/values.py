"""Requests out of what Python has: amounts, times, mappings."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from danbao_client.money import Money

Request = TypeVar("Request", bound=Message)

AnyTime: TypeAlias = datetime | Timestamp
"""A moment; a datetime must know its time zone."""
AnyDuration: TypeAlias = timedelta | Duration
AnyMask: TypeAlias = Sequence[str] | FieldMask
"""Names of fields."""


def request_of(kind: type[Request], /, **fields: Any) -> Request:
    """A request with these fields; None leaves one out. An `update_mask` that is left out names the fields that are given.

    Raises TypeError and ValueError for what a field cannot hold, and ValueError for two of which the contract takes one.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    if "update_mask" in fields and "update_mask" not in given:
        given["update_mask"] = [name for name in given if name not in ("request_id", "name")]
    _must_exclude_nothing(kind.DESCRIPTOR, given)
    return kind(**{name: _as_contract(kind.DESCRIPTOR.fields_by_name[name], value) for name, value in given.items()})


def _must_exclude_nothing(kind: Any, given: Mapping[str, Any]) -> None:
    """Of a oneof the last would win silently, and what the caller meant would be lost."""
    for choice in kind.oneofs:
        chosen = [field.name for field in choice.fields if field.name in given]
        if len(chosen) > 1:
            raise ValueError(f"give one of {' and '.join(chosen)}, they exclude each other")


def _as_contract(field: Any, value: Any) -> Any:
    if isinstance(value, str) and field.is_repeated:
        raise TypeError(f"{field.name} takes a sequence, such as [{value!r}], not a single text")
    if isinstance(value, Money):
        return value.message
    if isinstance(value, datetime):
        return _timestamp(field.name, value)
    if isinstance(value, timedelta):
        duration = Duration()
        duration.FromTimedelta(value)
        return duration
    if field.message_type is not None and field.message_type.full_name == FieldMask.DESCRIPTOR.full_name:
        return value if isinstance(value, FieldMask) else FieldMask(paths=_paths(field.name, value))
    return value


def _timestamp(name: str, value: datetime) -> Timestamp:
    if value.utcoffset() is None:
        raise ValueError(f"{name} has no time zone: say which, as in datetime.now(UTC)")
    timestamp = Timestamp()
    timestamp.FromDatetime(value)
    return timestamp


def _paths(name: str, value: Any) -> Sequence[str]:
    if isinstance(value, str):
        raise TypeError(f"{name} takes a sequence, such as [{value!r}], not a single text")
    return list(value)
