"""Setting a password anew without the old one: by a second factor, and by the number of the document that was verified."""

import hmac
from collections.abc import Iterable
from uuid import UUID

from danbao_core import trail
from danbao_core.engine import Book, Command, Decision, Draft, Key
from danbao_core.errors import RetriesExhausted
from danbao_core.people import attempts
from danbao_core.people.asking import SmsCode, ask, asking_keys
from danbao_core.people.attempts import AttemptKind, attempts_key, by_account
from danbao_core.people.challenges import Challenge, FactorKind, Purpose, approval_keys, binding, consume
from danbao_core.people.changing import Changed, changed, with_payment_password
from danbao_core.people.login_proofs import Counter
from danbao_core.people.messages import Letter
from danbao_core.people.passwords import RULE, PaymentPassword, locked, tell_of_lock
from danbao_core.people.person import Person, PhoneRef, person_of
from danbao_core.people.registering import owner_of, without_secrets
from danbao_core.people_errors import IdentityMismatch


class StartReset(Command[Challenge], frozen=True):
    """Asks for a challenge to set a password anew. For a number that nobody has it is one that no code answers, and nothing is
    sent.

    Refused: TooManyCodes, FactorLocked; RetriesExhausted where account or factors changed since the handler looked.
    """

    result_type = Challenge
    phone_hashes: tuple[bytes, ...]
    """Under every key of the ring, that in force first."""
    account_id: UUID | None
    """Whose the number is; None for nobody's."""
    factor: FactorKind
    sms: SmsCode | None
    """What to send; None for TOTP."""

    def keys(self, book: Book) -> Iterable[Key]:
        yield from (PhoneRef.read_key(each) for each in self.phone_hashes)
        yield from asking_keys(self.account_id, self.sms, self.phone_hashes[0])

    def decide(self, book: Book) -> Decision[Challenge]:
        draft = Draft(book)
        if owner_of(book, self.phone_hashes) != self.account_id:
            raise RetriesExhausted
        challenge = ask(
            draft,
            self.id,
            self.origin,
            Purpose.RESET_PASSWORD,
            self.factor,
            account_id=self.account_id,
            bound_to=_reset_binding(self.account_id, self.phone_hashes[0]),
            sms=self.sms,
            counted_by=self.phone_hashes[0],
            deliver=self.account_id is not None,
        )
        draft.put(trail.audit_event(self.ids(), self.origin, Challenge, challenge.id, draft.now))
        return Decision(without_secrets(challenge), draft.changes)


class ResetPassword(Command[Changed], frozen=True):
    """Sets a password anew, which unlocks it; ends all sessions and forgets all devices.

    Refused: PasswordLocked; IdentityMismatch, which is counted like a wrong password, the payment and the login password alike;
    ApprovalNotFound, ApprovalUsed, ApprovalExpired, ApprovalMismatch.
    """

    result_type = Changed
    account_id: UUID
    """Whose approval it was when the handler looked."""
    approval_id: UUID
    new: str | PaymentPassword
    """The login password as it is stored, or the payment password."""
    number_hashes: tuple[bytes, ...]
    """Of the number that was typed in, under every key of the ring; none where it was left empty."""
    credential: bytes
    """A keyed hash of it, which tells a retry from another guess."""
    phone_hash: bytes
    """The lookup of the person's number, by which logins are counted."""
    letter: Letter | None
    """What tells the person; None once their number is erased."""
    lock_letter: Letter | None
    """What to send should it lock."""

    @property
    def counter(self) -> Counter:
        """By what wrong numbers are counted: by account, as on no device."""
        return Counter(AttemptKind.LOGIN_ON_DEVICE, by_account(self.account_id))

    def keys(self, book: Book) -> Iterable[Key]:
        yield Person.key(self.account_id)
        yield from approval_keys(self.approval_id)
        yield self.counter.key
        yield attempts_key(*self._unlocked)

    @property
    def _unlocked(self) -> tuple[AttemptKind, bytes]:
        if isinstance(self.new, str):
            return AttemptKind.LOGIN, self.phone_hash
        return AttemptKind.PAYMENT_PASSWORD, by_account(self.account_id)

    def decide(self, book: Book) -> Decision[Changed]:
        draft, person = Draft(book), person_of(book, self.account_id)
        bound_to = _reset_binding(self.account_id, self.phone_hash)
        consume(draft, self.approval_id, self.origin, Purpose.RESET_PASSWORD, bound_to)
        before = attempts.current(draft, *self.counter)
        if before.locked(draft.now) or not self._is_theirs(person):
            return self._counted(Draft(book), person)  # without the approval's use: it is good for another try
        attempts.clear(draft, *self.counter)
        attempts.clear(draft, *self._unlocked)
        person = (
            changed(person, draft.now, login_password=self.new)
            if isinstance(self.new, str)
            else with_payment_password(person, self.new, draft.now)
        )
        draft.put(person.replace(session_epoch=person.session_epoch + 1))
        ids, what = self.ids(), "password_changed" if isinstance(self.new, str) else "payment_password_changed"
        draft.put(trail.audit_event(ids, self.origin, Person, person.account_id, draft.now))
        draft.put(trail.account_event(ids, f"account.{what}", person.account_id, draft.now))
        if self.letter is not None:
            draft.put(self.letter.sent(draft.now))
        return Decision(Changed(draft.now), draft.changes)

    def _is_theirs(self, person: Person) -> bool:
        if person.number_hash is None:
            return not self.number_hashes
        return any(hmac.compare_digest(person.number_hash, each) for each in self.number_hashes)

    def _counted(self, draft: Draft, person: Person) -> Decision[Changed]:
        before = attempts.current(draft, *self.counter)
        counted = attempts.count_once(draft, self.origin, *self.counter, self.credential, RULE)
        if counted.just_locked and self.lock_letter is not None:
            tell_of_lock(draft, self.origin, person, self.lock_letter)
        refusal = locked(before) if before.locked(draft.now) else IdentityMismatch()
        return Decision(Changed(draft.now), draft.changes, refusal)


def _reset_binding(account_id: UUID | None, phone_hash: bytes) -> bytes:
    """What an approval to set a password anew is bound to: it is of no use once the person has another number."""
    return binding(Purpose.RESET_PASSWORD, account_id, phone_hash.hex())
