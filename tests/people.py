"""People, as tests need them: with an account, a phone, passwords and a session.

    ada = await a_person(core, funds_minor=500_000)
    paid = await ada.ask(changed(pay(payment.name), payment_password=ada.payment_password))

They are put into the database as a registration leaves them, which is quick; the registration itself has tests of its own.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any, Final, NamedTuple
from uuid import UUID

from argon2 import PasswordHasher
from google.protobuf.message import Message

from danbao.v1 import sandbox_pb2, sessions_pb2, verification_pb2
from danbao_core.accounts import Account, AccountKind, AccountState
from danbao_core.accounts.balances import new_wallet
from danbao_core.engine import Book, Command, Decision, Engine, Key, Row
from danbao_core.fundings import TopUp
from danbao_core.ids import uuid7
from danbao_core.keyring import Keyring
from danbao_core.money import Money
from danbao_core.people.challenges import FactorKind
from danbao_core.people.devices import Device
from danbao_core.people.factors import Factor, FactorState, new_secret
from danbao_core.people.passwords import new_payment_password
from danbao_core.people.person import Document, IdentityLevel, Person, PhoneRef
from danbao_core.people.sessions import REFRESH_LIFETIME, RefreshToken, Session, access_token
from danbao_core.policy import PolicySchedule
from tests.builders import origin
from tests.rpc_client import Caller, Core, id_of, scope_of
from tests.rpc_requests import A_LOGIN_PASSWORD, METHODS, a_top_up, advance_clock, answer_challenge, complete, log_in, register

LOGIN_PASSWORD: Final = A_LOGIN_PASSWORD
PAYMENT_PASSWORD: Final = "280463"

_numbers = count(1)


class PersonCaller(Caller):
    """Somebody who calls in a session of their own."""

    account: str
    phone: str
    login_password: str
    payment_password: str
    device_id: str
    session: str
    refresh_token: str


def a_phone() -> str:
    """A mobile number of the mainland that nobody in this process has."""
    return f"+86138{next(_numbers):08d}"


def a_mail_address() -> str:
    """An e-mail address that nobody in this process has."""
    return f"ada.{next(_numbers)}@example.com"


def keyring_of(core: Core) -> Keyring:
    """The keys under which a core keeps what is secret."""
    return Keyring.load(core.settings.keyring_file, core.settings.hash_key_bytes)


async def a_person(
    core: Core,
    *,
    funds_minor: int = 0,
    currencies: Sequence[str] = ("CNY",),
    payment_password: str = PAYMENT_PASSWORD,
    level: IdentityLevel = IdentityLevel.NONE,
    phone: str = "",
) -> PersonCaller:
    """A new person with so much in each wallet, in a session on a device that the account knows.

    Without a payment password none is set. The level says nothing of a name: that takes VerifyIdentity.
    """
    keyring, phone = keyring_of(core), phone or a_phone()
    account, device_id = _an_account(currencies), f"device-{uuid7().hex}"
    person = _a_person(keyring, account, phone, payment_password, level)
    session = _a_session(account.id, device_id)
    await _put(
        core,
        account,
        *(balance for currency in currencies for balance in new_wallet(account.id, currency)),
        person,
        *(PhoneRef(each, account.id, 1) for each in keyring.lookups("phone", phone)),
        Device(account.id, device_id, person.session_epoch, account.created_at, 1),
        session,
    )
    for currency in currencies if funds_minor else ():
        await core.operator.ask(a_top_up(account.name, funds_minor, currency))
    caller = PersonCaller(core.channel, access_token(keyring, session, session.refreshed_at)[0])
    caller.account, caller.phone, caller.device_id = account.name, phone, device_id
    caller.login_password, caller.payment_password = LOGIN_PASSWORD, payment_password
    caller.session, caller.refresh_token = session.name, str(RefreshToken.of(keyring.current, session.id, 0))
    return caller


async def another_session(core: Core, person: PersonCaller, device_id: str = "") -> PersonCaller:
    """The same person in another session."""
    keyring = keyring_of(core)
    epoch = await core.connection.fetchval("SELECT session_epoch FROM person WHERE account_id = $1", id_of(person.account))
    session = _a_session(id_of(person.account), device_id or person.device_id, epoch)
    await _put(core, session)
    caller = PersonCaller(core.channel, access_token(keyring, session, session.refreshed_at)[0])
    caller.__dict__ = {**person.__dict__, **caller.__dict__}
    caller.device_id, caller.session = session.device_id, session.name
    caller.refresh_token = str(RefreshToken.of(keyring.current, session.id, 0))
    return caller


class Somebody(NamedTuple):
    """One of a crowd: with an account, a session's token, and the secret in their authenticator."""

    account: str
    token: str
    secret: str


async def a_crowd(database_url: str, keyring: Keyring, count: int, *, funds_minor: int) -> list[Somebody]:
    """So many people of level II, each with a session, an authenticator and so much of CNY."""
    engine = Engine(database_url, policies=PolicySchedule.load())
    await engine.start()
    crowd: list[Somebody] = []
    try:
        for _ in range(count):
            secret, phone = new_secret(), a_phone()
            account, rows = rows_of_somebody(keyring, ["CNY"], IdentityLevel.II, phone, secret)
            session = _a_session(account.id, "a-phone-of-theirs")
            await engine.submit(_Put(origin=origin(), rows=(*rows, session)))
            await engine.submit(TopUp(origin=origin(), account_id=account.id, amount=Money(funds_minor, "CNY")))
            crowd.append(Somebody(account.name, access_token(keyring, session, session.refreshed_at)[0], secret))
    finally:
        await engine.stop()
    return crowd


# --- Over the wire ----------------------------------------------------------------------------------------------------------


