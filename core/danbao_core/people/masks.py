"""What people see of phone numbers, names and document numbers: enough to know one's own again, too little to use another's."""

from typing import Final

import phonenumbers
from phonenumbers import NumberParseException

MAINLAND: Final = 86


def mask_phone(phone: str) -> str:
    """A number in E.164 as Alipay shows it: `138****5678`; with its country code where that is not the mainland's.

    Elsewhere the last four digits are shown, of numbers under eight digits the last two.
    """
    try:
        number = phonenumbers.parse(phone)
    except NumberParseException:
        return "*" * len(phone)
    national = phonenumbers.national_significant_number(number)
    if number.country_code == MAINLAND and len(national) == 11:
        return f"{national[:3]}****{national[-4:]}"
    shown = 4 if len(national) >= 8 else 2
    return f"+{number.country_code} {'*' * (len(national) - shown)}{national[-shown:]}"


def mask_email(address: str) -> str:
    """The first character and the domain: `a***@example.com`."""
    local, _, domain = address.partition("@")
    return f"{local[:1]}***@{domain}"


def mask_name(name: str) -> str:
    """The first character, and an asterisk for each of the others: `张**`."""
    return name[:1] + "*" * (len(name) - 1)


def mask_number(number: str) -> str:
    """The first and the last character of a document's number, as Alipay shows it: `1****************X`."""
    return number if len(number) < 3 else f"{number[0]}{'*' * (len(number) - 2)}{number[-1]}"
