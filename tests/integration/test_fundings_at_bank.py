"""Fundings of cards, through workers and the sandbox's bank: whatever is lost, the money moves once and both sides know it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiohttp import web

from danbao_core.bank.asking import ask, claim
from danbao_core.bank.http_bank import HttpBank
from danbao_core.bank.port import Answer
from danbao_core.bank.sandbox.behaviour import Behaviour
from danbao_core.bank.sandbox.server import SandboxBank
from danbao_core.bank.sandbox.store import FILE
from danbao_core.clock import system_wall_clock
from danbao_core.engine import Engine
from danbao_core.fundings import FailureReason, Funding, FundingKind, FundingState
from danbao_workers.bank_metrics import CountedBank
from tests.banks import (
    KEY,
    Asking,
    a_bank,
    a_card,
    a_free_port,
    answering,
    serving,
    top_up_by,
    withdrawal_to,
)
from tests.builders import an_account, stored
from tests.engines import breaches, money

SUCCEEDED, FAILED, PENDING, UNKNOWN = (
    FundingState.SUCCEEDED,
    FundingState.FAILED,
    FundingState.PENDING,
    FundingState.UNKNOWN,
)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator["asyncpg.Pool[Any]"]:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=8) as pool:
        yield pool


async def state(engine: Engine, funding: Funding) -> tuple[FundingState, int]:
    """Its state, and how often the bank was asked."""
    row = await stored(engine, Funding, funding.id)
    return row.state, row.attempts


async def its_lease_ends(pool: "asyncpg.Pool[Any]") -> None:
    """As if the time had passed for which a worker has claimed fundings."""
    await pool.execute("UPDATE funding SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL")


def moved(folder: Path) -> dict[UUID, int]:
    """What a bank has moved, by transfer: read beside it, out of its store."""
    with closing(sqlite3.connect(folder / FILE)) as store:  # a statement would close the day
        rows = store.execute("SELECT id, direction, amount_minor FROM transfer WHERE reason = ''").fetchall()
    return {UUID(each): amount_minor if direction == "DEBIT" else -amount_minor for each, direction, amount_minor in rows}


async def test_money_comes_from_a_card_and_goes_to_one(
    engine: Engine, pool: "asyncpg.Pool[Any]", database_url: str, tmp_path: Path
) -> None:
    account = await an_account(engine)
    async with a_bank(tmp_path) as bank:
        asking, card = Asking(engine, pool, bank), await a_card(engine, account, bank)
        coming = await top_up_by(engine, account, card, 1_000)
        assert (coming.state, await money(engine, account)) == (PENDING, (0, 0))
        await asking.once()
        going = await withdrawal_to(engine, account, card, 400)
        assert await money(engine, account) == (600, 400)
        assert await breaches(database_url) == []
        await asking.once()
        assert [await state(engine, each) for each in (coming, going)] == [(SUCCEEDED, 1)] * 2
        assert (await money(engine, account), moved(tmp_path)) == ((600, 0), {coming.id: 1_000, going.id: -400})
        assert await asking.due() == []
    assert await breaches(database_url) == []


@pytest.mark.parametrize(
    ("last_four", "reason"),
    [("0002", FailureReason.BANK_DECLINED), ("9995", FailureReason.CARD_FUNDS_INSUFFICIENT)],
)
async def test_a_card_that_is_declined(
    engine: Engine, pool: "asyncpg.Pool[Any]", database_url: str, last_four: str, reason: FailureReason
) -> None:
    account = await an_account(engine, funds_minor=500)
    async with a_bank() as bank:
        card = await a_card(engine, account, bank, f"400000000000{last_four}")
        fundings = [await top_up_by(engine, account, card), await withdrawal_to(engine, account, card, 500)]
        await Asking(engine, pool, bank).once()
    rows = [await stored(engine, Funding, each.id) for each in fundings]
    assert [(row.state, row.failure_reason) for row in rows] == [(FAILED, reason)] * 2
    assert await money(engine, account) == (500, 0)
    assert await breaches(database_url) == []


async def test_an_answer_that_is_lost_after_the_money_moved_is_asked_for(
    engine: Engine, pool: "asyncpg.Pool[Any]", database_url: str, tmp_path: Path
) -> None:
    account = await an_account(engine, funds_minor=500)
    async with a_bank(tmp_path) as bank:
        asking, card = Asking(engine, pool, bank), await a_card(engine, account, bank, "4000000000000119")
        fundings = [await top_up_by(engine, account, card), await withdrawal_to(engine, account, card, 500)]
        await asking.once()
        assert [await state(engine, each) for each in fundings] == [(UNKNOWN, 1)] * 2
        assert (await money(engine, account), len(moved(tmp_path))) == ((0, 500), 2), "nothing is guessed"
        assert await breaches(database_url) == []
        await asking.once()
        assert [await state(engine, each) for each in fundings] == [(SUCCEEDED, 2)] * 2
        assert (await money(engine, account), len(moved(tmp_path))) == ((1_000, 0), 2)
    assert await breaches(database_url) == []


async def test_a_bank_that_hangs_and_one_that_has_not_got_it_is_asked_again_under_the_same_id(
    engine: Engine, pool: "asyncpg.Pool[Any]", tmp_path: Path
) -> None:
    account = await an_account(engine)
    async with a_bank(tmp_path, call_seconds=0.2) as bank:
        asking, card = Asking(engine, pool, bank), await a_card(engine, account, bank)
        funding = await top_up_by(engine, account, card)
        await bank.set_behaviour(Behaviour(hanging_bps=10_000))
        for attempt in (1, 2):
            await asking.once()
            assert (await state(engine, funding), moved(tmp_path)) == ((UNKNOWN, attempt), {})
        await bank.set_behaviour(Behaviour())
        await asking.once()
        assert (await state(engine, funding), moved(tmp_path)) == ((SUCCEEDED, 3), {funding.id: 1_000})


async def test_a_bank_that_is_down_is_asked_when_it_is_back(engine: Engine, pool: "asyncpg.Pool[Any]", tmp_path: Path) -> None:
    account, port = await an_account(engine), a_free_port()
    bank = HttpBank(f"http://127.0.0.1:{port}", KEY)
    asking = Asking(engine, pool, bank)
    async with serving(SandboxBank(tmp_path, KEY), port):
        card = await a_card(engine, account, bank)
    funding = await top_up_by(engine, account, card)
    await asking.once()
    assert await state(engine, funding) == (PENDING, 1), "it was not even asked"
    async with serving(SandboxBank(tmp_path, KEY), port):
        await asking.once()
    assert (await state(engine, funding), moved(tmp_path)) == ((SUCCEEDED, 2), {funding.id: 1_000})
    await bank.close()


async def test_a_bank_that_takes_its_time_is_asked_until_it_has_decided(
    engine: Engine, pool: "asyncpg.Pool[Any]", tmp_path: Path
) -> None:
    now = system_wall_clock()
    account = await an_account(engine, funds_minor=10)
    async with serving(SandboxBank(tmp_path, KEY, clock=lambda: now)) as url:
        bank = HttpBank(url, KEY)
        asking = Asking(engine, pool, bank)
        yes, no = [await a_card(engine, account, bank, f"400000000000{four}") for four in ("7726", "5126")]
        coming, going = await top_up_by(engine, account, yes), await withdrawal_to(engine, account, no, 10)
        for attempt in (1, 2):
            await asking.once()
            assert [await state(engine, each) for each in (coming, going)] == [(PENDING, attempt)] * 2
        now += timedelta(seconds=3)
        await asking.once()
        assert [await state(engine, each) for each in (coming, going)] == [(SUCCEEDED, 3), (FAILED, 3)]
        assert await money(engine, account) == (1_010, 0)
        await bank.close()


async def test_a_worker_that_dies_within_a_debit_leaves_it_to_another(
    engine: Engine, pool: "asyncpg.Pool[Any]", database_url: str, tmp_path: Path
) -> None:
    """Before it asked, while it asked, and after the bank had answered it."""
    account = await an_account(engine)
    async with a_bank(tmp_path) as bank:
        asking, card = Asking(engine, pool, bank), await a_card(engine, account, bank)
        before, within, after = [await top_up_by(engine, account, card) for _ in range(3)]
        for funding in (before, within, after):
            claimed = await claim(pool, "funding", funding.id)
            assert claimed is not None
            if funding is within:
                cut = asyncio.create_task(ask(bank, claimed))
                while cut.done() is False and within.id not in moved(tmp_path):
                    await asyncio.sleep(0)
                cut.cancel()
            elif funding is after:
                assert (await ask(bank, claimed)).answer is Answer.ACCEPTED
        assert await asking.due() == [], "nobody else asks for as long as it may be asking"
        assert [await state(engine, each) for each in (before, within, after)] == [(PENDING, 1)] * 3
        await its_lease_ends(pool)
        await asking.once()
        assert [await state(engine, each) for each in (before, within, after)] == [(SUCCEEDED, 2)] * 3
        assert moved(tmp_path) == {each.id: 1_000 for each in (before, within, after)}
    assert await breaches(database_url) == []


async def test_two_workers_ask_once_for_a_funding(
    engine: Engine, second_engine: Engine, pool: "asyncpg.Pool[Any]", database_url: str
) -> None:
    account = await an_account(engine)
    async with a_bank() as one:
        banks = [CountedBank(one), CountedBank(one)]
        card = await a_card(engine, account, one)
        fundings = [await top_up_by(engine, account, card, 1) for _ in range(20)]
        workers = [Asking(each, pool, bank) for each, bank in zip((engine, second_engine), banks, strict=True)]
        await asyncio.gather(*(worker.once(*(each.id for each in fundings)) for worker in workers * 3))
    assert [await state(engine, each) for each in fundings] == [(SUCCEEDED, 1)] * 20
    assert sum(bank.answers["debit", Answer.ACCEPTED] for bank in banks) == 20
    assert await money(engine, account) == (20, 0)
    assert await breaches(database_url) == []


async def test_two_workers_that_both_ask_settle_it_once(
    engine: Engine, second_engine: Engine, pool: "asyncpg.Pool[Any]", database_url: str, tmp_path: Path
) -> None:
    """The first one's lease ran out while it waited for the bank."""
    account = await an_account(engine, funds_minor=100)
    async with a_bank(tmp_path) as bank:
        card = await a_card(engine, account, bank)
        await bank.set_behaviour(Behaviour(answer_delay_ms=300))
        funding = await withdrawal_to(engine, account, card, 100)
        first = asyncio.create_task(Asking(engine, pool, bank).once(funding.id))
        while (await state(engine, funding))[1] == 0:
            await asyncio.sleep(0.01)
        await its_lease_ends(pool)
        await asyncio.gather(first, Asking(second_engine, pool, bank).once(funding.id))
        assert (await state(engine, funding), moved(tmp_path)) == ((SUCCEEDED, 2), {funding.id: -100})
    assert await money(engine, account) == (0, 0)
    assert await breaches(database_url) == []


