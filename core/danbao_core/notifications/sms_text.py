"""Short messages as networks carry them: which alphabet, and in how many parts (3GPP TS 23.038 and 23.040)."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The GSM 7-bit default alphabet: each character's place is its code. Code 27 is no character, but begins the others."""

_EXTENDED: Final = {"\f": 10, "^": 20, "{": 40, "}": 41, "\\": 47, "[": 60, "~": 61, "]": 62, "|": 64, "€": 101}
"""Those that take two codes: 27, then this."""

_GSM: Final = {character: bytes([code]) for code, character in enumerate(_BASIC) if code != 27} | {
    character: bytes([27, code]) for character, code in _EXTENDED.items()
}

GSM_CODING: Final = 0
UCS2_CODING: Final = 8
CONCATENATED: Final = 0x40
"""In `esm_class`: the text begins with a user data header."""

_SPACES: Final = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2019": "'"})
"""What typographers set and no basic phone has; one of them would make the message twice as long."""


class Part(NamedTuple):
    """One short message as it is submitted."""

    octets: bytes
    """The user data header, where there is one, and the text; seven bits in each octet, or UTF-16."""
    data_coding: int
    esm_class: int


def parts_of(text: str, reference: int) -> list[Part]:
    """A text as short messages: one where it fits, else several that the phone puts together by `reference` (0 to 255).

    The GSM alphabet where it has every character (160 in one message, 153 in each of several), else UCS-2 (70 and 67). No
    character is torn apart.
    """
    text = text.translate(_SPACES)
    if all(character in _GSM for character in text):
        return _parts(text, reference, GSM_CODING, _GSM.__getitem__, most=160, most_of_several=153)
    return _parts(text, reference, UCS2_CODING, lambda each: each.encode("utf-16-be"), most=140, most_of_several=134)


def _parts(
    text: str, reference: int, coding: int, encode: Callable[[str], bytes], *, most: int, most_of_several: int
) -> list[Part]:
    whole = b"".join(map(encode, text))
    if len(whole) <= most:
        return [Part(whole, coding, 0)]
    pieces = list(_pieces(text, encode, most_of_several))
    head = bytes([5, 0, 3, reference, len(pieces)])
    return [Part(head + bytes([number]) + piece, coding, CONCATENATED) for number, piece in enumerate(pieces, start=1)]


def _pieces(text: str, encode: Callable[[str], bytes], most: int) -> Iterator[bytes]:
    piece = b""
    for character in text:
        encoded = encode(character)
        if len(piece) + len(encoded) > most:
            yield piece
            piece = b""
        piece += encoded
    yield piece
