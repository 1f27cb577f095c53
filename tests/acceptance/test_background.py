"""Workers and Valkey are killed over and over while payments go on: afterwards everything was told, and done once."""

import asyncio
import contextlib
import json
from collections import defaultdict
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiohttp import web
from google.protobuf.duration_pb2 import Duration
from standardwebhooks.webhooks import Webhook

from danbao.v1 import notifications_pb2, payments_pb2, sandbox_pb2
from danbao_client import Danbao
from danbao_core.audit import audit
from tests.acceptance.sandbox import Sandbox, a_sandbox
from tests.integration.sandboxes import a_folder, eventually
from tests.rpc_client import until
from tests.rpc_requests import a_payment, a_request_id, a_top_up, create_account, money, shipment

ELEVEN_DAYS = 11 * 86_400
AT_ONCE = 6
MOST_UNTOLD = 150
PAID = "payment.paid"
PATIENCE_SECONDS = 120.0


class Endpoint:
    """A receiver that checks signatures, and answers 500 when every `fails_each`th event first comes."""

    def __init__(self, fails_each: int = 0) -> None:
        self._fails_each = fails_each
        self._seen = set[str]()
        self.secret = ""
        self.accepted: list[tuple[str, str]] = []
        """Id and topic, as they were taken."""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        Webhook(self.secret).verify(body.decode(), dict(request.headers))
        event = json.loads(body)
        new = event["id"] not in self._seen
        self._seen.add(event["id"])
        if new and self._fails_each and len(self._seen) % self._fails_each == 0:
            return web.Response(status=500)
        assert event["id"] == request.headers["webhook-id"]
        self.accepted.append((event["id"], event["type"]))
        return web.Response(status=204)


