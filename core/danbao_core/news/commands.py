"""Telling people, and what they say to that."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

import msgspec

from danbao_core import trail
from danbao_core.accounts import Account, account_of
from danbao_core.engine import Book, Command, Decision, Draft, Key
from danbao_core.news.rows import CURSOR, Category, InboxMessage, NewsCursor, Preference, by_default
from danbao_core.people.messages import Letter
from danbao_core.people.person import Person, person_of
from danbao_core.people_errors import ChannelRequired, InboxMessageNotFound, PersonNotFound

ALWAYS: Final = frozenset({Category.SECURITY})
"""Categories that are always told by short message and in the inbox."""


# --- By the person ----------------------------------------------------------------------------------------------------------


class Ways(msgspec.Struct, frozen=True):
    """By which ways one category is to be told."""

    category: Category
    sms: bool
    email: bool
    inbox: bool


class Preferences(msgspec.Struct, frozen=True):
    """How every category is told."""

    account_id: UUID
    ways: tuple[Ways, ...]


class UpdatePreferences(Command[Preferences], frozen=True):
    """Sets by which ways categories are told; others stay as they are.

    Refused: AccountNotFound, PersonNotFound, ChannelRequired.
    """

    result_type = Preferences
    account_id: UUID
    ways: tuple[Ways, ...]
    """Each category once at most."""

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.read_key(self.account_id)
        yield Person.shared_key(self.account_id)  # or they would be erased meanwhile, and these stay
        yield from (Preference.key(self.account_id, category) for category in Category)

    def decide(self, book: Book) -> Decision[Preferences]:
        account = account_of(book, self.account_id, self.origin)
        if person_of(book, self.account_id).phone is None:
            raise PersonNotFound(account=account.name)
        draft = Draft(book)
        for ways in self.ways:
            if ways.category in ALWAYS and not (ways.sms and ways.inbox):
                raise ChannelRequired(category=ways.category.name)
            before = draft.get(Preference, self.account_id, ways.category)
            version = 1 if before is None else before.version + 1
            draft.put(Preference(self.account_id, ways.category, ways.sms, ways.email, ways.inbox, version))
        draft.put(trail.audit_event(self.ids(), self.origin, Account, self.account_id, book.now, memo="preferences"))
        rows = (draft.get(Preference, self.account_id, category) for category in Category)
        return Decision(preferences_of(self.account_id, [row for row in rows if row is not None]), draft.changes)


def preferences_of(account_id: UUID, rows: Iterable[Preference]) -> Preferences:
    """How every category is told, where these were set."""
    set_ones = {row.category: row for row in rows}
    found = [set_ones.get(category) or by_default(account_id, category) for category in Category]
    return Preferences(account_id, tuple(Ways(row.category, row.sms, row.email, row.inbox) for row in found))


class Marked(msgspec.Struct, frozen=True):
    """How many messages were not read before."""

    count: int


class MarkRead(Command[Marked], frozen=True):
    """Says that messages of an inbox were read; those that were stay as they are.

    Refused: AccountNotFound, InboxMessageNotFound.
    """

    result_type = Marked
    account_id: UUID
    message_ids: tuple[UUID, ...]

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.read_key(self.account_id)
        yield from (InboxMessage.key(self.account_id, each) for each in self.message_ids)

    def decide(self, book: Book) -> Decision[Marked]:
        account = account_of(book, self.account_id, self.origin)
        draft = Draft(book)
        for message_id in self.message_ids:
            message = draft.get(InboxMessage, self.account_id, message_id)
            if message is None:
                raise InboxMessageNotFound(inbox_message=f"{account.name}/inboxMessages/{message_id}")
            if message.read_at is None:
                draft.put(message.replace(read_at=book.now, version=message.version + 1))
        count = len(draft.changes)
        if count:
            draft.put(trail.audit_event(self.ids(), self.origin, Account, account.id, book.now, memo="inbox"))
        return Decision(Marked(count), draft.changes)


# --- By the system ----------------------------------------------------------------------------------------------------------


class Reader(msgspec.Struct, frozen=True):
    """Somebody who is told something, as they were when it was written."""

    account_id: UUID
    phone: bytes
    """Sealed, as it stands on the person's row."""
    email: bytes | None


class Told(msgspec.Struct, frozen=True):
    """Whether people were told."""

    done: bool


class TellPeople(Command[Told], frozen=True):
    """Tells people of the events after one position up to another, once: where the cursor is not there, somebody else has.

    Nothing is done either where a reader changed since what is for them was written; then it is written anew. Never refused.
    """

    result_type = Told
    after_position: int
    position: int
    readers: tuple[Reader, ...]
    inbox: tuple[InboxMessage, ...]
    letters: tuple[Letter, ...]

    def keys(self, book: Book) -> Iterable[Key]:
        yield NewsCursor.key(CURSOR)
        yield from (Person.shared_key(each.account_id) for each in self.readers)

    def decide(self, book: Book) -> Decision[Told]:
        cursor: NewsCursor = book[NewsCursor, CURSOR]
        if cursor.position != self.after_position or any(_changed(book, each) for each in self.readers):
            return Decision(Told(done=False))
        moved = cursor.replace(position=self.position, version=cursor.version + 1)
        return Decision(Told(done=True), [moved, *self.inbox, *(each.sent(book.now) for each in self.letters)])


def _changed(book: Book, reader: Reader) -> bool:
    person = book.get(Person, reader.account_id)
    return person is None or person.phone != reader.phone or person.email != reader.email
