"""A server as a whole: what it serves in which mode, what it says of its health, and how it comes through a lost database."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import asyncpg
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from danbao.v1 import accounts_pb2, operations_pb2, sandbox_pb2
from danbao_core.embedded import PostgresServer
from danbao_core.migrations import MigrationError, migrate
from danbao_core.opening import StartFailed
from danbao_core.server import Server
from danbao_core.settings import Mode, SettingsError, load
from tests import rpc_client
from tests.integration.sandboxes import a_postgres
from tests.rpc_client import (
    HASH_KEY,
    Core,
    Refused,
    a_core,
    a_merchant,
    an_account,
    audit_holds,
    available,
    digest,
    outcome,
    settings_for,
    until,
)
from tests.rpc_requests import a_payment, a_top_up, a_transfer, a_withdrawal, advance_clock, create_account
from tests.shared_postgres import SharedServer, a_database

core = rpc_client.core

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

EVERYWHERE = {f"danbao.v1.{name}Service" for name in ("Account", "Operations", "Payment")}
SANDBOX = "danbao.v1.SandboxService"


@pytest.fixture
async def live(postgres: SharedServer, administrator: "asyncpg.Connection[Any]") -> AsyncIterator[Core]:
    """A live core on a database of its own."""
    async with a_database(administrator, postgres, "template1") as database_url:
        await migrate(database_url, "live")
        async with a_core(database_url, mode=Mode.LIVE) as running:
            yield running


async def health_of(core: Core, service: str = "") -> Any:
    """What the standard health service says of a service, or of the server as a whole."""
    stub: Any = health_pb2_grpc.HealthStub(core.channel)
    return (await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)).status


async def reflected(core: Core) -> set[str]:
    """The services that reflection lists."""
    channel: Any = core.channel  # the stubs know only the synchronous one
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=20)
    answers = [answer async for answer in call]
    return {service.name for answer in answers for service in answer.list_services_response.service}


# --- What is served ---------------------------------------------------------------------------------------------------------


async def test_a_sandbox_serves_everything(core: Core) -> None:
    assert await reflected(core) >= EVERYWHERE | {SANDBOX, "grpc.health.v1.Health"}
    for service in ("", SANDBOX, *EVERYWHERE):
        assert await health_of(core, service) == SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health_of(core, "danbao.v1.ThiefService")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_live_core_has_no_sandbox_and_no_play_money(live: Core) -> None:
    services = await reflected(live)
    assert services >= EVERYWHERE
    assert SANDBOX not in services
    ada = await an_account(live)
    before = await digest(live.connection)
    for request in (advance_clock(), sandbox_pb2.GetClockRequest()):
        assert (await live.operator.refused(request)).code is grpc.StatusCode.UNIMPLEMENTED
    for funding in (a_top_up(ada, 1), a_withdrawal(ada, 1)):
        refused = await live.operator.refused(funding)
        assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BANK_MISSING")
    assert await digest(live.connection) == before
    with pytest.raises(grpc.aio.AioRpcError):
        await health_of(live, SANDBOX)
    assert await audit_holds(live)


async def test_a_server_refuses_a_database_of_the_other_mode(live: Core, core: Core) -> None:
    for database_url, mode in ((live.settings.database_url, Mode.SANDBOX), (core.settings.database_url, Mode.LIVE)):
        with pytest.raises(MigrationError, match="for good and cannot be used as"):
            async with Server(settings_for(database_url, mode=mode)):
                pass


async def test_a_server_refuses_an_empty_database(postgres: SharedServer, administrator: "asyncpg.Connection[Any]") -> None:
    async with a_database(administrator, postgres, "template1") as database_url:
        with pytest.raises(MigrationError, match="danbao migrate"):
            async with Server(settings_for(database_url)):
                pass


# --- Settings ---------------------------------------------------------------------------------------------------------------


def environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """The environment of a server, and nothing else of ours."""
    for name in [name for name in os.environ if name.startswith("DANBAO_")]:
        monkeypatch.delenv(name)
    right = {"DATABASE_URL": "postgresql://danbao:topsecret@db/danbao", "HASH_KEY": HASH_KEY}
    for name, value in (right | variables).items():
        monkeypatch.setenv(f"DANBAO_{name}", value)


WRONG = [
    ("MODE", "production"),
    ("DATABASE_URL", "mysql://danbao:topsecret@db/danbao"),
    ("VALKEY_URL", "http://127.0.0.1"),
    ("LISTEN", "50051"),
    ("LISTEN", "127.0.0.1:65536"),
    ("LISTEN", "127.0.0.1:port"),
    ("LISTEN", "0.0.0.0:50051"),
    ("LISTEN", "[::]:50051"),
    ("LISTEN", "example.com:50051"),
    ("INSECURE", "perhaps"),
    ("REUSE_PORT", "2"),
    ("HASH_KEY", "5a" * 31),
    ("HASH_KEY", "topsecret"),
    ("BATCH_MAX", "0"),
    ("BATCH_MAX", "many"),
    ("QUEUE_MAX", "0"),
    ("POOL_SIZE", "0"),
    ("REQUEST_RETENTION_DAYS", "0"),
    ("DRAIN_SECONDS", "-1"),
    ("DRAIN_SECONDS", "nan"),
    ("LOG_LEVEL", "loud"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_setting_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment(monkeypatch, **{name: value})
    with pytest.raises(SettingsError) as caught:
        load()
    assert str(caught.value).startswith(f"DANBAO_{name}: ")
    assert "topsecret" not in str(caught.value)


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, DATABASE_URL="", HASH_KEY="", MODE="x", BATCH_MAX="y")
    with pytest.raises(SettingsError) as caught:
        load()
    for name in ("DATABASE_URL is not set", "HASH_KEY is not set", "MODE", "BATCH_MAX"):
        assert f"DANBAO_{name}" in str(caught.value)


def test_a_mistyped_setting_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANBAO_BATCH_MAXX", "7")
    with pytest.raises(SettingsError, match=r"DANBAO_BATCH_MAXX is no setting; did you mean DANBAO_BATCH_MAX\?"):
        load()


def test_right_settings_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, MODE="sandbox", LISTEN="0.0.0.0:0", INSECURE="true", DRAIN_SECONDS="0.5", QUEUE_MAX="")
    found = load(listen="[::1]:7")
    assert (found.mode, found.listen, found.drain_seconds, found.queue_max) == (Mode.SANDBOX, "[::1]:7", 0.5, 4096)
    assert HASH_KEY not in repr(found)


@pytest.mark.parametrize(
    ("variable", "given"),
    [
        ("DANBAO_DATABASE_URL", {"database_url": "postgresql://danbao@/danbao?host=/nowhere"}),
        ("DANBAO_DATABASE_URL", {"database_url": "postgresql://danbao@127.0.0.1:1/danbao"}),
        ("DANBAO_DATABASE_URL", {"database_url": "postgresql://danbao@127.0.0.1:port/danbao"}),
        ("DANBAO_POLICY_FILE", {"policy_file": "/nowhere/policy.toml"}),
        ("DANBAO_LISTEN", {"listen": "192.0.2.1:0", "insecure": True}),
    ],
)
async def test_what_shows_only_at_the_start_is_refused_by_name_too(core: Core, variable: str, given: dict[str, Any]) -> None:
    with pytest.raises(StartFailed, match=f"^{variable}: "):
        async with Server(settings_for(**({"database_url": core.settings.database_url} | given))):
            pass


async def test_a_port_that_is_taken_is_said(core: Core) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StartFailed, match=f"^DANBAO_LISTEN: {listen} is in use"):
            async with Server(settings_for(core.settings.database_url, listen=listen)):
                pass


# --- A lost database --------------------------------------------------------------------------------------------------------


async def killed(server: PostgresServer) -> None:
    """As by kill -9, or the machine's memory running out."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.stop()


