"""Freezing against paying, closing against fundings, and answers against answers, from two engines at once."""

import asyncio
from collections.abc import Iterable
from itertools import count
from typing import Any

import pytest

from danbao_core.accounts import Account, CloseAccount, FreezeAccount, Purpose, balance_id
from danbao_core.engine import Answer, Command, Engine
from danbao_core.errors import (
    AccountClosed,
    AccountFrozen,
    BalanceNotZero,
    FundingNotPending,
    FundingsOpen,
    InsufficientFunds,
    TakingsTooRecent,
)
from danbao_core.fundings import Funding, FundingState, SettleFunding, TopUp, Withdraw
from danbao_core.money import Money
from danbao_core.payments import Mode, PayPayment
from danbao_core.sandbox import BankBehaviour
from tests.builders import (
    a_funding,
    a_merchant,
    a_paid_payment,
    a_payment,
    a_withdrawal,
    an_account,
    frozen,
    origin,
    settled,
    stored,
    the_bank,
    unfrozen,
)
from tests.engines import breaches, money, outcomes_of, transfer

Connection = Any

ROUNDS = 12


async def pays_on(engine: Engine, commands: Iterable[Command[Any]], answered: asyncio.Event) -> list[tuple[bool, Any]]:
    """Pays until a payment was asked for after the freeze was answered: for each whether it was, and what came of it."""
    found: list[tuple[bool, Any]] = []
    for command in commands:
        late = answered.is_set()
        found.append((late, (await outcomes_of((engine, command)))[0]))
        if late:
            break
    return found


async def freezes(engine: Engine, account: Account, answered: asyncio.Event) -> None:
    await engine.submit(FreezeAccount(origin=origin(), account_id=account.id, reason="a race"))
    answered.set()


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
async def test_nothing_is_paid_that_is_asked_for_after_a_freeze_was_answered(
    engine: Engine, second_engine: Engine, database_url: str, mode: Mode
) -> None:
    payer, payee = await an_account(engine, funds_minor=10_000), await a_merchant(engine)
    paid = 0
    for number in range(ROUNDS):
        waiting = [await a_payment(engine, payer=payer, payee=payee, amount_minor=1, mode=mode) for _ in range(6)]
        one, two = (engine, second_engine) if number % 2 else (second_engine, engine)
        answered = asyncio.Event()
        created, stepped, _ = await asyncio.gather(
            pays_on(one, (transfer(payer, payee, mode=mode) for _ in count()), answered),
            pays_on(two, (PayPayment(origin=origin(), payment_id=each.id) for each in waiting), answered),
            freezes(one, payer, answered),
        )
        outcomes = created + stepped
        assert {type(outcome) for late, outcome in outcomes if late} == {AccountFrozen}, outcomes
        assert {type(outcome) for _, outcome in outcomes} <= {Answer, AccountFrozen}, outcomes
        paid += sum(isinstance(outcome, Answer) for _, outcome in outcomes)
        await unfrozen(engine, payer)
    assert paid > 0, "else there was no race"
    assert (await money(engine, payer))[0] == 10_000 - paid
    assert await breaches(database_url) == []


async def test_a_freeze_waits_for_whatever_moves_the_accounts_money(engine: Engine, connection: Connection) -> None:
    account = await an_account(engine, funds_minor=5)
    transaction = connection.transaction()
    await transaction.start()
    of = balance_id(account.id, "CNY", Purpose.AVAILABLE)
    await connection.execute("SELECT FROM balance WHERE id = $1 FOR UPDATE", of)
    freezing = asyncio.create_task(frozen(engine, account))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(10):
        while not freezing.done() and not await connection.fetchval(waiting):
            await asyncio.sleep(0.01)
    assert not freezing.done()
    await transaction.rollback()
    assert (await freezing).frozen


