"""The rules of the contract for disputes: what a request must hold, and where no card number may stand."""

from typing import Any

import pytest
from google.protobuf.message import Message

from danbao.v1 import disputes_pb2
from danbao_core.errors import FieldInvalid
from danbao_core.people_errors import CardNumberInText
from danbao_core.rpc.free_text import free_texts
from danbao_core.rpc.validation import validate
from tests.rpc_requests import (
    UNKNOWN,
    a_file,
    appeal,
    changed,
    decide,
    escalate,
    money,
    offer,
    open_dispute,
    reject_dispute,
    submit_evidence,
    withdraw_dispute,
)
from tests.valid_requests import valid_requests_of_disputes

Dispute = disputes_pb2.Dispute

BROKEN: dict[str, tuple[Message, dict[str, str]]] = {
    "no reason": (changed(open_dispute(f"payments/{UNKNOWN}"), reason=None), {"reason": "FIELD_INVALID"}),
    "a dispute of nothing": (open_dispute(f"payments/{UNKNOWN}", 0), {"amount": "AMOUNT_NOT_POSITIVE"}),
    "without a word": (open_dispute(f"payments/{UNKNOWN}", text=""), {"text": "FIELD_INVALID"}),
    "with too many": (open_dispute(f"payments/{UNKNOWN}", text="長" * 4_001), {"text": "FIELD_INVALID"}),
    "no answer": (changed(reject_dispute(f"disputes/{UNKNOWN}"), reject=None), {"response": "FIELD_INVALID"}),
    "a refusal without a word": (reject_dispute(f"disputes/{UNKNOWN}", ""), {"reject.text": "FIELD_INVALID"}),
    "an offer of nothing": (offer(f"disputes/{UNKNOWN}", 0), {"offer.amount": "AMOUNT_NOT_POSITIVE"}),
    "no award": (changed(decide(f"disputes/{UNKNOWN}", 0), award=None), {"award": "FIELD_INVALID"}),
    "a negative award": (decide(f"disputes/{UNKNOWN}", -1), {"award": "AMOUNT_NEGATIVE"}),
    "no compensation": (
        decide(f"disputes/{UNKNOWN}", 0, compensation=money(0)),
        {"compensation": "AMOUNT_NOT_POSITIVE"},
    ),
    "a decision without a word": (decide(f"disputes/{UNKNOWN}", 0, ""), {"text": "FIELD_INVALID"}),
    "an appeal without a word": (appeal(f"disputes/{UNKNOWN}", ""), {"text": "FIELD_INVALID"}),
    "an arbitrator's appeal": (appeal(f"disputes/{UNKNOWN}", party=Dispute.PARTY_ARBITRATOR), {"party": "FIELD_INVALID"}),
    "a control character": (escalate(f"disputes/{UNKNOWN}", "a\x07b"), {"text": "FIELD_INVALID"}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_names_its_field(name: str) -> None:
    request, fields = BROKEN[name]
    with pytest.raises(FieldInvalid) as caught:
        validate(request)
    assert {each.field: each.reason for each in caught.value.violations} == fields


def test_what_texts_may_hold_is_said_in_words() -> None:
    with pytest.raises(FieldInvalid) as caught:
        validate(escalate("disputes/x", "a\x07b"))
    assert {each.field: each.description for each in caught.value.violations} == {
        "name": "must be disputes/ and a UUID in lower case",
        "text": "must be without control characters but tabs and line feeds",
    }


CARD = "card 4111 1111 1111 1111"
WITH_A_CARD: dict[str, tuple[Message, str]] = {
    "open": (open_dispute(f"payments/{UNKNOWN}", text=CARD), "text"),
    "reject": (reject_dispute(f"disputes/{UNKNOWN}", CARD), "reject.text"),
    "offer": (offer(f"disputes/{UNKNOWN}", 1, CARD), "offer.text"),
    "escalate": (escalate(f"disputes/{UNKNOWN}", CARD), "text"),
    "withdraw": (withdraw_dispute(f"disputes/{UNKNOWN}", CARD), "text"),
    "a file's name": (
        submit_evidence(f"disputes/{UNKNOWN}", file=a_file(file_name="4111111111111111.png")),
        "file.file_name",
    ),
    "evidence": (submit_evidence(f"disputes/{UNKNOWN}", CARD), "text"),
    "decide": (decide(f"disputes/{UNKNOWN}", 1, CARD), "text"),
    "appeal": (appeal(f"disputes/{UNKNOWN}", CARD), "text"),
}


@pytest.mark.parametrize("name", WITH_A_CARD)
def test_no_text_holds_a_card_number(name: str) -> None:
    request, field = WITH_A_CARD[name]
    with pytest.raises(CardNumberInText) as caught:
        validate(request)
    assert [each.field for each in caught.value.violations] == [field]


def test_every_free_text_of_disputes_is_looked_at() -> None:
    texts = {name for request in valid_requests_of_disputes() for name in paths_of(request.DESCRIPTOR)}
    assert texts == {field for _, field in WITH_A_CARD.values()}


def paths_of(message: Any) -> set[str]:
    """Where a message has free texts, in it and in the messages inside it."""
    texts = free_texts(message)
    inside = {f"{name}.{path}" for name in texts.inside for path in paths_of(message.fields_by_name[name].message_type)}
    return {name for name, _ in texts.fields} | inside
