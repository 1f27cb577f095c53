"""What makes a retry safe: the remembered requests and their answers."""

import hmac
from datetime import datetime, timedelta
from typing import Any

import msgspec

from danbao_core.engine.command import AnyCommand
from danbao_core.engine.encoding import encoded
from danbao_core.engine.rows import Row, table
from danbao_core.errors import RequestIdReused

ANSWER_SCHEMA = 1
"""Written beside every stored answer. A change that old answers do not decode under raises it and adds the way up."""


@table("request", rank=100, key=("caller", "request_id"))
class Request(Row, frozen=True):
    """A request that was carried out, and what it was answered.

    It has the last rank because it must be read last: whatever a command sees of what its own earlier attempt committed, it
    then sees the remembered answer, too, and does not take itself for somebody else.
    """

    caller: str
    request_id: str
    method: str
    content: bytes
    answer_schema: int
    answer: bytes
    created_at: datetime
    expires_at: datetime | None
    """Wall time from which the id may be forgotten; None for never."""


def content_hash(key: bytes, method: str, content: bytes) -> bytes:
    """What tells a repeat from another request: an HMAC-SHA-256 under a server key, so that it discloses nothing."""
    return hmac.digest(key, method.encode() + b"\0" + content, "sha256")


def remembered(command: AnyCommand, result: msgspec.Struct, created_at: datetime, retention: timedelta) -> Request:
    """The row that lets a repeat of the command be answered like the first call."""
    origin = command.origin
    return Request(
        caller=origin.caller,
        request_id=origin.request_id,
        method=origin.method,
        content=origin.content,
        answer_schema=ANSWER_SCHEMA,
        answer=encoded(result),
        created_at=created_at,
        expires_at=None if command.keeps_request_for_ever else origin.received_at + retention,
    )


def answer_again(command: AnyCommand, request: Request) -> Any:
    """The first answer. Raises RequestIdReused where the repeat asks for something else."""
    if not hmac.compare_digest(request.content, command.origin.content):
        raise RequestIdReused(request_id=command.origin.request_id)
    return msgspec.msgpack.decode(request.answer, type=command.result_type)
