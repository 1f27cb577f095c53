"""Days are reconciled against the sandbox's bank: what matches, what does not, and what turns up later."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple, cast
from uuid import UUID

import asyncpg
import pytest

from danbao_core.accounts import Account, Purpose
from danbao_core.bank.asking import claim
from danbao_core.bank.http_bank import HttpBank
from danbao_core.bank.port import BankNotAnswering, LineKind, StatementLine
from danbao_core.bank.sandbox.behaviour import Behaviour
from danbao_core.bank.sandbox.store import FILE
from danbao_core.clock import shanghai_day, system_wall_clock
from danbao_core.engine import Engine
from danbao_core.engine.reads import fetch_rows
from danbao_core.fundings import Funding, FundingState
from danbao_core.ids import uuid7
from danbao_core.reconciliation import (
    Difference,
    DifferenceKind,
    DifferenceState,
    Reconciliation,
    ReconciliationState,
    SettleDifference,
    StartReconciliation,
    reconcile,
)
from danbao_workers.reconciliations import reconcile_what_waits
from tests import builders
from tests.banks import Asking, a_bank, a_card, a_free_port, top_up_by, withdrawal_to
from tests.builders import an_account, later, origin, stored
from tests.engines import breaches

A_DAY = 86_400


class Town(NamedTuple):
    """An account with a card, and the bank behind it."""

    engine: Engine
    pool: "asyncpg.Pool[Any]"
    bank: HttpBank
    folder: Path
    account: Account
    card: UUID
    asking: Asking
    today: int
    """When the town began: the day of the first fundings."""

    async def tomorrow(self, days: int = 1) -> None:
        """Lets days go by."""
        await later(self.engine, days * A_DAY)

    async def differences(self) -> list[Difference]:
        return await fetch_rows(self.pool, Difference, "SELECT * FROM difference ORDER BY id")

    async def days(self) -> list[Reconciliation]:
        return await fetch_rows(self.pool, Reconciliation, "SELECT * FROM reconciliation ORDER BY id")

    async def open_now(self) -> int:
        return sum(each.state is DifferenceState.OPEN for each in await self.differences())

    async def again(self, day: int) -> Reconciliation:
        """Reconciles a day that was reconciled."""
        await self.engine.submit(StartReconciliation(origin=origin(), day=day))
        assert await self.asking.reconciled() == 1
        return next(each for each in await self.days() if each.day == day)

    def at_the_bank(self, statement: str, *arguments: Any) -> None:
        """Changes the bank's own books behind its back."""
        with sqlite3.connect(self.folder / FILE) as database:
            assert database.execute(statement, arguments).rowcount == 1
        database.close()

    async def top_up(self, amount_minor: int = 1_000) -> Funding:
        """One that is known to both sides."""
        funding = await top_up_by(self.engine, self.account, self.card, amount_minor)
        await self.asking.until_known()
        return funding


