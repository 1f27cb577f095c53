"""Asking for a challenge in a session."""

from collections.abc import Iterable
from typing import NamedTuple

from danbao_core import trail
from danbao_core.engine import Book, Command, Decision, Draft, Key
from danbao_core.money import Money
from danbao_core.people.asking import SmsCode, ask, asking_keys
from danbao_core.people.challenges import Challenge, FactorKind, Purpose
from danbao_core.people.enrolment import owner_of
from danbao_core.people.person import person_of


class Approvable(NamedTuple):
    """What a challenge is to approve."""

    purpose: Purpose
    bound_to: bytes
    subject: str = ""
    """Its resource name; empty where it is about the person."""
    amount: Money | None = None


class CreateChallenge(Command[Challenge], frozen=True):
    """Asks for a challenge; its id is the command's. The answer has no hash of the code.

    Refused: PersonNeeded, PersonNotFound, FactorMissing, FactorLocked, TooManyCodes, and what `approvable` raises.
    """

    result_type = Challenge
    factor: FactorKind
    device_id: str
    """The session's."""
    sms: SmsCode | None
    """The code to be sent; None for an authenticator's."""

    def approvable(self, book: Book) -> Approvable:
        raise NotImplementedError

    def keys(self, book: Book) -> Iterable[Key]:
        yield from asking_keys(owner_of(self.origin), self.sms)

    def decide(self, book: Book) -> Decision[Challenge]:
        account_id, draft = owner_of(self.origin), Draft(book)
        person_of(book, account_id)
        wanted = self.approvable(book)
        challenge = ask(
            draft,
            self.id,
            self.origin,
            wanted.purpose,
            self.factor,
            account_id=account_id,
            device_id=self.device_id,
            subject=wanted.subject,
            amount=wanted.amount,
            bound_to=wanted.bound_to,
            sms=self.sms,
        )
        draft.put(trail.audit_event(self.ids(), self.origin, Challenge, challenge.id, book.now))
        return Decision(challenge.replace(code_hash=None), draft.changes)


class AskForChange(CreateChallenge, frozen=True):
    """Asks to approve a change of the person's own passwords, phone or factors."""

    purpose: Purpose
    bound_to: bytes

    def approvable(self, book: Book) -> Approvable:
        return Approvable(self.purpose, self.bound_to)
