"""What can be subscribed to."""

import re
from pathlib import Path

import pytest

import danbao_core
from danbao_core.disputes import steps as dispute_steps
from danbao_core.notification_errors import TopicUnknown
from danbao_core.notifications.topics import TOPICS, covers, must_be_known
from danbao_core.payments import steps
from danbao_core.proposals import commands as proposals
from danbao_core.rpc.convert.events import KINDS


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


def test_everything_that_is_told_can_be_subscribed_to() -> None:
    sources = [path.read_text() for path in Path(danbao_core.__file__).parent.rglob("*.py")]
    written = {topic for text in sources for topic in re.findall(r'event\(\s*\w+(?:\(\))?,\s*"([a-z_]+\.[a-z_]+)"', text)}
    assert {"payment.created", "funding.created", "open_item.created", "account.closed"} <= written
    told = {*written, *steps._TOPICS.values(), *steps._TOPICS_WITHIN_A_STATE.values(), *proposals._TOPICS.values()}
    must_be_known({*told, *dispute_steps._TOPICS.values(), *dispute_steps._TOPICS_OF_ENDS.values()})


def test_every_kind_that_is_told_can_be_shown() -> None:
    assert set(KINDS) <= set(TOPICS)
    assert set(TOPICS) - set(KINDS) <= {"refund"}
