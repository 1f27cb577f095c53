"""Webhooks end to end: a core, a worker, and a receiver that answers well, badly, or not at all."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from danbao.v1 import notifications_pb2
from danbao_core.embedded import ValkeyServer
from danbao_core.notifications import webhooks
from danbao_workers import deliverer
from tests import rpc_client
from tests.receiver import Receiver, a_receiver, answer, hang, ten_megabytes
from tests.rpc_client import HASH_KEY, Core, a_core, until
from tests.rpc_requests import (
    a_payment,
    a_test_event,
    accept_dispute,
    an_endpoint,
    cancel,
    confirm,
    delete_endpoint,
    enable_endpoint,
    open_dispute,
    redeliver,
    rotate_secret,
    ship,
    update_endpoint,
)
from tests.workers import a_valkey, a_worker

core = rpc_client.core

DISABLED = notifications_pb2.WebhookEndpoint.STATE_DISABLED
Delivery = notifications_pb2.Delivery


@pytest.fixture(scope="module")
async def valkey() -> AsyncIterator[ValkeyServer]:
    async with a_valkey() as running:
        yield running


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries and rests take moments."""
    monkeypatch.setattr(deliverer, "RETRY_SECONDS", [0.05] * 9)


@pytest.fixture
async def worker(core: Core, valkey: ValkeyServer) -> AsyncIterator[None]:
    async with a_worker(core.settings.database_url, valkey.valkey_url, hash_key=HASH_KEY):
        yield


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with a_receiver() as listening:
        yield listening


class Shop:
    """A merchant with a key of its own, an endpoint, and a buyer with money."""

    def __init__(self, core: Core, name: str, buyer: str, caller: rpc_client.Caller, endpoint: Any) -> None:
        self.core, self.name, self.buyer, self.caller, self.endpoint = core, name, buyer, caller, endpoint

    async def sell(self, amount_minor: int = 100) -> str:
        """Takes a payment through escrow; answers its name."""
        payment = await self.core.operator.ask(a_payment(self.buyer, self.name, amount_minor))
        await self.core.operator.ask(ship(payment.name))
        await self.core.operator.ask(confirm(payment.name))
        return str(payment.name)

    async def deliveries(self) -> list[Any]:
        """All deliveries to the endpoint, oldest first."""
        request = notifications_pb2.ListDeliveriesRequest(webhook_endpoint=self.endpoint.name, page_size=500)
        return list(reversed((await self.caller.ask(request)).deliveries))

    async def state(self) -> Any:
        return await self.caller.ask(notifications_pb2.GetWebhookEndpointRequest(name=self.endpoint.name))


SOLD = ["payment.paid", "payment.shipped", "payment.succeeded"]


async def a_shop(core: Core, receiver: Receiver, *topics: str, path: str = "/hook", **fields: Any) -> Shop:
    buyer, shop = await rpc_client.an_account(core, funds_minor=100_000), await rpc_client.a_merchant(core)
    caller = await core.caller("notifications.read", "notifications.write", account=shop)
    made = await caller.ask(an_endpoint(f"{receiver.url}{path}", *(topics or ("payment.*",)), **fields))
    receiver.secrets[path] = made.secret
    return Shop(core, shop, buyer, caller, made.webhook_endpoint)


def has_come(receiver: Receiver, count: int) -> Any:
    async def come() -> bool:
        return len(receiver.got) >= count

    return come


async def test_what_happens_to_a_payment_is_told_in_order_and_signed(core: Core, worker: None, receiver: Receiver) -> None:
    shop = await a_shop(core, receiver)
    payment = await shop.sell()
    await until(has_come(receiver, 3))
    assert receiver.topics() == SOLD
    assert all(each.secret_fits for each in receiver.got)
    assert [each.data["state"] for each in receiver.got] == [
        "STATE_PAID",
        "STATE_SHIPPED",
        "STATE_SUCCEEDED",
    ]
    assert {each.data["name"] for each in receiver.got} == {payment}
    assert [each.content["id"] for each in receiver.got] == [each.id for each in receiver.got]
    assert len({each.id for each in receiver.got}) == 3


