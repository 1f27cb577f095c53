"""Changing what protects an account, its passwords and its phone number: by the person themselves, in a session.

A change ends what a stranger may have: a new login password all other sessions, and every change lets withdrawals and new
payees rest for a day (`Person.changed_at`). The person is told by a message.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from danbao_core import trail
from danbao_core.engine import Book, Command, Decision, Draft, Key
from danbao_core.people import devices
from danbao_core.people.challenges import Purpose, approval_keys, binding, consume, consume_own
from danbao_core.people.devices import Device
from danbao_core.people.login_proofs import Counter, LoginProof, device_counter, must_show_login_password
from danbao_core.people.messages import Letter
from danbao_core.people.passwords import PaymentPassword, PaymentProof, must_show_payment_password, payment_keys
from danbao_core.people.person import Person, PhoneRef, person_of
from danbao_core.people.registering import owner_of, take_number
from danbao_core.people.sessions import Session
from danbao_core.people_errors import ApprovalRequired, PasswordAlreadySet, PersonNeeded, PhoneTaken


class Changed(msgspec.Struct, frozen=True):
    """That something was changed."""

    at: datetime
    """Business time."""


class _OfTheirs(Command[Changed], frozen=True):
    """A change that a person makes in a session: PersonNeeded for anybody else."""

    result_type = Changed
    device_id: str
    """The session's."""
    letter: Letter | None
    """What tells the person; None once their number is erased."""

    @property
    def account_id(self) -> UUID:
        """The person's account. Raises PersonNeeded."""
        if self.origin.account_id is None or self.origin.session_id is None:
            raise PersonNeeded
        return self.origin.account_id

    @property
    def counter(self) -> Counter:
        """By what wrong login passwords are counted."""
        return device_counter(self.account_id, self.device_id, self.origin.session_epoch)

    def done(self, draft: Draft, person: Person, topic: str) -> Decision[Changed]:
        """The decision that a person has changed, and the event that tells of it."""
        ids = self.ids()
        draft.put(person, trail.audit_event(ids, self.origin, Person, person.account_id, draft.now))
        draft.put(trail.account_event(ids, topic, person.account_id, draft.now))
        if self.letter is not None:
            draft.put(self.letter.sent(draft.now))
        return Decision(Changed(draft.now), draft.changes)


def changed(person: Person, now: datetime, **fields: object) -> Person:
    """A person after a change of what protects the account."""
    return person.replace(**fields, changed_at=now, updated_at=now, version=person.version + 1)


def with_payment_password(person: Person, new: PaymentPassword, now: datetime) -> Person:
    """A person with another payment password."""
    return changed(person, now, payment_password=new.mac, payment_salt=new.salt, payment_key_id=new.key_id)


class SetPaymentPassword(_OfTheirs, frozen=True):
    """Sets the first payment password. Nothing rests after it: nothing was protected by one before.

    Refused: PasswordAlreadySet; PasswordWrong and PasswordLocked for the login password, which are counted.
    """

    proof: LoginProof
    new: PaymentPassword

    def keys(self, book: Book) -> Iterable[Key]:
        yield Person.key(self.account_id)
        yield self.counter.key

    def decide(self, book: Book) -> Decision[Changed]:
        draft, person = Draft(book), person_of(book, self.account_id)
        if person.payment_password is not None:
            raise PasswordAlreadySet
        refusal = must_show_login_password(draft, self.origin, person, self.proof, self.counter)
        if refusal is not None:
            return Decision(Changed(book.now), draft.changes, refusal)
        person = with_payment_password(person, self.new, book.now).replace(changed_at=person.changed_at)
        return self.done(draft, person, "account.payment_password_changed")


class ChangeLoginPassword(_OfTheirs, frozen=True):
    """Changes the login password, and ends all other sessions; only the device of this one stays known.

    Refused: PasswordWrong and PasswordLocked, which are counted, before the approval is looked at; ApprovalNotFound,
    ApprovalUsed, ApprovalExpired, ApprovalMismatch.
    """

    proof: LoginProof
    approval_id: UUID
    new: str

    def keys(self, book: Book) -> Iterable[Key]:
        yield Person.key(self.account_id)
        yield self.counter.key
        yield from approval_keys(self.approval_id)
        if self.origin.session_id is not None:
            yield Session.key(self.origin.session_id)
        yield Device.key(self.account_id, self.device_id)

    def decide(self, book: Book) -> Decision[Changed]:
        draft, person = Draft(book), person_of(book, self.account_id)
        refusal = must_show_login_password(draft, self.origin, person, self.proof, self.counter)
        if refusal is not None:
            return Decision(Changed(book.now), draft.changes, refusal)
        consume_own(draft, self.approval_id, self.origin, person, Purpose.CHANGE_PASSWORD)
        known = devices.is_known(book, person, self.device_id)
        person = changed(person, book.now, login_password=self.new, session_epoch=person.session_epoch + 1)
        session: Session = book[Session, self.origin.session_id]
        draft.put(session.replace(epoch=person.session_epoch, version=session.version + 1))
        if known:
            devices.make_known(draft, person, self.device_id)
        return self.done(draft, person, "account.password_changed")