@pytest.fixture
async def own_postgres() -> AsyncIterator[PostgresServer]:
    """A Postgres that only this test uses, with a migrated sandbox."""
    async with a_postgres() as server:
        await migrate(server.database_url, "sandbox")
        yield server


async def test_a_lost_database_is_said_at_once_and_found_again(own_postgres: PostgresServer) -> None:
    async with a_core(own_postgres.database_url) as core:
        buyer, shop = await an_account(core, funds_minor=1_000), await a_merchant(core)
        reads = [accounts_pb2.GetAccountRequest(name=buyer), operations_pb2.AuditLedgerRequest()]
        for stop in (PostgresServer.stop, killed):
            await must_survive(core, own_postgres, stop, reads, buyer, shop)
        assert await audit_holds(core)


async def must_survive(
    core: Core,
    postgres: PostgresServer,
    stop: Callable[[PostgresServer], Any],
    reads: list[Any],
    buyer: str,
    shop: str,
) -> None:
    """The database stops under load and comes back, and every payment is made once."""
    funds_minor = await available(core, buyer)
    requests = [a_transfer(buyer, shop, 1) for _ in range(200)]
    # What comes behind a commit that is in doubt waits while the engine asks after it, which it gives up after ten seconds.
    load = [asyncio.create_task(outcome(core.operator.answer(request, seconds=30))) for request in requests]
    looks = [asyncio.create_task(outcome(core.operator.answer(reads[0]))) for _ in range(20)]
    await asyncio.wait(load, return_when=asyncio.FIRST_COMPLETED)
    await stop(postgres)

    for request in (*reads, a_payment(buyer, shop), create_account("CNY")):
        refused = await core.operator.refused(request, seconds=30)  # nobody waits for the database to come back
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    for service in ("", *EVERYWHERE):
        await until(partial(says, core, service, NOT_SERVING))

    await postgres.start()
    outcomes = await asyncio.gather(*load, *looks)
    refusals = [each for each in outcomes if isinstance(each, Refused)]
    assert {each.code for each in refusals} <= {grpc.StatusCode.UNAVAILABLE}, refusals
    for service in ("", *EVERYWHERE):
        await until(partial(says, core, service, SERVING))
    answered = {request.request_id for request, each in zip(requests, outcomes, strict=False) if not isinstance(each, Refused)}
    repeats = await asyncio.gather(*(core.operator.answer(request) for request in requests))
    assert {request.request_id for request, again in zip(requests, repeats, strict=True) if again.replayed} >= answered
    assert await available(core, buyer) == funds_minor - 200


async def says(core: Core, service: str, status: Any) -> bool:
    return bool(await health_of(core, service) == status)


async def test_no_method_is_waited_for_by_itself(core: Core) -> None:
    """gRPC keeps a future for each registered method and looks at all of them at every call: there is one for all methods."""
    waiting = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    assert any("_request_call" in name for name in waiting)
    assert not any("_request_registered_call" in name for name in waiting)
