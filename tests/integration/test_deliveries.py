"""Deliveries under stress: many subscribers of which some are dead, and workers that die, hang or claim the same."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web

from danbao_core import sql
from danbao_core.ids import IdSequence, first_at, uuid7
from danbao_core.keyring import Keyring
from danbao_core.notifications.deliveries import Redeliver
from danbao_core.notifications.endpoints import EnableWebhookEndpoint, ForgetOldSecret, UpdateWebhookEndpoint
from danbao_core.trail import account_event
from danbao_workers import deliverer, forgetting, relay
from danbao_workers import endpoints as endpoint_works
from danbao_workers.deliverer import Deliverer
from danbao_workers.deliveries import DELIVERIES
from danbao_workers.endpoints import OLD_SECRETS, RESUMPTIONS
from danbao_workers.relay import relay_once
from danbao_workers.sweep import Lateness
from danbao_workers.work import Background, Due, Work
from danbao_workers.worker import background_of
from tests.receiver import Answer, Receiver, a_receiver, answer, hang
from tests.rpc_client import until
from tests.workers import HASH_KEY, a_valkey, worker_settings

KEYRING = Keyring({"0": bytes.fromhex(HASH_KEY)})
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
async def background(database_url: str) -> AsyncIterator[Background]:
    """What a worker works with; nothing runs but its deliverer."""
    async with a_valkey() as valkey, background_of(worker_settings(database_url, valkey.valkey_url)) as made:
        yield made


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with a_receiver() as listening:
        yield listening


async def some_endpoints(background: Background, urls: list[str], *, unordered: bool = False) -> list[tuple[UUID, UUID]]:
    """Endpoints of accounts of their own; answers account and endpoint of each."""
    made = [(uuid7(), uuid7()) for _ in urls]
    await background.pool.executemany(
        "INSERT INTO webhook_endpoint VALUES ($1, $2, $3, '*', '', $4, 1, 0, $5, NULL, NULL, now(), now(), now(), 1)",
        [
            (endpoint, account, url, unordered, KEYRING.seal(SECRET, "webhook_endpoint", "secret", endpoint))
            for (account, endpoint), url in zip(made, urls, strict=True)
        ],
    )
    return made


async def happen(background: Background, *account_ids: UUID) -> None:
    """Something happens to each account, as a command would write it, and is relayed."""
    rows = [account_event(IdSequence(uuid7()), "account.frozen", each, NOON) for each in account_ids]
    await background.pool.executemany(
        "INSERT INTO outbox (id, topic, subject_id, subject_version, payload, created_at, ordering_id) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        [
            (row.id, row.topic, row.subject_id, row.subject_version, row.payload, row.created_at, row.ordering_id)
            for row in rows
        ],
    )
    while (await relay_once(background))[0]:
        pass


async def left(background: Background) -> int:
    """How many deliveries are pending."""
    count: int = await background.pool.fetchval("SELECT count(*) FROM delivery WHERE state = 1")
    return count


def delivered(background: Background, pending: int = 0) -> Any:
    async def are_delivered() -> bool:
        return await left(background) == pending

    return are_delivered


async def test_a_hundred_dead_of_a_thousand_subscribers_delay_nobody(
    background: Background, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.by_path["/dead"] = hang
    urls = [f"{receiver.url}/{'dead' if number % 10 == 0 else number}" for number in range(1_000)]
    endpoints = await some_endpoints(background, urls)
    await happen(background, *(account for account, _ in endpoints))
    background.deliverer.see_to(endpoint for _, endpoint in endpoints)
    await until(delivered(background, pending=100))
    alive = [each.path for each in receiver.got if each.path != "/dead"]
    assert len(alive) == len(set(alive)) == 900


async def test_two_workers_claim_the_same_and_one_delivers(background: Background, receiver: Receiver) -> None:
    endpoints = await some_endpoints(background, [f"{receiver.url}/{number}" for number in range(50)])
    for _ in range(3):
        await happen(background, *(account for account, _ in endpoints))
    async with another(background) as other:
        for each in (background.deliverer, other, background.deliverer):
            each.see_to(endpoint for _, endpoint in endpoints)
            await asyncio.sleep(0)
        await until(delivered(background))
    assert len(receiver.got) == len({(each.path, each.id) for each in receiver.got}) == 150


def another(background: Background) -> Deliverer:
    """The deliverer of another worker."""
    return Deliverer(
        background.engine, background.pool, background.keyring, background.wall_clock, background.numbers, sandbox=True
    )


async def test_what_a_killed_worker_was_at_is_sent_by_another_under_the_same_id(
    background: Background, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answers = [hang, answer(200)]
    monkeypatch.setattr(deliverer, "LEASE_SECONDS", 0.3)
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/hook"])
    await happen(background, account)
    killed = another(background)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(killed)
        killed.see_to([endpoint])
        await until(lambda: has_come(receiver, 1))
        killed._keeping[1].cancel()  # a dead worker renews no lease
        while len(receiver.got) < 2:
            background.deliverer.see_to([endpoint])
            await asyncio.sleep(0.02)
        await until(delivered(background))
        for task in killed._sending:
            task.cancel()
    first, second = receiver.got
    assert first.id == second.id


async def has_come(receiver: Receiver, count: int) -> bool:
    return len(receiver.got) >= count


async def test_an_endpoint_that_keeps_failing_rests_and_is_tried_by_one_request_at_a_time(
    background: Background, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "RETRY_SECONDS", [0.0] * 9)
    receiver.answers = [answer(500)]
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/hook"], unordered=True)
    for _ in range(20):
        await happen(background, account)
    background.deliverer.see_to([endpoint])
    await until(lambda: rests(background, endpoint))
    before = len(receiver.got)
    await background.deliverer._claim([endpoint])
    await until(lambda: nothing_is_on_its_way(background))
    assert len(receiver.got) - before <= deliverer._FEW  # what was on its way when it was found out
    receiver.answers = [answer(200)]
    await background.pool.execute("UPDATE webhook_health SET rests_until = now()")
    background.deliverer.see_to([endpoint])
    await until(delivered(background))


async def nothing_is_on_its_way(background: Background) -> bool:
    return not background.deliverer._sending


async def rests(background: Background, endpoint: UUID) -> bool:
    return bool(
        await background.pool.fetchval("SELECT rests_until > now() FROM webhook_health WHERE endpoint_id = $1", endpoint)
    )


async def test_an_endpoint_to_which_nothing_gets_through_for_days_is_disabled(
    background: Background, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "_FAILURES_TO_REST", 1)
    receiver.answers = [answer(500)]
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/hook"])
    await happen(background, account)
    background.deliverer.see_to([endpoint])
    await until(lambda: rests(background, endpoint))
    await four_days_pass(background)
    background.deliverer.see_to([endpoint])
    await until(lambda: is_disabled(background, endpoint))


async def four_days_pass(background: Background) -> None:
    await background.pool.execute(
        "UPDATE webhook_health SET failing_since = failing_since - interval '4 days', rests_until = NULL"
    )
    await background.pool.execute("UPDATE webhook_endpoint SET updated_at = updated_at - interval '4 days'")
    await background.pool.execute("UPDATE delivery SET due_at = now() WHERE state = 1")


async def test_an_endpoint_that_was_enabled_again_has_its_days_again(
    background: Background, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "_FAILURES_TO_REST", 1)
    receiver.answers = [answer(500)]
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/hook"])
    await happen(background, account)
    background.deliverer.see_to([endpoint])
    await until(lambda: rests(background, endpoint))
    await four_days_pass(background)
    background.deliverer.see_to([endpoint])
    await until(lambda: is_disabled(background, endpoint))
    written = writing_of_an_attempt(monkeypatch)
    await enable(background, endpoint)
    await carry_out(background, RESUMPTIONS)
    async with asyncio.timeout(30):
        await written.wait()
    assert await has_been_tried(background, 3)
    assert not await is_disabled(background, endpoint)


async def has_been_tried(background: Background, attempts: int) -> bool:
    return bool(await background.pool.fetchval("SELECT max(attempts) = $1 FROM delivery", attempts))


async def enable(background: Background, endpoint: UUID) -> None:
    """Its owner says that it may be called again."""
    await background.engine.submit(EnableWebhookEndpoint(origin=background.origin("test"), endpoint_id=endpoint))


async def carry_out(background: Background, work: Work) -> int:
    """What is due of this work, as the leader gives it out; answers how much that was."""
    due = await background.pool.fetch(work.due, background.wall_clock(), 100)
    await work.carry_out(background, [row["id"] for row in due])
    return len(due)


async def test_what_an_endpoint_did_not_take_before_it_was_gone_comes_when_it_is_enabled_again(
    background: Background, receiver: Receiver
) -> None:
    receiver.answers = [answer(410)]
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/hook"], unordered=True)
    for _ in range(6):
        await happen(background, account)
    background.deliverer.see_to([endpoint])
    await until(lambda: is_disabled(background, endpoint))
    refused = len(receiver.got)
    assert await left(background) == 6
    receiver.answers = [answer(200)]
    await enable(background, endpoint)
    await background.deliverer._claim([endpoint])
    assert len(receiver.got) == refused, "nothing is sent before all of it has its retries again"
    assert await carry_out(background, RESUMPTIONS) == 1
    await until(delivered(background))
    assert len({each.id for each in receiver.got[refused:]}) == 6
    assert await carry_out(background, RESUMPTIONS) == 0


async def test_an_answer_to_what_was_sent_before_an_endpoint_was_enabled_does_not_disable_it_again(
    background: Background, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its delivery was not tried before, so nothing of it had to be taken up anew."""
    monkeypatch.setattr(deliverer, "RETRY_SECONDS", [0.0] * len(deliverer.RETRY_SECONDS))
    enabled = asyncio.Event()
    receiver.answers = [answer(410), failing_after(enabled, 410), answer(200)]
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/hook"], unordered=True)
    for _ in range(2):
        await happen(background, account)
    background.deliverer.see_to([endpoint])
    await until(lambda: is_disabled(background, endpoint))
    await enable(background, endpoint)
    await carry_out(background, RESUMPTIONS)
    enabled.set()
    await until(delivered(background))
    assert len(receiver.got) == 4, "each once more"


