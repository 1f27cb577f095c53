"""Banks for tests: the sandbox's own in the loop of the test, and one that answers whatever it is told."""

import asyncio
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import asyncpg
from aiohttp import web

from danbao_core.accounts import Account
from danbao_core.bank.http_bank import HttpBank
from danbao_core.bank.port import Bank, LineKind, Transfer
from danbao_core.bank.sandbox.server import SandboxBank, serve
from danbao_core.engine import Engine
from danbao_core.fundings import Funding, TopUp, Withdraw
from danbao_core.ids import uuid7
from danbao_core.money import Money
from danbao_core.opening import keyring_of
from danbao_core.people.instruments import BindInstrument, Card
from danbao_core.policy import PolicySchedule
from danbao_core.reconciliation import StartReconciliation
from danbao_core.reconciliation.commands import CompareSides, FinishReconciliation, Sides
from danbao_workers.event_numbers import EventNumbers
from danbao_workers.fundings import FUNDINGS
from danbao_workers.reconciliations import reconcile_what_waits
from danbao_workers.work import Background
from tests.builders import BY_BANK, carried_out, origin
from tests.rpc_client import Core
from tests.workers import worker_settings

KEY = "the-banks-key"
NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
"""Of a day in Shanghai."""

GOOD_CARD = "4242424242424242"


def a_transfer(token: str, amount_minor: int = 1_000, asked_at: datetime = NOON) -> Transfer:
    return Transfer(id=uuid7(), token=token, amount_minor=amount_minor, currency="CNY", asked_at=asked_at)


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def serving(bank: SandboxBank, port: int = 0) -> AsyncIterator[str]:
    """The URL of a bank in this loop; it ends with the block."""
    ready, stop = asyncio.get_running_loop().create_future(), asyncio.Event()
    running = asyncio.create_task(serve(bank, "127.0.0.1", port, ready.set_result, stop))
    await asyncio.wait({ready, running}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield await ready
    finally:
        stop.set()
        await running


@asynccontextmanager
async def a_bank(folder: Path | None = None, *, seed: int = 1, call_seconds: float = 10.0) -> AsyncIterator[HttpBank]:
    """The sandbox's bank, as it is asked; on a folder of its own unless one is given."""
    with tempfile.TemporaryDirectory() as temporary:
        async with serving(SandboxBank(folder or Path(temporary), KEY, seed=seed)) as url:
            asked = HttpBank(url, KEY, call_seconds=call_seconds)
            try:
                yield asked
            finally:
                await asked.close()


@asynccontextmanager
async def answering(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[HttpBank]:
    """A bank that answers every call so."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    asked = HttpBank(f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}", KEY, call_seconds=0.3)
    try:
        yield asked
    finally:
        await asked.close()
        await runner.cleanup()


# --- Workers that ask ---------------------------------------------------------------------------------------------------------


class Asking:
    """What a worker does for fundings of cards and for reconciliations, on an engine and a bank of the test."""

    def __init__(self, engine: Engine, pool: "asyncpg.Pool[Any]", bank: Bank) -> None:
        settings, none = worker_settings(engine._database_url, "redis://127.0.0.1:1"), cast("Any", None)
        self.background = Background(
            settings, engine, pool, none, keyring_of(settings), _at_once, none, EventNumbers(), none, bank
        )

    async def due(self) -> list[UUID]:
        """The fundings that are due."""
        return [row["id"] for row in await self.background.pool.fetch(FUNDINGS.due, NOON, 10_000)]

    async def once(self, *ids: UUID) -> None:
        """Asks the bank for these once, or for all that are due."""
        await FUNDINGS.carry_out(self.background, ids or await self.due())

    async def until_known(self) -> int:
        """Asks until nothing is due any more; answers how many rounds that took."""
        for number in count():
            if not (due := await self.due()):
                return number
            for first in range(0, len(due), FUNDINGS.at_a_time * 8):
                await self.once(*due[first : first + FUNDINGS.at_a_time * 8])
        raise AssertionError

    async def reconciled(self) -> int:
        """Reconciles all days that wait or are over; answers how many that were."""
        days = 0
        while done := await reconcile_what_waits(self.background, cast("Bank", self.background.bank)):
            days += done
        return days


def _at_once() -> datetime:
    """A clock that is slow, so that every pause is over when it begins."""
    return datetime.now(UTC) - timedelta(minutes=30)


async def a_card(engine: Engine, account: Account, bank: Bank, number: str = GOOD_CARD) -> UUID:
    """A card that is bound to an account."""
    card = Card(await bank.tokenize(number), number[:6], number[-4:], "k1", (uuid7().bytes * 2,))
    return (await carried_out(engine, BindInstrument(origin=origin(), account_id=account.id, card=card))).instrument_id


async def top_up_by(engine: Engine, account: Account, card: UUID, amount_minor: int = 1_000) -> Funding:
    """A top-up that the card's bank is to be asked for."""
    amount = Money(amount_minor, "CNY")
    asked = TopUp(origin=origin(), account_id=account.id, amount=amount, instrument_id=card, ways=BY_BANK)
    return await carried_out(engine, asked)


async def withdrawal_to(engine: Engine, account: Account, card: UUID, amount_minor: int = 1_000) -> Funding:
    """A withdrawal that the card's bank is to be asked for."""
    amount = Money(amount_minor, "CNY")
    asked = Withdraw(origin=origin(), account_id=account.id, amount=amount, instrument_id=card, ways=BY_BANK)
    return await carried_out(engine, asked)


async def a_difference(core: Core) -> str:
    """The name of an open difference, of a day that was reconciled, as the worker leaves it."""
    day = next(_DAYS)
    sides = Sides(uuid7(), LineKind.DEBIT, "CNY", None, 5)
    engine = Engine(core.settings.database_url, policies=PolicySchedule.load())
    await engine.start()
    try:
        await engine.submit(StartReconciliation(origin=origin(), day=day))
        await engine.submit(CompareSides(origin=origin(), day=day, sides=(sides,)))
        await engine.submit(FinishReconciliation(origin=origin(), day=day, asked_version=1, lines=1, entries=0, differences=1))
    finally:
        await engine.stop()
    return f"differences/{sides.difference_id}"


_DAYS = count(1_000)
