"""What people are told of events: each side its own, with words for it in every language, and nothing of what is no news."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest

from danbao_core.disputes import DisputeCloseReason, DisputeState
from danbao_core.ids import uuid7
from danbao_core.news.rows import Category
from danbao_core.news.stories import Story, stories_of
from danbao_core.notifications.endpoints import DisableReason
from danbao_core.notifications.templates import LANGUAGES, worded
from danbao_core.notifications.topics import TOPICS
from danbao_core.payments import (
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    CorrectShipment,
    ExtendConfirmation,
    Mode,
    Payment,
    PayPayment,
    ShipPayment,
    VoidPayment,
)
from danbao_core.trail import OfAccount, Outbox
from tests.builders import EXPRESS
from tests.memory_core import NOON
from tests.shop import Shop

SOMEBODY, BUYER, SELLER = uuid7(), uuid7(), uuid7()

NO_NEWS = {
    "account.closed",
    "account.erased",
    "dispute.review_overdue",  # concerns the platform's own people
    "dispute.supervisors_called",
    "open_item.created",
    "open_item.settled",
    "payment.awarded",  # what becomes of its dispute is told
    "payment.disputed",
    "payment.finished",
    "payment.resumed",
    "payout.created",  # a payout is a withdrawal, of which people are told
    "payout.failed",
    "payout.succeeded",
    "proposal.approved",
    "proposal.created",
    "proposal.expired",
    "proposal.rejected",
    "webhook_endpoint.enabled",
    "webhook_endpoint.test",
}


def events(shop: Shop) -> list[tuple[str, list[Story]]]:
    """What is told of all that happened in a shop."""
    return [(each.topic, stories_of(each.topic, each.payload)) for each in shop.core.all(Outbox)]


def told(shop: Shop, topic: str) -> dict[str, str]:
    """Of the last event with a topic: what buyer and seller are told."""
    stories = next(stories for found, stories in reversed(events(shop)) if found == topic)
    sides = {shop.buyer.id: "buyer", shop.seller.id: "seller"}
    return {sides[each.account_id]: each.template for each in stories}


def must_be_worded(story: Story) -> None:
    """Raises KeyError where a language has no words for it."""
    for tag in LANGUAGES:
        found = worded(story.template, story.parameters, tag)
        assert found.title
        assert "{" not in found.text


def test_every_topic_is_news_or_known_to_be_none() -> None:
    topics = {f"{kind}.{what}" for kind, whats in TOPICS.items() for what in whats}
    payloads = {
        "account": OfAccount(SOMEBODY),
        "dispute": _dispute(),
        "funding": _funding(),
        "payment": _payment(),
        "refund": _refund(),
        "webhook_endpoint": _endpoint(),
    }
    silent = set()
    for topic in topics:
        payload = payloads.get(topic.partition(".")[0])
        stories = [] if payload is None else stories_of(topic, msgspec.msgpack.encode(payload))
        silent |= set() if stories else {topic}
        for story in stories:
            must_be_worded(story)
    assert silent == NO_NEWS & topics


def _payment() -> Payment:
    shop = Shop()
    return shop.order(order_no="A-1")


def _dispute(**facts: Any) -> dict[str, Any]:
    """A dispute that waits for the seller, but for some facts."""
    return {
        "id": SOMEBODY,
        "buyer_id": BUYER,
        "seller_id": SELLER,
        "state": DisputeState.AWAITING_SELLER,
        "currency": "CNY",
        "amount_minor": 1_250,
        "offer_minor": None,
        "award_buyer_minor": None,
        "close_reason": DisputeCloseReason.NOT_CLOSED,
        "paid_back_minor": 0,
        "owed_minor": 0,
        "compensated_minor": 0,
        "respond_by": NOON,
    } | facts


def _funding(kind: int = 1) -> dict[str, Any]:
    return {"id": SOMEBODY, "kind": kind, "account_id": SOMEBODY, "currency": "CNY", "amount_minor": 1_250}


def _refund(payer_id: UUID = SOMEBODY) -> dict[str, Any]:
    parties = {"payment_id": SOMEBODY, "payer_id": payer_id, "payee_id": uuid7()}
    return {"id": SOMEBODY, **parties, "currency": "CNY", "amount_minor": 1_250}


def _endpoint(account_id: UUID | None = SOMEBODY) -> dict[str, Any]:
    return {"id": SOMEBODY, "account_id": account_id, "disable_reason": int(DisableReason.GONE)}


@pytest.mark.parametrize(
    ("steps", "topic", "expected"),
    [
        ([], "payment.created", {"buyer": "payment_created"}),
        ([PayPayment], "payment.paid", {"buyer": "payment_sent", "seller": "payment_received"}),
        ([PayPayment, ShipPayment], "payment.shipped", {"buyer": "payment_shipped"}),
        (
            [PayPayment, ShipPayment, CorrectShipment],
            "payment.shipment_corrected",
            {"buyer": "payment_shipment_corrected"},
        ),
        (
            [PayPayment, ShipPayment, ExtendConfirmation],
            "payment.confirmation_extended",
            {"seller": "payment_confirmation_extended"},
        ),
        (
            [PayPayment, ShipPayment, ConfirmPayment],
            "payment.succeeded",
            {"buyer": "payment_succeeded_payer", "seller": "payment_succeeded_payee"},
        ),
        ([CancelPayment], "payment.closed", {"buyer": "payment_closed"}),
        ([PayPayment, CancelPayment], "payment.closed", {"buyer": "payment_closed", "seller": "payment_closed"}),
    ],
)
def test_each_side_of_a_purchase_is_told(steps: list[Any], topic: str, expected: dict[str, str]) -> None:
    shop = Shop()
    payment = shop.order()
    for step in steps:
        facts = {"shipment": EXPRESS} if step in (ShipPayment, CorrectShipment) else {}
        payment = shop.step(step, payment, None, **facts)
    assert told(shop, topic) == expected
    for _, stories in events(shop):
        for story in stories:
            must_be_worded(story)


@pytest.mark.parametrize(
    ("step", "topic", "expected"),
    [
        (PayPayment, "payment.authorized", {"buyer": "payment_authorized_payer", "seller": "payment_authorized_payee"}),
        (VoidPayment, "payment.closed", {"buyer": "payment_closed", "seller": "payment_closed"}),
        (CapturePayment, "payment.succeeded", {"buyer": "payment_succeeded_payer", "seller": "payment_succeeded_payee"}),
    ],
)
def test_each_side_of_an_authorization_is_told(step: Callable[..., Any], topic: str, expected: dict[str, str]) -> None:
    shop = Shop()
    payment = shop.step(PayPayment, shop.order(mode=Mode.AUTHORIZATION))
    if step is not PayPayment:
        shop.step(step, payment, **({"amount": None} if step is CapturePayment else {}))  # type: ignore[arg-type]
    assert told(shop, topic) == expected


def test_what_is_paid_at_creation_waits_for_no_payment() -> None:
    shop = Shop()
    shop.order(pay=True)
    assert [story.template for _, stories in events(shop) for story in stories if "created" in story.template] == []


def test_the_seller_is_told_what_arrives_less_the_fee() -> None:
    shop = Shop()
    shop.step(ConfirmPayment, shop.shipped(order_no="A-1"))
    stories = next(stories for topic, stories in events(shop) if topic == "payment.succeeded")
    payer, payee = (worded(each.template, each.parameters, "en").text for each in stories)
    assert payer == "[Danbao] CN¥10.00 for order A-1 has gone to the seller."
    assert payee == "[Danbao] CN¥9.85 for order A-1 is in your account."


@pytest.mark.parametrize(("kind", "template"), [(1, "top_up_failed"), (2, "withdrawal_failed")])
def test_fundings_are_told_by_their_kind(kind: int, template: str) -> None:
    [story] = stories_of("funding.failed", msgspec.msgpack.encode(_funding(kind)))
    assert (story.template, story.category, story.subject) == (template, Category.FUNDINGS, f"fundings/{SOMEBODY}")


def test_both_sides_are_told_of_a_refund() -> None:
    stories = stories_of("refund.succeeded", msgspec.msgpack.encode(_refund()))
    assert len({each.account_id for each in stories}) == 2
    for story in stories:
        assert (story.template, story.category) == ("refund_succeeded", Category.REFUNDS)
        assert story.subject == f"payments/{SOMEBODY}/refunds/{SOMEBODY}"
        must_be_worded(story)


SETTLED = {"state": DisputeState.SETTLED, "respond_by": None, "paid_back_minor": 500}


@pytest.mark.parametrize(
    ("what", "facts", "buyer", "seller"),
    [
        ("opened", {}, "opened_buyer", "opened_seller"),
        ("rejected", {}, "rejected_buyer", "rejected_seller"),
        ("offered", {"offer_minor": 500}, "offered_buyer", "offered_seller"),
        ("escalated", {}, "escalated", "escalated"),
        ("evidence_submitted", {}, "evidence_submitted", "evidence_submitted"),
        ("deadline_near", {}, None, "deadline_seller"),
        ("deadline_near", {"state": DisputeState.AWAITING_BUYER}, "deadline_buyer", None),
        ("deadline_near", {"state": DisputeState.UNDER_REVIEW}, "deadline_evidence", "deadline_evidence"),
        ("deadline_near", {"state": DisputeState.DECIDED}, "deadline_appeal", "deadline_appeal"),
        ("evidence_closed", {}, "evidence_closed", "evidence_closed"),
        ("decided", {"award_buyer_minor": 500}, "decided", "decided"),
        ("appealed", {}, "appealed", "appealed"),
        ("waived", {}, "waived", "waived"),
        ("settled", SETTLED, "settled", "settled"),
        ("settled", SETTLED | {"compensated_minor": 50}, "settled_compensated", "settled"),
        ("settled", SETTLED | {"owed_minor": 50}, "settled", "settled_owing"),
        ("closed", {"respond_by": None, "close_reason": DisputeCloseReason.BUYER_SILENT}, "closed", "closed"),
        ("compensated", SETTLED | {"compensated_minor": 50}, "compensated", None),
    ],
)
def test_each_side_of_a_dispute_is_told(what: str, facts: dict[str, Any], buyer: str | None, seller: str | None) -> None:
    stories = stories_of(f"dispute.{what}", msgspec.msgpack.encode(_dispute(**facts)))
    expected = {account: f"dispute_{template}" for account, template in ((BUYER, buyer), (SELLER, seller)) if template}
    assert {each.account_id: each.template for each in stories} == expected
    for story in stories:
        assert (story.category, story.subject) == (Category.DISPUTES, f"disputes/{SOMEBODY}")
        must_be_worded(story)


def test_a_deadline_is_told_with_what_is_lost_by_it() -> None:
    stories = stories_of("dispute.opened", msgspec.msgpack.encode(_dispute()))
    told_to = {each.account_id: worded(each.template, each.parameters, "en").text for each in stories}
    assert told_to[SELLER] == (
        "[Danbao] A buyer opened a dispute about CN¥12.50. Answer by Mar 1, 2026 20:00; without a word from you all of it goes "
        "back to the buyer."
    )


def test_it_is_told_why_a_dispute_was_closed() -> None:
    payload = msgspec.msgpack.encode(_dispute(respond_by=None, close_reason=DisputeCloseReason.WITHDRAWN))
    story, _ = stories_of("dispute.closed", payload)
    assert "closed: the buyer withdrew it." in worded(story.template, story.parameters, "en").text


def test_what_a_command_has_written_to_the_phone_is_not_written_again() -> None:
    payload = msgspec.msgpack.encode(OfAccount(SOMEBODY))
    [changed], [frozen] = stories_of("account.password_changed", payload), stories_of("account.frozen", payload)
    assert (changed.is_told_by_sms, frozen.is_told_by_sms) == (False, True)
    assert changed.category is frozen.category is Category.SECURITY


def test_an_endpoint_of_the_platform_is_nobodys() -> None:
    assert stories_of("webhook_endpoint.disabled", msgspec.msgpack.encode(_endpoint(None))) == []


def test_a_payload_that_is_not_understood_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        stories_of("payment.paid", b"\xc1")


def test_a_later_releases_facts_do_no_harm() -> None:
    payload = msgspec.msgpack.encode(_funding() | {"of_a_later_release": 1})
    assert stories_of("funding.succeeded", payload)