class ChangePaymentPassword(_OfTheirs, frozen=True):
    """Changes the payment password.

    Refused: PasswordMissing; PasswordWrong and PasswordLocked, which are counted, before the approval is looked at;
    ApprovalNotFound, ApprovalUsed, ApprovalExpired, ApprovalMismatch.
    """

    proof: PaymentProof
    approval_id: UUID
    new: PaymentPassword

    def keys(self, book: Book) -> Iterable[Key]:
        yield Person.key(self.account_id)
        yield from payment_keys(self.account_id)
        yield from approval_keys(self.approval_id)

    def decide(self, book: Book) -> Decision[Changed]:
        draft, person = Draft(book), person_of(book, self.account_id)
        refusal = must_show_payment_password(draft, self.origin, person, self.proof)
        if refusal is not None:
            return Decision(Changed(book.now), draft.changes, refusal)
        consume_own(draft, self.approval_id, self.origin, person, Purpose.CHANGE_PASSWORD)
        return self.done(draft, with_payment_password(person, self.new, book.now), "account.payment_password_changed")


class ChangePhone(_OfTheirs, frozen=True):
    """Changes the phone number; the old one is free for others, and both are told.

    Refused: PasswordWrong and PasswordLocked, which are counted, before the approvals are looked at; ApprovalNotFound,
    ApprovalUsed, ApprovalExpired, ApprovalMismatch; ApprovalRequired where an authenticator is in force and has not approved
    it, for the code to the new number shows nothing of who asks; PhoneTaken.
    """

    proof: LoginProof
    approval_id: UUID
    """By the code to the new number."""
    factor_approval_id: UUID | None
    """Of a change of factors, by the authenticator in force; None where none is."""
    old_hashes: tuple[bytes, ...]
    """Of the number in force, under every key of the ring."""
    new_hashes: tuple[bytes, ...]
    phone: bytes
    """The new number, sealed in ("person", "phone", account_id)."""
    welcome: Letter
    """What tells the new number."""

    def keys(self, book: Book) -> Iterable[Key]:
        yield Person.key(self.account_id)
        yield self.counter.key
        yield from approval_keys(self.approval_id)
        yield from approval_keys(self.factor_approval_id)
        yield from (PhoneRef.key(each) for each in (*self.old_hashes, *self.new_hashes))

    def decide(self, book: Book) -> Decision[Changed]:
        draft, person = Draft(book), person_of(book, self.account_id)
        refusal = must_show_login_password(draft, self.origin, person, self.proof, self.counter)
        if refusal is not None:
            return Decision(Changed(book.now), draft.changes, refusal)
        bound_to = phone_binding(person.account_id, self.new_hashes[0])
        consume(draft, self.approval_id, self.origin, Purpose.CHANGE_PHONE, bound_to)
        if self.factor_approval_id is not None:
            consume_own(draft, self.factor_approval_id, self.origin, person, Purpose.CHANGE_FACTORS)
        elif person.totp_id is not None:
            raise ApprovalRequired(factors="TOTP")
        if owner_of(book, self.new_hashes) not in (None, person.account_id):
            raise PhoneTaken
        given_up = (each for each in self.old_hashes if _is_theirs(book, each, person.account_id))
        take_number(draft, given_up, None)
        take_number(draft, self.new_hashes, person.account_id)
        draft.put(self.welcome.sent(book.now))
        return self.done(draft, changed(person, book.now, phone=self.phone), "account.phone_changed")


def phone_binding(account_id: UUID, phone_hash: bytes) -> bytes:
    """What an approval to change the phone number is bound to; by the lookup of the new number under the key in force."""
    return binding(Purpose.CHANGE_PHONE, account_id, phone_hash.hex())


def _is_theirs(book: Book, phone_hash: bytes, account_id: UUID) -> bool:
    ref = book.get(PhoneRef, phone_hash)
    return ref is not None and ref.account_id == account_id