@contextlib.asynccontextmanager
async def served(*endpoints: Endpoint) -> Any:
    """The URLs of endpoints on one local server."""
    app = web.Application()
    for number, endpoint in enumerate(endpoints):
        app.router.add_post(f"/{number}", endpoint.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield [f"http://127.0.0.1:{port}/{number}" for number in range(len(endpoints))]
    finally:
        await runner.cleanup()


async def subscribed(client: Danbao, url: str) -> str:
    """The secret of a new endpoint that is told everything."""
    request = notifications_pb2.CreateWebhookEndpointRequest(request_id=a_request_id(), url=url, topics=["*"])
    return (await client.notifications.CreateWebhookEndpoint(request)).secret


async def pays(client: Danbao, payer: str, shop: str, enough: asyncio.Event, told: list[tuple[str, str]]) -> None:
    """One payment in escrow after another: some shipped, some refunded before or after that, until it is enough.

    No faster than they are told: while nobody does, those that wait stay few.
    """
    number = 0

    def may_go_on() -> bool:
        return enough.is_set() or number * AT_ONCE < MOST_UNTOLD + sum(topic == PAID for _, topic in told)

    while not enough.is_set():
        await eventually(may_go_on)
        payment = await client.payments.CreatePayment(a_payment(payer, shop, amount_minor=1_000, pay=True))
        number += 1
        if number % 2:
            await client.payments.ShipPayment(
                payments_pb2.ShipPaymentRequest(request_id=a_request_id(), name=payment.name, shipment=shipment())
            )
        if number % 3 == 0:
            await client.payments.CreateRefund(
                payments_pb2.CreateRefundRequest(request_id=a_request_id(), payment=payment.name, amount=money(400))
            )


async def waits_end(database: Any) -> None:
    """Ends the leases of workers, as ten seconds would, and the pause before a second attempt, as five would."""
    await database.execute("UPDATE webhook_health SET leased_until = now() WHERE leased_until > now()")
    await database.execute("UPDATE delivery SET due_at = now() WHERE state = 1 AND failures = 1 AND due_at > now()")


async def killed_over_and_over(sandbox: Sandbox, kills: int, told: list[tuple[str, str]], *, hurried: Any) -> None:
    """Kills workers and Valkey in turns, so many times, each time while events are being told. On the database `hurried`
    nobody waits for leases of the dead."""
    for number in range(kills):
        role = ("worker", "valkey")[number % 2]
        before, pids = len(told), sandbox.endpoint.pids[role]
        await eventually(lambda before=before: len(told) > before + 20)  # type: ignore[misc]
        sandbox.kill(role)
        await eventually(lambda role=role, pids=pids: sandbox.endpoint.pids[role] not in ([], pids))  # type: ignore[misc]
        if hurried is not None:
            await waits_end(hurried)


@pytest.mark.parametrize(("kills", "hurry"), [(2, True), pytest.param(30, False, marks=pytest.mark.soak)])
async def test_whatever_dies_every_event_is_told_in_order_and_everything_is_done_once(kills: int, hurry: bool) -> None:
    steady, failing = Endpoint(), Endpoint(fails_each=20)
    with a_folder() as folder:
        async with a_sandbox(folder) as sandbox, served(steady, failing) as urls:
            database = await asyncpg.connect(sandbox.endpoint.database_url)
            async with sandbox.client(channels=2) as client:
                for endpoint, url in zip((steady, failing), urls, strict=True):
                    endpoint.secret = await subscribed(client, url)
                await subscribed(client, "http://127.0.0.1:9/nobody-listens")
                shop = (await client.accounts.CreateAccount(create_account("CNY", merchant=True))).name
                payers = [(await client.accounts.CreateAccount(create_account("CNY"))).name for _ in range(AT_ONCE)]
                for payer in payers:
                    await client.accounts.TopUp(a_top_up(payer, 100_000_000))
                enough = asyncio.Event()
                paying = asyncio.gather(*(pays(client, payer, shop, enough, steady.accepted) for payer in payers))
                await killed_over_and_over(sandbox, kills, steady.accepted, hurried=database if hurry else None)
                enough.set()
                await paying
                await client.sandbox.AdvanceClock(
                    sandbox_pb2.AdvanceClockRequest(request_id=a_request_id(), by=Duration(seconds=ELEVEN_DAYS))
                )
                await until(lambda: all_is_done(database), PATIENCE_SECONDS)
                await until(lambda: all_is_told(database, urls, hurry=hurry), PATIENCE_SECONDS)
            await must_have_been_told(database, steady, failing)
            await must_have_been_done_once(database)
            assert not [check.breach for check in await audit(sandbox.endpoint.database_url) if check.breach is not None]
            await database.close()


async def all_is_done(database: Any) -> bool:
    """Whether no refund is open, no timer late and no event untold to the log."""
    return not await database.fetchval(
        """
        SELECT (SELECT count(*) FROM refund WHERE due_at IS NOT NULL)
             + (SELECT count(*) FROM payment, installation WHERE due_at <= now() + make_interval(secs => clock_offset_seconds))
             + (SELECT count(*) FROM outbox)
        """
    )


async def all_is_told(database: Any, urls: list[str], *, hurry: bool) -> bool:
    """Whether nothing is on its way to these endpoints."""
    if hurry:
        await waits_end(database)
    return not await database.fetchval(
        "SELECT count(*) FROM delivery d JOIN webhook_endpoint e ON e.id = endpoint_id WHERE url = ANY($1) AND d.state = 1",
        urls,
    )


async def must_have_been_told(database: Any, *endpoints: Endpoint) -> None:
    """Each endpoint has taken every event, those of one payment and its refunds in their order."""
    log = await database.fetch("SELECT id, ordering_id FROM event ORDER BY position")
    expected: dict[UUID, list[str]] = defaultdict(list)
    for event_id, ordering_id in log:
        expected[ordering_id].append(str(event_id))
    ordering_of = {str(event_id): ordering_id for event_id, ordering_id in log}
    for endpoint in endpoints:
        seen: dict[UUID, list[str]] = defaultdict(list)
        for event_id in dict.fromkeys(event_id for event_id, _ in endpoint.accepted):
            seen[ordering_of[event_id]].append(event_id)
        told_since = {ordering: ids for ordering, ids in expected.items() if ordering in seen}
        assert seen == told_since
        assert len(expected) - len(seen) <= 3, "but what happened before it subscribed"


async def must_have_been_done_once(database: Any) -> None:
    """Each refund was paid out once, and each payment released once."""
    for kind in ("refund.succeed", "payment.auto_confirm"):
        twice = await database.fetch("SELECT subject_id FROM journal WHERE kind = $1 GROUP BY 1 HAVING count(*) > 1", kind)
        assert twice == []
        assert await database.fetchval("SELECT count(*) FROM journal WHERE kind = $1", kind) > 0
    open_refunds = await database.fetchval("SELECT count(*) FROM refund WHERE state NOT IN (3, 4)")
    assert open_refunds == 0