def a_stranger(core: Core) -> Caller:
    """Somebody without a token."""
    return core.operator.with_token(None)


async def who_may(core: Core, request: Message) -> Caller:
    """Somebody who is let through to an RPC: a new person where only people are, else the operator."""
    scope = scope_of(METHODS[request.DESCRIPTOR.full_name])
    return await a_person(core) if scope == "person" else core.operator


async def messages_to(core: Core, phone: str) -> list[sandbox_pb2.SentMessage]:
    """What was sent to a number, newest first."""
    return list((await core.operator.ask(sandbox_pb2.ListSentMessagesRequest(address=phone))).messages)


async def the_code(core: Core, phone: str) -> str:
    """The last code that was sent to a number."""
    return next(each.parameters["code"] for each in await messages_to(core, phone) if each.template == "code")


async def approval_of(core: Core, challenge: verification_pb2.Challenge, phone: str, by: Caller | None = None) -> str:
    """The approval of a challenge by SMS: with the code that was sent, `by` who asked, else without a token."""
    answer = await (by or a_stranger(core)).ask(answer_challenge(challenge.name, await the_code(core, phone)))
    return str(answer.name)


async def a_minute_later(core: Core) -> None:
    """Lets business time pass, so that another code can be sent."""
    await core.operator.ask(advance_clock(61))


async def registered(core: Core, phone: str, **fields: Any) -> sessions_pb2.SessionTokens:
    """A person who has registered as people do."""
    request = register(phone, **fields)
    challenge = await a_stranger(core).ask(request)
    approval = await approval_of(core, challenge, phone)
    tokens: sessions_pb2.SessionTokens = await a_stranger(core).ask(complete(approval, request.device_id))
    return tokens


async def logged_in(core: Core, phone: str, **fields: Any) -> sessions_pb2.SessionTokens:
    """A session on whatever device, with a code where one is asked for."""
    request = log_in(phone, **fields)
    outcome = await a_stranger(core).ask(request)
    if outcome.HasField("challenge"):
        approval = await approval_of(core, outcome.challenge, phone)
        return await a_stranger(core).ask(complete(approval, request.device_id))  # type: ignore[no-any-return]
    return outcome.tokens  # type: ignore[no-any-return]


# --- Rows -------------------------------------------------------------------------------------------------------------------


class _Put(Command[Account], frozen=True):
    """Writes rows as they are."""

    result_type = Account
    rows: tuple[Row, ...]

    def keys(self, book: Book) -> list[Key]:
        return [type(row).read_key(*row.key_values) for row in self.rows]

    def decide(self, book: Book) -> Decision[Account]:
        return Decision(_an_account([]), self.rows)


async def _put(core: Core, *rows: Row) -> None:
    engine = Engine(core.settings.database_url, policies=PolicySchedule.load())
    await engine.start()
    try:
        await engine.submit(_Put(origin=origin(), rows=rows))
    finally:
        await engine.stop()


def rows_of_somebody(
    keyring: Keyring, currencies: Sequence[str], level: IdentityLevel, phone: str, secret: str = ""
) -> tuple[Account, tuple[Row, ...]]:
    """Somebody with an authenticator in force that has a secret: their account, and all of their rows, but for a session."""
    account, factor_id = _an_account(currencies), uuid7()
    person = _a_person(keyring, account, phone, PAYMENT_PASSWORD, level).replace(totp_id=factor_id)
    factor = Factor(
        id=factor_id,
        account_id=account.id,
        kind=FactorKind.TOTP,
        state=FactorState.ACTIVE,
        secret=keyring.seal(secret or new_secret(), "factor", "secret", factor_id),
        label="",
        last_step=0,
        recovery_generation=0,
        created_at=account.created_at,
        updated_at=account.created_at,
        version=1,
    )
    refs = [PhoneRef(each, account.id, 1) for each in keyring.lookups("phone", phone)]
    wallets = (balance for currency in currencies for balance in new_wallet(account.id, currency))
    return account, (account, *wallets, person, *refs, factor)


def _an_account(currencies: Sequence[str]) -> Account:
    now = datetime.now(UTC)
    return Account(
        id=uuid7(),
        kind=AccountKind.PERSONAL,
        state=AccountState.ACTIVE,
        display_name="Ada",
        currencies=" ".join(currencies),
        created_at=now,
        updated_at=now,
        version=1,
        personal=True,
    )


def _a_person(keyring: Keyring, account: Account, phone: str, payment_password: str, level: IdentityLevel) -> Person:
    set_one = new_payment_password(keyring, account.id, payment_password) if payment_password else None
    return Person(
        account_id=account.id,
        phone=keyring.seal(phone, "person", "phone", account.id),
        login_password=_login_password(),
        payment_password=None if set_one is None else set_one.mac,
        payment_salt=None if set_one is None else set_one.salt,
        payment_key_id="" if set_one is None else set_one.key_id,
        session_epoch=0,
        changed_at=None,
        level=level,
        channels="",
        document=Document.NONE,
        real_name=None,
        number=None,
        number_hash=None,
        created_at=account.created_at,
        updated_at=account.created_at,
        version=1,
    )


def _a_session(account_id: UUID, device_id: str, epoch: int = 0) -> Session:
    now = datetime.now(UTC)
    return Session(
        id=uuid7(),
        account_id=account_id,
        device_id=device_id,
        epoch=epoch,
        generation=0,
        refresh_request_id="",
        created_at=now,
        refreshed_at=now,
        expires_at=now + REFRESH_LIFETIME,
        ended_at=None,
        version=1,
    )


@cache
def _login_password() -> str:
    """As it is stored; cheap, because who verifies it reads how it was made."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(LOGIN_PASSWORD)
