"""A bank that loses answers and declines, under many fundings: in the end both sides have the same money, to the cent."""

import asyncio
import random
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from danbao_core.bank.sandbox.behaviour import Behaviour
from danbao_core.clock import shanghai_day, system_wall_clock
from danbao_core.engine import Engine
from danbao_core.fundings import FundingState
from tests.banks import Asking, a_bank, a_card, top_up_by, withdrawal_to
from tests.builders import an_account, later
from tests.engines import breaches

A_DAY = 86_400
FUNDS_MINOR = 1_000_000


@pytest.mark.parametrize("fundings", [150, pytest.param(2_000, marks=pytest.mark.soak)])
async def test_a_tenth_of_the_answers_lost_and_some_declined(
    engine: Engine, second_engine: Engine, database_url: str, tmp_path: Path, fundings: int
) -> None:
    chance = random.Random(fundings)
    async with a_bank(tmp_path) as bank, asyncpg.create_pool(database_url, min_size=1, max_size=8) as pool:
        accounts = [await an_account(engine, funds_minor=FUNDS_MINOR) for _ in range(10)]
        cards = [await a_card(engine, account, bank) for account in accounts]
        await bank.set_behaviour(Behaviour(lost_bps=1_000, refused_bps=500))
        workers = [Asking(each, pool, bank) for each in (engine, second_engine)]
        for first in range(0, fundings, 50):
            for number in range(first, min(first + 50, fundings)):
                account, card = accounts[number % 10], cards[number % 10]
                ask = top_up_by if chance.random() < 0.5 else withdrawal_to
                await ask(engine, account, card, chance.randrange(1, 1_000))
            await asyncio.gather(*(worker.once() for worker in workers))
        unknown = await pool.fetchval("SELECT count(*) FROM funding WHERE state = 4 OR attempts > 1")
        assert await pool.fetchval("SELECT count(*) FROM funding WHERE next_attempt_at IS NOT NULL AND attempts = 0") == 0
        assert unknown > 0, "else nothing was lost"
        while await workers[0].due():
            await asyncio.gather(*(worker.once() for worker in workers))
        found = await pool.fetch("SELECT state, count(*) AS count FROM funding WHERE attempts > 0 GROUP BY state")
        states = {row["state"]: row["count"] for row in found}
        assert set(states) == {FundingState.SUCCEEDED, FundingState.FAILED}
        assert sum(states.values()) == fundings

        await bank.set_behaviour(Behaviour())
        today = shanghai_day(system_wall_clock())
        lines = [line for day in (today - 1, today) for line in await bank.statement(day)]
        cleared = await pool.fetchval("SELECT -sum(amount_minor) FROM balance WHERE purpose = 13")
        assert cleared == sum(line.received_minor for line in lines) + 10 * FUNDS_MINOR, "to the cent"
        await later(engine, A_DAY)
        assert await workers[0].reconciled() >= 1
        assert await reconciled_movements(pool) == len(lines)
        assert await pool.fetchval("SELECT count(*) FROM difference WHERE state = 1") == 0
    assert await breaches(database_url) == []


async def reconciled_movements(pool: "asyncpg.Pool[Any]") -> int:
    """On how many movements both sides agreed."""
    [(lines, entries)] = await pool.fetch("SELECT sum(lines), sum(entries) FROM reconciliation")
    assert lines == entries
    return int(lines)
