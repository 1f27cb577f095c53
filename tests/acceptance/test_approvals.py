"""People who approve what they pay with a payment password and an authenticator, many at once, on a server process of its own.

The people are put into the database, as many as it takes: a code works once, so nobody approves twice in half a minute.
"""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from danbao.v1 import payments_pb2
from danbao_client import Danbao
from danbao_core.audit import audit
from danbao_core.keyring import Keyring
from danbao_core.people.factors import code_of_step, step_at
from tests.acceptance.sandbox import RunningCommand, started
from tests.factors import to_pay
from tests.people import PAYMENT_PASSWORD, Somebody, a_crowd
from tests.rpc_client import HASH_KEY, an_operator_token
from tests.rpc_requests import a_payment, answer_challenge, changed, create_account, pay

CONNECTIONS = 8
IN_FLIGHT = 32
PRICE_MINOR = 1_200_00
"""More than the payment password alone reaches."""


@asynccontextmanager
async def a_server(database_url: str) -> AsyncIterator[str]:
    """The address of a server process."""
    environment = {
        "DANBAO_MODE": "sandbox",
        "DANBAO_DATABASE_URL": database_url,
        "DANBAO_LISTEN": "127.0.0.1:0",
        "DANBAO_HASH_KEY": HASH_KEY,
        "DANBAO_LOG_LEVEL": "warning",  # nobody reads the pipe meanwhile
    }
    running: RunningCommand = await started("serve", "--json", env=environment)
    try:
        yield json.loads(await running.line())["address"]
    finally:
        running.send(signal.SIGTERM)
        result = await running.result()
    assert result.code == 0, result.err


async def approve_and_pay(danbao: Danbao, payer: Somebody, payment: payments_pb2.Payment) -> payments_pb2.Payment:
    """What an app does when its user approves: asks for a challenge, answers it, and pays with the approval."""
    person = danbao.with_token(payer.token)
    challenge = await person.verification.CreateChallenge(to_pay(payment))
    code = code_of_step(payer.secret, step_at(datetime.now(UTC)))
    approval = await person.verification.AnswerChallenge(answer_challenge(challenge.name, code))
    request = changed(pay(payment.name), payment_password=PAYMENT_PASSWORD, approval=approval.name)
    return await person.payments.PayPayment(request)


async def approved_by(database_url: str, count: int) -> float:
    """Has so many people each approve one payment and looks at the books; answers how many that are in a second."""
    crowd = await a_crowd(database_url, Keyring.load(None, bytes.fromhex(HASH_KEY)), count, funds_minor=2 * PRICE_MINOR)
    token = await an_operator_token(database_url)
    async with a_server(database_url) as address, Danbao.connect(address, key=token, channels=CONNECTIONS) as danbao:
        shop = (await danbao.accounts.CreateAccount(create_account("CNY", merchant=True))).name
        orders = [
            await danbao.payments.CreatePayment(a_payment(payer.account, shop, PRICE_MINOR, pay=False)) for payer in crowd
        ]
        waiting = iter(zip(crowd, orders, strict=True))
        paid: list[payments_pb2.Payment] = []

        async def approving() -> None:
            for payer, order in waiting:
                paid.append(await approve_and_pay(danbao, payer, order))

        began = time.monotonic()
        await asyncio.gather(*(approving() for _ in range(IN_FLIGHT)))
        seconds = time.monotonic() - began
    assert {payment.state for payment in paid} == {payments_pb2.Payment.STATE_PAID}
    assert len({payment.name for payment in paid}) == count
    assert [check.invariant for check in await audit(database_url) if check.breach] == []
    print(f"\n{count} payments approved with password and TOTP in {seconds:.1f} s ({count / seconds:.0f}/s)")  # noqa: T201
    return count / seconds


async def test_many_people_approve_at_once(database_url: str) -> None:
    await approved_by(database_url, 100)


@pytest.mark.soak
async def test_thousands_of_people_approve(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        await approved_by(database_url, 3_000)
