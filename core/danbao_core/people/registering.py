"""Registering: a code shows that a number is somebody's own, and then they have an account, a session and a known device."""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from danbao_core import trail
from danbao_core.accounts import Account, AccountKind, AccountState
from danbao_core.accounts.balances import new_wallet
from danbao_core.engine import Book, Command, Decision, Draft, Key
from danbao_core.money import exponent
from danbao_core.people import devices
from danbao_core.people.asking import SmsCode, ask, asking_keys
from danbao_core.people.challenges import Challenge, FactorKind, Purpose, approval_keys, binding, consume
from danbao_core.people.devices import Device
from danbao_core.people.messages import Letter
from danbao_core.people.person import Document, IdentityLevel, Person, PhoneRef
from danbao_core.people.sessions import Session, new_session
from danbao_core.people_errors import PhoneTaken


class RegistrationDetails(msgspec.Struct, frozen=True):
    """What is to be made once the number is shown; kept sealed in the challenge."""

    phone: str
    """In E.164."""
    login_password: str
    """As it is to be stored."""
    display_name: str
    currencies: tuple[str, ...]
    language: str = ""


class Register(Command[Challenge], frozen=True):
    """Asks for the code that is sent to a number. Its challenge has the command's id, and is answered without what is secret.

    For a number that somebody has, all is the same, but that the message says so instead of giving a code.
    Refused: CurrencyUnknown, TooManyCodes, FactorLocked.
    """

    result_type = Challenge
    phone_hashes: tuple[bytes, ...]
    """Under every key of the ring, that in force first."""
    currencies: tuple[str, ...]
    device_id: str
    sms: SmsCode
    known: Letter
    """What to send to who has registered before."""
    details: bytes
    """The RegistrationDetails, sealed in ("challenge", "details", id)."""

    def keys(self, book: Book) -> Iterable[Key]:
        yield from (PhoneRef.read_key(each) for each in self.phone_hashes)
        yield from asking_keys(None, self.sms, self.phone_hashes[0])

    def decide(self, book: Book) -> Decision[Challenge]:
        for currency in self.currencies:
            exponent(currency)
        draft, known = Draft(book), owner_of(book, self.phone_hashes) is not None
        challenge = ask(
            draft,
            self.id,
            self.origin,
            Purpose.REGISTER,
            FactorKind.SMS,
            account_id=None,
            device_id=self.device_id,
            bound_to=binding(Purpose.REGISTER, self.device_id),
            sms=self.sms,
            details=self.details,
            counted_by=self.phone_hashes[0],
            deliver=not known,
        )
        if known:
            draft.put(self.known.sent(draft.now))
        draft.put(trail.audit_event(self.ids(), self.origin, Challenge, challenge.id, draft.now))
        return Decision(without_secrets(challenge), draft.changes)


class CompleteRegistration(Command[Session], frozen=True):
    """Makes account, wallets and person of an approved registration, and their first session.

    Refused: ApprovalNotFound, ApprovalUsed, ApprovalExpired, ApprovalMismatch; PhoneTaken where somebody registered the number
    since.
    """

    result_type = Session
    approval_id: UUID
    device_id: str
    account_id: UUID
    """The id for the account, which what is sealed is bound to."""
    phone_hashes: tuple[bytes, ...]
    phone: bytes
    """Sealed in ("person", "phone", account_id)."""
    login_password: str
    display_name: str
    currencies: tuple[str, ...]
    language: str = ""

    def keys(self, book: Book) -> Iterable[Key]:
        yield from approval_keys(self.approval_id)
        yield from (PhoneRef.key(each) for each in self.phone_hashes)
        yield Device.key(self.account_id, self.device_id)

    def decide(self, book: Book) -> Decision[Session]:
        draft, ids, now = Draft(book), self.ids(), book.now
        consume(draft, self.approval_id, self.origin, Purpose.REGISTER, binding(Purpose.REGISTER, self.device_id))
        if owner_of(book, self.phone_hashes) is not None:
            raise PhoneTaken
        account = Account(
            id=self.account_id,
            kind=AccountKind.PERSONAL,
            state=AccountState.ACTIVE,
            display_name=self.display_name,
            currencies=" ".join(self.currencies),
            created_at=now,
            updated_at=now,
            version=1,
            personal=True,
            language=self.language,
        )
        person = _new_person(account, self.phone, self.login_password)
        session = new_session(ids.take(), person, self.device_id, self.origin.received_at)
        draft.put(account, *(balance for currency in self.currencies for balance in new_wallet(account.id, currency)))
        draft.put(person, session, trail.audit_event(ids, self.origin, Account, account.id, now))
        take_number(draft, self.phone_hashes, account.id)
        devices.make_known(draft, person, self.device_id)
        return Decision(session, draft.changes)


def owner_of(book: Book | Draft, phone_hashes: Iterable[bytes]) -> UUID | None:
    """The account that a number belongs to, None where it is nobody's; for commands that name the rows."""
    for phone_hash in phone_hashes:
        ref = book.get(PhoneRef, phone_hash)
        if ref is not None and ref.account_id is not None:
            return ref.account_id
    return None


def take_number(draft: Draft, phone_hashes: Iterable[bytes], account_id: UUID | None) -> None:
    """Makes a number an account's, or with None nobody's; for commands that name the rows, to be changed."""
    for phone_hash in phone_hashes:
        ref = draft.get(PhoneRef, phone_hash)
        draft.put(PhoneRef(phone_hash, account_id, 1 if ref is None else ref.version + 1))


def without_secrets(challenge: Challenge) -> Challenge:
    """A challenge as it is remembered with the request: without the code's hash and what is sealed in it."""
    return challenge.replace(code_hash=None, details=None)


def _new_person(account: Account, phone: bytes, login_password: str) -> Person:
    return Person(
        account_id=account.id,
        phone=phone,
        login_password=login_password,
        payment_password=None,
        payment_salt=None,
        payment_key_id="",
        session_epoch=0,
        changed_at=None,
        level=IdentityLevel.NONE,
        channels="",
        document=Document.NONE,
        real_name=None,
        number=None,
        number_hash=None,
        created_at=account.created_at,
        updated_at=account.created_at,
        version=1,
    )