async def test_what_failed_at_its_last_retry_comes_first_and_with_all_retries_when_its_endpoint_is_enabled(
    background: Background, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "RETRY_SECONDS", [0.0] * 9)
    monkeypatch.setattr(endpoint_works, "ROWS_AT_ONCE", 1)
    receiver.answers = [answer(500)]
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/hook"])
    await happen(background, account)
    await happen(background, account)
    await background.pool.execute("UPDATE delivery SET failures = 9")
    background.deliverer.see_to([endpoint])
    await until(lambda: is_disabled(background, endpoint))
    ids = [row["event_id"] for row in await background.pool.fetch("SELECT event_id FROM delivery ORDER BY event_position")]
    states = await background.pool.fetch("SELECT state FROM delivery ORDER BY event_position")
    assert [row["state"] for row in states] == [3, 1]
    receiver.got.clear()
    receiver.answers = [answer(500), answer(500), answer(200)]
    await enable(background, endpoint)
    await carry_out(background, RESUMPTIONS)
    await until(delivered(background))
    assert [UUID(each.id) for each in receiver.got] == [ids[0], ids[0], ids[0], ids[1]]
    assert not await is_disabled(background, endpoint)


async def test_what_waits_behind_a_delivery_comes_at_once_when_that_is_delivered_once_more(
    background: Background, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "RETRY_SECONDS", [3_600] * 9)
    receiver.answers = [answer(500), answer(200)]
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/hook"])
    await happen(background, account)
    await happen(background, account)
    background.deliverer.see_to([endpoint])
    await until(lambda: nothing_due(background))
    await redeliver(background, await first_delivery(background))
    background.deliverer.see_to([endpoint])
    await until(delivered(background))
    assert len(receiver.got) == 3


