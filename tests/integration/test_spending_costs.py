"""What counting people's spending costs others: nothing. No statement more is sent for accounts in a service's hands."""

from typing import Any

import pytest

from danbao_core.engine import Command, Engine
from danbao_core.engine.timeline import Timeline
from danbao_core.fundings import Withdraw
from danbao_core.money import Money
from danbao_core.payments import CancelPayment, CreatePayment, Mode, PayPayment
from tests.builders import a_merchant, a_payment, an_account, origin

PEOPLES = ("person", "session", "spending", "factor", "approval", "challenge", "attempts", "known_payee")


async def statements(engine: Engine, command: Command[Any]) -> list[str]:
    """What is sent to the database for a command alone in its batch."""
    timeline = Timeline()
    await engine.submit(command, timeline=timeline)
    return [statement.name for each in timeline.tries for statement in each.statements]


@pytest.mark.parametrize("mode", Mode)
async def test_a_service_that_pays_for_its_users_reads_nothing_of_people(engine: Engine, mode: Mode) -> None:
    payer, payee = await an_account(engine, funds_minor=1_000), await a_merchant(engine)
    facts: dict[str, Any] = {"payer_id": payer.id, "payee_id": payee.id, "amount": Money(100, "CNY"), "mode": mode}
    sent = await statements(engine, CreatePayment(origin=origin(), pay=True, **facts))
    paid = [each for each in sent if each != "BEGIN"]  # which the end of the transaction before may have done
    assert not [each for each in paid if any(f" {name}" in each for name in PEOPLES)], paid
    assert len(paid) == {Mode.ESCROW: 5, Mode.INSTANT: 4, Mode.AUTHORIZATION: 5}[mode], paid


@pytest.mark.parametrize("step", [PayPayment, CancelPayment])
async def test_a_step_of_such_a_payment_reads_nothing_of_people(engine: Engine, step: Any) -> None:
    payment = await a_payment(engine)
    sent = await statements(engine, step(origin=origin(), payment_id=payment.id))
    assert not [each for each in sent if any(f" {name}" in each for name in PEOPLES)], sent


async def test_such_a_withdrawal_reads_nothing_of_people(engine: Engine) -> None:
    account = await an_account(engine, funds_minor=1_000)
    sent = await statements(engine, Withdraw(origin=origin(), account_id=account.id, amount=Money(100, "CNY")))
    assert not [each for each in sent if any(f" {name}" in each for name in PEOPLES)], sent
