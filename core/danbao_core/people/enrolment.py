"""Enrolling, confirming and removing an authenticator, and making recovery codes."""

from collections.abc import Iterable
from uuid import UUID

from danbao_core import trail
from danbao_core.engine import Book, Command, Decision, Draft, Key, Origin
from danbao_core.ids import IdSequence
from danbao_core.people.answering import CodeShown
from danbao_core.people.asking import WRONG_CODES, guesses_by, must_not_be_locked
from danbao_core.people.attempts import AttemptKind, attempts_key, count_once
from danbao_core.people.challenges import FactorKind, Purpose, approval_keys, consume_own
from danbao_core.people.factors import Factor, FactorState, RecoveryCode
from danbao_core.people.messages import Letter
from danbao_core.people.person import Person, person_of
from danbao_core.people_errors import (
    ApprovalRequired,
    CodeWrong,
    FactorMissing,
    FactorNotFound,
    FactorNotPending,
    PersonNeeded,
)


def owner_of(origin: Origin) -> UUID:
    """Whose factors a caller changes. Raises PersonNeeded for who calls in no session."""
    if origin.session_id is None or origin.account_id is None:
        raise PersonNeeded
    return origin.account_id


class EnrollTotp(Command[Factor], frozen=True):
    """Makes an authenticator, pending until a code of it was seen.

    Refused: PersonNeeded, PersonNotFound, ApprovalRequired where there is one in force and no approval was shown, and what
    `challenges.consume` raises.
    """

    result_type = Factor
    sealed_secret: bytes
    """Sealed in ("factor", "secret", the command's id), which is the factor's."""
    label: str
    approval_id: UUID | None

    def keys(self, book: Book) -> Iterable[Key]:
        yield Person.read_key(owner_of(self.origin))
        yield from approval_keys(self.approval_id)

    def decide(self, book: Book) -> Decision[Factor]:
        account_id, draft, ids = owner_of(self.origin), Draft(book), self.ids()
        person = person_of(book, account_id)
        if self.approval_id is not None:
            consume_own(draft, self.approval_id, self.origin, person, Purpose.CHANGE_FACTORS)
        elif person.totp_id is not None:
            raise ApprovalRequired(factors="TOTP")
        factor = Factor(
            id=ids.take(),
            account_id=account_id,
            kind=FactorKind.TOTP,
            state=FactorState.PENDING,
            secret=self.sealed_secret,
            label=self.label,
            last_step=0,
            recovery_generation=0,
            created_at=book.now,
            updated_at=book.now,
            version=1,
        )
        draft.put(factor, trail.audit_event(ids, self.origin, Factor, factor.id, book.now))
        kept = factor.replace(secret=None)  # a repeat is answered from what is stored, which holds no secret
        return Decision(kept, draft.changes)


class ConfirmTotp(Command[Factor], frozen=True):
    """Puts a pending authenticator in force, once it has shown a code, in place of the one before.

    In its place only comes what was enrolled since the person's factors, phone or passwords last changed, and so with an
    approval by it; earlier, when none was in force, none was asked for.

    Refused: PersonNeeded, FactorNotFound, FactorNotPending, ApprovalRequired for what was enrolled earlier, FactorLocked, and
    CodeWrong, which is counted.
    """

    result_type = Factor
    factor_id: UUID
    shown: CodeShown
    letter: Letter | None
    """What tells the person; None where there is no channel."""

    def keys(self, book: Book) -> Iterable[Key]:
        account_id = owner_of(self.origin)
        yield Factor.key(self.factor_id)
        yield Person.key(account_id)
        yield attempts_key(AttemptKind.CODE, guesses_by(account_id))
        person = book.get(Person, account_id)
        if person is not None and person.totp_id is not None:
            yield Factor.key(person.totp_id)

    def decide(self, book: Book) -> Decision[Factor]:
        account_id, draft, ids = owner_of(self.origin), Draft(book), self.ids()
        factor = _factor_of(book, self.factor_id, account_id)
        if factor.state is not FactorState.PENDING:
            raise FactorNotPending(factor=factor.name)
        person = person_of(book, account_id)
        if person.totp_id is not None and person.changed_at is not None and factor.created_at <= person.changed_at:
            raise ApprovalRequired(factors="TOTP")
        guesses = guesses_by(account_id)
        must_not_be_locked(draft, guesses)
        if self.shown.step is None or self.shown.factor_id != factor.id:
            count_once(draft, self.origin, AttemptKind.CODE, guesses, self.shown.credential, WRONG_CODES)
            return Decision(factor.replace(secret=None), draft.changes, CodeWrong())
        if person.totp_id is not None:
            _remove(draft, ids, self.origin, person.totp_id)
        active = factor.replace(
            state=FactorState.ACTIVE, last_step=self.shown.step, updated_at=book.now, version=factor.version + 1
        )
        draft.put(active, trail.audit_event(ids, self.origin, Factor, factor.id, book.now))
        draft.put(trail.account_event(ids, "account.factor_enrolled", person.account_id, book.now))
        _changed(draft, person, factor.id, self.letter)
        return Decision(active.replace(secret=None), draft.changes)


