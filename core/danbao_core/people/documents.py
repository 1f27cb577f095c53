"""Names and numbers as documents have them: what a document's number can be, and one way of writing a name."""

import re
import unicodedata
from datetime import date, datetime
from typing import Final

from stdnum.cn import ric
from stdnum.exceptions import ValidationError

from danbao_core.clock import shanghai_day
from danbao_core.keyring import Keyring
from danbao_core.people.person import Document
from danbao_core.people_errors import IdentityNumberInvalid

_EPOCH: Final = date(1970, 1, 1).toordinal()

_OLDEST: Final = date(1900, 1, 1)
"""Nobody who was born before it is alive."""

_PASSPORT: Final = re.compile(r"(?=.*[0-9])[A-Z0-9]{6,9}")
"""ICAO 9303 has at most nine characters; all countries put digits into it."""

_PERMIT: Final = re.compile(r"[HM][0-9]{8}([0-9]{2})?|[0-9]{8}")
"""Of residents of Hong Kong and Macao, with the two digits of its issue or without; of residents of Taiwan."""


_PERMIT_DIGITS: Final = 9
"""Of a permit's number, without its issue."""


def must_be_number(document: Document, number: str, at: datetime) -> None:
    """Raises IdentityNumberInvalid for a number that the document cannot have.

    That of a resident identity card (GB 11643) names a place that there is or was and a day of birth that has come, in
    Asia/Shanghai, and ends with a check character; letters are capitals.
    """
    today = date.fromordinal(_EPOCH + shanghai_day(at))
    if not _is_number(document, number, today):
        raise IdentityNumberInvalid(document=document.name)


def _is_number(document: Document, number: str, today: date) -> bool:
    match document:
        case Document.RESIDENT_ID:
            try:
                return ric.validate(number) == number and _OLDEST <= ric.get_birth_date(number) <= today
            except (ValidationError, ValueError):
                return False
        case Document.PASSPORT:
            return _PASSPORT.fullmatch(number) is not None
        case Document.PERMIT:
            return _PERMIT.fullmatch(number) is not None
    return False


def written(name: str) -> str:
    """A name in one way: composed characters, single blanks."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def number_hashes(keyring: Keyring, document: Document, number: str) -> list[bytes]:
    """By what the number of a document is found, under any key of the ring, the one in force first.

    A permit is the same with the digits of its issue and without them.
    """
    same = number[:_PERMIT_DIGITS] if document is Document.PERMIT else number
    return keyring.lookups("number", f"{int(document)}:{same}")
