"""Second factors as tests use them: an authenticator in somebody's hand, the phone that shows messages, and approvals.

app = await enrolled(core, ada, clock)
approval = await approved(core, ada, to_pay(payment), app)
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from danbao.v1 import payments_pb2, verification_pb2
from danbao_core.people.factors import code_of_step, step_at
from danbao_core.people.sessions import Session, access_token
from tests.people import PersonCaller, keyring_of
from tests.rpc_client import Connection, Core, a_core, id_of
from tests.rpc_requests import a_payment, a_request_id, advance_clock, changed, money, pay
from tests.shared_postgres import SharedServer, a_database

Kind = verification_pb2.Factor
Ask = verification_pb2.CreateChallengeRequest

SMS: Final = Kind.KIND_SMS
TOTP: Final = Kind.KIND_TOTP


class Clock:
    """Wall time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.reset()

    def reset(self) -> None:
        """Now, and as much later as a test takes, so that no token is from the future; they are good for ten minutes."""
        self.now = datetime.now(UTC) + timedelta(seconds=60)

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@asynccontextmanager
async def a_core_with(clock: Clock, administrator: Connection, postgres: SharedServer) -> AsyncIterator[Core]:
    """A server on a database of its own, by this clock."""
    async with a_database(administrator, postgres) as database_url, a_core(database_url, wall_clock=clock) as running:
        yield running


class App:
    """An authenticator."""

    def __init__(self, factor: str, secret: str, clock: Clock) -> None:
        self.factor = factor
        self.secret = secret
        self.clock = clock

    def code(self, steps: int = 0) -> str:
        """The code of now, or of so many steps later."""
        return code_of_step(self.secret, step_at(self.clock()) + steps)

    def next_code(self) -> str:
        """The code that it shows once another step has begun."""
        self.clock.pass_seconds(30)
        return self.code()


# --- Requests ---------------------------------------------------------------------------------------------------------------


def enrol(approval: str = "", label: str = "my phone") -> verification_pb2.EnrollTotpRequest:
    return verification_pb2.EnrollTotpRequest(request_id=a_request_id(), label=label, approval=approval)


def confirm_totp(factor: str, code: str) -> verification_pb2.ConfirmTotpRequest:
    return verification_pb2.ConfirmTotpRequest(request_id=a_request_id(), name=factor, code=code)


def remove(factor: str, approval: str) -> verification_pb2.RemoveFactorRequest:
    return verification_pb2.RemoveFactorRequest(request_id=a_request_id(), name=factor, approval=approval)


def recovery_codes(approval: str) -> verification_pb2.CreateRecoveryCodesRequest:
    return verification_pb2.CreateRecoveryCodesRequest(request_id=a_request_id(), approval=approval)


def to_pay(payment: Any, factor: Any = TOTP) -> Ask:
    return Ask(request_id=a_request_id(), pay=Ask.PayPurpose(payment=payment.name), factor=factor)


def to_change_factors(factor: Any = TOTP) -> Ask:
    return Ask(request_id=a_request_id(), change_factors=Ask.ChangeFactorsPurpose(), factor=factor)


def to_withdraw(instrument: str, amount_minor: int, factor: Any = TOTP) -> Ask:
    purpose = Ask.WithdrawPurpose(instrument=instrument, amount=money(amount_minor))
    return Ask(request_id=a_request_id(), withdraw=purpose, factor=factor)


def an_answer(challenge: Any, code: str) -> verification_pb2.AnswerChallengeRequest:
    return verification_pb2.AnswerChallengeRequest(request_id=a_request_id(), name=challenge.name, code=code)


def paying(person: PersonCaller, payment: Any, approval: str = "") -> payments_pb2.PayPaymentRequest:
    """A person's paying, with their payment password."""
    request: payments_pb2.PayPaymentRequest = changed(
        pay(payment.name), payment_password=person.payment_password, approval=approval
    )
    return request


# --- What tests begin with --------------------------------------------------------------------------------------------------


async def enrolled(person: PersonCaller, clock: Clock) -> App:
    """An authenticator in force."""
    made = await person.ask(enrol())
    app = App(made.factor.name, made.secret, clock)
    await person.ask(confirm_totp(app.factor, app.next_code()))
    return app


async def unpaid(person: PersonCaller, payee: str, amount_minor: int, **fields: Any) -> Any:
    """A payment that a person has made and not paid."""
    return await person.ask(a_payment(person.account, payee, amount_minor, pay=False, **fields))


async def sms_code(core: Core, person: PersonCaller) -> str:
    """The code that was sent to a person last."""
    keyring = keyring_of(core)
    text = "SELECT id, parameters FROM message WHERE address_hash = $1 AND template = 'code' ORDER BY id DESC LIMIT 1"
    row = await core.connection.fetchrow(text, keyring.lookup("phone", person.phone))
    assert row is not None
    return str(json.loads(keyring.open(row["parameters"], "message", "parameters", UUID(str(row["id"]))))["code"])


async def token_of_now(core: Core, person: PersonCaller, clock: Clock) -> PersonCaller:
    """The same person in the same session with an access token that was made just now."""
    row = await core.connection.fetchrow("SELECT * FROM session WHERE id = $1", id_of(person.session))
    assert row is not None
    token, _ = access_token(keyring_of(core), Session(**dict(row)), clock())
    return PersonCaller(core.channel, token)


async def messages(core: Core, person: PersonCaller) -> list[str]:
    """What a person was told, by template, oldest first."""
    rows = await core.connection.fetch(
        "SELECT template FROM message WHERE address_hash = $1 ORDER BY created_at, id",
        keyring_of(core).lookup("phone", person.phone),
    )
    return [row["template"] for row in rows]


async def approved_by_totp(person: PersonCaller, ask: Ask, app: App) -> str:
    """The name of an approval that an authenticator gave."""
    challenge = await person.ask(ask)
    return str((await person.ask(an_answer(challenge, app.next_code()))).name)


async def approved_by_sms(core: Core, person: PersonCaller, ask: Ask) -> str:
    """The name of an approval that the phone gave. Moves the sandbox's clock on, so that another code can be asked for."""
    await core.operator.ask(advance_clock(61))
    challenge = await person.ask(changed(ask, factor=SMS))
    return str((await person.ask(an_answer(challenge, await sms_code(core, person)))).name)


def wrong(code: str) -> str:
    """Another code."""
    return f"{(int(code) + 1) % 1_000_000:06}"
