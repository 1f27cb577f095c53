"""One seed, from the first call to the last check."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from danbao.v1 import sandbox_pb2
from danbao_client import Danbao
from tests import rpc_requests as requests
from tests.faults.harness import checks
from tests.faults.harness.injecting import heal, inject
from tests.faults.harness.schedule import Injection, days_after, schedule_of
from tests.faults.harness.settling import settle
from tests.faults.harness.stack import Stack
from tests.faults.harness.workload import Market, Record
from tests.rpc_client import until

_DEADLINE_SECONDS: Final = 1.5
_PATIENCE_SECONDS: Final = 3.0
"""Of buyers: short, so that some go away without knowing what became of what they asked for."""


@dataclass
class Outcome:
    """What became of a seed."""

    seed: int
    schedule: list[Injection]
    left_out: list[str]
    """What could not be injected, and why."""
    breaches: list[str]
    asked: int = 0
    acknowledged: int = 0
    refused: int = 0
    asked_again: int = 0
    """Requests whose outcome nobody knew when the faults were over."""
    webhooks: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.asked} asked, {self.acknowledged} acknowledged, {self.refused} refused, "
            f"{self.asked_again} asked again, {self.webhooks} webhooks, {self.seconds:.0f} s: "
            + ("; ".join(self.breaches) or "nothing is wrong")
        )


async def run(stack: Stack, seed: int, faults: int = 6) -> Outcome:
    """Runs a seed on a stack, which others may have used before; its accounts are new."""
    began, tasks_before = time.monotonic(), asyncio.all_tasks()
    record, outcome = Record(), Outcome(seed, schedule_of(seed, faults), [], [])
    path, first = f"/{seed}/{len(stack.receiver.got)}", len(stack.receiver.got)
    await stack.whole_again()
    async with stack.client() as client:
        market = Market(seed)
        await market.open(client, record)
        await _the_bank_is(client, lost_bps=1_000, refused_bps=500)
        await _subscribe(stack, client, market, path)
    async with stack.client(_PATIENCE_SECONDS, _DEADLINE_SECONDS) as client:
        enough = asyncio.Event()
        trading = asyncio.create_task(market.trade(client, record, enough), name="trading")
        try:
            outcome.left_out = await inject(stack, outcome.schedule, record)
        finally:
            enough.set()
        await trading
    await heal(stack)
    async with stack.client() as client:
        await _the_bank_is(client)
    outcome.breaches = await settle(stack, record, days_after(seed)) or await _breaches(stack, market, record, path, first)
    outcome.breaches += await checks.must_not_leak(stack, tasks_before)
    outcome.asked, outcome.asked_again = len(record.asked), record.asked_again
    outcome.acknowledged = sum(each.answer is not None for each in record.asked.values())
    outcome.refused = sum(bool(each.refusal) for each in record.asked.values())
    outcome.webhooks = len(stack.receiver.got) - first
    outcome.seconds = time.monotonic() - began
    return outcome


async def _the_bank_is(client: Danbao, **like: int) -> None:
    channel = sandbox_pb2.BankChannel(**like)
    await client.sandbox.set_bank_behaviour(behaviour=sandbox_pb2.Bank.BEHAVIOUR_ACCEPT, channel=channel)


async def _subscribe(stack: Stack, client: Danbao, market: Market, path: str) -> None:
    """An endpoint of the shop's, for all its events."""
    async with stack.connected() as connection:
        request = requests.an_endpoint(stack.receiver.url + path, account=market.shop)
        stack.receiver.secrets[path] = (await client.notifications.CreateWebhookEndpoint(request)).secret

        async def all_is_in_the_log() -> bool:
            return not await connection.fetchval("SELECT EXISTS (SELECT FROM outbox)")

        await until(all_is_in_the_log)
        market.told_since = await connection.fetchval("SELECT last_position FROM event_log")


async def _breaches(stack: Stack, market: Market, record: Record, path: str, first: int) -> list[str]:
    received = [each for each in stack.receiver.got[first:] if each.path == path]
    breaches = await checks.must_be_answered_the_same(stack, record)
    async with stack.connected() as connection, connection.transaction(isolation="repeatable_read"):
        breaches += await checks.must_be_booked_once(connection, record)
        breaches += await checks.must_have_kept_the_money(connection, record, market)
        breaches += await checks.must_agree_with_the_bank(connection, stack.folder / "bank" / "bank.sqlite")
        breaches += await checks.must_have_been_told(connection, market, received)
        breaches += await checks.must_be_on_time(connection)
        breaches += await checks.must_pass_the_audit(connection)
    return breaches
