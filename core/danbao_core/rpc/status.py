"""The one table from refusals to gRPC: code, and details as `google.rpc` defines them."""

from datetime import timedelta
from typing import Final

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from danbao_core.errors import FieldInvalid, Kind, Refusal

DOMAIN: Final = "danbao"
STATUS_TRAILER: Final = "grpc-status-details-bin"
MAX_VIOLATIONS: Final = 16
MAX_VIOLATION_BYTES: Final = 3 * 1024
MAX_TEXT: Final = 128
"""Headers are capped at 8 KiB and carry the details in base64: they stay under 4 KiB before that."""

CODES: Final[dict[Kind, grpc.StatusCode]] = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Kind.PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.ABORTED: grpc.StatusCode.ABORTED,
    Kind.EXPIRED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Kind.PAST: grpc.StatusCode.OUT_OF_RANGE,
    Kind.INTERNAL: grpc.StatusCode.INTERNAL,
}


def status_of(refusal: Refusal) -> status_pb2.Status:
    """A refusal as `google.rpc.Status`: ErrorInfo always, BadRequest, ResourceInfo and RetryInfo where they apply."""
    code: int = CODES[refusal.kind].value[0]
    status = status_pb2.Status(code=code, message=message_of(refusal))
    for detail in _details(refusal):
        status.details.add().Pack(detail)
    return status


def message_of(refusal: Refusal) -> str:
    """A refusal in words, short enough for a header."""
    return _shortened(str(refusal), 256)


def trailing_metadata(refusal: Refusal) -> tuple[tuple[str, bytes], ...]:
    """The status as gRPC carries it beside code and message."""
    return ((STATUS_TRAILER, status_of(refusal).SerializeToString()),)


def _details(refusal: Refusal) -> list[Message]:
    info = error_details_pb2.ErrorInfo(reason=refusal.reason, domain=DOMAIN)
    for key, value in refusal.metadata.items():
        info.metadata[key] = _shortened(value)
    details: list[Message] = [info]
    if isinstance(refusal, FieldInvalid):
        details.append(_bad_request(refusal))
    if refusal.resource is not None:
        kind = refusal.resource.partition("/")[0]
        details.append(error_details_pb2.ResourceInfo(resource_type=f"danbao/{kind}", resource_name=refusal.resource))
    if refusal.retry_after_seconds is not None:
        delay = Duration()
        delay.FromTimedelta(timedelta(seconds=refusal.retry_after_seconds))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return details


def _bad_request(refusal: FieldInvalid) -> error_details_pb2.BadRequest:
    message = error_details_pb2.BadRequest()
    for violation in refusal.violations[:MAX_VIOLATIONS]:
        message.field_violations.add(
            field=_shortened(violation.field), description=_shortened(violation.description), reason=violation.reason
        )
        if message.ByteSize() > MAX_VIOLATION_BYTES:
            break
    return message


def _shortened(text: str, most: int = MAX_TEXT) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