async def test_what_happens_to_a_dispute_is_told_to_the_shop(core: Core, worker: None, receiver: Receiver) -> None:
    shop = await a_shop(core, receiver, "dispute.*", path="/disputes")
    payment = await core.operator.ask(a_payment(shop.buyer, shop.name))
    dispute = await core.operator.ask(open_dispute(payment.name, 40))
    await core.operator.ask(accept_dispute(dispute.name))
    await until(has_come(receiver, 2))
    assert receiver.topics() == ["dispute.opened", "dispute.settled"]
    assert all(each.secret_fits for each in receiver.got)
    assert [each.data["state"] for each in receiver.got] == ["STATE_AWAITING_SELLER", "STATE_SETTLED"]
    assert receiver.got[0].data["amount"] == {"amountMinor": "40", "currencyCode": "CNY"}


async def test_an_endpoint_of_an_account_gets_its_events_alone(core: Core, worker: None, receiver: Receiver) -> None:
    one = await a_shop(core, receiver, path="/one")
    other = await a_shop(core, receiver, path="/other")
    await one.sell()
    await other.sell()
    await until(has_come(receiver, 6))
    for shop, path in ((one, "/one"), (other, "/other")):
        assert {each.data["payee"] for each in receiver.got if each.path == path} == {shop.name}


async def test_the_platform_gets_everything_it_subscribes_to(core: Core, worker: None, receiver: Receiver) -> None:
    made = await core.operator.ask(an_endpoint(f"{receiver.url}/all", "payment.succeeded", "funding.*"))
    shop = await a_shop(core, receiver, "account.*")
    await shop.sell()
    await until(has_come(receiver, 2))
    assert sorted(receiver.topics()) == ["funding.succeeded", "payment.succeeded"]
    await core.operator.ask(delete_endpoint(made.webhook_endpoint.name))


async def test_what_fails_is_sent_again_under_the_same_id(core: Core, worker: None, receiver: Receiver) -> None:
    receiver.answers = [answer(500, b"not now\0", retry_after="0"), answer(200, b"thanks")]
    shop = await a_shop(core, receiver, "payment.paid")
    await shop.sell()
    await until(has_come(receiver, 2))
    first, second = receiver.got
    assert (first.id, first.body) == (second.id, second.body)
    await until(lambda: all_succeeded(shop))
    (delivery,) = await shop.deliveries()
    assert [(each.number, each.status, each.failure, each.body) for each in delivery.attempts] == [
        (2, 200, "", "thanks"),
        (1, 500, "status", "not now\ufffd"),
    ]


async def all_succeeded(shop: Shop) -> bool:
    deliveries = await shop.deliveries()
    return bool(deliveries) and all(each.state == Delivery.STATE_SUCCEEDED for each in deliveries)


async def test_order_is_kept_while_something_fails(core: Core, worker: None, receiver: Receiver) -> None:
    receiver.answers = [answer(503), answer(200), answer(503), answer(200)]
    shop = await a_shop(core, receiver)
    await shop.sell()
    await until(lambda: all_succeeded(shop))
    first_seen = list(dict.fromkeys(receiver.topics()))
    assert first_seen == SOLD
    assert receiver.topics() == ["payment.paid", "payment.paid", "payment.shipped", "payment.shipped", "payment.succeeded"]


async def test_an_unordered_endpoint_waits_for_nothing(core: Core, worker: None, receiver: Receiver) -> None:
    receiver.by_path["/hook"] = refuse_paid
    shop = await a_shop(core, receiver, unordered=True)
    await shop.sell()
    await until(lambda: came(receiver, *SOLD))
    paid = (await shop.deliveries())[0]
    assert paid.topic == "payment.paid"
    assert paid.state != Delivery.STATE_SUCCEEDED


async def refuse_paid(request: Any) -> Any:
    topic = (await request.json())["type"]
    return await answer(500 if topic == "payment.paid" else 200)(request)


async def came(receiver: Receiver, *topics: str) -> bool:
    return set(topics) <= set(receiver.topics())


