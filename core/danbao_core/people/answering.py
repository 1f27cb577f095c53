"""Answering a challenge: a code that is right becomes an approval, one that is wrong is counted."""

import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from danbao_core import trail
from danbao_core.engine import Book, Command, Decision, Draft, Key
from danbao_core.engine.reads import fetch_row
from danbao_core.errors import Refusal
from danbao_core.keyring import Keyring, Use
from danbao_core.people.asking import WRONG_CODES, NewestCode, must_not_be_locked, sms_hashes
from danbao_core.people.attempts import Attempt, AttemptKind, attempts_key, count_once, counted_as
from danbao_core.people.challenges import LIFETIME, MOST_TRIES, Approval, Challenge, FactorKind
from danbao_core.people.factors import Factor, FactorState, RecoveryCode, is_recovery_code, matching_step, recovery_hashes
from danbao_core.people.person import Person
from danbao_core.people_errors import ChallengeNotFound, CodeExpired, CodeWrong

if TYPE_CHECKING:
    import asyncpg


class CodeShown(msgspec.Struct, frozen=True):
    """A code that somebody typed in, as a decision can compare it with what is stored."""

    credential: bytes
    """A keyed hash of the code, which tells a retry from another guess."""
    sms: dict[str, bytes]
    """What it is stored as where it is the code of an SMS, by the key under which that may be."""
    factor_id: UUID | None = None
    """The authenticator for which the rest was computed: the one in force when the challenge was read."""
    step: int | None = None
    """The time step whose code it is; None where it is of none about now."""
    recovery: tuple[bytes, ...] = ()
    """What it may be stored as where it is a recovery code."""


async def code_shown(
    pool: "asyncpg.Pool[Any]", keyring: Keyring, challenge_id: UUID, code: str, at: datetime
) -> tuple[Challenge, CodeShown]:
    """A challenge, and what of a code typed in at a wall time may answer it. Raises ChallengeNotFound and SealBroken."""
    challenge = await fetch_row(pool, Challenge, challenge_id)
    if challenge is None:
        raise ChallengeNotFound(challenge=f"challenges/{challenge_id}")
    factor = None
    if challenge.factor is FactorKind.TOTP and challenge.account_id is not None:
        person = await fetch_row(pool, Person, challenge.account_id)
        factor = None if person is None or person.totp_id is None else await fetch_row(pool, Factor, person.totp_id)
    return challenge, code_for(keyring, challenge_id, factor, code, at)


def code_for(keyring: Keyring, challenge_id: UUID, factor: Factor | None, code: str, at: datetime) -> CodeShown:
    """What of a code may answer a challenge, or for a factor's own id confirm it. Raises SealBroken."""
    credential = keyring.current.mac(Use.LOOKUP, "code", challenge_id.bytes, code)
    sms = sms_hashes(keyring, challenge_id, code)
    if factor is None or factor.secret is None:
        return CodeShown(credential, sms)
    if is_recovery_code(code):
        return CodeShown(credential, sms, factor.id, recovery=tuple(recovery_hashes(keyring, factor.id, code)))
    secret = keyring.open(factor.secret, "factor", "secret", factor.id)
    return CodeShown(credential, sms, factor.id, step=matching_step(secret, code, at))