async def test_one_that_fails_for_ever_keeps_none_of_the_others(
    engine: Engine, pool: "asyncpg.Pool[Any]", database_url: str
) -> None:
    account = await an_account(engine, funds_minor=2**63 - 1 - 10)
    async with a_bank() as bank:
        asking, card = Asking(engine, pool, bank), await a_card(engine, account, bank)
        too_much, fine = await top_up_by(engine, account, card, 11), await top_up_by(engine, account, card, 10)
        with pytest.raises(ExceptionGroup):
            await asking.once()
    assert [await state(engine, each) for each in (too_much, fine)] == [(PENDING, 1), (SUCCEEDED, 1)]
    assert await breaches(database_url) == []


async def test_nonsense_is_asked_about_for_ever_and_never_believed(
    engine: Engine, pool: "asyncpg.Pool[Any]", database_url: str
) -> None:
    account = await an_account(engine, funds_minor=100)
    async with a_bank() as real:
        card = await a_card(engine, account, real)

    async def nonsense(request: web.Request) -> web.Response:
        return web.Response(body=b'{"state": "ACCEPTED"}')

    async with answering(nonsense) as bank:
        asking = Asking(engine, pool, bank)
        fundings = [await withdrawal_to(engine, account, card, 100), await top_up_by(engine, account, card)]
        for attempt in (1, 2, 3):
            await asking.once()
            assert [await state(engine, each) for each in fundings] == [(UNKNOWN, attempt)] * 2
    assert await money(engine, account) == (0, 100)
    assert {(await stored(engine, Funding, each.id)).kind for each in fundings} == set(FundingKind)
    assert await breaches(database_url) == []
