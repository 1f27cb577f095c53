"""Sessions once they are begun: refreshed, and ended one by one or all at once."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec

from danbao_core import trail
from danbao_core.engine import Book, Command, Decision, Key
from danbao_core.errors import TokenInvalid
from danbao_core.people.person import Person, person_of
from danbao_core.people.sessions import REFRESH_LIFETIME, Session
from danbao_core.people_errors import PersonNeeded, RefreshTokenReused, SessionEnded, SessionNotFound

REPEATABLE: Final = timedelta(minutes=1)
"""How long the request that refreshed a session last is answered again, should its answer have been lost."""


class Refreshed(msgspec.Struct, frozen=True):
    """A session after a refresh."""

    session: Session
    repeated: bool
    """Whether the same request had refreshed it before."""


class RefreshSession(Command[Refreshed], frozen=True):
    """Spends a refresh token. One that was spent before ends the session, because two have it; but the request that spent it
    last is answered again within a minute.

    Its origin has no request id: what it answers must not be remembered, so a repeat is known by the session's own row.
    Refused: SessionEnded, RefreshTokenReused (which ends the session).
    """

    result_type = Refreshed
    session_id: UUID
    generation: int
    """Of the token, which is one of ours."""
    request_id: str

    def keys(self, book: Book) -> Iterable[Key]:
        yield Session.key(self.session_id)
        session = book.get(Session, self.session_id)
        if session is not None:
            yield Person.read_key(session.account_id)

    def decide(self, book: Book) -> Decision[Refreshed]:
        session, at = book.get(Session, self.session_id), self.origin.received_at
        person = None if session is None else book.get(Person, session.account_id)
        if session is None or person is None:
            raise SessionEnded
        session.must_go_on(person.session_epoch, at)
        if self.generation > session.generation:
            raise TokenInvalid
        if self.generation < session.generation:
            return self._spent_before(book, session)
        refreshed = session.replace(
            generation=session.generation + 1,
            refresh_request_id=self.request_id,
            refreshed_at=at,
            expires_at=at + REFRESH_LIFETIME,
            version=session.version + 1,
        )
        return Decision(Refreshed(refreshed, repeated=False), [refreshed, self._trace(book)])

    def _spent_before(self, book: Book, session: Session) -> Decision[Refreshed]:
        last = self.generation == session.generation - 1 and self.request_id == session.refresh_request_id
        if last and abs(self.origin.received_at - session.refreshed_at) <= REPEATABLE:  # servers' clocks differ
            return Decision(Refreshed(session, repeated=True))
        ended = session.replace(ended_at=self.origin.received_at, version=session.version + 1)
        return Decision(Refreshed(ended, repeated=False), [ended, self._trace(book)], RefreshTokenReused())

    def _trace(self, book: Book) -> trail.AuditEvent:
        origin = msgspec.structs.replace(self.origin, request_id=self.request_id)
        return trail.audit_event(self.ids(), origin, Session, self.session_id, book.now)


class RevokeSession(Command[Session], frozen=True):
    """Ends one of the caller's sessions; one that is over stays as it is. Refused: SessionNotFound, also for another's."""

    result_type = Session
    session_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield Session.key(self.session_id)

    def decide(self, book: Book) -> Decision[Session]:
        session = book.get(Session, self.session_id)
        if session is None or session.account_id != self.origin.account_id:
            raise SessionNotFound(session=f"sessions/{self.session_id}")
        if session.ended_at is not None:
            return Decision(session)
        ended = session.replace(ended_at=self.origin.received_at, version=session.version + 1)
        return Decision(ended, [ended, trail.audit_event(self.ids(), self.origin, Session, session.id, book.now)])


class Ended(msgspec.Struct, frozen=True):
    """Nothing is left to tell."""


class RevokeAllSessions(Command[Ended], frozen=True):
    """Ends all of the caller's sessions and forgets all devices of theirs. Refused: PersonNeeded."""

    result_type = Ended

    def keys(self, book: Book) -> Iterable[Key]:
        if self.origin.account_id is not None:
            yield Person.key(self.origin.account_id)

    def decide(self, book: Book) -> Decision[Ended]:
        if self.origin.account_id is None:
            raise PersonNeeded
        person = person_of(book, self.origin.account_id)
        ended = person.replace(session_epoch=person.session_epoch + 1, updated_at=book.now, version=person.version + 1)
        ids = self.ids()
        trace = trail.audit_event(ids, self.origin, Person, person.account_id, book.now)
        return Decision(
            Ended(), [ended, trace, trail.account_event(ids, "account.sessions_ended", person.account_id, book.now)]
        )
