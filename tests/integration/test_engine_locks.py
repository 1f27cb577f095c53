"""In which order an engine locks, and how it comes by rows that only a decision finds out to need."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any
from uuid import UUID

import pytest

from danbao_core.accounts import Account, Balance, Purpose, SetMerchantPlan, balance_id
from danbao_core.engine import Answer, Book, Command, Decision, Engine, Key
from danbao_core.engine.command import AnyCommand
from danbao_core.errors import InternalFault
from danbao_core.ids import uuid7
from danbao_core.payments import CreatePayments, Mode
from tests.builders import a_merchant, an_account, an_adjustment, approved, origin, stored
from tests.engines import transfer

Connection = Any


async def test_sharing_one_account_and_changing_another_never_deadlocks(engine: Engine, second_engine: Engine) -> None:
    payer, ada, bob = await an_account(engine, funds_minor=1_000), await a_merchant(engine), await a_merchant(engine)
    for fee_bps in range(30):
        rounds: list[Awaitable[Any]] = []
        for each, changed, shared in ((engine, ada, bob), (second_engine, bob, ada)):
            plan = SetMerchantPlan(origin=origin(), account_id=changed.id, fee_bps=fee_bps)
            commands: list[AnyCommand] = [plan, transfer(payer, shared, mode=Mode.ESCROW)]
            rounds.append(asyncio.gather(*await each.submit_many(commands)))
        await asyncio.gather(*rounds)
    assert [each.metrics.retries["deadlock"] for each in (engine, second_engine)] == [0, 0]


async def test_a_batch_learns_in_one_go_what_all_its_payees_owe(engine: Engine) -> None:
    payer = await an_account(engine, funds_minor=1_000)
    debtors = [await an_account(engine) for _ in range(12)]
    for debtor in debtors:
        await approved(engine, an_adjustment(debtor, Purpose.FEES, 30))
    postponed = engine.metrics.postponed
    await engine.submit(CreatePayments(origin=origin(), items=tuple(transfer(payer, each, 50) for each in debtors)))
    assert engine.metrics.postponed == postponed + 1
    for debtor in debtors:
        available = await stored(engine, Balance, balance_id(debtor.id, "CNY", Purpose.AVAILABLE))
        assert available.amount_minor == 20


async def test_a_batch_with_debtors_is_refused_for_its_own_reasons_only(engine: Engine) -> None:
    payer, debtor = await an_account(engine, funds_minor=60), await an_account(engine)
    await approved(engine, an_adjustment(debtor, Purpose.FEES, 30))
    items = (transfer(payer, debtor, 50), transfer(debtor, payer, 20), transfer(payer, debtor, 31))
    (outcome,) = await asyncio.gather(engine.submit(CreatePayments(origin=origin(), items=items)), return_exceptions=True)
    assert getattr(outcome, "reason", "") == "INSUFFICIENT_FUNDS"
    assert outcome.metadata["item"] == "2"  # type: ignore[union-attr]
    answer = await engine.submit(CreatePayments(origin=origin(), items=items[:2]))
    assert isinstance(answer, Answer)


class _TakesAnother(Command[Account], frozen=True):
    """Finds out in its decision that it needs another account, too."""

    result_type = Account
    account_id: UUID
    other_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.key(self.account_id)

    def decide(self, book: Book) -> Decision[Account]:
        account: Account = book[Account, self.account_id]
        other = book.need(Account, self.other_id)
        assert other is not None
        renamed = account.replace(display_name=other.display_name, version=account.version + 1)
        return Decision(renamed, [renamed])


async def test_a_decision_that_needs_one_more_row_is_made_again_with_it(engine: Engine, second_engine: Engine) -> None:
    ada, bob = await an_account(engine, display_name="Ada"), await an_account(engine, display_name="Bob")
    commands = [_TakesAnother(origin=origin(), account_id=ada.id, other_id=bob.id) for _ in range(4)]
    answers = await asyncio.gather(*((engine, second_engine)[number % 2].submit(each) for number, each in enumerate(commands)))
    assert [answer.result.display_name for answer in answers] == ["Bob"] * 4
    assert (await stored(engine, Account, ada.id)).version == ada.version + 4
    for each in commands:
        assert (await engine.submit(each)).replayed


async def test_a_row_that_is_needed_and_not_there_is_asked_for_once(engine: Engine) -> None:
    ada = await an_account(engine)
    with pytest.raises(InternalFault):  # its own assertion: the row was looked for, and there is none
        await engine.submit(_TakesAnother(origin=origin(), account_id=ada.id, other_id=uuid7()))
    await an_account(engine)  # the engine goes on
