"""Fields that hold passwords and codes, as the contract marks them: what tells requests apart leaves them out."""

from functools import cache
from typing import TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from danbao.v1 import common_pb2

_M = TypeVar("_M", bound=Message)


def without_secrets(request: _M) -> _M:
    """The request, or where it has secret fields a copy of it without them."""
    names = secret_fields(request.DESCRIPTOR)
    if not names:
        return request
    copy = type(request)()
    copy.CopyFrom(request)
    for name in names:
        copy.ClearField(name)
    return copy


@cache
def secret_fields(message: Descriptor) -> tuple[str, ...]:
    """The secret fields of a request. Secrets stand in requests themselves, not in messages within them; a test holds the
    contract to that."""
    return tuple(field.name for field in message.fields if field.GetOptions().Extensions[common_pb2.secret])
