"""What the client makes of webhooks: those that the core signed are read, all others refused."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from danbao.v1 import payments_pb2
from danbao_client import Money, webhooks
from danbao_client.webhooks import (
    BodyMalformed,
    HeadersMissing,
    SignatureMismatch,
    TimestampRefused,
    WebhookError,
    verify,
)
from danbao_core.notifications.webhooks import signed_headers
from danbao_core.rpc.convert.events import KINDS

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
AT = datetime.fromtimestamp(1614265330, UTC)
CONTENT = {
    "id": "0190",
    "type": "payment.paid",
    "timestamp": "2026-10-01T12:00:00.5Z",
    "data": {"name": "payments/1", "state": "STATE_PAID", "amount": {"amountMinor": "1250", "currencyCode": "CNY"}},
}
BODY = msgspec.json.encode(CONTENT)


def signed(body: bytes = BODY, at: datetime = AT, secrets: tuple[str, ...] = (SECRET,)) -> dict[str, str]:
    """The headers as the core makes them."""
    return signed_headers("0190", at, body, secrets)


def with_data(topic: str, **data: object) -> bytes:
    return msgspec.json.encode(CONTENT | {"type": topic, "data": data})


def test_an_event_is_what_the_core_says_it_is() -> None:
    event = verify(BODY, signed(), SECRET, at=AT)
    assert (event.id, event.topic) == ("0190", "payment.paid")
    assert event.time == datetime(2026, 10, 1, 12, 0, 0, 500_000, UTC)
    assert isinstance(event.data, payments_pb2.Payment)
    assert event.data.state == payments_pb2.Payment.STATE_PAID
    assert event.data.amount == Money("12.50", "CNY")
    assert event.content == CONTENT
    assert verify(BODY.decode(), {name.title(): value for name, value in signed().items()}, SECRET, at=AT) == event


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="at has no time zone"):
        verify(BODY, signed(), SECRET, at=AT.replace(tzinfo=None))


def test_the_published_vector() -> None:
    """Of the reference implementations: its signature fits, although it is no event."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    with pytest.raises(BodyMalformed):
        verify('{"test": 2432232314}', headers, SECRET, at=AT)


def test_every_kind_of_event_of_the_core_is_read_as_its_resource() -> None:
    assert webhooks._RESOURCES.keys() == KINDS.keys()
    for kind, known in KINDS.items():
        body = with_data(f"{kind}.happened")
        event = verify(body, signed(body), SECRET, at=AT)
        # The annotation of what converts a kind is the resource that it becomes.
        assert type(event.data).__name__ == known.resource.__annotations__["return"].__name__


@pytest.mark.parametrize("secrets", [(SECRET, OTHER_SECRET), (OTHER_SECRET, SECRET)])
def test_one_signature_that_fits_is_enough_while_a_secret_is_replaced(secrets: tuple[str, ...]) -> None:
    assert verify(BODY, signed(secrets=secrets), SECRET, at=AT).id == "0190"
    headers = signed(secrets=secrets)
    headers["webhook-signature"] = f"v2,other v1a,kind {headers['webhook-signature']}"
    assert verify(BODY, headers, SECRET, at=AT).id == "0190"


def changed(**headers: str | None) -> Mapping[str, str]:
    given = signed() | {f"webhook-{name}": value for name, value in headers.items()}
    return {name: value for name, value in given.items() if value is not None}


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        (changed(id=None), HeadersMissing),
        (changed(timestamp=None), HeadersMissing),
        (changed(signature=None), HeadersMissing),
        ({}, HeadersMissing),
        (changed(id="0191"), SignatureMismatch),
        (changed(timestamp="1614265331"), SignatureMismatch),
        (changed(signature=""), SignatureMismatch),
        (changed(signature="v1,"), SignatureMismatch),
        (changed(signature=signed()["webhook-signature"].replace("v1,", "v2,")), SignatureMismatch),
        (changed(signature="v1,\u00e9"), SignatureMismatch),
        (changed(timestamp="yesterday"), TimestampRefused),
        (changed(timestamp="-1"), TimestampRefused),
        (changed(timestamp="\u0661"), TimestampRefused),
        (changed(timestamp="9" * 400), TimestampRefused),
        (changed(timestamp="0" * 5000), TimestampRefused),
        (changed(signature="v1,\udcff"), SignatureMismatch),
        (changed(id="\udcff"), SignatureMismatch),
        (signed(secrets=(OTHER_SECRET,)), SignatureMismatch),
    ],
)
def test_what_is_not_signed_so_is_refused(headers: Mapping[str, str], kind: type[WebhookError]) -> None:
    with pytest.raises(kind):
        verify(BODY, headers, SECRET, at=AT)


@pytest.mark.parametrize("body", [BODY.replace(b",", b", "), "\udcff"])
def test_a_body_that_was_written_again_is_refused(body: bytes | str) -> None:
    with pytest.raises(SignatureMismatch):
        verify(body, signed(), SECRET, at=AT)


@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_too_old_or_of_the_future_is_refused(sign: int) -> None:
    assert verify(BODY, signed(), SECRET, at=AT + sign * timedelta(seconds=300)).id == "0190"
    with pytest.raises(TimestampRefused, match="301 seconds"):
        verify(BODY, signed(), SECRET, at=AT + sign * timedelta(seconds=301))
    longer = timedelta(seconds=301)
    assert verify(BODY, signed(), SECRET, tolerance=longer, at=AT + sign * longer).id == "0190"


def test_it_is_now_unless_stated() -> None:
    assert verify(BODY, signed(at=datetime.now(UTC)), SECRET).id == "0190"
    with pytest.raises(TimestampRefused):
        verify(BODY, signed(), SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64", "whsec_abc", "whsec_\u00e9"])
def test_a_secret_that_is_none_is_a_mistake_of_ours(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        verify(BODY, signed(), secret, at=AT)


def test_a_secret_may_be_without_its_prefix() -> None:
    assert verify(BODY, signed(), SECRET.removeprefix("whsec_"), at=AT).id == "0190"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'"x"', b"\xff", b"[" * 100_000, with_data("payment.paid", name=5)])
def test_what_is_signed_and_no_event_is_told(body: bytes) -> None:
    with pytest.raises(BodyMalformed):
        verify(body, signed_of_bytes(body), SECRET, at=AT)


def signed_of_bytes(body: bytes) -> dict[str, str]:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.digest(key, b"0190.1614265330." + body, hashlib.sha256)
    return {
        "webhook-id": "0190",
        "webhook-timestamp": "1614265330",
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def test_what_a_later_release_says_is_passed_over() -> None:
    body = with_data("payment.teleported", name="payments/1", state="STATE_OF_TOMORROW", colour="red")
    event = verify(body, signed(body), SECRET, at=AT)
    assert event.data == payments_pb2.Payment(name="payments/1")
    body = with_data("star.born", name="stars/1")
    event = verify(body, signed(body), SECRET, at=AT)
    assert event.data is None
    assert event.content["data"] == {"name": "stars/1"}
