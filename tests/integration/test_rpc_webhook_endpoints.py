"""NotificationService: whose endpoints are whose, what is refused, and secrets that are shown once."""

from typing import Any

import grpc
import pytest

from danbao.v1 import notifications_pb2
from danbao_core.keyring import Keyring
from tests import rpc_client
from tests.rpc_client import HASH_KEY, Caller, Core, id_of, nothing_changes, walked
from tests.rpc_requests import (
    UNKNOWN,
    a_test_event,
    an_endpoint,
    changed,
    close,
    delete_endpoint,
    enable_endpoint,
    redeliver,
    rotate_secret,
    update_endpoint,
)

core = rpc_client.core

NOT_FOUND = grpc.StatusCode.NOT_FOUND
INVALID = grpc.StatusCode.INVALID_ARGUMENT
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
Endpoint = notifications_pb2.WebhookEndpoint


async def a_keeper(core: Core) -> tuple[str, Caller]:
    """A merchant's account, and somebody with a key of it."""
    account = await rpc_client.a_merchant(core)
    return account, await core.caller("notifications.read", "notifications.write", account=account)


def get(name: str) -> notifications_pb2.GetWebhookEndpointRequest:
    return notifications_pb2.GetWebhookEndpointRequest(name=name)


async def test_an_endpoint_is_made_and_its_secret_shown_once(core: Core) -> None:
    account, keeper = await a_keeper(core)
    request = an_endpoint("http://127.0.0.1:9/hook", "payment.*", "account.*", description="of a shop")
    made = await keeper.ask(request)
    endpoint = made.webhook_endpoint
    assert (endpoint.account, endpoint.url, list(endpoint.topics), endpoint.description, endpoint.unordered) == (
        account,
        "http://127.0.0.1:9/hook",
        ["account.*", "payment.*"],
        "of a shop",
        False,
    )
    assert (endpoint.state, endpoint.disable_reason) == (Endpoint.STATE_ENABLED, Endpoint.DISABLE_REASON_UNSPECIFIED)
    assert made.secret.startswith("whsec_")
    assert await keeper.ask(get(endpoint.name)) == endpoint
    async with nothing_changes(core):
        assert (await keeper.refused(request)).reason == "SECRET_ALREADY_SHOWN"


async def test_secrets_are_stored_sealed_and_nowhere_else(core: Core) -> None:
    _, keeper = await a_keeper(core)
    made = await keeper.ask(an_endpoint())
    name = made.webhook_endpoint.name
    rotated = await keeper.ask(rotate_secret(name))
    [row] = await core.connection.fetch("SELECT * FROM webhook_endpoint WHERE id = $1", id_of(name))
    keyring = Keyring({"0": bytes.fromhex(HASH_KEY)})
    assert keyring.open(row["secret"], "webhook_endpoint", "secret", row["id"]) == rotated.secret
    assert keyring.open(row["old_secret"], "webhook_endpoint", "old_secret", row["id"]) == made.secret
    for table in ("request", "outbox", "event", "audit_event", "webhook_endpoint"):
        for secret in (made.secret, rotated.secret):
            found = await core.connection.fetchval(
                f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%' || $1 || '%'", secret
            )
            assert found == 0, table
    assert rotated.webhook_endpoint.old_secret_expire_time.ToSeconds() > rotated.webhook_endpoint.rotate_time.ToSeconds()


async def test_a_strangers_endpoint_is_not_there(core: Core) -> None:
    _, keeper = await a_keeper(core)
    _, stranger = await a_keeper(core)
    name = (await keeper.ask(an_endpoint())).webhook_endpoint.name
    platforms = (await core.operator.ask(an_endpoint())).webhook_endpoint.name
    async with nothing_changes(core):
        for each in (name, platforms):
            for request in (
                get(each),
                update_endpoint(each, description="mine"),
                delete_endpoint(each),
                rotate_secret(each),
                enable_endpoint(each),
                a_test_event(each),
                notifications_pb2.ListDeliveriesRequest(webhook_endpoint=each),
            ):
                refused = await stranger.refused(request)
                assert (refused.code, refused.reason) == (NOT_FOUND, "WEBHOOK_ENDPOINT_NOT_FOUND")
        refused = await keeper.refused(redeliver(f"deliveries/{UNKNOWN}"))
        assert (refused.code, refused.reason) == (NOT_FOUND, "DELIVERY_NOT_FOUND")
    await core.operator.ask(delete_endpoint(platforms))


async def test_a_bound_key_makes_endpoints_of_its_own_account_alone(core: Core) -> None:
    account, keeper = await a_keeper(core)
    other, _ = await a_keeper(core)
    assert (await keeper.ask(an_endpoint(account=account))).webhook_endpoint.account == account
    assert (await core.operator.ask(an_endpoint(account=other))).webhook_endpoint.account == other
    async with nothing_changes(core):
        refused = await keeper.refused(an_endpoint(account=other))
        assert (refused.code, refused.reason) == (NOT_FOUND, "ACCOUNT_NOT_FOUND")


async def test_lists_show_what_is_not_deleted_newest_first(core: Core) -> None:
    _, keeper = await a_keeper(core)
    names = [(await keeper.ask(an_endpoint())).webhook_endpoint.name for _ in range(5)]
    await keeper.ask(delete_endpoint(names.pop(2)))
    found = await walked(keeper, notifications_pb2.ListWebhookEndpointsRequest(), 2)
    assert [each.name for each in found] == names[::-1]
    everybodys = await walked(core.operator, notifications_pb2.ListWebhookEndpointsRequest(), 100)
    assert set(names) <= {each.name for each in everybodys}


