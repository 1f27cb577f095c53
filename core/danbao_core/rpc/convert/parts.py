"""What the messages of all services are made of."""

import re
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from danbao.v1 import common_pb2
from danbao_core.errors import FieldInvalid, Violation
from danbao_core.ids import uuid_of
from danbao_core.money import Money

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_PLURALS: Final = {"delivery": "deliveries"}
"""Of resources, where it takes more than an s."""

_SINGULARS: Final = {plural: singular for singular, plural in _PLURALS.items()}


def id_of(name: str) -> UUID:
    """The id in a resource name that the contract's rules have let pass."""
    return uuid_of(name.partition("/")[2])


def optional_id_of(name: str) -> UUID | None:
    """The id in a resource name; None where none was given."""
    return id_of(name) if name else None


def resource_name(kind: str, row_id: UUID) -> str:
    """The name of a resource, by the name of its table or by what happened to it: "serviceKeys/..." of a "service_key"."""
    first, *others = kind.partition(".")[0].split("_")
    singular = f"{first}{''.join(other.capitalize() for other in others)}"
    return f"{_PLURALS.get(singular, f'{singular}s')}/{row_id}"


def table_of(name: str) -> str:
    """The table of a resource: the other way round."""
    plural = name.partition("/")[0]
    return _SINGULARS.get(plural) or re.sub("(?=[A-Z])", "_", plural).lower().removesuffix("s")


def timestamp(at: datetime | None) -> Timestamp | None:
    """A Timestamp; None stays None, which leaves a field unset."""
    if at is None:
        return None
    message = Timestamp()
    put_time(at, message)
    return message


def put_time(at: datetime, message: Timestamp) -> None:
    """Sets a Timestamp."""
    since = at - _EPOCH  # Timestamp.FromDatetime comes to the same, in three times the time
    message.seconds = since.days * 86_400 + since.seconds
    message.nanos = since.microseconds * 1_000


def moment(field: str, message: Timestamp) -> datetime:
    """The moment of a Timestamp, to the microsecond. Raises FieldInvalid, naming the field, where it is none."""
    try:
        return message.ToDatetime(UTC)
    except ValueError:
        raise FieldInvalid([Violation(field, "must be a moment, with 0 to 999,999,999 nanoseconds")]) from None


def money(amount_minor: int, currency: str) -> common_pb2.Money:
    """Money as the contract has it."""
    return common_pb2.Money(amount_minor=amount_minor, currency_code=currency)


def put_money(amount_minor: int, currency: str, message: common_pb2.Money) -> None:
    """Sets money as the contract has it."""
    message.amount_minor = amount_minor
    message.currency_code = currency


def money_of(message: common_pb2.Money) -> Money:
    """Money as the domain has it; any sign."""
    return Money(message.amount_minor, message.currency_code)


def whole_seconds(field: str, duration: Duration) -> int:
    """The length of a Duration. Raises FieldInvalid, naming the field, for parts of seconds."""
    if duration.nanos:
        raise FieldInvalid([Violation(field, "must be whole seconds")])
    return duration.seconds
