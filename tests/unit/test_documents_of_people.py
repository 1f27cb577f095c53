"""Numbers and names of documents: which are taken; and what confirmations lead to."""

from datetime import UTC, datetime
from itertools import combinations

import pytest

from danbao_core.people.channels import IdentityChannel, level_of
from danbao_core.people.documents import must_be_number, written
from danbao_core.people.person import Document, IdentityLevel
from danbao_core.people_errors import IdentityNumberInvalid

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RIGHT = "11010519491231002X"


def with_check(first: str) -> str:
    """A number whose check character is that of GB 11643: weights are powers of two."""
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(first))
    return first + "10X98765432"[total % 11]


@pytest.mark.parametrize(
    ("document", "number"),
    [
        (Document.RESIDENT_ID, RIGHT),
        (Document.RESIDENT_ID, with_check("44030720000229123")),  # a leap day that there was
        (Document.RESIDENT_ID, with_check("11010520261122001")),  # born today
        (Document.PASSPORT, "E12345678"),
        (Document.PASSPORT, "EA1234567"),
        (Document.PASSPORT, "123456"),
        (Document.PERMIT, "H12345678"),
        (Document.PERMIT, "M1234567801"),
        (Document.PERMIT, "12345678"),
    ],
)
def test_right_number_is_taken(document: Document, number: str) -> None:
    must_be_number(document, number, NOW)


@pytest.mark.parametrize("check", [each for each in "0123456789X" if each != RIGHT[-1]])
def test_every_other_check_character_is_refused(check: str) -> None:
    with pytest.raises(IdentityNumberInvalid):
        must_be_number(Document.RESIDENT_ID, RIGHT[:-1] + check, NOW)


@pytest.mark.parametrize("place", range(17))
def test_every_changed_digit_is_refused(place: int) -> None:
    changed = RIGHT[:place] + str((int(RIGHT[place]) + 1) % 10) + RIGHT[place + 1 :]
    with pytest.raises(IdentityNumberInvalid):
        must_be_number(Document.RESIDENT_ID, changed, NOW)


@pytest.mark.parametrize(
    ("document", "number"),
    [
        (Document.RESIDENT_ID, ""),
        (Document.RESIDENT_ID, RIGHT[:-1]),
        (Document.RESIDENT_ID, RIGHT + "X"),
        (Document.RESIDENT_ID, RIGHT.lower()),
        (Document.RESIDENT_ID, f"{RIGHT[:6]} {RIGHT[6:]}"),
        (Document.RESIDENT_ID, f"{RIGHT}\n"),
        (Document.RESIDENT_ID, "1101051949123100" + "\uff12X"),
        (Document.RESIDENT_ID, "X" * 18),
        (Document.RESIDENT_ID, with_check("1101051949123100").rjust(18, "1")),
        (Document.RESIDENT_ID, with_check("00010519491231002")),  # no such place
        (Document.RESIDENT_ID, with_check("99010519491231002")),
        (Document.RESIDENT_ID, with_check("11010519491331002")),  # month 13
        (Document.RESIDENT_ID, with_check("11010519490031002")),  # month 0
        (Document.RESIDENT_ID, with_check("11010519490431002")),  # 31 April
        (Document.RESIDENT_ID, with_check("11010519490229002")),  # no leap year
        (Document.RESIDENT_ID, with_check("11010519491200002")),  # day 0
        (Document.RESIDENT_ID, with_check("11010520261123002")),  # born tomorrow
        (Document.RESIDENT_ID, with_check("11010518991231002")),  # older than anybody
        (Document.RESIDENT_ID, "110105491231002"),  # fifteen digits, which are no longer valid
        (Document.RESIDENT_ID, "E12345678"),
        (Document.PASSPORT, "E1234"),
        (Document.PASSPORT, "E123456789"),
        (Document.PASSPORT, "ABCDEFGH"),
        (Document.PASSPORT, "e12345678"),
        (Document.PASSPORT, RIGHT),
        (Document.PERMIT, "H1234567"),
        (Document.PERMIT, "X12345678"),
        (Document.PERMIT, "H123456789"),
        (Document.PERMIT, RIGHT),
        (Document.NONE, RIGHT),
    ],
)
def test_wrong_number_is_refused(document: Document, number: str) -> None:
    with pytest.raises(IdentityNumberInvalid) as caught:
        must_be_number(document, number, NOW)
    assert caught.value.metadata == {"document": document.name}  # and not the number


def test_today_is_that_of_shanghai() -> None:
    born = with_check("11010520261123001")
    must_be_number(Document.RESIDENT_ID, born, datetime(2026, 11, 22, 16, tzinfo=UTC))
    with pytest.raises(IdentityNumberInvalid):
        must_be_number(Document.RESIDENT_ID, born, datetime(2026, 11, 22, 15, 59, tzinfo=UTC))


@pytest.mark.parametrize(("text", "name"), [("张三", "张三"), ("  Ada   Lovelace ", "Ada Lovelace"), ("Zoe\u0308", "Zo\u00eb")])
def test_name_is_written_one_way(text: str, name: str) -> None:
    assert written(text) == name


def test_levels_by_channels() -> None:
    others = [each for each in IdentityChannel if each is not IdentityChannel.FACE_TO_FACE]
    for count in range(len(others) + 1):
        for channels in combinations(others, count):
            expected = {0: 0, 1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3}[count]
            assert level_of(set(channels)) == expected
            assert level_of({*channels, IdentityChannel.FACE_TO_FACE}) is IdentityLevel.III