class RemoveFactor(Command[Factor], frozen=True):
    """Removes an authenticator, and with it its recovery codes; withdrawals and new payees then rest for 24 hours.

    Refused: PersonNeeded, FactorNotFound, and what `challenges.consume` raises.
    """

    result_type = Factor
    factor_id: UUID
    approval_id: UUID
    letter: Letter | None

    def keys(self, book: Book) -> Iterable[Key]:
        yield Factor.key(self.factor_id)
        yield Person.key(owner_of(self.origin))
        yield from approval_keys(self.approval_id)

    def decide(self, book: Book) -> Decision[Factor]:
        account_id, draft, ids = owner_of(self.origin), Draft(book), self.ids()
        factor = _factor_of(book, self.factor_id, account_id)
        if factor.state is FactorState.REMOVED:
            raise FactorNotFound(factor=factor.name)
        person = person_of(book, account_id)
        consume_own(draft, self.approval_id, self.origin, person, Purpose.CHANGE_FACTORS)
        removed = _remove(draft, ids, self.origin, factor.id)
        if person.totp_id == factor.id:
            _changed(draft, person, None, self.letter)
        return Decision(removed, draft.changes)


class CreateRecoveryCodes(Command[Factor], frozen=True):
    """Makes recovery codes for the authenticator in force; those made before stop working. Answers the authenticator.

    Refused: PersonNeeded, FactorMissing, ApprovalRequired where the approval is by SMS, and what `challenges.consume` raises.
    """

    result_type = Factor
    factor_id: UUID
    """For which the hashes were made."""
    code_hashes: tuple[bytes, ...]
    approval_id: UUID
    letter: Letter | None

    def keys(self, book: Book) -> Iterable[Key]:
        yield Person.read_key(owner_of(self.origin))
        yield Factor.key(self.factor_id)
        yield from approval_keys(self.approval_id)

    def decide(self, book: Book) -> Decision[Factor]:
        account_id, draft = owner_of(self.origin), Draft(book)
        person = person_of(book, account_id)
        if person.totp_id != self.factor_id:
            raise FactorMissing(factor=FactorKind.TOTP.name)
        factor = _factor_of(book, self.factor_id, account_id)
        consume_own(draft, self.approval_id, self.origin, person, Purpose.CHANGE_FACTORS)
        generation = factor.recovery_generation + 1
        made = factor.replace(recovery_generation=generation, updated_at=book.now, version=factor.version + 1)
        ids = self.ids()
        draft.put(made, trail.audit_event(ids, self.origin, Factor, factor.id, book.now))
        draft.put(trail.account_event(ids, "account.recovery_codes_created", account_id, book.now))
        draft.put(*(RecoveryCode(factor.id, each, generation, None, book.now, 1) for each in self.code_hashes))
        if self.letter is not None:
            draft.put(self.letter.sent(book.now))
        return Decision(made.replace(secret=None), draft.changes)


def _factor_of(book: Book, factor_id: UUID, account_id: UUID) -> Factor:
    factor = book.get(Factor, factor_id)
    if factor is None or factor.account_id != account_id:
        raise FactorNotFound(factor=f"factors/{factor_id}")
    return factor


def remove_all(draft: Draft, ids: IdSequence, origin: Origin, person: Person, letter: Letter | None, why: str) -> None:
    """Takes the authenticator of a person out of force, whom its loss keeps out."""
    if person.totp_id is not None:
        _remove(draft, ids, origin, person.totp_id, why)
    _changed(draft, person, None, letter)


def _remove(draft: Draft, ids: IdSequence, origin: Origin, factor_id: UUID, why: str = "") -> Factor:
    factor = draft.get(Factor, factor_id)
    if factor is None:
        raise FactorNotFound(factor=f"factors/{factor_id}")
    removed = factor.replace(state=FactorState.REMOVED, secret=None, updated_at=draft.now, version=factor.version + 1)
    draft.put(removed, trail.audit_event(ids, origin, Factor, factor.id, draft.now, why))
    draft.put(trail.account_event(ids, "account.factor_removed", factor.account_id, draft.now))
    return removed


def _changed(draft: Draft, person: Person, totp_id: UUID | None, letter: Letter | None) -> None:
    """What follows a change of factors: it is told, and what would empty the account at once rests."""
    now = draft.now
    draft.put(person.replace(totp_id=totp_id, changed_at=now, updated_at=now, version=person.version + 1))
    if letter is not None:
        draft.put(letter.sent(now))