async def test_how_long_deliveries_have_been_due_is_told(background: Background) -> None:
    ((account, _), _) = await some_endpoints(background, ["http://127.0.0.1:1/hook"] * 2)
    await happen(background, account)
    await background.pool.execute("UPDATE delivery SET due_at = now() - interval '100 seconds'")
    lateness = Lateness()
    lateness.tell(DELIVERIES, [Due(*row) for row in await background.pool.fetch(DELIVERIES.due, background.wall_clock(), 10)])
    count, late_seconds = lateness.found["deliveries"]
    assert count == 1
    assert late_seconds >= 100


async def test_a_result_that_is_not_written_puts_nothing_off(
    background: Background, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "RETRY_SECONDS", [3_600] * 9)
    fail = asyncio.Event()
    receiver.answers = [failing_after(fail), answer(200)]
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/hook"])
    await happen(background, account)
    await happen(background, account)
    background.deliverer.see_to([endpoint])
    await until(lambda: has_come(receiver, 1))
    await redeliver(background, await first_delivery(background))
    fail.set()
    await until(delivered(background))
    assert len(receiver.got) == 3


async def test_a_failure_puts_off_what_comes_behind_it_alone(
    background: Background, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "RETRY_SECONDS", [3_600] * 9)
    fail = asyncio.Event()
    receiver.answers = [answer(200), failing_after(fail), answer(200)]
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/hook"])
    await happen(background, account)
    await happen(background, account)
    background.deliverer.see_to([endpoint])
    await until(lambda: has_come(receiver, 2))
    await redeliver(background, await first_delivery(background))
    fail.set()
    await until(lambda: has_come(receiver, 3))
    assert receiver.got[0].id == receiver.got[2].id != receiver.got[1].id


