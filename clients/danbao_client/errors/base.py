"""Why a call failed: gRPC's code, and what `google.rpc.Status` says beside it."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from danbao.v1 import payments_pb2

_STATUS_TRAILER: Final = "grpc-status-details-bin"

_TRANSIENT: Final = frozenset(
    {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED},
)

Detail = TypeVar("Detail", bound=Message)


class FieldViolation(NamedTuple):
    """A field that breaks a rule of the contract."""

    field: str
    """Its path, such as "amount.currency_code"."""
    description: str
    reason: str


class DanbaoError(Exception):
    """A call that failed: refused by the core, or not answered.

    Each reason that this release knows is a class of its own below this one (`except InsufficientFunds`); others are told by
    `reason` alone, the core's stable name of the refusal, such as INSUFFICIENT_FUNDS. It is empty where the core itself did not
    answer (the connection was lost, the deadline passed). `request_id` is the one that the call went out with: where the
    outcome is not known, sending the same request with it again is safe and tells.
    """

    _by_reason: ClassVar[dict[str, type["DanbaoError"]]] = {}
    reason: str = ""

    def __init_subclass__(cls, reason: str = "") -> None:
        """`class InsufficientFunds(DanbaoError, reason="INSUFFICIENT_FUNDS")` is what calls that are refused so raise."""
        if reason:
            cls.reason = reason
            DanbaoError._by_reason[reason] = cls

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: tuple[FieldViolation, ...] = (),
        resource: str = "",
        retry_after_seconds: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(f"{reason or code.name}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.violations = violations
        self.resource = resource
        """The resource that stands in the way, such as the payment that has the order number; else empty."""
        self.retry_after_seconds = retry_after_seconds
        """How long to wait at least before sending the same request again; None where the core did not say that it may be."""
        self.request_id = request_id
        self.unanswered: tuple[payments_pb2.CreatePaymentRequest, ...] = ()
        """Of `Danbao.payments.stream`: what was taken from the caller and has no result, oldest first, each under the
        `request_id` that it went out with. Sending these again is safe, and tells what became of them; empty elsewhere."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles with all that it tells: errors cross processes, as those of workers and of parallel tests do."""
        return type(self), (self.code, self.reason, self.message), vars(self)

    @property
    def is_transient(self) -> bool:
        """Whether the same request, with the same `request_id`, may be sent again.

        The core says so by RetryInfo. A lost or refused connection says nothing, and is safe too: by the contract a request
        either carries a `request_id` or changes nothing.
        """
        if self.retry_after_seconds is not None:
            return self.code in _TRANSIENT
        return self.code is grpc.StatusCode.UNAVAILABLE and not self.reason

    @classmethod
    def of(cls, error: grpc.aio.AioRpcError, request_id: str = "") -> "DanbaoError":
        """What a failed call comes to."""
        return cls._of(error.code(), error.details() or "", _status(error), request_id)

    @classmethod
    def of_result(cls, result: payments_pb2.PaymentResult) -> "DanbaoError":
        """What a result of StreamPayments that is no payment comes to."""
        code = next(code for code in grpc.StatusCode if code.value[0] == result.status.code)
        return cls._of(code, result.status.message, result.status, result.request_id)

    @classmethod
    def _of(cls, code: grpc.StatusCode, message: str, status: status_pb2.Status, request_id: str) -> "DanbaoError":
        info = _detail(status, error_details_pb2.ErrorInfo)
        invalid = _detail(status, error_details_pb2.BadRequest)
        resource = _detail(status, error_details_pb2.ResourceInfo)
        retry = _detail(status, error_details_pb2.RetryInfo)
        reason = info.reason if info else ""
        general = cls._by_reason["FIELD_INVALID"] if invalid else DanbaoError  # rules of later releases have names, too
        return cls._by_reason.get(reason, general)(
            code,
            reason,
            message,
            metadata=info.metadata if info else None,
            violations=tuple(
                FieldViolation(each.field, each.description, each.reason)
                for each in (invalid.field_violations if invalid else ())
            ),
            resource=resource.resource_name if resource else "",
            retry_after_seconds=retry.retry_delay.ToTimedelta().total_seconds() if retry else None,
            request_id=request_id,
        )


def _status(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """The details that an error came with; none where they cannot be read."""
    for key, value in error.trailing_metadata() or ():
        if key == _STATUS_TRAILER and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()


def _detail(status: status_pb2.Status, kind: type[Detail]) -> Detail | None:
    for packed in status.details:
        detail = kind()
        if packed.Unpack(detail):
            return detail
    return None
