"""Card numbers: which digits are one, which texts hold one, and that none is left in a log line."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from danbao.v1 import common_pb2
from danbao_core import logs
from danbao_core.cards import holds_card_number, is_card_number, without_card_numbers
from danbao_core.people_errors import CardNumberInText
from danbao_core.rpc.free_text import free_texts
from danbao_core.rpc.validation import validate, validate_item
from tests.rpc_requests import METHODS, UNKNOWN, a_payment, an_adjustment, changed, create_account, ship, shipment

VISA = "4111111111111111"

ISSUED = {
    "UnionPay": "6222021234567894567",
    "UnionPay of 16": "6250941006528599",
    "Visa": VISA,
    "Visa of 13": "4222222222222",
    "Mastercard": "5555555555554444",
    "Mastercard of the new range": "2223003122003222",
    "American Express": "378282246310005",
    "JCB": "3566002020360505",
    "Discover": "6011111111111117",
    "Diners Club": "30569309025904",
    "Maestro": "6759649826438453",
}


@pytest.mark.parametrize("number", ISSUED.values(), ids=ISSUED)
def test_card_number_is_found_in_text(number: str) -> None:
    assert is_card_number(number)
    grouped = " ".join(number[place : place + 4] for place in range(0, len(number), 4))
    for text in (
        number,
        f"pay to {number} please",
        f"[{number}]",
        f"SF{number}",
        grouped,
        f"card {grouped}, 12/29",
        grouped.replace(" ", "-"),
        grouped.replace(" ", " - "),
        grouped.replace(" ", "."),
        grouped.replace(" ", "\u2011"),
        grouped.replace(" ", "\u00a0"),
        " ".join(number),
        number.translate({ord(str(digit)): 0xFF10 + digit for digit in range(10)}),
        f"{'x' * 400}{number}",
        f"卡号{grouped}谢谢",
    ):
        assert holds_card_number(text), text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "two books, one pen",
        "4111111111111112",  # does not check
        "9411111111111116",  # checks, and no issuer has it
        "0000000000000000",
        VISA[:-1],
        "41111111111111111111",  # twenty digits in a row
        f"{VISA}0",  # a part of a row does not count
        "+86 138 0013 8000",
        "2026-11-22 16:30, order 20261122163000001",
        "1763829000000",
        "4111abc1111abc1111abc1111",
        "4111:1111:1111:1111",
        "4111    1111    1111    1111",
        "01a202b3-a97f-75a6-8484-f7938d7f47de",
        "accounts/00000000-0000-8000-8000-0000000b0ee1",
    ],
)
def test_other_digits_are_let_pass(text: str) -> None:
    assert not holds_card_number(text)


@pytest.mark.parametrize("number", [VISA[:-1] + digit for digit in "023456789"])
def test_every_other_check_digit_is_wrong(number: str) -> None:
    assert not is_card_number(number)


@pytest.mark.parametrize("number", ["", "42", "0" * 16, "4" * 20, VISA + " ", "\uff14" + VISA[1:], "4111x11111111111"])
def test_what_is_no_card_number(number: str) -> None:
    assert not is_card_number(number)


@given(
    st.lists(st.sampled_from([*ISSUED.values(), *"0123456789", " ", "-", ".", "x", ":", "12", "2026", "00000"]), max_size=24)
)
def test_what_tells_most_texts_from_cards_hides_none(parts: list[str]) -> None:
    text = "".join(parts)
    assert holds_card_number(text) == (without_card_numbers(text) != text)


# --- In requests ------------------------------------------------------------------------------------------------------------

ADA, BOB = f"accounts/{UNKNOWN}", f"accounts/{UNKNOWN[:-1]}0"
HELD = f"my card is {VISA}"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (changed(create_account("CNY"), display_name=HELD), "display_name"),
        (a_payment(ADA, BOB, subject=HELD), "subject"),
        (a_payment(ADA, BOB, metadata={"note": HELD}), "metadata"),
        (a_payment(ADA, BOB, metadata={VISA: "note"}), "metadata"),
        (changed(ship("payments/" + UNKNOWN), shipment=shipment(carrier=HELD)), "shipment.carrier"),
        (changed(an_adjustment("FEES", ADA), reason=HELD), "reason"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_free_text_with_card_number_is_refused(request_: Message, field: str) -> None:
    for check in (validate, validate_item):
        with pytest.raises(CardNumberInText) as caught:
            check(request_)
        assert [(each.field, each.reason) for each in caught.value.violations] == [(field, "CARD_NUMBER_IN_TEXT")]
        assert VISA not in str(caught.value)


def test_order_and_tracking_numbers_may_look_like_cards() -> None:
    validate(a_payment(ADA, BOB, order_no=VISA))
    validate(changed(ship("payments/" + UNKNOWN), shipment=shipment(tracking_no=VISA)))
    validate(changed(create_account("CNY"), external_id=VISA))


NUMBERS_OF_CALLERS = {"request_id", "order_no", "tracking_no", "external_id", "page_token", "device_id"}
"""Texts that are numbers of somebody's own, or made by us."""

ANY_TEXT = ("^[^\\x00-\\x1f\\x7f]*$", "^[^\\x00]*$")


