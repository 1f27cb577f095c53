"""What the messages of all services are made of."""

from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from danbao.v1 import common_pb2
from danbao_core.errors import FieldInvalid, Violation
from danbao_core.ids import uuid_of
from danbao_core.money import Money


def id_of(name: str) -> UUID:
    """The id in a resource name that the contract's rules have let pass."""
    return uuid_of(name.partition("/")[2])


def timestamp(at: datetime | None) -> Timestamp | None:
    """A Timestamp; None stays None, which leaves a field unset."""
    if at is None:
        return None
    message = Timestamp()
    message.FromDatetime(at)
    return message


def moment(field: str, message: Timestamp) -> datetime:
    """The moment of a Timestamp, to the microsecond. Raises FieldInvalid, naming the field, where it is none."""
    try:
        return message.ToDatetime(UTC)
    except ValueError:
        raise FieldInvalid([Violation(field, "must be a moment, with 0 to 999,999,999 nanoseconds")]) from None


def money(amount_minor: int, currency: str) -> common_pb2.Money:
    """Money as the contract has it."""
    return common_pb2.Money(amount_minor=amount_minor, currency_code=currency)


def money_of(message: common_pb2.Money) -> Money:
    """Money as the domain has it; any sign."""
    return Money(message.amount_minor, message.currency_code)


def whole_seconds(field: str, duration: Duration) -> int:
    """The length of a Duration. Raises FieldInvalid, naming the field, for parts of seconds."""
    if duration.nanos:
        raise FieldInvalid([Violation(field, "must be whole seconds")])
    return duration.seconds
