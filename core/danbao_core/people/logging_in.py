"""Logging in: a password, and on a device that the account does not know something that the person has."""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from danbao_core import trail
from danbao_core.engine import Book, Command, Decision, Draft, Key
from danbao_core.errors import RetriesExhausted
from danbao_core.people import devices
from danbao_core.people.asking import SmsCode, ask, asking_keys
from danbao_core.people.attempts import AttemptKind
from danbao_core.people.challenges import Challenge, FactorKind, Purpose, approval_keys, binding, consume
from danbao_core.people.devices import Device
from danbao_core.people.login_proofs import Counter, LoginProof, device_counter, must_show_login_password
from danbao_core.people.messages import Letter
from danbao_core.people.person import Person, PhoneRef, person_of
from danbao_core.people.registering import owner_of, without_secrets
from danbao_core.people.sessions import Session, new_session


class Outcome(msgspec.Struct, frozen=True):
    """What a login led to: one of both, or neither where it is refused."""

    session: Session | None = None
    challenge: Challenge | None = None


class LogIn(Command[Outcome], frozen=True):
    """Begins a session, or asks for a second factor: on a device that the account does not know, and where one is enrolled.

    Refused: PasswordWrong and PasswordLocked, for a number that nobody has, too, which are counted; FactorMissing, FactorLocked
    and TooManyCodes where a challenge is asked for; RetriesExhausted where account, password or device changed since the
    handler looked.
    """

    result_type = Outcome
    phone_hashes: tuple[bytes, ...]
    """Under every key of the ring, that in force first."""
    account_id: UUID | None
    """Whose the number is; None for nobody's."""
    device_id: str
    device_known: bool
    epoch: int
    """The person's."""
    proof: LoginProof
    factor: FactorKind | None
    """With which factor the person would rather answer a challenge."""
    sms: SmsCode | None
    """What to send where that is by SMS; None where nobody has the number."""

    @property
    def counter(self) -> Counter:
        """By what wrong ones are counted."""
        if self.device_known and self.account_id is not None:
            return device_counter(self.account_id, self.device_id, self.epoch)
        return Counter(AttemptKind.LOGIN, self.phone_hashes[0])

    @property
    def guesses(self) -> bytes:
        """By what wrong codes are counted: by the device as well where the account knows it, else by the number."""
        return self.counter.subject

    def keys(self, book: Book) -> Iterable[Key]:
        yield from (PhoneRef.read_key(each) for each in self.phone_hashes)
        yield self.counter.key
        if self.account_id is not None:
            yield Person.shared_key(self.account_id)  # so that nobody is erased, or ends all sessions, meanwhile
            yield Device.read_key(self.account_id, self.device_id)
            yield from asking_keys(self.account_id, self.sms, self.guesses)

    def decide(self, book: Book) -> Decision[Outcome]:
        draft = Draft(book)
        if owner_of(book, self.phone_hashes) != self.account_id:
            raise RetriesExhausted
        person = None if self.account_id is None else person_of(book, self.account_id)
        if person is not None and (person.session_epoch, devices.is_known(book, person, self.device_id)) != (
            self.epoch,
            self.device_known,
        ):
            raise RetriesExhausted
        refusal = must_show_login_password(draft, self.origin, person, self.proof, self.counter)
        if refusal is not None or person is None:
            return Decision(Outcome(), draft.changes, refusal)
        if not self.device_known or person.totp_id is not None:
            outcome = Outcome(challenge=self._asked(draft, person))
        else:
            session = new_session(self.id, person, self.device_id, self.origin.received_at)
            draft.put(session)
            outcome = Outcome(session=session)
        draft.put(trail.audit_event(self.ids(), self.origin, Person, person.account_id, draft.now))
        return Decision(outcome, draft.changes)

    def _asked(self, draft: Draft, person: Person) -> Challenge:
        # An authenticator in force is what answers: a number may have got into others' hands.
        factor = FactorKind.TOTP if person.totp_id is not None else self.factor or FactorKind.SMS
        challenge = ask(
            draft,
            self.id,
            self.origin,
            Purpose.LOGIN,
            factor,
            account_id=person.account_id,
            device_id=self.device_id,
            bound_to=_login_binding(person, self.device_id),
            sms=self.sms if factor is FactorKind.SMS else None,
            counted_by=self.guesses,
        )
        return without_secrets(challenge)


class CompleteLogin(Command[Session], frozen=True):
    """Begins the session of an approved login, on a device that the account knows from then on. Where it did not, the person is
    told, and withdrawals and new payees rest, as after every change of what protects the account.

    Refused: ApprovalNotFound, ApprovalUsed, ApprovalExpired, ApprovalMismatch.
    """

    result_type = Session
    approval_id: UUID
    account_id: UUID
    """Whose approval it was when the handler looked."""
    device_id: str
    letter: Letter | None
    """What to send where the device was not known; None once the number is erased."""

    def keys(self, book: Book) -> Iterable[Key]:
        yield from approval_keys(self.approval_id)
        yield Person.key(self.account_id)
        yield Device.key(self.account_id, self.device_id)

    def decide(self, book: Book) -> Decision[Session]:
        draft, person = Draft(book), person_of(book, self.account_id)
        consume(draft, self.approval_id, self.origin, Purpose.LOGIN, _login_binding(person, self.device_id))
        ids = self.ids()
        session = new_session(ids.take(), person, self.device_id, self.origin.received_at)
        if not devices.is_known(book, person, self.device_id):
            devices.make_known(draft, person, self.device_id)
            draft.put(person.replace(changed_at=book.now, updated_at=book.now, version=person.version + 1))
            draft.put(trail.account_event(ids, "account.device_added", person.account_id, book.now))
            if self.letter is not None:
                draft.put(self.letter.sent(book.now))
        draft.put(session, trail.audit_event(ids, self.origin, Session, session.id, book.now))
        return Decision(session, draft.changes)


def _login_binding(person: Person, device_id: str) -> bytes:
    """What the approval of a login is bound to: one that was given before all sessions were ended begins none."""
    return binding(Purpose.LOGIN, person.account_id, person.session_epoch, device_id)