def failing_after(event: asyncio.Event, status: int = 500) -> Answer:
    """An answer that is a failure, once the event is set."""

    async def give(request: web.Request) -> web.StreamResponse:
        await event.wait()
        return web.Response(status=status)

    return give


async def first_delivery(background: Background) -> UUID:
    delivery_id: UUID = await background.pool.fetchval("SELECT id FROM delivery ORDER BY event_position LIMIT 1")
    return delivery_id


async def redeliver(background: Background, delivery_id: UUID) -> None:
    await background.engine.submit(Redeliver(origin=background.origin("test"), delivery_id=delivery_id))


async def test_a_secret_that_was_replaced_is_forgotten_after_its_day(background: Background) -> None:
    ((_, endpoint),) = await some_endpoints(background, ["http://127.0.0.1:1/hook"])
    seal = KEYRING.seal(SECRET, "webhook_endpoint", "old_secret", endpoint)
    text = "UPDATE webhook_endpoint SET old_secret = $1, "
    await background.pool.execute(text + "old_secret_expires_at = now() + interval '1 hour'", seal)
    assert await carry_out(background, OLD_SECRETS) == 0
    too_early = background.origin("test")
    await background.engine.submit(ForgetOldSecret(origin=too_early, endpoint_id=endpoint))
    assert await background.pool.fetchval("SELECT old_secret FROM webhook_endpoint") == seal
    await background.pool.execute(text + "old_secret_expires_at = now() - interval '1 second'", seal)
    assert await carry_out(background, OLD_SECRETS) == 1
    [row] = await background.pool.fetch("SELECT secret, old_secret, old_secret_expires_at FROM webhook_endpoint")
    assert row["secret"] is not None
    assert (row["old_secret"], row["old_secret_expires_at"]) == (None, None)
    assert await carry_out(background, OLD_SECRETS) == 0


