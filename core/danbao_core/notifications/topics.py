"""What can be subscribed to."""

from collections.abc import Iterable
from typing import Final

from danbao_core.notification_errors import TopicUnknown

TOPICS: Final[dict[str, tuple[str, ...]]] = {
    "account": (
        "closed",
        "device_added",
        "email_changed",
        "erased",
        "factor_enrolled",
        "factor_removed",
        "frozen",
        "identity_verified",
        "instrument_bound",
        "instrument_unbound",
        "password_changed",
        "password_locked",
        "payment_password_changed",
        "phone_changed",
        "recovery_codes_created",
        "sessions_ended",
        "unfrozen",
    ),
    "dispute": (
        "appealed",
        "closed",
        "compensated",
        "deadline_near",
        "decided",
        "escalated",
        "evidence_closed",
        "evidence_submitted",
        "offered",
        "opened",
        "rejected",
        "review_overdue",
        "settled",
        "supervisors_called",
        "waived",
    ),
    "funding": ("created", "failed", "reversed", "succeeded"),
    "open_item": ("created", "settled"),
    "payment": (
        "authorized",
        "awarded",
        "closed",
        "confirmation_extended",
        "created",
        "disputed",
        "finished",
        "paid",
        "resumed",
        "shipment_corrected",
        "shipped",
        "succeeded",
    ),
    "payout": ("created", "failed", "succeeded"),
    "proposal": ("approved", "created", "expired", "rejected"),
    "refund": ("awaiting_funds", "created", "failed", "succeeded"),
    "webhook_endpoint": ("disabled", "enabled", "test"),
}
"""What happens to things of each kind."""

EVERYTHING: Final = "*"


def kind_of(topic: str) -> str:
    """The kind of thing that a topic is about: "payment" of "payment.succeeded"."""
    return topic.partition(".")[0]


def must_be_known(subscriptions: Iterable[str]) -> None:
    """Raises TopicUnknown for one to which nothing could ever be sent."""
    for subscription in subscriptions:
        kind, _, what = subscription.partition(".")
        if subscription != EVERYTHING and (kind not in TOPICS or (what != EVERYTHING and what not in TOPICS[kind])):
            raise TopicUnknown(topic=subscription)


def covers(subscriptions: frozenset[str], topic: str) -> bool:
    """Whether one of them is for the topic."""
    return topic in subscriptions or EVERYTHING in subscriptions or f"{kind_of(topic)}.*" in subscriptions