async def test_a_pending_funding_is_answered_once(engine: Engine, second_engine: Engine, database_url: str) -> None:
    account = await an_account(engine, funds_minor=10 * ROUNDS)
    await the_bank(engine, BankBehaviour.NO_ANSWER)
    out = brought = 0
    for _ in range(ROUNDS):
        fundings = [await a_withdrawal(engine, account, 10), await a_funding(engine, account, 1)]
        for funding in fundings:
            racing: list[tuple[Engine, Command[Any]]] = [
                (one, SettleFunding(origin=origin(), funding_id=funding.id, accepted=accepted))
                for one in (engine, second_engine)
                for accepted in (True, False)
            ]
            outcomes = await outcomes_of(*racing)
            (won,) = (outcome.result for outcome in outcomes if isinstance(outcome, Answer))
            assert sum(isinstance(outcome, FundingNotPending) for outcome in outcomes) == 3, outcomes
            assert await stored(engine, Funding, funding.id) == won
            if won.state is FundingState.SUCCEEDED:
                out, brought = (out + 10, brought) if funding is fundings[0] else (out, brought + 1)
    assert await money(engine, account) == (10 * ROUNDS - out + brought, 0)
    assert await breaches(database_url) == []


async def test_withdrawals_from_two_engines_never_take_more_than_there_is(
    engine: Engine, second_engine: Engine, database_url: str
) -> None:
    account = await an_account(engine, funds_minor=10)
    racing: list[tuple[Engine, Command[Any]]] = [
        (one, Withdraw(origin=origin(), account_id=account.id, amount=Money(3, "CNY")))
        for _ in range(ROUNDS)
        for one in (engine, second_engine)
    ]
    outcomes = await outcomes_of(*racing)
    assert sum(isinstance(outcome, Answer) for outcome in outcomes) == 3
    assert {type(outcome) for outcome in outcomes} == {Answer, InsufficientFunds}
    assert await money(engine, account) == (1, 0)
    assert await breaches(database_url) == []


@pytest.mark.parametrize("behaviour", [BankBehaviour.ACCEPT, BankBehaviour.NO_ANSWER], ids=lambda each: each.name)
async def test_a_funding_against_a_closing_account(
    engine: Engine, second_engine: Engine, database_url: str, behaviour: BankBehaviour
) -> None:
    await the_bank(engine, behaviour)
    for closer, funder in ((engine, second_engine), (second_engine, engine)) * (ROUNDS // 2):
        account = await an_account(engine)
        closed, funded = await outcomes_of(
            (closer, CloseAccount(origin=origin(), account_id=account.id)),
            (funder, TopUp(origin=origin(), account_id=account.id, amount=Money(1, "CNY"))),
        )
        # Never both: a closed account that money reaches, or may reach yet.
        assert isinstance(closed, Answer) != isinstance(funded, Answer), (closed, funded)
        assert isinstance(closed, (Answer, BalanceNotZero, FundingsOpen))
        assert isinstance(funded, (Answer, AccountClosed))
    assert await breaches(database_url) == []


async def test_a_frozen_account_is_not_closed_and_its_fundings_are_settled(engine: Engine) -> None:
    account = await an_account(engine, funds_minor=5)
    await the_bank(engine, BankBehaviour.NO_ANSWER)
    pending = await a_withdrawal(engine, account, 5)
    await frozen(engine, account)
    with pytest.raises(AccountFrozen):
        await engine.submit(CloseAccount(origin=origin(), account_id=account.id))
    assert (await settled(engine, pending, accepted=True)).state is FundingState.SUCCEEDED
    assert await money(engine, account) == (0, 0)


async def test_takings_that_went_against_a_debt_keep_a_merchant_open_too(engine: Engine, connection: Connection) -> None:
    shop = await a_merchant(engine)
    await a_paid_payment(engine, payee=shop, mode=Mode.INSTANT)
    available, debt = [balance_id(shop.id, "CNY", purpose) for purpose in (Purpose.AVAILABLE, Purpose.RECEIVABLE)]
    await connection.execute("UPDATE entry SET balance_id = $1 WHERE balance_id = $2", debt, available)
    await connection.execute("UPDATE balance SET amount_minor = 0 WHERE id = $1", available)
    with pytest.raises(TakingsTooRecent):
        await engine.submit(CloseAccount(origin=origin(), account_id=shop.id))
