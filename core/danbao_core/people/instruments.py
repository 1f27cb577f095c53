"""Bank cards of accounts. A card's number goes to the bank, which gives a token for it; the number itself is not kept."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple, Protocol
from uuid import UUID

import msgspec

from danbao_core import trail
from danbao_core.accounts import Account, account_of
from danbao_core.bank.port import Bank, BankNotAnswering, CardRefused
from danbao_core.bank_errors import BankUnavailable
from danbao_core.engine import Book, Command, Decision, Draft, Key, Row, table
from danbao_core.errors import AccountClosed
from danbao_core.keyring import Keyring
from danbao_core.people.passwords import PaymentProof, must_show_payment_password, payment_keys
from danbao_core.people.person import person_of
from danbao_core.people_errors import CardDeclined, InstrumentBound, InstrumentNotFound

_PREFIX_DIGITS: Final = 6
_LAST_DIGITS: Final = 4


@table("instrument", rank=46, key=("id",))
class Instrument(Row, frozen=True):
    """A card that is bound to an account, or was."""

    id: UUID
    account_id: UUID
    token: str
    """By which the bank knows it; empty once it was erased, like the digits."""
    issuer_prefix: str
    last_four: str
    fingerprint_key_id: str
    """The newest key under which it is recognized; what is hashed, the number, is not kept, so no other can follow."""
    created_at: datetime
    unbound_at: datetime | None
    version: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"instruments/{self.id}"


@table("instrument_ref", rank=47, key=("fingerprint",))
class InstrumentRef(Row, frozen=True):
    """Which instrument of an account a card number is, or was last; the table is what makes it one."""

    fingerprint: bytes
    """The lookup of ("card", account:number); a row for each key of the ring."""
    instrument_id: UUID
    version: int


class Bound(msgspec.Struct, frozen=True):
    """What may be remembered of a bound card: nothing of which it is."""

    instrument_id: UUID


# --- The bank's port --------------------------------------------------------------------------------------------------------


class Tokenizer(Protocol):
    """Gives card numbers to the bank."""

    async def token(self, card_number: str) -> str:
        """By what the bank knows the card from then on. It may be asked for the same card again; tokens that come to nothing,
        because a bind was refused, are let go."""
        ...


class BankTokenizer:
    """Asks the bank that moves the cards' money."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    async def token(self, card_number: str) -> str:
        """The bank's. Raises BankUnavailable and CardDeclined."""
        try:
            return await self._bank.tokenize(card_number)
        except BankNotAnswering:
            raise BankUnavailable from None
        except CardRefused:
            raise CardDeclined from None


class SandboxTokenizer:
    """Makes tokens of nothing, and forgets the numbers."""

    async def token(self, card_number: str) -> str:
        """A random one."""
        return f"sandbox_{secrets.token_urlsafe(18)}"


class Card(NamedTuple):
    """What is kept of a card."""

    token: str
    issuer_prefix: str
    last_four: str
    key_id: str
    fingerprints: tuple[bytes, ...]

    @classmethod
    def of(cls, keyring: Keyring, account_id: UUID, number: str, token: str) -> "Card":
        """Of a card's number, which goes no further."""
        fingerprints = tuple(keyring.lookups("card", f"{account_id}:{number}"))
        return cls(token, number[:_PREFIX_DIGITS], number[-_LAST_DIGITS:], keyring.current.id, fingerprints)


# --- Commands ---------------------------------------------------------------------------------------------------------------


class BindInstrument(Command[Bound], frozen=True):
    """Binds a card to an account, a person's or another. A person shows the payment password.

    Refused: AccountNotFound, AccountClosed, InstrumentBound; a person also with PersonNotFound and what
    `must_show_payment_password` says.
    """

    result_type = Bound
    account_id: UUID
    card: Card
    proof: PaymentProof | None = None

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.read_key(self.account_id)
        if self.origin.by_person:
            yield from payment_keys(self.account_id)
        for fingerprint in self.card.fingerprints:
            yield InstrumentRef.key(fingerprint)
            if ref := book.get(InstrumentRef, fingerprint):
                yield Instrument.read_key(ref.instrument_id)

    def decide(self, book: Book) -> Decision[Bound]:
        account = account_of(book, self.account_id, self.origin)
        if account.closed:
            raise AccountClosed(account=account.name)
        draft, ids = Draft(book), self.ids()
        if self.origin.by_person:
            person = person_of(book, self.account_id)
            if refusal := must_show_payment_password(draft, self.origin, person, self.proof):
                return Decision(Bound(self.id), draft.changes, refusal)
        instrument_id = ids.take()
        for fingerprint in self.card.fingerprints:
            ref = book.get(InstrumentRef, fingerprint)
            bound = None if ref is None else book.get(Instrument, ref.instrument_id)
            if bound is not None and bound.unbound_at is None:
                raise InstrumentBound(instrument=bound.name)
            draft.put(InstrumentRef(fingerprint, instrument_id, 1 if ref is None else ref.version + 1))
        draft.put(
            Instrument(
                id=instrument_id,
                account_id=self.account_id,
                token=self.card.token,
                issuer_prefix=self.card.issuer_prefix,
                last_four=self.card.last_four,
                fingerprint_key_id=self.card.key_id,
                created_at=book.now,
                unbound_at=None,
                version=1,
            ),
            trail.audit_event(ids, self.origin, Instrument, instrument_id, book.now),
            trail.account_event(ids, "account.instrument_bound", self.account_id, book.now),
        )
        return Decision(Bound(instrument_id), draft.changes)


class UnbindInstrument(Command[Bound], frozen=True):
    """Unbinds a card; one that is unbound stays as it is. Refused: InstrumentNotFound, also for another account's."""

    result_type = Bound
    instrument_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield Instrument.key(self.instrument_id)

    def decide(self, book: Book) -> Decision[Bound]:
        instrument = book.get(Instrument, self.instrument_id)
        if instrument is None or self.origin.account_id not in (None, instrument.account_id):
            raise InstrumentNotFound(instrument=f"instruments/{self.instrument_id}")
        if instrument.unbound_at is not None:
            return Decision(Bound(instrument.id))
        unbound = instrument.replace(unbound_at=book.now, version=instrument.version + 1)
        ids = self.ids()
        trace = trail.audit_event(ids, self.origin, Instrument, instrument.id, book.now)
        told = trail.account_event(ids, "account.instrument_unbound", instrument.account_id, book.now)
        return Decision(Bound(instrument.id), [unbound, trace, told])


def must_be_bound(book: Book | Draft, instrument_id: UUID | None, account_id: UUID) -> None:
    """Raises InstrumentNotFound where this is no card that is bound to the account."""
    instrument = None if instrument_id is None else book.get(Instrument, instrument_id)
    if instrument is None or instrument.account_id != account_id or instrument.unbound_at is not None:
        raise InstrumentNotFound(instrument=f"instruments/{instrument_id}")
