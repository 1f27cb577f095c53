"""Writing down that a channel has confirmed who the person behind an account is."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

import msgspec

from danbao_core import trail
from danbao_core.accounts import Account, account_of
from danbao_core.engine import Book, Command, Decision, Draft, Key, Row, table
from danbao_core.errors import AccountClosed, RetriesExhausted
from danbao_core.people.channels import IdentityChannel, level_of
from danbao_core.people.person import Document, IdentityLevel, Person, person_of
from danbao_core.people_errors import TooManyAccounts

MOST_ACCOUNTS: Final = 6
"""Of one person, as Alipay has it: one and five that are linked to it."""


@table("identity_ref", rank=48, key=("number_hash",))
class IdentityRef(Row, frozen=True):
    """Which accounts a document's number has verified. While the keyring has several keys there is a row for each."""

    number_hash: bytes
    """The lookup of ("number", document:number)."""
    account_ids: str
    """Separated by blanks."""
    version: int


class Confirmed(msgspec.Struct, frozen=True):
    """What may be remembered of a verified identity: nothing of who it is."""

    level: IdentityLevel
    channels: tuple[IdentityChannel, ...]
    document: Document


class ConfirmIdentity(Command[Confirmed], frozen=True):
    """A channel has said yes. One that had said so before changes nothing.

    Refused: AccountNotFound, AccountClosed, PersonNotFound, TooManyAccounts; RetriesExhausted where the identity was changed
    since it was read.
    """

    result_type = Confirmed
    account_id: UUID
    channel: IdentityChannel
    document: Document
    real_name: bytes
    """Sealed, for the person's row."""
    number: bytes
    number_hashes: tuple[bytes, ...]
    """Under each key of the ring, the one in force first."""
    seen: bytes | None
    """The sealed number that the name and the number were found equal to; None where there was none."""

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.read_key(self.account_id)
        yield Person.key(self.account_id)
        yield from (IdentityRef.key(each) for each in self.number_hashes)

    def decide(self, book: Book) -> Decision[Confirmed]:
        account, person = account_of(book, self.account_id, self.origin), person_of(book, self.account_id)
        if account.closed:
            raise AccountClosed(account=account.name)
        if person.number != self.seen:
            raise RetriesExhausted
        before = channels_of(person)
        if self.channel in before:
            return Decision(confirmed(person))
        channels = {*before, self.channel}
        draft = Draft(book)
        known = person.replace(
            level=level_of(channels),
            channels=" ".join(str(int(each)) for each in sorted(channels)),
            updated_at=book.now,
            version=person.version + 1,
        )
        if person.number is None:
            _add_account(draft, self.number_hashes, self.account_id)
            known = known.replace(
                document=self.document, real_name=self.real_name, number=self.number, number_hash=self.number_hashes[0]
            )
        ids = self.ids()
        draft.put(known, trail.audit_event(ids, self.origin, Person, self.account_id, book.now))
        draft.put(trail.account_event(ids, "account.identity_verified", self.account_id, book.now))
        return Decision(confirmed(known), draft.changes)


def _add_account(draft: Draft, number_hashes: Iterable[bytes], account_id: UUID) -> None:
    """Raises TooManyAccounts."""
    found = {each: draft.get(IdentityRef, each) for each in number_hashes}
    account_ids = {str(account_id)}.union(*(ref.account_ids.split() for ref in found.values() if ref is not None))
    if len(account_ids) > MOST_ACCOUNTS:
        raise TooManyAccounts(most=MOST_ACCOUNTS)
    for number_hash, ref in found.items():
        draft.put(IdentityRef(number_hash, " ".join(sorted(account_ids)), 1 if ref is None else ref.version + 1))


def channels_of(person: Person) -> tuple[IdentityChannel, ...]:
    """The channels that have confirmed who somebody is, in the order of their numbers."""
    return tuple(IdentityChannel(int(each)) for each in person.channels.split())


def confirmed(person: Person) -> Confirmed:
    """What is known of somebody, without who it is."""
    return Confirmed(person.level, channels_of(person), person.document)
