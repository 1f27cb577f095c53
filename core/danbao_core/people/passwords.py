"""Payment passwords: six digits that approve payments.

No hash protects one of a million possibilities from who has the database, so what is stored is an HMAC under a server key,
which is not there, over a random salt; and what protects it from guessing is the lock after the third wrong attempt of a day.
"""

import hmac
import os
from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from danbao_core import trail
from danbao_core.engine import Draft, Key, Origin
from danbao_core.errors import Refusal, RetriesExhausted
from danbao_core.ids import IdSequence
from danbao_core.keyring import Key as ServerKey
from danbao_core.keyring import Keyring, SealBroken, Use
from danbao_core.people import attempts
from danbao_core.people.attempts import AttemptKind, Rule, by_account
from danbao_core.people.messages import Letter, letter
from danbao_core.people.person import Person
from danbao_core.people_errors import ApprovalRequired, PasswordLocked, PasswordMissing, PasswordTooCommon, PasswordWrong

RULE: Final = Rule(most=3, lock=timedelta(hours=3))
"""How many wrong passwords of a day lock it, login and payment password apart, and for how long."""

FACTOR: Final = "PAYMENT_PASSWORD"
"""As refusals name it among the proofs that would do."""

_SALT_BYTES: Final = 16


class PaymentPassword(NamedTuple):
    """A payment password as it is stored."""

    mac: bytes
    salt: bytes
    key_id: str


class PaymentProof(msgspec.Struct, frozen=True):
    """A payment password that somebody typed in, hashed like the one that was stored when it was read."""

    mac: bytes
    salt: bytes
    """Of the row that it was hashed after; every password that is set has another. Empty where none was set."""
    credential: bytes
    """A keyed hash of what was typed in, which tells a retry from another guess."""
    letter: Letter | None
    """What to send should it lock; only where it is wrong."""


# --- What handlers do -------------------------------------------------------------------------------------------------------


def new_payment_password(keyring: Keyring, account_id: UUID, pin: str) -> PaymentPassword:
    """A new payment password as it is stored. Raises PasswordTooCommon."""
    if is_common(pin):
        raise PasswordTooCommon
    salt = os.urandom(_SALT_BYTES)
    return PaymentPassword(_mac(keyring.current, account_id, salt, pin), salt, keyring.current.id)


def payment_proof(keyring: Keyring, person: Person, pin: str) -> PaymentProof | None:
    """What a command needs to check the payment password of a person as they are stored; None where none was typed in.

    Raises SealBroken where the key under which it is stored is no longer in the ring.
    """
    if not pin:
        return None
    credential = keyring.current.mac(Use.LOOKUP, "payment-password", person.account_id.bytes, pin)
    if person.payment_salt is None:
        return PaymentProof(b"", b"", credential, None)
    key = keyring.get(person.payment_key_id)
    if key is None:
        raise SealBroken(f"a payment password is hashed under key {person.payment_key_id}, which is not in the ring")
    mac = _mac(key, person.account_id, person.payment_salt, pin)
    right = hmac.compare_digest(mac, person.payment_password or b"")
    return PaymentProof(mac, person.payment_salt, credential, None if right else lock_letter(keyring, person, "payment"))


def lock_letter(keyring: Keyring, person: Person, password: str) -> Letter | None:
    """What tells a person that a password of theirs ("login" or "payment") is locked; None once their number is erased."""
    if person.phone is None:
        return None
    phone = keyring.open(person.phone, "person", "phone", person.account_id)
    return letter(keyring, phone, "password_locked", password=password)


def is_common(pin: str) -> bool:
    """Whether six digits are among those that are tried first: all the same, or counting up or down (0 follows 9)."""
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    return len(steps) == 1 and steps <= {0, 1, 9}


def _mac(key: ServerKey, account_id: UUID, salt: bytes, pin: str) -> bytes:
    return key.mac(Use.PASSWORD, account_id.bytes, salt, pin)


# --- What commands do -------------------------------------------------------------------------------------------------------


def payment_keys(account_id: UUID) -> Iterable[Key]:
    """What a command that asks for the payment password of a person needs beside its own rows."""
    yield Person.read_key(account_id)
    yield attempts.attempts_key(AttemptKind.PAYMENT_PASSWORD, by_account(account_id))


def must_show_payment_password(draft: Draft, origin: Origin, person: Person, proof: PaymentProof | None) -> Refusal | None:
    """Checks the payment password of a person, for a command that names `payment_keys`.

    Right: answers None, and the draft forgets the wrong ones before. Wrong or locked: the attempt is counted into the draft,
    and the answer is the Refusal with which the command is to commit it: `Decision(..., draft.changes, refusal)`, before the
    draft holds anything else. While it is locked a right one is counted and refused like a wrong one, so that nothing tells
    them apart.

    Raises ApprovalRequired where none was shown and PasswordMissing where none is set, which count nothing, and
    RetriesExhausted where it was set anew since it was read.
    """
    if proof is None:
        raise ApprovalRequired(factors=FACTOR)
    if person.payment_salt is None or person.payment_password is None:
        raise PasswordMissing
    if proof.salt != person.payment_salt:
        raise RetriesExhausted
    subject = by_account(person.account_id)
    before = attempts.current(draft, AttemptKind.PAYMENT_PASSWORD, subject)
    if not before.locked(draft.now) and hmac.compare_digest(proof.mac, person.payment_password):
        attempts.clear(draft, AttemptKind.PAYMENT_PASSWORD, subject)
        return None
    counted = attempts.count_once(draft, origin, AttemptKind.PAYMENT_PASSWORD, subject, proof.credential, RULE)
    if counted.just_locked and proof.letter is not None:
        tell_of_lock(draft, origin, person, proof.letter)
    if before.locked(draft.now):
        return locked(before)
    return PasswordWrong(attempts_left=max(0, RULE.most - counted.attempts.count_at(draft.now)))


def tell_of_lock(draft: Draft, origin: Origin, person: Person, told: Letter) -> None:
    """Puts into the draft what tells a person that a password of theirs is locked, and what tells the operators."""
    ids = IdSequence(told.id)
    draft.put(
        told.sent(draft.now),
        trail.audit_event(ids, origin, Person, person.account_id, draft.now, memo="locked"),
        trail.account_event(ids, "account.password_locked", person.account_id, draft.now),
    )


def locked(counter: attempts.Attempts) -> PasswordLocked:
    """The refusal of what is locked; metadata `unlock_time` says until when."""
    return PasswordLocked(unlock_time="" if counter.locked_until is None else counter.locked_until.isoformat())