async def test_410_disables_an_endpoint_at_once(core: Core, worker: None, receiver: Receiver) -> None:
    receiver.by_path["/gone"] = answer(410)
    shop = await a_shop(core, receiver, path="/gone")
    told = await shop.caller.ask(an_endpoint(f"{receiver.url}/told", "webhook_endpoint.disabled"))
    await shop.sell()
    await until(lambda: is_disabled(shop))
    assert (await shop.state()).disable_reason == notifications_pb2.WebhookEndpoint.DISABLE_REASON_GONE
    await until(lambda: came(receiver, "webhook_endpoint.disabled"))
    (notice,) = [each for each in receiver.got if each.path == "/told"]
    assert notice.data["name"] == shop.endpoint.name
    assert "secret" not in notice.body.decode().lower()
    await shop.caller.ask(delete_endpoint(told.webhook_endpoint.name))


async def is_disabled(shop: Shop) -> bool:
    return bool((await shop.state()).state == DISABLED)


async def test_after_the_last_retry_the_endpoint_is_disabled_and_goes_on_when_enabled(
    core: Core, worker: None, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "_FAILURES_TO_REST", 100)
    receiver.answers = [answer(500)]
    shop = await a_shop(core, receiver)
    await shop.sell()
    await until(lambda: is_disabled(shop))
    assert (await shop.state()).disable_reason == notifications_pb2.WebhookEndpoint.DISABLE_REASON_FAILING
    assert receiver.topics()[:10] == ["payment.paid"] * 10
    (paid, *others) = await shop.deliveries()
    assert (paid.state, len(paid.attempts)) == (Delivery.STATE_FAILED, 10)
    assert {each.state for each in others} == {Delivery.STATE_PENDING}
    receiver.answers = [answer(200)]
    await shop.caller.ask(enable_endpoint(shop.endpoint.name))
    await until(lambda: came(receiver, *SOLD))
    await shop.caller.ask(redeliver(paid.name))
    await until(lambda: all_succeeded(shop))


async def test_a_redirect_is_a_failure_and_not_followed(core: Core, worker: None, receiver: Receiver) -> None:
    receiver.answers = [answer(307, location=f"{receiver.url}/elsewhere"), answer(200)]
    shop = await a_shop(core, receiver, "payment.paid")
    await shop.sell()
    await until(lambda: all_succeeded(shop))
    assert {each.path for each in receiver.got} == {"/hook"}
    (delivery,) = await shop.deliveries()
    assert [each.status for each in delivery.attempts] == [200, 307]


async def test_a_long_answer_is_not_read_to_its_end(core: Core, worker: None, receiver: Receiver) -> None:
    receiver.by_path["/hook"] = ten_megabytes
    shop = await a_shop(core, receiver, "payment.paid")
    await shop.sell()
    await until(lambda: all_succeeded(shop))
    (delivery,) = await shop.deliveries()
    assert delivery.attempts[0].body == "x" * webhooks.KEPT_BYTES


async def test_a_receiver_that_hangs_delays_nobody_else(
    core: Core, valkey: ValkeyServer, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "TIMEOUT_SECONDS", 0.3)
    receiver.by_path["/hangs"] = hang
    hanging = await a_shop(core, receiver, path="/hangs")
    other = await a_shop(core, receiver, path="/other")
    async with a_worker(core.settings.database_url, valkey.valkey_url, hash_key=HASH_KEY):
        await hanging.sell()
        await other.sell()
        await until(lambda: all_succeeded(other))
        await until(lambda: has_failed(hanging))
    (delivery, *_) = await hanging.deliveries()
    assert {each.failure for each in delivery.attempts} == {"timeout"}
    await hanging.caller.ask(delete_endpoint(hanging.endpoint.name))


async def has_failed(shop: Shop) -> bool:
    return any(delivery.attempts for delivery in await shop.deliveries())


