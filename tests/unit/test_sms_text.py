"""Short messages are cut as networks carry them: no character torn apart, and put together again to the same text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danbao_core.notifications.sms_text import CONCATENATED, GSM_CODING, UCS2_CODING, Part, parts_of
from tests.sms_reader import read_parts


def test_a_short_text_is_one_message() -> None:
    assert parts_of("Hi @ $", 7) == [Part(b"Hi \x00 \x02", GSM_CODING, 0)]


def test_what_has_two_codes_counts_twice() -> None:
    assert parts_of("€", 7) == [Part(b"\x1be", GSM_CODING, 0)]
    assert len(parts_of("€" * 80, 7)) == 1
    assert len(parts_of("€" * 81, 7)) == 2


@pytest.mark.parametrize(("length", "parts"), [(160, 1), (161, 2), (306, 2), (307, 3)])
def test_the_gsm_alphabet_fits_160_or_153_in_each(length: int, parts: int) -> None:
    assert len(parts_of("a" * length, 7)) == parts


@pytest.mark.parametrize(("length", "parts"), [(70, 1), (71, 2), (134, 2), (135, 3)])
def test_other_characters_fit_70_or_67_in_each(length: int, parts: int) -> None:
    cut = parts_of("付" * length, 7)
    assert len(cut) == parts
    assert {each.data_coding for each in cut} == {UCS2_CODING}


def test_parts_say_which_they_are() -> None:
    first, second = parts_of("a" * 200, 7)
    assert first.octets[:6] == bytes([5, 0, 3, 7, 2, 1])
    assert second.octets[:6] == bytes([5, 0, 3, 7, 2, 2])
    assert first.esm_class == second.esm_class == CONCATENATED


def test_typographers_spaces_cost_no_second_message() -> None:
    assert parts_of("12\u202f345,67\u00a0$", 7) == [Part(b"12 345,67 \x02", GSM_CODING, 0)]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u00a0\u202f\u2019"), max_size=600))
def test_parts_read_as_the_text(text: str) -> None:
    parts = parts_of(text, 7)
    assert read_parts((each.octets, each.data_coding, each.esm_class) for each in parts) == text
    assert all(len(each.octets) <= 160 for each in parts)
