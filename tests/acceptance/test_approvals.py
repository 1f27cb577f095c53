"""People who approve what they pay with a payment password and an authenticator, many at once, on a server process of its own.

The people are put into the database, as many as it takes: a code works once, so nobody approves twice in half a minute.
"""

import asyncio
import time
from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from danbao.v1 import payments_pb2
from danbao_client import Danbao
from danbao_core.audit import audit
from danbao_core.keyring import Keyring
from danbao_core.people.factors import code_of_step, step_at
from tests.acceptance.sandbox import a_server
from tests.factors import to_pay
from tests.people import PAYMENT_PASSWORD, Somebody, a_crowd
from tests.rpc_client import HASH_KEY, an_operator_token
from tests.rpc_requests import a_payment, answer_challenge, changed, create_account, pay

CONNECTIONS = 8
IN_FLIGHT = 64
PRICE_MINOR = 1_200_00
"""More than the payment password alone reaches."""


async def at_once(calls: Iterable[Awaitable[Any]]) -> tuple[list[Any], float]:
    """What calls answer, in their order, so many at a time; and how many were answered in a second."""
    began, waiting = time.monotonic(), iter(enumerate(calls))
    answers: dict[int, Any] = {}

    async def calling() -> None:
        for number, call in waiting:
            answers[number] = await call

    await asyncio.gather(*(calling() for _ in range(IN_FLIGHT)))
    return [answers[number] for number in sorted(answers)], len(answers) / (time.monotonic() - began)


async def approved_by(database_url: str, count: int) -> None:
    """Has so many people each approve and pay one payment, as an app does it in three calls, and looks at the books."""
    crowd = await a_crowd(database_url, Keyring.load(None, bytes.fromhex(HASH_KEY)), count, funds_minor=2 * PRICE_MINOR)
    token = await an_operator_token(database_url)
    async with (
        a_server(database_url, DANBAO_LOG_LEVEL="warning") as address,
        Danbao.connect(address, key=token, channels=CONNECTIONS) as danbao,
    ):
        shop = (await danbao.accounts.CreateAccount(create_account("CNY", merchant=True))).name
        people = [danbao.with_token(payer.token) for payer in crowd]
        orders, _ = await at_once(
            danbao.payments.CreatePayment(a_payment(payer.account, shop, PRICE_MINOR, pay=False)) for payer in crowd
        )
        challenges, asked = await at_once(
            person.verification.CreateChallenge(to_pay(order)) for person, order in zip(people, orders, strict=True)
        )
        approvals, answered = await at_once(
            person.verification.AnswerChallenge(answer_challenge(challenge.name, code_now(payer)))
            for person, payer, challenge in zip(people, crowd, challenges, strict=True)
        )
        paid, paying = await at_once(
            person.payments.PayPayment(changed(pay(order.name), payment_password=PAYMENT_PASSWORD, approval=approval.name))
            for person, order, approval in zip(people, orders, approvals, strict=True)
        )
    assert {payment.state for payment in paid} == {payments_pb2.Payment.STATE_PAID}
    assert {payment.name for payment in paid} == {order.name for order in orders}
    assert [check.invariant for check in await audit(database_url) if check.breach] == []
    print(  # noqa: T201 - the figures are what it is for
        f"\n{count} people, calls a second: {asked:.0f} to ask for a challenge, {answered:.0f} to answer it by TOTP, "
        f"{paying:.0f} to pay with payment password and approval"
    )


def code_now(payer: Somebody) -> str:
    """What somebody's authenticator shows."""
    return code_of_step(payer.secret, step_at(datetime.now(UTC)))


async def test_many_people_approve_at_once(database_url: str) -> None:
    await approved_by(database_url, 100)


@pytest.mark.soak
async def test_thousands_of_people_approve(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        await approved_by(database_url, 3_000)
