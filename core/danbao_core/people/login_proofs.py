"""Login passwords in decisions: who logs in, or changes what protects them, has typed one in.

The handler has verified it, off the loop, against what was stored when it looked; the decision counts it. Counters are by the
number, whether or not anybody has registered it, so that no answer tells; but by account and device on a device that the
account knows, so that strangers who guess lock only each other out.
"""

from typing import NamedTuple
from uuid import UUID

import msgspec

from danbao_core.engine import Draft, Key, Origin
from danbao_core.errors import Refusal, RetriesExhausted
from danbao_core.people import attempts
from danbao_core.people.attempts import AttemptKind, attempts_key, by_account
from danbao_core.people.messages import Letter
from danbao_core.people.passwords import RULE, locked, tell_of_lock
from danbao_core.people.person import Person
from danbao_core.people_errors import PasswordWrong


class LoginProof(msgspec.Struct, frozen=True):
    """A login password that somebody typed in, and what became of it."""

    right: bool
    stored: str
    """What it was verified against; empty where nobody has the number."""
    credential: bytes
    """A keyed hash of what was typed in, which tells a retry from another guess."""
    letter: Letter | None
    """What to send should it lock; None where nobody has the number."""


class Counter(NamedTuple):
    """By what wrong ones are counted."""

    kind: AttemptKind
    subject: bytes

    @property
    def key(self) -> Key:
        """The row, for commands that check a login password."""
        return attempts_key(*self)


def device_counter(account_id: UUID, device_id: str, epoch: int) -> Counter:
    """By what wrong ones are counted on a device that the account knows. What ends all sessions ends its lock, too: the account
    does not know the device any more."""
    return Counter(AttemptKind.LOGIN_ON_DEVICE, by_account(account_id, f"{device_id}:{epoch}"))


def must_show_login_password(
    draft: Draft, origin: Origin, person: Person | None, proof: LoginProof, counter: Counter
) -> Refusal | None:
    """Checks the login password of a person, or of nobody, for a command that names the person and the counter.

    Right: answers None, and the draft forgets the wrong ones before. Wrong or locked: the attempt is counted into the draft,
    and the answer is the Refusal with which the command is to commit it, before the draft holds anything else; it never says
    how many are left. While it is locked a right one is counted and refused like a wrong one.

    Raises RetriesExhausted where another password was set since it was verified.
    """
    if proof.stored != ("" if person is None else person.login_password):
        raise RetriesExhausted
    before = attempts.current(draft, *counter)
    if proof.right and not before.locked(draft.now):
        attempts.clear(draft, *counter)
        return None
    counted = attempts.count_once(draft, origin, *counter, proof.credential, RULE)
    if counted.just_locked and person is not None and proof.letter is not None:
        tell_of_lock(draft, origin, person, proof.letter)
    return locked(before) if before.locked(draft.now) else PasswordWrong()