class AnswerChallenge(Command[Approval], frozen=True):
    """Answers a challenge.

    Refused: ChallengeNotFound, FactorLocked (`unlock_time`), CodeExpired, and CodeWrong (`attempts_left`), which is counted,
    but not again for the same request with the same code. A right code does not make wrong ones forgotten: who has one factor
    of somebody's would else have as many guesses at another as they like.
    """

    result_type = Approval
    challenge_id: UUID
    shown: CodeShown

    def keys(self, book: Book) -> Iterable[Key]:
        yield Challenge.key(self.challenge_id)
        challenge = book.get(Challenge, self.challenge_id)
        if challenge is None:
            return
        yield attempts_key(AttemptKind.CODE, challenge.guesses_by)
        if challenge.sent_by:
            yield NewestCode.read_key(challenge.sent_by)
        if challenge.factor is FactorKind.TOTP and challenge.account_id is not None:
            yield Person.read_key(challenge.account_id)
            if self.origin.request_id:
                yield Attempt.read_key(counted_as(AttemptKind.CODE, challenge.guesses_by), self.origin.request_id)
            if self.shown.factor_id is not None:
                yield Factor.key(self.shown.factor_id)
                yield from (RecoveryCode.key(self.shown.factor_id, code_hash) for code_hash in self.shown.recovery)

    def decide(self, book: Book) -> Decision[Approval]:
        challenge, draft = self._challenge(book), Draft(book)
        must_not_be_locked(draft, challenge.guesses_by)
        if not _is_open(book, challenge):
            raise CodeExpired(challenge=challenge.name)
        factor = self._accepted(draft, challenge)
        approval = Approval(
            id=challenge.id,
            purpose=challenge.purpose,
            factor=factor or challenge.factor,
            account_id=challenge.account_id,
            session_id=challenge.session_id,
            device_id=challenge.device_id,
            binding=challenge.binding,
            created_at=book.now,
            expires_at=book.now + LIFETIME,
            used_at=None,
            version=1,
        )
        if factor is None:
            return Decision(approval, *self._counted(draft, challenge))
        draft.put(
            challenge.replace(answered_at=book.now, version=challenge.version + 1),
            approval,
            trail.audit_event(self.ids(), self.origin, Challenge, challenge.id, book.now),
        )
        return Decision(approval, draft.changes)

    def _challenge(self, book: Book) -> Challenge:
        """The challenge, for the session that asked for it or, where none did, for who shows no token."""
        challenge = book.get(Challenge, self.challenge_id)
        asked = challenge is not None and challenge.session_id == self.origin.session_id
        if challenge is None or not asked or (challenge.session_id is None and not self.origin.public):
            raise ChallengeNotFound(challenge=f"challenges/{self.challenge_id}")
        return challenge

    def _accepted(self, draft: Draft, challenge: Challenge) -> FactorKind | None:
        """By which factor the code is right, which is used up in the draft; None where it is wrong."""
        if challenge.factor in (FactorKind.SMS, FactorKind.EMAIL):
            shown = self.shown.sms.get(challenge.code_key_id, b"")
            right = challenge.code_hash is not None and hmac.compare_digest(shown, challenge.code_hash)
            return challenge.factor if right else None
        person = None if challenge.account_id is None else draft.get(Person, challenge.account_id)
        if person is None or person.totp_id is None or person.totp_id != self.shown.factor_id:
            return None
        if self.origin.request_id:
            place = counted_as(AttemptKind.CODE, challenge.guesses_by)
            before = draft.get(Attempt, place, self.origin.request_id)
            if before is not None and hmac.compare_digest(before.credential, self.shown.credential):
                return None  # a repeat is not counted, so it is no guess at the codes of later steps either
        return accept_code(draft, person.totp_id, self.shown)

    def _counted(self, draft: Draft, challenge: Challenge) -> tuple[list[Any], Refusal]:
        """What a wrong code changes, and the refusal."""
        before = len(draft.changes)
        count_once(draft, self.origin, AttemptKind.CODE, challenge.guesses_by, self.shown.credential, WRONG_CODES)
        tries = challenge.tries
        if len(draft.changes) > before:
            tries += 1
            draft.put(challenge.replace(tries=tries, version=challenge.version + 1))
            draft.put(trail.audit_event(self.ids(), self.origin, Challenge, challenge.id, draft.now, "wrong code"))
        return draft.changes, CodeWrong(attempts_left=max(0, MOST_TRIES - tries))


def accept_code(draft: Draft, factor_id: UUID, shown: CodeShown) -> FactorKind | None:
    """Uses up the TOTP or recovery code of an authenticator in force; None where it is wrong, or was used before."""
    factor = draft.get(Factor, factor_id)
    if factor is None or factor.state is not FactorState.ACTIVE:
        return None
    if shown.step is not None and shown.step > factor.last_step:
        draft.put(factor.replace(last_step=shown.step, updated_at=draft.now, version=factor.version + 1))
        return FactorKind.TOTP
    for code_hash in shown.recovery:
        code = draft.get(RecoveryCode, factor_id, code_hash)
        if code is not None and code.used_at is None and code.generation == factor.recovery_generation:
            draft.put(code.replace(used_at=draft.now, version=code.version + 1))
            return FactorKind.RECOVERY_CODE
    return None


def _is_open(book: Book, challenge: Challenge) -> bool:
    """Whether a challenge can still be answered: in time, not answered, tries left, and its code the newest."""
    if challenge.answered_at is not None or book.now >= challenge.expires_at or challenge.tries >= MOST_TRIES:
        return False
    newest = book.get(NewestCode, challenge.sent_by) if challenge.sent_by else None
    return newest is None or newest.challenge_id == challenge.id