@pytest.fixture
async def town(engine: Engine, database_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    async with a_bank(tmp_path) as bank, asyncpg.create_pool(database_url, min_size=1, max_size=8) as pool:
        account = await an_account(engine, funds_minor=10_000)
        card = await a_card(engine, account, bank)
        today = shanghai_day(system_wall_clock())
        yield Town(engine, pool, bank, tmp_path, account, card, Asking(engine, pool, bank), today)
        assert await breaches(database_url) == []


async def test_days_that_are_over_are_reconciled_one_after_another(town: Town) -> None:
    assert await town.asking.reconciled() == 0, "today is not over"
    await town.top_up(300)
    await withdrawal_to(town.engine, town.account, town.card, 200)
    await town.asking.until_known()
    await town.tomorrow()
    await town.top_up(100)
    await town.tomorrow(3)
    assert await town.asking.reconciled() == 4
    found = [(each.day - town.today, each.state, each.lines, each.entries, each.differences) for each in await town.days()]
    done = ReconciliationState.DONE
    assert found == [(0, done, 2, 2, 0), (1, done, 1, 1, 0), (2, done, 0, 0, 0), (3, done, 0, 0, 0)]
    assert (await town.differences(), await town.asking.reconciled()) == ([], 0)


@pytest.mark.parametrize("asked", [3, -40], ids=["ahead", "before the first card"])
async def test_a_day_that_an_operator_asks_for_first_keeps_no_other_from_its_turn(town: Town, asked: int) -> None:
    await town.tomorrow(4)
    await town.engine.submit(StartReconciliation(origin=origin(), day=town.today + asked))
    await town.asking.reconciled()
    assert [each.day - town.today for each in await town.days()] == sorted({asked, 0, 1, 2, 3})


async def test_what_no_bank_knows_of_is_left_out(town: Town) -> None:
    """The till of the sandbox, what operators move, and payments."""
    await builders.a_withdrawal(town.engine, town.account, 5)
    shop = await builders.a_merchant(town.engine)
    await builders.a_confirmed_payment(town.engine, payer=town.account, payee=shop)
    await builders.approved(town.engine, builders.an_adjustment(Purpose.BANK_CLEARING, Purpose.COMPENSATION, 500))
    await town.tomorrow()
    await town.asking.reconciled()
    (day,) = await town.days()
    assert (day.lines, day.entries, day.differences) == (0, 0, 0)


async def test_what_the_bank_has_and_the_books_have_not(town: Town) -> None:
    kept = await town.top_up()
    ghost = uuid7()
    town.at_the_bank(
        "INSERT INTO transfer SELECT ?, direction, token, 777, currency, reason, settles_at, booked_at, NULL FROM transfer",
        str(ghost),
    )
    await town.tomorrow()
    await town.asking.reconciled()
    (found,) = await town.differences()
    assert (found.kind, found.transfer_id, found.movement) == (DifferenceKind.MISSING_HERE, ghost, LineKind.DEBIT)
    assert (found.state, found.here_minor, found.there_minor) == (DifferenceState.OPEN, None, 777)
    assert found.day == town.today
    assert kept.id != ghost


async def test_what_the_books_have_and_the_bank_has_not(town: Town) -> None:
    kept, lost = await town.top_up(), await town.top_up(70)
    town.at_the_bank("DELETE FROM transfer WHERE id = ?", str(lost.id))
    await town.tomorrow()
    await town.asking.reconciled()
    (found,) = await town.differences()
    assert (found.kind, found.transfer_id, found.here_minor) == (DifferenceKind.MISSING_THERE, lost.id, 70)
    assert found.there_minor is None
    assert kept.id != lost.id


async def test_an_amount_that_differs_is_named_until_somebody_explains_it(town: Town) -> None:
    funding = await town.top_up(1_000)
    town.at_the_bank("UPDATE transfer SET amount_minor = 999 WHERE id = ?", str(funding.id))
    await town.tomorrow()
    await town.asking.reconciled()
    (found,) = await town.differences()
    assert (found.kind, found.here_minor, found.there_minor) == (DifferenceKind.AMOUNT_DIFFERS, 1_000, 999)
    assert (await town.again(town.today)).differences == 1
    assert await town.differences() == [found], "found again, it is the same"
    await town.engine.submit(SettleDifference(origin=origin(), difference_id=found.id, note="their fee"))
    await town.again(town.today)
    assert await town.open_now() == 0, "what is explained stays so"
    town.at_the_bank("UPDATE transfer SET amount_minor = 998 WHERE id = ?", str(funding.id))
    await town.again(town.today)
    assert await town.open_now() == 1, "but other figures ask for another explanation"
    town.at_the_bank("UPDATE transfer SET amount_minor = 1000 WHERE id = ?", str(funding.id))
    assert (await town.again(town.today)).differences == 0
    (found,) = await town.differences()
    assert (found.state, found.explained_by) == (DifferenceState.EXPLAINED, "worker")


async def test_what_comes_to_be_known_after_midnight_settles_itself(town: Town) -> None:
    """The bank moved it today; here nobody knows until tomorrow."""
    await town.bank.set_behaviour(Behaviour(lost_bps=10_000))
    funding = await top_up_by(town.engine, town.account, town.card, 60)
    await town.asking.once()
    await town.bank.set_behaviour(Behaviour())
    await town.tomorrow()
    await town.asking.reconciled()
    (found,) = await town.differences()
    assert (found.kind, found.state, found.transfer_id) == (DifferenceKind.MISSING_HERE, DifferenceState.OPEN, funding.id)
    assert (await stored(town.engine, Funding, funding.id)).state is FundingState.UNKNOWN
    await town.asking.until_known()
    await town.tomorrow()
    await town.asking.reconciled()
    (found,) = await town.differences()
    assert (found.state, found.here_minor, found.there_minor) == (DifferenceState.EXPLAINED, 60, 60)
    assert [each.differences for each in await town.days()] == [1, 1]
    for day in (town.today, town.today + 1):
        await town.again(day)
    assert await town.open_now() == 0, "in whichever order the days are looked at again"


async def test_what_the_bank_decides_after_midnight_is_on_a_statement_that_comes_later(town: Town) -> None:
    """Asked today, and undecided when the clock is moved: today's statement was fetched before the money moved."""
    card = await a_card(town.engine, town.account, town.bank, "4000000000000259")
    await town.bank.set_behaviour(Behaviour(settlement_delay_ms=60_000))
    fundings = [await top_up_by(town.engine, town.account, each, 60) for each in (town.card, card, town.card)]
    await town.asking.once(*[funding.id for funding in fundings[:2]])
    claimed = await claim(town.pool, "funding", fundings[2].id)  # one that reaches the bank when its day is over
    assert claimed is not None
    await town.tomorrow(2)
    await town.asking.reconciled()
    await town.bank.debit(claimed.transfer)
    for funding in fundings:
        town.at_the_bank("UPDATE transfer SET settles_at = 0 WHERE id = ?", str(funding.id))  # and the minute is over
    await town.pool.execute("UPDATE funding SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL")
    await town.asking.until_known()
    await town.tomorrow(4)
    await town.asking.reconciled()
    assert await town.open_now() == 0
    assert (await stored(town.engine, Funding, fundings[1].id)).state is FundingState.REVERSED


async def test_a_debit_that_the_bank_takes_back_days_later(town: Town) -> None:
    card = await a_card(town.engine, town.account, town.bank, "4000000000000259")
    funding = await top_up_by(town.engine, town.account, card, 4_000)
    await town.asking.until_known()
    await builders.a_paid_payment(town.engine, payer=town.account, amount_minor=11_000)
    await town.tomorrow(3)
    assert await town.asking.reconciled() == 3
    assert (await stored(town.engine, Funding, funding.id)).state is FundingState.REVERSED
    owed = await town.pool.fetchval(
        "SELECT amount_minor FROM balance WHERE account_id = $1 AND purpose = 3 AND currency = 'CNY'", town.account.id
    )
    assert owed == -1_000
    assert await town.open_now() == 0, "what is on the statement is booked before it is matched"
    await town.tomorrow()
    await town.asking.reconciled()
    assert await town.open_now() == 0, "nor is the day missing it on which it was booked"
    for day in range(town.today, town.today + 4):
        await town.again(day)
    assert (await town.open_now(), [each.state for each in await town.differences()]) == (0, [DifferenceState.EXPLAINED])


async def test_a_debit_is_taken_back_before_anybody_here_knew_of_it(town: Town) -> None:
    """Its answer was lost, and the bank was not reached for days."""
    card = await a_card(town.engine, town.account, town.bank, "4000000000000259")
    funding = await top_up_by(town.engine, town.account, card, 4_000)
    await town.bank.set_behaviour(Behaviour(lost_bps=10_000))
    await town.asking.once()
    await town.bank.set_behaviour(Behaviour())
    await town.tomorrow(3)
    await town.asking.reconciled()
    kinds = [(each.movement, each.kind) for each in await town.differences()]
    assert sorted(kinds) == [(way, DifferenceKind.MISSING_HERE) for way in (LineKind.DEBIT, LineKind.REVERSAL)]
    await town.asking.until_known()
    await town.tomorrow()
    await town.asking.reconciled()
    assert (await stored(town.engine, Funding, funding.id)).state is FundingState.REVERSED
    assert await town.open_now() == 0


async def test_a_bank_without_a_statement_leaves_the_day_waiting(town: Town, engine: Engine) -> None:
    await town.top_up()
    await town.tomorrow()
    away = HttpBank(f"http://127.0.0.1:{a_free_port()}", "key")
    with pytest.raises(BankNotAnswering):
        await Asking(engine, town.pool, away).reconciled()
    await away.close()
    assert [each.state for each in await town.days()] == [ReconciliationState.PENDING]
    assert await town.asking.reconciled() == 1
    assert [each.state for each in await town.days()] == [ReconciliationState.DONE]


async def test_two_that_reconcile_a_day_at_once_find_nothing_twice(town: Town, second_engine: Engine) -> None:
    for number in range(5):
        lost = await town.top_up(number + 1)
        town.at_the_bank("DELETE FROM transfer WHERE id = ?", str(lost.id))
    await town.tomorrow()
    await town.engine.submit(StartReconciliation(origin=origin(), day=town.today))
    by = origin(request_id="")
    reconciling = [reconcile(each, town.pool, town.bank, town.today, by) for each in (town.engine, second_engine)]
    for result in await asyncio.gather(*reconciling):
        assert (result.open, result.reconciliation.differences) == (5, 5)
    assert len(await town.differences()) == 5


async def test_a_day_that_is_asked_for_while_its_statement_is_matched_is_done_again(town: Town) -> None:
    await town.top_up()
    await town.tomorrow()
    asked = StartReconciliation(origin=origin(), day=town.today)
    await town.engine.submit(asked)

    class AskedMeanwhile:
        """The bank, until somebody asks for the day again when its statement has just been fetched."""

        async def statement(self, day: int) -> list[StatementLine]:
            lines = await town.bank.statement(day)
            await town.engine.submit(StartReconciliation(origin=origin(), day=day))
            return lines

    first = await reconcile(town.engine, town.pool, cast("Any", AskedMeanwhile()), town.today, origin(request_id=""))
    assert first.reconciliation.state is ReconciliationState.PENDING
    assert await town.asking.reconciled() == 1
    assert [(each.state, each.lines) for each in await town.days()] == [(ReconciliationState.DONE, 1)]


async def test_a_month_that_passes_at_once_is_reconciled_day_by_day_and_who_asks_comes_first(town: Town) -> None:
    await town.top_up()
    await town.tomorrow(31)
    wanted = town.today + 20
    await town.engine.submit(StartReconciliation(origin=origin(), day=wanted))
    assert await reconcile_what_waits(town.asking.background, town.bank) == 1
    assert [each.day for each in await town.days()] == [wanted]
    assert await town.asking.reconciled() == 30
    days = await town.days()
    assert [each.day - town.today for each in days] == list(range(31))
    assert sum(each.entries for each in days) == 1
    assert (await town.differences(), await town.asking.reconciled()) == ([], 0)


async def test_an_old_day_is_found_behind_many_entries(town: Town) -> None:
    funding = await town.top_up(1)
    await town.tomorrow()
    for _ in range(6):
        await town.asking.reconciled()
        for _ in range(5):
            await town.top_up(1)
        await town.tomorrow()
    await town.asking.reconciled()
    assert (await town.again(town.today)).entries == 1
    assert funding.amount_minor == 1