async def test_a_new_secret_signs_beside_the_old_one(core: Core, worker: None, receiver: Receiver) -> None:
    shop = await a_shop(core, receiver, "payment.paid")
    old = receiver.secrets["/hook"]
    rotated = await shop.caller.ask(rotate_secret(shop.endpoint.name))
    assert rotated.secret != old
    for secret in (old, rotated.secret):
        receiver.secrets["/hook"] = secret
        await shop.sell()
        await until(has_come(receiver, 1))
        assert receiver.got.pop().secret_fits


async def test_a_test_event_reaches_its_endpoint_alone(core: Core, worker: None, receiver: Receiver) -> None:
    shop = await a_shop(core, receiver, "payment.succeeded")
    other = await shop.caller.ask(an_endpoint(f"{receiver.url}/other", "*"))
    sent = await shop.caller.ask(a_test_event(shop.endpoint.name))
    await until(has_come(receiver, 1))
    (got,) = receiver.got
    assert (got.id, got.topic, got.path) == (sent.event_id, "webhook_endpoint.test", "/hook")
    assert got.data["name"] == shop.endpoint.name
    await shop.caller.ask(delete_endpoint(other.webhook_endpoint.name))


async def test_nothing_is_sent_to_a_deleted_endpoint(core: Core, worker: None, receiver: Receiver) -> None:
    shop = await a_shop(core, receiver)
    watched = await a_shop(core, receiver, path="/watched")
    await shop.caller.ask(delete_endpoint(shop.endpoint.name))
    await shop.sell()
    await watched.sell()
    await until(lambda: all_succeeded(watched))
    assert {each.path for each in receiver.got} == {"/watched"}


async def test_an_update_leads_what_is_pending_elsewhere(core: Core, worker: None, receiver: Receiver) -> None:
    receiver.by_path["/wrong"] = answer(404)
    shop = await a_shop(core, receiver, path="/wrong")
    await shop.sell()
    await until(lambda: has_failed(shop))
    updated = await shop.caller.ask(update_endpoint(shop.endpoint.name, url=f"{receiver.url}/right"))
    assert (updated.url, list(updated.topics)) == (f"{receiver.url}/right", ["payment.*"])
    await until(lambda: all_succeeded(shop))
    assert receiver.topics("/right") == SOLD


async def test_events_of_payments_that_nobody_subscribes_to_go_nowhere(core: Core, worker: None, receiver: Receiver) -> None:
    shop = await a_shop(core, receiver, "payment.closed")
    payment = await core.operator.ask(a_payment(shop.buyer, shop.name, 100))
    await core.operator.ask(cancel(payment.name))
    await until(has_come(receiver, 1))
    assert receiver.topics() == ["payment.closed"]
    assert receiver.got[0].data["closeReason"] == "CLOSE_REASON_CANCELLED_BY_PLATFORM"


async def test_a_sampled_call_is_followed_to_the_webhook(
    core: Core, valkey: ValkeyServer, receiver: Receiver, tmp_path: Path
) -> None:
    trace_id, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    shop = await a_shop(core, receiver)
    spans, url = tmp_path / "spans.jsonl", core.settings.database_url
    async with (
        a_worker(url, valkey.valkey_url, hash_key=HASH_KEY, traces=f"file={spans}"),
        a_core(url, token=core.operator.token, traces=f"file={tmp_path / 'calls.jsonl'}") as traced,
    ):
        sampled = a_payment(shop.buyer, shop.name, 1)
        payment = await traced.operator.ask(sampled, metadata=[("traceparent", f"00-{trace_id}-{caller}-01")])
        await core.operator.ask(ship(payment.name))
        await until(has_come(receiver, 2))
    paid, shipped = receiver.got
    assert "traceparent" not in shipped.headers
    _, of_webhook, span_id, _ = paid.headers["traceparent"].split("-")
    (span,) = [json.loads(line) for line in spans.read_text().splitlines()]
    assert of_webhook == trace_id
    assert (span["name"], span["parent_id"]) == ("webhook", f"0x{caller}")
    assert span["context"]["trace_id"] == f"0x{trace_id}"
    assert span["context"]["span_id"] == f"0x{span_id}"
    assert span["attributes"]["http.response.status_code"] == 200
