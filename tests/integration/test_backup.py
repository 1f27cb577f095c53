"""A sandbox's data, brought back to a moment: the books hold, and the bank tells what they have forgotten."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest

from danbao_core.accounts import Account
from danbao_core.bank.http_bank import HttpBank
from danbao_core.embedded import PostgresServer, StartError
from danbao_core.engine import Engine
from danbao_core.engine.reads import fetch_rows
from danbao_core.fundings import Funding
from danbao_core.migrations import migrate
from danbao_core.payments import Payment
from danbao_core.policy import PolicySchedule
from danbao_core.reconciliation import Difference, DifferenceKind
from danbao_core.supervisor import Endpoint
from danbao_core.supervisor.backup import back_up, restore
from danbao_core.supervisor.endpoint import write_endpoint
from tests import builders
from tests.acceptance.sandbox import danbao
from tests.banks import Asking, a_bank, a_card, top_up_by
from tests.engines import breaches
from tests.integration.sandboxes import a_folder, give_sandbox_data

KEYS = ("operator.key", "second-operator.key", "hash.key", "bank.key", "keyring.toml")


class Town(NamedTuple):
    """An engine and a bank, on the data of a sandbox."""

    url: str
    engine: Engine
    pool: "asyncpg.Pool[Any]"
    bank: HttpBank
    asking: Asking

    async def top_up(self, account: Account, amount_minor: int, number: str) -> Funding:
        """Money from a card that is new, known to both sides."""
        card = await a_card(self.engine, account, self.bank, number)
        funding = await top_up_by(self.engine, account, card, amount_minor)
        await self.asking.until_known()
        return await builders.stored(self.engine, Funding, funding.id)


@asynccontextmanager
async def a_town(folder: Path) -> AsyncIterator[Town]:
    """What works on a sandbox's folder."""
    server = PostgresServer(folder / "postgres")
    await server.start()
    try:
        await migrate(server.database_url, "sandbox")
        engine = Engine(server.database_url, policies=PolicySchedule.load())
        await engine.start()
        try:
            async with (
                a_bank(folder / "bank") as bank,
                asyncpg.create_pool(server.database_url, min_size=1, max_size=8) as pool,
            ):
                yield Town(server.database_url, engine, pool, bank, Asking(engine, pool, bank))
        finally:
            await engine.stop()
    finally:
        await server.stop()


def has_endpoint(folder: Path, url: str) -> None:
    """Lets commands find the sandbox, as if all of it ran."""
    pids = {"supervisor": [os.getpid()], "server": [os.getpid()]}
    write_endpoint(folder, Endpoint("127.0.0.1:1", "key", "key", url, "unix:///nowhere", pids))


async def test_a_sandbox_comes_back_as_it_was_at_a_moment() -> None:
    with a_folder() as first, a_folder("backup") as backup, a_folder("restored") as second:
        await give_sandbox_data(first)
        for name in KEYS:
            (first / name).write_text(f"secret of {name}\n")
        async with a_town(first) as town:
            has_endpoint(first, town.url)
            begun = await danbao("backup", backup, "--data", first, "--json")
            assert begun.code == 0, begun.err
            payer = await builders.an_account(town.engine)
            kept = await town.top_up(payer, 1_000, "4242424242424242")
            payment = await builders.a_paid_payment(town.engine, payer=payer, amount_minor=700)
            moment = datetime.now(UTC)
            forgotten = await town.top_up(payer, 55, "5555555555554444")
            lost = await builders.shipped(town.engine, payment)
            assert await back_up(first, town.url, backup, lambda _: None) > moment

        with pytest.raises(StartError, match="recovery ended before configured recovery target was reached"):
            await restore(backup, second, moment + timedelta(days=1), lambda _: None)
        assert not second.exists()
        restored = await danbao("restore", backup, "--data", second, "--to", moment.isoformat(), "--json")
        assert restored.code == 0, restored.err
        assert datetime.fromisoformat(restored.answer["last_commit_time"]) <= moment
        assert [(second / name).read_text() for name in KEYS] == [f"secret of {name}\n" for name in KEYS]

        async with a_town(second) as town:
            assert await breaches(town.url) == []
            assert (await builders.stored(town.engine, Payment, payment.id)).state is payment.state is not lost.state
            assert (await builders.stored(town.engine, Funding, kept.id)).state is kept.state
            await builders.later(town.engine, 86_400)
            assert await town.asking.reconciled() == 1
            (difference,) = await fetch_rows(town.pool, Difference, "SELECT * FROM difference")
            assert (difference.kind, difference.transfer_id) == (DifferenceKind.MISSING_HERE, forgotten.id)
            assert await breaches(town.url) == []