async def test_twenty_endpoints_of_an_owner_are_enough(core: Core) -> None:
    _, keeper = await a_keeper(core)
    made = [(await keeper.ask(an_endpoint())).webhook_endpoint.name for _ in range(20)]
    refused = await keeper.refused(an_endpoint())
    assert (refused.code, refused.reason, refused.metadata["most"]) == (PRECONDITION, "TOO_MANY_ENDPOINTS", "20")
    await keeper.ask(delete_endpoint(made[0]))
    await keeper.ask(an_endpoint())


async def test_a_deleted_endpoint_is_gone_for_good(core: Core) -> None:
    _, keeper = await a_keeper(core)
    name = (await keeper.ask(an_endpoint())).webhook_endpoint.name
    assert (await keeper.ask(delete_endpoint(name))).state == Endpoint.STATE_DELETED
    assert (await keeper.ask(delete_endpoint(name))).state == Endpoint.STATE_DELETED
    for request in (get(name), enable_endpoint(name), update_endpoint(name, description="x")):
        assert (await keeper.refused(request)).reason == "WEBHOOK_ENDPOINT_NOT_FOUND"
    assert await core.connection.fetchval("SELECT secret IS NULL FROM webhook_endpoint WHERE id = $1", id_of(name))


async def test_an_update_changes_what_the_mask_names(core: Core) -> None:
    _, keeper = await a_keeper(core)
    endpoint = (await keeper.ask(an_endpoint(description="one"))).webhook_endpoint
    updated = await keeper.ask(update_endpoint(endpoint.name, topics=["refund.*", "funding.created"], unordered=True))
    assert (updated.url, updated.description) == (endpoint.url, "one")
    assert (list(updated.topics), updated.unordered) == (["funding.created", "refund.*"], True)
    emptied = await keeper.ask(update_endpoint(endpoint.name, description=""))
    assert emptied.description == ""


MASK = {"update_mask": "UPDATE_MASK_INVALID"}


@pytest.mark.parametrize(
    ("fields", "violations"),
    [
        ({"update_mask": None}, {"update_mask": "FIELD_INVALID"}),
        ({"update_mask": {"paths": []}}, MASK),
        ({"update_mask": {"paths": ["secret"]}}, MASK),
        ({"update_mask": {"paths": ["url", "state"]}}, MASK),
        ({"url": ""}, {"": "UPDATE_INCOMPLETE"}),
        ({"topics": None}, {"": "UPDATE_INCOMPLETE"}),
        ({"url": "ftp://shop.example/"}, {"url": "FIELD_INVALID"}),
        ({"url": "https://shop.example/ x"}, {"url": "FIELD_INVALID"}),
        ({"url": f"https://shop.example/{'x' * 1024}"}, {"url": "FIELD_INVALID"}),
        ({"topics": ["*", "*"]}, {"topics": "FIELD_INVALID"}),
        ({"topics": ["PAYMENT.*"]}, {"topics": "FIELD_INVALID"}),
    ],
)
async def test_updates_that_break_a_rule(core: Core, fields: dict[str, Any], violations: dict[str, str]) -> None:
    request = update_endpoint(f"webhookEndpoints/{UNKNOWN}", url="https://shop.example/", topics=["*"])
    refused = await core.operator.refused(changed(request, **fields))
    assert (refused.code, refused.violations) == (INVALID, violations)


async def test_what_cannot_be_subscribed_to_or_called_is_refused(core: Core) -> None:
    _, keeper = await a_keeper(core)
    name = (await keeper.ask(an_endpoint())).webhook_endpoint.name
    async with nothing_changes(core):
        for request, reason in (
            (an_endpoint("http://127.0.0.1:9/", "payment.stolen"), "TOPIC_UNKNOWN"),
            (update_endpoint(name, topics=["thief.*"]), "TOPIC_UNKNOWN"),
            (an_endpoint("http://user:password@127.0.0.1:9/"), "WEBHOOK_URL_REFUSED"),
            (update_endpoint(name, url="http://127.0.0.1:9/#part"), "WEBHOOK_URL_REFUSED"),
        ):
            refused = await keeper.refused(request)
            assert (refused.code, refused.reason) == (INVALID, reason)


async def test_a_closed_account_gets_no_new_endpoints(core: Core) -> None:
    account = await rpc_client.an_account(core)
    await core.operator.ask(close(account))
    refused = await core.operator.refused(an_endpoint(account=account))
    assert (refused.code, refused.reason) == (PRECONDITION, "ACCOUNT_CLOSED")


async def test_a_disabled_endpoint_is_sent_no_test_until_it_is_enabled(core: Core) -> None:
    _, keeper = await a_keeper(core)
    name = (await keeper.ask(an_endpoint())).webhook_endpoint.name
    await core.connection.execute("UPDATE webhook_endpoint SET state = 2, disable_reason = 1 WHERE id = $1", id_of(name))
    assert (await keeper.ask(get(name))).disable_reason == Endpoint.DISABLE_REASON_GONE
    refused = await keeper.refused(a_test_event(name))
    assert (refused.code, refused.reason) == (PRECONDITION, "ENDPOINT_DISABLED")
    enabled = await keeper.ask(enable_endpoint(name))
    assert (enabled.state, enabled.disable_reason) == (Endpoint.STATE_ENABLED, Endpoint.DISABLE_REASON_UNSPECIFIED)
    request = a_test_event(name)
    first = await keeper.ask(request)
    assert await keeper.answer(request) == (first, True)
