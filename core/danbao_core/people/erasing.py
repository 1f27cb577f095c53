"""Erasing who the person behind a closed account is. What the account paid and was paid stays, and belongs to nobody."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from danbao_core import sql, trail
from danbao_core.accounts import Account, account_of
from danbao_core.engine import Book, Command, Decision, Draft, Key, Row, table
from danbao_core.errors import RetriesExhausted
from danbao_core.ids import uuid_of
from danbao_core.people.identity import IdentityRef
from danbao_core.people.messages import Message
from danbao_core.people.person import Document, IdentityLevel, Person, PhoneRef, person_of
from danbao_core.people_errors import AccountNotClosed

ERASED_NAME: Final = "(erased)"
"""What is shown in the place of the account's name."""


@table("letters", rank=97, key=("address_hash",), reading=sql.load("danbao_core.people", "read_letters"))
class Letters(Row, frozen=True):
    """The messages to a number that still have contents."""

    address_hash: bytes
    message_ids: str
    """Separated by blanks."""


class ErasePerson(Command[Account], frozen=True):
    """Erases the person of a closed account and ends all sessions; erasing again changes nothing.

    Devices, cards, factors and counted attempts go in the same commit, by a trigger of the database (0011_identity.sql): the
    engine deletes no rows. Keyed hashes of the number and of the document stay, and name no account any more.

    Refused: AccountNotFound, PersonNotFound, AccountNotClosed; RetriesExhausted where the person was changed since it was read.
    """

    result_type = Account
    alone = True
    account_id: UUID
    seen_version: int
    """Of the person's row, from which the hashes were made."""
    phone_hashes: tuple[bytes, ...]
    """Under each key of the ring; none once it was erased."""
    number_hashes: tuple[bytes, ...]

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.key(self.account_id)
        yield Person.key(self.account_id)
        yield from (IdentityRef.key(each) for each in self.number_hashes)
        for phone_hash in self.phone_hashes:
            yield PhoneRef.key(phone_hash)
            yield Letters.read_key(phone_hash)
            if letters := book.get(Letters, phone_hash):
                yield from (Message.key(each) for each in _ids(letters))

    def decide(self, book: Book) -> Decision[Account]:
        account, person = account_of(book, self.account_id, self.origin), person_of(book, self.account_id)
        if not account.closed:
            raise AccountNotClosed(account=account.name)
        if person.phone is None:
            return Decision(account)
        if person.version != self.seen_version:
            raise RetriesExhausted
        draft = Draft(book)
        self._give_up_numbers(draft)
        for phone_hash in self.phone_hashes:
            for message_id in _ids(draft.get(Letters, phone_hash)):
                message: Message = book[Message, message_id]
                draft.put(message.replace(address=b"", parameters=b"", version=message.version + 1))
        erased = account.replace(display_name=ERASED_NAME, updated_at=book.now, version=account.version + 1)
        ids = self.ids()
        draft.put(erased, _nobody(person, book), trail.audit_event(ids, self.origin, Account, account.id, book.now))
        draft.put(trail.account_event(ids, "account.erased", account.id, book.now))
        return Decision(erased, draft.changes)

    def _give_up_numbers(self, draft: Draft) -> None:
        for phone_hash in self.phone_hashes:
            phone_ref = draft.get(PhoneRef, phone_hash)
            if phone_ref is not None and phone_ref.account_id == self.account_id:
                draft.put(phone_ref.replace(account_id=None, version=phone_ref.version + 1))
        for number_hash in self.number_hashes:
            ref = draft.get(IdentityRef, number_hash)
            if ref is not None:
                others = [each for each in ref.account_ids.split() if each != str(self.account_id)]
                draft.put(ref.replace(account_ids=" ".join(others), version=ref.version + 1))


def _nobody(person: Person, book: Book) -> Person:
    return person.replace(
        phone=None,
        login_password="",
        payment_password=None,
        payment_salt=None,
        payment_key_id="",
        session_epoch=person.session_epoch + 1,
        totp_id=None,
        level=IdentityLevel.NONE,
        channels="",
        document=Document.NONE,
        real_name=None,
        number=None,
        number_hash=None,
        updated_at=book.now,
        version=person.version + 1,
    )


def _ids(letters: Letters | None) -> list[UUID]:
    return [] if letters is None else [uuid_of(each) for each in letters.message_ids.split()]
