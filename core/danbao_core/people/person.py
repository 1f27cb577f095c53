"""The person behind an account."""

from datetime import datetime
from enum import IntEnum
from uuid import UUID

from danbao_core.engine import Book, Draft, Row, table
from danbao_core.people_errors import PersonNotFound


class IdentityLevel(IntEnum):
    """How surely it is known who somebody is; the numbers are those of the contract."""

    NONE = 0
    I = 1  # noqa: E741  # the level's name
    II = 2
    III = 3


class Document(IntEnum):
    """What document an identity number is of; the numbers are those of the contract."""

    NONE = 0
    RESIDENT_ID = 1
    PASSPORT = 2
    PERMIT = 3


@table("person", rank=24, key=("account_id",))
class Person(Row, frozen=True):
    """Who has registered an account as theirs, and what shows that it is them; nothing to be read without the keyring."""

    account_id: UUID
    phone: bytes | None
    """Sealed in ("person", "phone", account_id); None once it was erased."""
    login_password: str
    """As Argon2id encodes it; empty once it was erased."""
    payment_password: bytes | None
    """An HMAC under `payment_key_id`; None until one is set."""
    payment_salt: bytes | None
    payment_key_id: str
    session_epoch: int
    """Counted up to end all sessions at once."""
    changed_at: datetime | None
    """When a factor, the phone or a password last changed, after which withdrawals and new payees wait; business time."""
    level: IdentityLevel
    channels: str
    """The channels that confirmed who it is, by number, separated by blanks."""
    document: Document
    real_name: bytes | None
    """Sealed in ("person", "real_name", account_id)."""
    number: bytes | None
    """Sealed in ("person", "number", account_id)."""
    number_hash: bytes | None
    """The lookup of ("number", document:number)."""
    created_at: datetime
    updated_at: datetime
    version: int
    totp_id: UUID | None = None
    """The authenticator in force (`people/factors.py`)."""
    email: bytes | None = None
    """The confirmed e-mail address, sealed in ("person", "email", account_id); None where there is none."""


@table("phone_ref", rank=23, key=("phone_hash",))
class PhoneRef(Row, frozen=True):
    """Whose a phone number is; the table makes it unique. While the keyring has several keys there is a row for each."""

    phone_hash: bytes
    account_id: UUID | None
    """None where the number was given up."""
    version: int


def person_of(book: Book | Draft, account_id: UUID) -> Person:
    """The person behind an account. Raises PersonNotFound where nobody registered it as theirs."""
    person = book.get(Person, account_id)
    if person is None:
        raise PersonNotFound(account=f"accounts/{account_id}")
    return person
