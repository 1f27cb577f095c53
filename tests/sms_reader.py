"""Reads short messages as a phone does; written apart from what writes them."""

from collections.abc import Iterable

_ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    + "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    + " !\"#¤%&'()*+,-./"
    + "0123456789:;<=>?"
    + "¡ABCDEFGHIJKLMNO"
    + "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
_AFTER_ESCAPE = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€"}


def read_parts(parts: Iterable[tuple[bytes, int, int]]) -> str:
    """The text of short messages, each as octets, data coding and esm class, in whatever order they came."""
    pieces: list[tuple[int, str]] = []
    for octets, data_coding, esm_class in parts:
        number, body = 1, octets
        if esm_class & 0x40:
            assert octets[:3] == b"\x05\x00\x03"
            number, body = octets[5], octets[6:]
        pieces.append((number, body.decode("utf-16-be") if data_coding == 8 else _gsm(body)))
    return "".join(text for _, text in sorted(pieces))


def _gsm(body: bytes) -> str:
    codes, text = iter(body), ""
    for code in codes:
        text += _AFTER_ESCAPE[next(codes)] if code == 0x1B else _ALPHABET[code]
    return text
