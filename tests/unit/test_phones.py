"""Phone numbers: which are taken, and how they and other personal facts are shown."""

import pytest

from danbao_core.people.masks import mask_name, mask_number, mask_phone
from danbao_core.people.phones import phone_of
from danbao_core.people_errors import PhoneInvalid

TAKEN = {
    "+8613800138000": "+8613800138000",
    "+86013800138000": "+8613800138000",  # a trunk zero: another way of writing the same number
    "+85291234567": "+85291234567",
    "+886912345678": "+886912345678",
    "+4915123456789": "+4915123456789",
    "+12015550123": "+12015550123",
}

REFUSED = {
    "": "nothing",
    "+": "no digit",
    "13800138000": "no country",
    "8613800138000": "no plus",
    "008613800138000": "an international prefix",
    "+0013800138000": "a country that starts with zero",
    "+86 138 0013 8000": "blanks",
    "+86-13800138000": "a dash",
    "+86(138)00138000": "brackets",
    " +8613800138000": "a blank before it",
    "+8613800138000\n": "a line end",
    "+861380013800": "a digit too few",
    "+86138001380000": "a digit too many",
    "+8612345678901": "no operator's digits",
    "+8611100000000": "digits of a service, not of a person",
    "+862162345678": "a landline",
    "+390612345678": "a landline elsewhere",
    "+18002345678": "a number that is called free of charge",
    "+18003569377X": "a letter",
    "+1800FLOWERS": "letters for digits",
    "+12015550123;ext=5": "an extension",
    "tel:+8613800138000": "a URI",
    "\uff0b8613800138000": "a plus of full width",
    "+\uff18\uff16\uff11\uff13800138000": "digits of full width",
    "+٨٦١٣٨٠٠١٣٨٠٠٠": "digits of another script",
    "+99912345678": "no country's code",
    "+1234567890123456": "more digits than E.164 has",
    "+86": "a country alone",
}


@pytest.mark.parametrize("text", TAKEN)
def test_number_is_written_one_way(text: str) -> None:
    assert phone_of(text) == TAKEN[text]


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: REFUSED[text])
def test_wrong_number_is_refused(text: str) -> None:
    with pytest.raises(PhoneInvalid):
        phone_of(text)


@pytest.mark.parametrize(
    ("phone", "shown"),
    [
        ("+8613812345678", "138****5678"),
        ("+85291234567", "+852 ****4567"),
        ("+12015550123", "+1 ******0123"),
        ("+2904123", "+290 **23"),
        ("what is no number", "*" * 17),
    ],
)
def test_phone_is_masked(phone: str, shown: str) -> None:
    assert mask_phone(phone) == shown


@pytest.mark.parametrize(
    ("name", "shown"), [("张三", "张*"), ("欧阳娜娜", "欧***"), ("Ada Lovelace", "A" + "*" * 11), ("", ""), ("王", "王")]
)
def test_name_is_masked(name: str, shown: str) -> None:
    assert mask_name(name) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [("11010519491231002X", "1" + "*" * 16 + "X"), ("E12345678", "E*******8"), ("", "")]
)
def test_document_number_is_masked(number: str, shown: str) -> None:
    assert mask_number(number) == shown
