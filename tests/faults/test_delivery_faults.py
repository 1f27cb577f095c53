"""Payments go on while workers are killed and Valkey loses everything: each event reaches its endpoint, in its order."""

import asyncio
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from danbao_core.embedded import ValkeyServer
from tests import rpc_client
from tests.receiver import Received, Receiver, a_receiver
from tests.rpc_client import HASH_KEY, Core, audit_holds, until
from tests.rpc_requests import a_payment, an_endpoint, confirm, ship
from tests.workers import a_valkey

core = rpc_client.core

KILLS = 2
SOLD = ["payment.paid", "payment.shipped", "payment.succeeded"]


@asynccontextmanager
async def a_worker_process(core: Core, valkey: ValkeyServer) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker in a process of its own, which can be killed."""
    environment = {
        "PYTHONPATH": ":".join(sys.path),
        "DANBAO_MODE": "sandbox",
        "DANBAO_DATABASE_URL": core.settings.database_url,
        "DANBAO_VALKEY_URL": valkey.valkey_url,
        "DANBAO_HASH_KEY": HASH_KEY,
        "DANBAO_LOG_LEVEL": "error",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "danbao_workers", env=environment)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def _sell_on(core: Core, buyer: str, shop: str, done: asyncio.Event, sold: list[str]) -> None:
    while not done.is_set():
        payment = await core.operator.ask(a_payment(buyer, shop, 1))
        await core.operator.ask(ship(payment.name))
        await core.operator.ask(confirm(payment.name))
        sold.append(payment.name)


def first_of_each(received: list[Received]) -> dict[str, list[str]]:
    """What came first of each payment, without repeats."""
    seen: set[str] = set()
    topics: defaultdict[str, list[str]] = defaultdict(list)
    for each in received:
        if each.id not in seen:
            seen.add(each.id)
            topics[each.data["name"]].append(each.topic)
    return topics


async def test_every_event_arrives_in_its_order(core: Core) -> None:
    buyer, shop = await rpc_client.an_account(core, funds_minor=1_000_000), await rpc_client.a_merchant(core)
    keeper = await core.caller("notifications.write", account=shop)
    done, sold = asyncio.Event(), list[str]()
    async with a_receiver() as receiver, a_valkey() as valkey:
        made = await keeper.ask(an_endpoint(f"{receiver.url}/hook", "payment.*"))
        receiver.secrets["/hook"] = made.secret
        selling = [asyncio.create_task(_sell_on(core, buyer, shop, done, sold)) for _ in range(3)]
        for round_no in range(KILLS):
            before = len(receiver.got)
            async with a_worker_process(core, valkey):
                await until(lambda before=before: has_more(receiver, before + 5), 60)  # type: ignore[misc]
            await valkey.stop()  # what it held is gone
            await valkey.start()
            await core.connection.execute("UPDATE webhook_health SET leased_until = now()")  # as ten seconds later
            if round_no == KILLS - 2:
                done.set()
        await asyncio.gather(*selling)
        async with a_worker_process(core, valkey):
            await until(lambda: all_told(receiver, sold), 90)
        topics = first_of_each(receiver.got)
        assert all(each.secret_fits for each in receiver.got)
    assert {name: topics[name] for name in sold} == dict.fromkeys(sold, SOLD)
    assert await audit_holds(core)


async def has_more(receiver: Receiver, count: int) -> bool:
    return len(receiver.got) >= count


async def all_told(receiver: Receiver, sold: list[Any]) -> bool:
    topics = first_of_each(receiver.got)
    return all(topics.get(name) == SOLD for name in sold)