def texts_in(message: Descriptor, seen: set[str]) -> list[FieldDescriptor]:
    """The text fields of a message and of the messages in it."""
    if message.full_name in seen:
        return []
    seen.add(message.full_name)
    found = []
    for field in message.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            found.append(field)
        elif field.message_type is not None:
            is_map = field.message_type.GetOptions().map_entry
            found += [field] if is_map else texts_in(field.message_type, seen)
    return found


def test_no_text_of_a_request_is_forgotten() -> None:
    """Each text is free, secret, personal, a number of its own, or so bounded by its pattern that no card number fits in it."""
    seen: set[str] = set()
    for method in METHODS.values():
        for field in texts_in(method.input_type, seen):
            options = field.GetOptions()
            marked = [options.Extensions[each] for each in (common_pb2.free_text, common_pb2.secret, common_pb2.personal)]
            rules = str(options)
            takes_any = "pattern" not in rules or any(json.dumps(each)[1:-1] in rules for each in ANY_TEXT)
            if field.name not in NUMBERS_OF_CALLERS and takes_any:
                assert any(marked) or "[0]" in rules or not is_asked_of_callers(field), field.full_name


def is_asked_of_callers(field: FieldDescriptor) -> bool:
    """Whether rules bound it; what has none is an answer's."""
    return "pattern" in str(field.GetOptions()) or "max_len" in str(field.GetOptions())


def test_marked_fields_can_hold_text() -> None:
    marked = {
        f"{method.input_type.name}.{name}" for method in METHODS.values() for name, _ in free_texts(method.input_type).fields
    }
    assert {
        "CreateAccountRequest.display_name",
        "CreatePaymentRequest.subject",
        "CreatePaymentRequest.metadata",
        "CreateProposalRequest.reason",
        "FreezeAccountRequest.reason",
        "UnfreezeAccountRequest.reason",
    } <= marked


# --- In logs ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[Any]]]:
    """What is logged from now on, as objects; the configuration is put back afterwards."""
    before, root = structlog.get_config(), logging.getLogger()
    logs.configure("info")
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    structlog.configure(**before)
    root.handlers[:] = [handler for handler in root.handlers if not isinstance(handler, logs.FromLibraries)]


def test_no_card_number_is_left_in_a_line(lines: Callable[[], list[Any]]) -> None:
    log = structlog.get_logger("test")
    log.info("rpc", request_id=VISA, nested={"list": ["x 5555-5555-5555-4444 y"], VISA: 1}, number=int(VISA), count=3)
    (line,) = lines()
    assert line["request_id"] == "[card number ending 1111]"
    assert line["nested"] == {"list": ["x [card number ending 4444] y"], "[card number ending 1111]": 1}
    assert (line["number"], line["count"]) == ("[card number ending 1111]", 3)


@pytest.mark.parametrize("gap", ["\t", "\u00a0", "\u2011", "\u3000"])
def test_no_card_number_is_left_whatever_its_groups_are_parted_by(lines: Callable[[], list[Any]], gap: str) -> None:
    structlog.get_logger("test").info("rpc", request_id=gap.join(["4111", "1111", "1111", "1111"]))
    assert lines()[0]["request_id"] == "[card number ending 1111]"


@pytest.mark.parametrize(
    "request_id", ["order-7", VISA, "4111 1111\t1111 1111", "\uff14111 1111 1111 1111", "a" * 12 + "1" * 12]
)
def test_lines_that_are_written_in_short_are_the_same(lines: Callable[[], list[Any]], request_id: str) -> None:
    facts = {"code": "OK", "request_id": request_id, "milliseconds": 1.25, "replayed": False}
    structlog.get_logger("test").info("rpc", **facts)
    logs.line_writer("test")(facts | {"event": "rpc"}, request_id)
    first, second = lines()
    assert list(second) == list(first)
    assert second | {"timestamp": ""} == first | {"timestamp": ""}


def test_lines_that_are_written_in_short_are_none_below_their_level(lines: Callable[[], list[Any]]) -> None:
    logs.configure("warning")
    logs.line_writer("test")({"event": "rpc"}, "")
    assert lines() == []


def test_libraries_write_lines_without_what_they_fill_in(lines: Callable[[], list[Any]]) -> None:
    log = logging.getLogger("asyncio")
    log.warning("no room for %s", "+8613800138000")
    filled_in = f"Task exception was never retrieved\nfuture: <Task ValueError('{VISA}')>"  # as asyncio does
    log.error(filled_in, exc_info=ValueError("+8613800138000"))
    log.error("odd " + VISA)  # noqa: G003  # as some do
    log.info("not told")
    told = lines()
    assert [line["event"] for line in told] == [
        "no room for %s",
        "Task exception was never retrieved",
        "odd [card number ending 1111]",
    ]
    assert told[1]["exception"][0]["type"] == "builtins.ValueError"
    assert "138" not in json.dumps([{**line, "timestamp": ""} for line in told])


def test_masking_changes_nothing_else() -> None:
    for text in ("two books", "20261122163000001", "\u7528\u6237 4111"):
        assert without_card_numbers(text) == text
    assert without_card_numbers(f"{VISA} and {VISA}") == "[card number ending 1111] and [card number ending 1111]"
