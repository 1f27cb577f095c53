"""Card numbers: which digits are one, and where one stands in a text in which none must be kept.

A text is searched only where twelve digits may follow each other closely, which few texts have and which is found out in less
than a microsecond. Order and tracking numbers look alike, so digits count as a card number only where an issuer has such
numbers, their count fits and the check digit does. Of a longer row of digits without a gap no part counts.
"""

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Final, NamedTuple

from stdnum import luhn

MOST_DIGITS: Final = 19
"""As ISO/IEC 7812 has it."""

_GAP: Final = r"[ \t.,/_\-\u00a0\u2010-\u2015\u2212\u3000]{0,3}"
"""What people put between groups of digits."""

_CROWD: Final = re.compile(rf"\d(?:{_GAP}\d){{11,}}")  # digits of any script: somebody may type full-width ones
_DIGIT: Final = re.compile(r"\d")
_ALL_DIGITS_ALIKE: Final = bytes.maketrans(b"123456789", b"000000000")
_TWELVE: Final = b"0" * 12
_ASCII_GAPS: Final = b" \t.,/_-"
_DIGITS: Final = re.compile(r"\d+")


class _Range(NamedTuple):
    """Numbers that issuers have: first and last beginning, and how many digits."""

    first: int
    last: int
    lengths: frozenset[int]


def _range(first: int, last: int | None = None, lengths: tuple[int, ...] = (16,)) -> _Range:
    return _Range(first, first if last is None else last, frozenset(lengths))


_UNIONPAY: Final = (16, 17, 18, 19)
_MAESTRO: Final = (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763)
_MAESTRO_LENGTHS: Final = tuple(range(12, 20))

ISSUED: Final = (
    _range(62, lengths=_UNIONPAY),  # UnionPay
    _range(81, lengths=_UNIONPAY),
    _range(9558, 9559, lengths=(16, 19)),  # debit cards of ICBC and ABC from before UnionPay
    _range(4, lengths=(13, 16, 19)),  # Visa
    _range(51, 55),  # Mastercard
    _range(2221, 2720),
    _range(34, lengths=(15,)),  # American Express
    _range(37, lengths=(15,)),
    _range(3528, 3589),  # JCB
    _range(6011),  # Discover
    _range(644, 649),
    _range(65),
    _range(300, 305, lengths=(14,)),  # Diners Club
    _range(36, lengths=(14,)),
    _range(38, 39, lengths=(14,)),
    *(_range(prefix, lengths=_MAESTRO_LENGTHS) for prefix in _MAESTRO),
    _range(2200, 2204),  # Mir
)
"""The beginnings of numbers that the networks publish, and how long such numbers are."""


_BEGINNINGS: Final = {
    (beginning, length)
    for beginning in map(str, range(10, 100))
    for known in ISSUED
    for length in known.lengths
    if str(known.first)[:2].ljust(2, "0") <= beginning <= str(known.last)[:2].ljust(2, "9")
}
"""The first two digits of numbers that issuers have, with their lengths: most rows of digits are told from cards by these."""

_FIRST_DIGITS: Final = "".join(sorted({beginning[0] for beginning, _ in _BEGINNINGS}))
_NUMBER_LIKE: Final = re.compile(rf"[{_FIRST_DIGITS}](?<!\d\d)(?:[ \t.,/_-]{{0,3}}\d){{11}}".encode())
"""In ASCII, twelve digits that begin as a number of an issuer does, where a group of digits begins."""


def is_card_number(digits: str) -> bool:
    """Whether 12 to 19 digits can be a card's number: the last one checks (Luhn), and the first is that of an issuer at all."""
    return 12 <= len(digits) <= MOST_DIGITS and digits.isascii() and not digits.startswith("0") and luhn.is_valid(digits)


def is_issued(digits: str) -> bool:
    """Whether they are a card's number, and of an issuer that is known."""
    return (
        (digits[:2], len(digits)) in _BEGINNINGS
        and is_card_number(digits)
        and any(
            len(digits) in known.lengths and known.first <= int(digits[: len(str(known.first))]) <= known.last
            for known in ISSUED
        )
    )


def holds_card_number(text: str) -> bool:
    """Whether a card number stands in a text, however its digits are grouped."""
    return len(text) >= 12 and _is_worth_a_look(text) and any(_numbers(text))


def may_hold_card_number(line: bytes) -> bool:
    """Whether it is worth a closer look at a line in ASCII."""
    # Twelve digits are found so six times as fast as by an expression, which then tells most ids from cards.
    return _TWELVE in line.translate(_ALL_DIGITS_ALIKE, _ASCII_GAPS) and _NUMBER_LIKE.search(line) is not None


def _is_worth_a_look(text: str) -> bool:
    return may_hold_card_number(text.encode()) if text.isascii() else len(_DIGIT.findall(text)) >= 12


def without_card_numbers(text: str) -> str:
    """A text in which of each card number only the last four digits are left."""
    if len(text) >= 12:
        for start, end in sorted(_numbers(text), reverse=True):
            text = f"{text[:start]}[card number ending {text[end - 4 : end]}]{text[end:]}"
    return text


def _numbers(text: str) -> Iterator[tuple[int, int]]:
    """Where the card numbers of a text begin and end; they begin and end where groups of digits do, and none overlap."""
    for crowd in _CROWD.finditer(text):
        groups = list(_DIGITS.finditer(text, crowd.start(), crowd.end()))
        place = 0
        while place < len(groups):
            end = _end_of_number(groups, place)
            if end is None:
                place += 1
            else:
                yield groups[place].start(), groups[end].end()
                place = end + 1


def _end_of_number(groups: list[re.Match[str]], place: int) -> int | None:
    """The last group of the card number that begins with one; None where none does."""
    for end, digits in enumerate(accumulate(group.group() for group in groups[place:]), start=place):
        if len(digits) > MOST_DIGITS:
            return None
        if is_issued(digits if digits.isascii() else "".join(str(int(digit)) for digit in digits)):
            return end
    return None
