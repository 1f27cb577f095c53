"""Who a person is, their cards, and what is stored of them: that part of AccountService.

What needs the keyring or somebody outside is done here, before the command is made; the command says of which rows it was made.
"""

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from danbao.v1 import accounts_pb2, identity_pb2
from danbao_core import sql
from danbao_core.accounts import Account
from danbao_core.cards import is_card_number
from danbao_core.engine import Engine
from danbao_core.engine.reads import fetch_row, fetch_rows
from danbao_core.errors import AccountClosed, BankMissing, RetriesExhausted
from danbao_core.keyring import Keyring
from danbao_core.people.channels import IdentityChannel, IdentityProvider
from danbao_core.people.documents import must_be_number, number_hashes, written
from danbao_core.people.erasing import ErasePerson
from danbao_core.people.identity import ConfirmIdentity, channels_of, confirmed
from danbao_core.people.instruments import BindInstrument, Bound, Card, Instrument, Tokenizer, UnbindInstrument
from danbao_core.people.passwords import payment_proof
from danbao_core.people.person import Document, Person
from danbao_core.people_errors import (
    CardNumberInvalid,
    ConfirmedByOthers,
    IdentityMismatch,
    IdentityNotConfirmed,
    IdentityProviderMissing,
    InstrumentNotFound,
)
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert
from danbao_core.rpc.services.desk import Desk
from danbao_core.rpc.services.visible import visible_account

if TYPE_CHECKING:
    import asyncpg
    import grpc

    _Context = grpc.aio.ServicerContext[Any, Any]
    _Pool = asyncpg.Pool[Any]

_TRIES: Final = 5
"""How often a command is made anew where the rows that it was made from have changed meanwhile."""


