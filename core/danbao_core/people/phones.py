"""Phone numbers: one way of writing each, and only those that a message can reach."""

import re
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from danbao_core.people_errors import PhoneInvalid

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")

_TAKES_MESSAGES: Final = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}
"""In some countries, such as those of +1, the number does not tell which of the two it is."""


def phone_of(text: str) -> str:
    """The number in E.164, always written the same: a zero that some put before the area is left out.

    Raises PhoneInvalid for what is not written as + and digits (the library would read letters, extensions and the digits of
    other scripts, too), what no operator has given out, and what takes no messages, such as a landline.
    """
    if not _E164.fullmatch(text):
        raise PhoneInvalid
    try:
        number = phonenumbers.parse(text)
    except NumberParseException:
        raise PhoneInvalid from None
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) not in _TAKES_MESSAGES:
        raise PhoneInvalid
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)
