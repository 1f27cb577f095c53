"""What the core sends to webhook endpoints: verified, and read.

    event = webhooks.verify(await request.read(), request.headers, secret)
    match event.data:
        case payments_pb2.Payment(): ...

Signatures are those of Standard Webhooks 1.0 (https://www.standardwebhooks.com). An event may come twice: drop what has an `id`
that you know.
"""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias

from google.protobuf.json_format import ParseDict, ParseError

from danbao.v1 import accounts_pb2, disputes_pb2, notifications_pb2, operations_pb2, payments_pb2, payouts_pb2

TOLERANCE: Final = timedelta(minutes=5)

Resource: TypeAlias = (
    accounts_pb2.Funding
    | disputes_pb2.Dispute
    | notifications_pb2.AccountSecurity
    | notifications_pb2.WebhookEndpoint
    | operations_pb2.OpenItem
    | operations_pb2.Proposal
    | payments_pb2.Payment
    | payments_pb2.Refund
    | payouts_pb2.Payout
)

_RESOURCES: Final[dict[str, type[Resource]]] = {
    "account": notifications_pb2.AccountSecurity,
    "dispute": disputes_pb2.Dispute,
    "funding": accounts_pb2.Funding,
    "open_item": operations_pb2.OpenItem,
    "payment": payments_pb2.Payment,
    "payout": payouts_pb2.Payout,
    "proposal": operations_pb2.Proposal,
    "refund": payments_pb2.Refund,
    "webhook_endpoint": notifications_pb2.WebhookEndpoint,
}
"""By the first word of topics."""

_PREFIX: Final = "whsec_"

_SECONDS: Final = re.compile("[0-9]{1,15}")
"""Since 1970. Python refuses to read thousands of digits, and floats to take hundreds, with errors of their own."""


class Event(NamedTuple):
    """Something that happened."""

    id: str
    """The same however often it is sent, and the same as the `event_id` of watches."""
    topic: str
    """What happened, such as `payment.succeeded`."""
    time: datetime
    """When it happened (business time)."""
    data: Resource | None
    """What it happened to, as the event left it; None for a kind of topic that this release does not know."""
    content: dict[str, Any]
    """The body as it came."""


class WebhookError(Exception):
    """What came is not from the core, or not meant for now: answer 400 and do nothing."""


class HeadersMissing(WebhookError):
    """It carries no signature, or not all that belongs to one."""


class TimestampRefused(WebhookError):
    """It was signed too long ago, or by a clock that is ahead: somebody may be sending it again."""


class SignatureMismatch(WebhookError):
    """No signature fits: another secret made it, or the body was changed on its way, if only by being parsed and written."""


class BodyMalformed(WebhookError):
    """The signature fits, and the body is no event: it was signed by something else that has the secret."""


def verify(
    body: bytes | str, headers: Mapping[str, str], secret: str, *, tolerance: timedelta = TOLERANCE, at: datetime | None = None
) -> Event:
    """The event that a request brings: `body` as it came, byte by byte, `headers` in whichever case.

    While a secret is replaced the core signs with both, and one that fits is enough. `at` is the moment at which it came, now
    unless stated: it may be off by the `tolerance`. Raises WebhookError, and ValueError for a secret that is none and a moment
    without a time zone.
    """
    if at is not None and at.utcoffset() is None:  # it would be taken for one of whichever zone this machine is in
        raise ValueError("at has no time zone: say which, as in datetime.now(UTC)")
    raw = _bytes(body) if isinstance(body, str) else body
    found = {name.lower(): value for name, value in headers.items()}
    try:
        event_id, sent_at, signatures = (found[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as missing:
        raise HeadersMissing(f"there is no header {missing.args[0]}") from None
    _must_be_of_now(sent_at, time.time() if at is None else at.timestamp(), tolerance)
    wanted = hmac.digest(_key(secret), _bytes(f"{event_id}.{sent_at}.") + raw, hashlib.sha256)
    fitting = [
        hmac.compare_digest(signature, b"v1," + base64.b64encode(wanted)) for signature in _bytes(signatures).split(b" ")
    ]
    if not any(fitting):
        raise SignatureMismatch("no signature fits the body and the secret")
    return _event(raw)


def _bytes(text: str) -> bytes:
    """Of what anybody may have sent: servers hand out bytes that are no UTF-8 as lone surrogates, which strictly have none."""
    return text.encode("utf-8", "surrogatepass")


def _must_be_of_now(sent_at: str, now_seconds: float, tolerance: timedelta) -> None:
    if not _SECONDS.fullmatch(sent_at):
        raise TimestampRefused("the time of signing is no time")
    late_seconds = now_seconds - int(sent_at)
    if abs(late_seconds) > tolerance.total_seconds():
        raise TimestampRefused(f"it was signed {abs(late_seconds):.0f} seconds {'ago' if late_seconds > 0 else 'ahead'}")


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:  # binascii.Error is one; letters that are not ASCII are another
        key = b""
    if not key:
        raise ValueError("the secret of an endpoint is `whsec_` and Base64, as CreateWebhookEndpoint answered it")
    return key


def _event(raw: bytes) -> Event:
    """Raises BodyMalformed for what is not what the core sends."""
    try:
        content: Any = json.loads(raw)
        topic = str(content["type"])
        resource = _RESOURCES.get(topic.partition(".")[0])
        # Fields and values of enums that a later release has are passed over, as in answers.
        data = None if resource is None else ParseDict(content["data"], resource(), ignore_unknown_fields=True)
        return Event(str(content["id"]), topic, datetime.fromisoformat(content["timestamp"]), data, content)
    except (ValueError, KeyError, TypeError, ParseError, RecursionError) as error:
        raise BodyMalformed(f"the body is no event: {error}") from error
