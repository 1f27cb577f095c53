"""Who asks, read again in the very commit that they ask for: a revoked key or an ended session changes nothing from then on."""

from collections.abc import Iterable

from danbao_core.engine import Book, Key, Origin
from danbao_core.errors import TokenInvalid
from danbao_core.people.person import Person
from danbao_core.people.sessions import Session
from danbao_core.people_errors import SessionEnded
from danbao_core.service_keys import ServiceKey


class CallerGuard:
    """Reads the caller's key, or session and person, with every command of theirs."""

    def keys(self, origin: Origin) -> Iterable[Key]:
        """What shows that the caller may still ask; nothing for the system itself, and for calls that need no token."""
        if origin.key_id is not None:
            yield ServiceKey.read_key(origin.key_id)
        elif origin.session_id is not None and origin.account_id is not None:
            yield Session.read_key(origin.session_id)
            yield Person.read_key(origin.account_id)

    def check(self, origin: Origin, book: Book) -> None:
        """Raises TokenInvalid, KeyRevoked or SessionEnded."""
        if origin.key_id is not None:
            key = book.get(ServiceKey, origin.key_id)
            if key is None:
                raise TokenInvalid
            key.must_accept(origin.secret_hash, origin.received_at)
        elif origin.session_id is not None and origin.account_id is not None:
            session, person = book.get(Session, origin.session_id), book.get(Person, origin.account_id)
            if session is None or person is None or session.account_id != origin.account_id:
                raise SessionEnded
            session.must_go_on(person.session_epoch, origin.received_at)