class Identity:
    """What AccountService does for people as such."""

    _engine: Engine
    _pool: "_Pool"
    _keyring: Keyring
    _desk: Desk
    _identities: IdentityProvider | None
    _tokenizer: Tokenizer | None

    async def _account(self, name: str) -> Account:
        """The account with this name, as far as the caller may see it. Raises AccountNotFound."""
        return await visible_account(self._pool, calls.current().origin, name)

    # --- Identity ---

    async def VerifyIdentity(self, request: identity_pb2.VerifyIdentityRequest, context: "_Context") -> identity_pb2.Identity:
        call, account = calls.current(), await self._account(request.account)
        channel, document = IdentityChannel(request.channel), Document(request.document)
        must_be_number(document, request.number, call.received_at)
        if channel is IdentityChannel.FACE_TO_FACE and call.origin.account_id is not None:
            raise ConfirmedByOthers
        if self._identities is None:
            raise IdentityProviderMissing
        if account.closed:
            raise AccountClosed(account=account.name)
        real_name, asked = written(request.real_name), False
        for _ in range(_TRIES):
            person = await self._desk.person(account.id)
            self._must_be_the_same(person, real_name, document, request.number)
            if channel not in channels_of(person) and not asked:
                if not await self._identities.confirms(channel, real_name, document, request.number):
                    raise IdentityNotConfirmed(channel=channel.name)
                asked = True
            command = ConfirmIdentity(
                origin=call.origin,
                account_id=account.id,
                channel=channel,
                document=document,
                real_name=self._keyring.seal(real_name, "person", "real_name", account.id),
                number=self._keyring.seal(request.number, "person", "number", account.id),
                number_hashes=tuple(number_hashes(self._keyring, document, request.number)),
                seen=person.number,
            )
            try:
                known = await calls.submit(self._engine, command)
            except RetriesExhausted:
                continue
            return convert.identity(known, real_name, request.number)
        raise RetriesExhausted

    def _must_be_the_same(self, person: Person, real_name: str, document: Document, number: str) -> None:
        """Raises IdentityMismatch where another name or number was verified before."""
        if person.number is not None and (self._name_and_number(person), person.document) != ((real_name, number), document):
            raise IdentityMismatch

    async def GetIdentity(self, request: identity_pb2.GetIdentityRequest, context: "_Context") -> identity_pb2.Identity:
        person = await self._desk.person((await self._account(request.account)).id)
        return convert.identity(confirmed(person), *self._name_and_number(person))

    # --- Cards ---

    async def BindInstrument(self, request: identity_pb2.BindInstrumentRequest, context: "_Context") -> identity_pb2.Instrument:
        call, account = calls.current(), await self._account(request.account)
        if not is_card_number(request.card_number):
            raise CardNumberInvalid
        if self._tokenizer is None:
            raise BankMissing
        if account.closed:
            raise AccountClosed(account=account.name)
        proof = None
        if call.origin.by_person:
            proof = payment_proof(self._keyring, await self._desk.person(account.id), request.payment_password)
        token = await self._tokenizer.token(request.card_number)
        command = BindInstrument(
            origin=call.origin,
            account_id=account.id,
            card=Card.of(self._keyring, account.id, request.card_number, token),
            proof=proof,
        )
        return await self._instrument(await calls.submit(self._engine, command), unbound=False)

    async def ListInstruments(
        self, request: identity_pb2.ListInstrumentsRequest, context: "_Context"
    ) -> identity_pb2.ListInstrumentsResponse:
        account = await self._account(request.account)
        rows = await self._instruments(account.id, unbound=False)
        return identity_pb2.ListInstrumentsResponse(instruments=map(convert.instrument, rows))

    async def UnbindInstrument(
        self, request: identity_pb2.UnbindInstrumentRequest, context: "_Context"
    ) -> identity_pb2.Instrument:
        command = UnbindInstrument(origin=calls.current().origin, instrument_id=convert.id_of(request.name))
        return await self._instrument(await calls.submit(self._engine, command), unbound=True)

    async def _instrument(self, bound: Bound, *, unbound: bool) -> identity_pb2.Instrument:
        """The card as it is, because answers that are remembered do not hold its digits; a bind's as if it were still bound."""
        row = await fetch_row(self._pool, Instrument, bound.instrument_id)
        if row is None:
            raise InstrumentNotFound(instrument=f"instruments/{bound.instrument_id}")
        return convert.instrument(row if unbound else row.replace(unbound_at=None))

    async def _instruments(self, account_id: UUID, *, unbound: bool) -> list[Instrument]:
        text = sql.load("danbao_core.people", "list_instruments")
        return await fetch_rows(self._pool, Instrument, text, account_id, unbound)

    # --- What is stored of a person ---

    async def ExportPersonalData(
        self, request: identity_pb2.ExportPersonalDataRequest, context: "_Context"
    ) -> identity_pb2.PersonalData:
        account = await self._account(request.account)
        person = await self._desk.person(account.id)
        real_name, number = self._name_and_number(person)
        devices = await self._pool.fetch(sql.load("danbao_core.people", "list_devices"), account.id)
        return identity_pb2.PersonalData(
            account=account.name,
            phone=self._desk.phone_of(person) or "",
            display_name=account.display_name,
            real_name=real_name,
            document=identity_pb2.Identity.Document.ValueType(person.document),
            number=number,
            instruments=map(convert.instrument, await self._instruments(account.id, unbound=True)),
            device_ids=[row["device_id"] for row in devices],
        )

    async def ErasePersonalData(
        self, request: identity_pb2.ErasePersonalDataRequest, context: "_Context"
    ) -> accounts_pb2.Account:
        call, account = calls.current(), await self._account(request.account)
        for _ in range(_TRIES):
            person = await self._desk.person(account.id)
            phone, (_, number) = self._desk.phone_of(person), self._name_and_number(person)
            command = ErasePerson(
                origin=call.origin,
                account_id=account.id,
                seen_version=person.version,
                phone_hashes=tuple(self._keyring.lookups("phone", phone)) if phone else (),
                number_hashes=tuple(number_hashes(self._keyring, person.document, number)) if number else (),
            )
            try:
                erased = await calls.submit(self._engine, command)
            except RetriesExhausted:
                continue
            self._desk.authenticator.forget_account(account.id)
            return convert.account(erased)
        raise RetriesExhausted

    # --- Parts ---

    def _name_and_number(self, person: Person) -> tuple[str, str]:
        """What was verified; empty where nothing is. Raises SealBroken."""
        if person.real_name is None or person.number is None:
            return "", ""
        return (
            self._keyring.open(person.real_name, "person", "real_name", person.account_id),
            self._keyring.open(person.number, "person", "number", person.account_id),
        )
