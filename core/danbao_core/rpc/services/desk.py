"""What handlers do for people before a decision is made: whose a number is, and all that takes keys, chance or Argon2."""

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from danbao_core.engine import Engine, Origin
from danbao_core.engine.reads import fetch_row
from danbao_core.keyring import Keyring, Use
from danbao_core.people import passwords
from danbao_core.people.login_passwords import LoginPasswords
from danbao_core.people.login_proofs import LoginProof
from danbao_core.people.messages import Letter, letter
from danbao_core.people.person import Person, PhoneRef
from danbao_core.people.sessions import Session
from danbao_core.people_errors import MessagesMissing, PersonNeeded, PersonNotFound
from danbao_core.rpc import call as calls
from danbao_core.rpc.authentication import Authenticator

if TYPE_CHECKING:
    import asyncpg

    _Pool = asyncpg.Pool[Any]


class Known(NamedTuple):
    """A number, and whose it is."""

    phone: str
    """In E.164."""
    hashes: tuple[bytes, ...]
    """Its lookups under every key of the ring, that in force first."""
    person: Person | None


class Desk:
    """Serves the handlers of people; one for each server."""

    def __init__(  # what a server is put together of
        self,
        engine: Engine,
        pool: "_Pool",
        keyring: Keyring,
        login_passwords: LoginPasswords,
        authenticator: Authenticator,
        *,
        sends: bool,
        mails: bool,
    ) -> None:
        self.engine = engine
        self.pool = pool
        self.keyring = keyring
        self.login_passwords = login_passwords
        self.authenticator = authenticator
        self._sends = sends
        self._mails = mails

    def must_send(self) -> None:
        """Raises MessagesMissing where this core has no channel for messages to phones."""
        if not self._sends:
            raise MessagesMissing

    def must_mail(self) -> None:
        """Raises MessagesMissing where this core has no channel for e-mail."""
        if not self._mails:
            raise MessagesMissing

    # --- Who it is ---

    def lookups(self, phone: str) -> tuple[bytes, ...]:
        """The lookups of a number in E.164 under every key of the ring, that in force first."""
        return tuple(self.keyring.lookups("phone", phone))

    async def known(self, phone: str) -> Known:
        """Whose a number in E.164 is."""
        hashes = self.lookups(phone)
        for phone_hash in hashes:
            ref = await fetch_row(self.pool, PhoneRef, phone_hash)
            if ref is not None and ref.account_id is not None:
                return Known(phone, hashes, await fetch_row(self.pool, Person, ref.account_id))
        return Known(phone, hashes, None)

    async def person(self, account_id: UUID) -> Person:
        """The person behind an account. Raises PersonNotFound."""
        person = await fetch_row(self.pool, Person, account_id)
        if person is None:
            raise PersonNotFound(account=f"accounts/{account_id}")
        return person

    async def caller(self) -> tuple[Person, Session]:
        """The person who calls and the session that they call in. Raises PersonNeeded."""
        origin = calls.current().origin
        if origin.session_id is None or origin.account_id is None:
            raise PersonNeeded
        session = await fetch_row(self.pool, Session, origin.session_id)
        if session is None:
            raise PersonNeeded
        return await self.person(origin.account_id), session

    def phone_of(self, person: Person) -> str | None:
        """The number of a person in E.164; None once it was erased."""
        return None if person.phone is None else self.keyring.open(person.phone, "person", "phone", person.account_id)

    def email_of(self, person: Person) -> str | None:
        """The confirmed e-mail address of a person; None where there is none."""
        return None if person.email is None else self.keyring.open(person.email, "person", "email", person.account_id)

    # --- What a command is made of ---

    async def login_proof(self, person: Person | None, password: str, by: str) -> LoginProof:
        """What became of a login password that somebody typed in; `by` tells whose attempts are compared.

        For nobody it takes as long. Raises PasswordsBusy.
        """
        stored = "" if person is None else person.login_password
        right = await self.login_passwords.is_right(stored, password)
        told = person is not None and not right
        return LoginProof(
            right=right,
            stored=stored,
            credential=self.credential("login-password", by, password),
            letter=passwords.lock_letter(self.keyring, person, "login") if person is not None and told else None,
        )

    def credential(self, kind: str, by: str, typed: str) -> bytes:
        """A keyed hash of what somebody typed in, which tells a retry from another guess."""
        return self.keyring.current.mac(Use.LOOKUP, kind, by, typed)

    def letter_to(self, person: Person, template: str, **parameters: str) -> Letter | None:
        """A message to a person; None once their number is erased."""
        phone = self.phone_of(person)
        return None if phone is None else letter(self.keyring, phone, template, **parameters).of(person.account_id)


def public_origin(caller: str) -> Origin:
    """The origin of the current call as one without a token, whose request ids belong to `caller`."""
    return msgspec.structs.replace(
        calls.current().origin,
        caller=caller,
        key_id=None,
        secret_hash=b"",
        session_id=None,
        session_epoch=0,
        account_id=None,
        scopes=frozenset(),
        public=True,
    )