def writing_of_an_attempt(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when an attempt is written, and all that follows from it."""
    done, write_some = asyncio.Event(), Deliverer._write_some

    async def write_and_say_so(self: Deliverer) -> None:
        has_some = bool(self._ended)
        await write_some(self)
        if has_some:
            done.set()

    monkeypatch.setattr(Deliverer, "_write_some", write_and_say_so)
    return done


async def test_what_gets_through_ends_a_failing_that_another_worker_saw(background: Background, receiver: Receiver) -> None:
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/hook"])
    await happen(background, account)
    background.deliverer.see_to([endpoint])
    await until(delivered(background))
    receiver.answers = [answer(500), answer(200)]
    async with another(background) as other:
        await happen(background, account)
        other.see_to([endpoint])
        await until(lambda: is_failing(background, endpoint))

    async def is_delivered_when_it_is_seen_to() -> bool:
        await background.pool.execute("UPDATE delivery SET due_at = now() WHERE state = 1")
        background.deliverer.see_to([endpoint])  # the other one may have the endpoint for a while
        return bool(await delivered(background)())

    await until(is_delivered_when_it_is_seen_to)
    assert not await is_failing(background, endpoint)


async def is_failing(background: Background, endpoint: UUID) -> bool:
    return bool(
        await background.pool.fetchval("SELECT failing_since IS NOT NULL FROM webhook_health WHERE endpoint_id = $1", endpoint)
    )


async def is_disabled(background: Background, endpoint: UUID) -> bool:
    return bool(await background.pool.fetchval("SELECT state = 2 FROM webhook_endpoint WHERE id = $1", endpoint))


async def test_what_an_old_target_answers_does_not_disable_the_new_one(background: Background, receiver: Receiver) -> None:
    asked = asyncio.Event()

    async def gone_at_last(request: web.Request) -> web.StreamResponse:
        await asked.wait()
        return web.Response(status=410)

    receiver.by_path["/old"] = gone_at_last
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/old"])
    await happen(background, account)
    background.deliverer.see_to([endpoint])
    await until(lambda: has_come(receiver, 1))
    moved = UpdateWebhookEndpoint(origin=background.origin("test"), endpoint_id=endpoint, url=f"{receiver.url}/new")
    await background.engine.submit(moved)
    asked.set()
    await until(lambda: has_been_tried(background, 1))
    await carry_out(background, RESUMPTIONS)
    await until(delivered(background))
    assert receiver.got[-1].path == "/new"


async def test_what_waits_behind_something_that_is_not_due_is_not_looked_at_again_and_again(
    background: Background, receiver: Receiver
) -> None:
    receiver.answers = [answer(500)]
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/hook"])
    await happen(background, account)
    background.deliverer.see_to([endpoint])
    await until(lambda: has_failed(background))
    await happen(background, account)  # comes when the first is due again
    background.deliverer.see_to([endpoint])
    await until(lambda: nothing_due(background))
    assert len(receiver.got) == 1


async def has_failed(background: Background) -> bool:
    return bool(await background.pool.fetchval("SELECT bool_and(failures > 0) FROM delivery"))


async def nothing_due(background: Background) -> bool:
    return not await background.pool.fetchval("SELECT count(*) FROM delivery WHERE due_at <= now()")


async def test_events_are_relayed_once_by_relays_that_both_believe_to_lead(background: Background) -> None:
    accounts = [uuid7() for _ in range(200)]
    rows = [account_event(IdSequence(uuid7()), "account.frozen", each, NOON) for each in accounts]
    await background.pool.executemany(
        "INSERT INTO outbox (id, topic, subject_id, subject_version, payload, created_at, ordering_id) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        [
            (row.id, row.topic, row.subject_id, row.subject_version, row.payload, row.created_at, row.ordering_id)
            for row in rows
        ],
    )
    counts = await asyncio.gather(*(relay_once(background) for _ in range(3)))
    assert sum(count for count, _ in counts) == 200
    told = await background.pool.fetch("SELECT position, subject_id FROM event ORDER BY position")
    assert [tuple(row) for row in told] == list(enumerate(accounts, 1))


async def test_how_far_the_relay_is_behind_is_told_while_it_is_and_not_by_who_leads_no_longer(
    background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "MOST_AT_ONCE", 5)
    hour = 3_600_000 << 80  # of the milliseconds that ids begin with
    payload = account_event(IdSequence(uuid7()), "account.frozen", uuid7(), NOON).payload
    await background.pool.executemany(
        "INSERT INTO outbox (id, topic, subject_id, subject_version, payload, created_at, ordering_id) "
        "VALUES ($1, 'account.frozen', $2, 0, $3, now(), $2)",
        [(UUID(int=each.int - hour), each, payload) for each in (uuid7() for _ in range(20))],
    )
    seen = []
    lag = relay._lag

    async def looked_at(background: Background) -> float:
        seen.append(await lag(background))
        return seen[-1]

    monkeypatch.setattr(relay, "_lag", looked_at)
    relaying = asyncio.create_task(relay.relay(background))
    await until(lambda: nothing_waits(background))
    assert max(seen) > 3_000
    background.numbers.outbox_lag_seconds = 1.0
    relaying.cancel()
    await asyncio.gather(relaying, return_exceptions=True)
    assert background.numbers.outbox_lag_seconds == 0


async def nothing_waits(background: Background) -> bool:
    return not await background.pool.fetchval("SELECT count(*) FROM outbox")


async def test_to_forget_nothing_not_all_is_looked_at(background: Background) -> None:
    await background.pool.execute(
        "INSERT INTO event SELECT number, gen_random_uuid(), 'account.frozen', gen_random_uuid(), 0, gen_random_uuid(), "
        "NULL, NULL, '', now(), now(), '' FROM generate_series(1, 2000) AS number"
    )
    text = sql.load("danbao_workers", "forget_events")
    [(plan,)] = await background.pool.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", 90, 10)
    nodes = nodes_of(json.loads(plan)[0]["Plan"])
    read = max(each["Actual Rows"] + each.get("Rows Removed by Filter", 0) for each in nodes)
    assert read <= 10


def nodes_of(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes of a plan."""
    return [plan, *(node for each in plan.get("Plans", ()) for node in nodes_of(each))]


async def test_what_is_ninety_days_old_is_forgotten(background: Background, receiver: Receiver) -> None:
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/hook"])
    for _ in range(3):
        await happen(background, account)
    background.deliverer.see_to([endpoint])
    await until(delivered(background))
    old = first_at(datetime.now(UTC) - timedelta(days=forgetting.KEPT_DAYS, minutes=1))
    await background.pool.execute("UPDATE event SET relayed_at = now() - interval '91 days' WHERE position <= 2")
    oldest = await background.pool.fetchval("SELECT min(id::text)::uuid FROM delivery")
    await background.pool.execute("UPDATE delivery_attempt SET delivery_id = $1 WHERE delivery_id = $2", old, oldest)
    await background.pool.execute("UPDATE delivery SET id = $1 WHERE id = $2", old, oldest)
    assert [await forgetting.forget_some(background) for _ in range(3)] == [1, 2, 0]
    counts = {
        table: await background.pool.fetchval(f"SELECT count(*) FROM {table}")
        for table in ("event", "delivery", "delivery_attempt")
    }
    assert counts == {"event": 1, "delivery": 2, "delivery_attempt": 2}
    assert await background.pool.fetchval("SELECT forgotten_position FROM event_log") == 2


async def test_no_event_is_forgotten_before_its_deliveries(background: Background, receiver: Receiver) -> None:
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/hook"])
    await happen(background, account)
    await background.pool.execute("UPDATE event SET relayed_at = now() - interval '90 days 1 second'")
    assert await forgetting.forget_some(background) == 0
    background.deliverer.see_to([endpoint])
    await until(delivered(background))


async def test_what_cannot_be_made_is_an_attempt_that_failed(background: Background, receiver: Receiver) -> None:
    ((account, endpoint),) = await some_endpoints(background, [f"{receiver.url}/hook"])
    await background.pool.execute("UPDATE webhook_endpoint SET secret = '\\x0130'")
    await happen(background, account)
    background.deliverer.see_to([endpoint])
    await until(lambda: has_failed(background))
    assert await background.pool.fetchval("SELECT failure FROM delivery_attempt") == "internal"
