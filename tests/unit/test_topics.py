"""What can be subscribed to."""

import pytest

from danbao_core.errors import TopicUnknown
from danbao_core.notifications.topics import TOPICS, covers, must_be_known


@pytest.mark.parametrize(
    ("subscription", "topic", "covered"),
    [
        ("*", "payment.paid", True),
        ("payment.*", "payment.paid", True),
        ("payment.paid", "payment.paid", True),
        ("payment.paid", "payment.shipped", False),
        ("refund.*", "payment.paid", False),
        ("account.*", "account.phone_changed", True),
    ],
)
def test_what_a_subscription_covers(subscription: str, topic: str, covered: bool) -> None:
    assert covers(frozenset({subscription}), topic) is covered


def test_every_topic_can_be_subscribed_to() -> None:
    must_be_known(["*", *(f"{kind}.*" for kind in TOPICS), *(f"{kind}.{what}" for kind in TOPICS for what in TOPICS[kind])])


@pytest.mark.parametrize("unknown", ["payment.stolen", "thief.*", "*.paid", "payment", "payment.paid.twice", ""])
def test_a_topic_that_there_is_not_is_refused(unknown: str) -> None:
    with pytest.raises(TopicUnknown):
        must_be_known(["payment.paid", unknown])
