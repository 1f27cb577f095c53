"""What Prometheus reads from a server and a worker."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import grpc
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from danbao.v1 import accounts_pb2
from danbao_core import metrics_page
from danbao_core.accounts import Purpose, balance_id
from danbao_core.opening import StartFailed
from danbao_core.server import Server
from danbao_core.settings import SettingsError, load
from danbao_workers.worker import WorkerFailed, queue_of, run
from tests.rpc_client import (
    HASH_KEY,
    Core,
    a_core,
    a_locked_row,
    a_merchant,
    an_account,
    engines_waiting,
    id_of,
    settings_for,
    until,
)
from tests.rpc_requests import a_message, a_transfer
from tests.workers import a_valkey, worker_settings

METHOD = "PaymentService/CreatePayment"


class Response(NamedTuple):
    """What HTTP answered."""

    status: str
    body: str


async def ask(url: str, request: bytes) -> Response:
    """The answer to the bytes of a request; an empty one where the connection is closed without an answer."""
    host, _, port = url.removeprefix("http://").partition("/")[0].rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    writer.write(request)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.decode().partition("\r\n\r\n")
    return Response(head.partition("\r\n")[0].removeprefix("HTTP/1.1 "), body)


async def samples(url: str) -> dict[str, float]:
    """What a page tells, by names and labels."""
    found: dict[str, float] = {}
    page = await ask(url, b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n")
    assert page.status == "200 OK"
    for family in text_string_to_metric_families(page.body):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@pytest.fixture
async def core(database_url: str) -> AsyncIterator[Core]:
    async with a_core(database_url, metrics_listen="127.0.0.1:0", pool_size=1) as running:
        yield running


def url_of(core: Core) -> str:
    return core.server.metrics_url


# --- Calls ------------------------------------------------------------------------------------------------------------------


async def test_calls_by_method_code_and_reason(core: Core) -> None:
    payer, payee = await an_account(core, funds_minor=100), await a_merchant(core)
    await core.operator.ask(a_transfer(payer, payee))
    for _ in range(2):
        await core.operator.refused(a_transfer(payer, payee))
    found = await samples(url_of(core))
    calls = {name: value for name, value in found.items() if METHOD in name and name.startswith("danbao_rpc_requests")}
    assert calls == {
        f"danbao_rpc_requests_total{{code=OK,method={METHOD},reason=}}": 1,
        f"danbao_rpc_requests_total{{code=FAILED_PRECONDITION,method={METHOD},reason=INSUFFICIENT_FUNDS}}": 2,
    }
    assert found[f"danbao_rpc_seconds_count{{method={METHOD}}}"] == 3
    assert found[f"danbao_rpc_seconds_bucket{{le=10.0,method={METHOD}}}"] == 3
    assert 0 < found[f"danbao_rpc_seconds_sum{{method={METHOD}}}"] < 30
    assert found["danbao_rpc_in_flight"] == 0


async def test_calls_under_way(core: Core) -> None:
    payer, payee = await an_account(core, funds_minor=100), await a_merchant(core)
    async with a_locked_row(core, "balance", id=balance_id(id_of(payer), "CNY", Purpose.AVAILABLE)):
        paying = asyncio.create_task(core.operator.ask(a_transfer(payer, payee)))
        await until(lambda: engines_waiting(core))
        assert (await samples(url_of(core)))["danbao_rpc_in_flight"] == 1
    await paying


async def test_paths_that_nobody_knows_have_one_label(core: Core) -> None:
    for path in ("/danbao.v1.PaymentService/Steal", "/thief.v1.ThiefService/Steal", "/x"):
        assert (await core.operator.refused_bytes(path, b"")).code is grpc.StatusCode.UNIMPLEMENTED
    found = await samples(url_of(core))
    assert found["danbao_rpc_requests_total{code=UNIMPLEMENTED,method=unknown,reason=}"] == 3
    assert not any("Steal" in name for name in found)


async def test_items_of_streams(core: Core) -> None:
    payer, payee = await an_account(core, funds_minor=100), await a_merchant(core)
    paid = a_transfer(payer, payee)
    call = core.operator.stream()
    for message in (a_message(paid, a_transfer(payer, payee)), a_message(paid)):
        await call.write(message)
        await call.read()
    found = await samples(url_of(core))  # while the stream is still open
    assert {
        outcome: found[f"danbao_stream_items_total{{outcome={outcome}}}"] for outcome in ("answered", "replayed", "refused")
    } == {
        "answered": 1,
        "replayed": 1,
        "refused": 1,
    }
    call.cancel()


async def test_reads_that_wait_for_a_connection(core: Core) -> None:
    account = await an_account(core)
    found = await samples(url_of(core))
    assert [found[f"danbao_read_pool_{what}"] for what in ("connections", "idle", "waiting")] == [1, 1, 0]
    transaction = core.connection.transaction()
    await transaction.start()
    await core.connection.execute("LOCK TABLE account IN ACCESS EXCLUSIVE MODE")
    reading = [asyncio.create_task(core.operator.ask(accounts_pb2.GetAccountRequest(name=account))) for _ in range(3)]

    async def two_wait() -> bool:
        return (await samples(url_of(core)))["danbao_read_pool_waiting"] == 2

    await until(two_wait)
    assert (await samples(url_of(core)))["danbao_read_pool_idle"] == 0
    await transaction.rollback()
    await asyncio.gather(*reading)
    assert (await samples(url_of(core)))["danbao_read_pool_waiting"] == 0


async def test_the_engine_and_the_process(core: Core) -> None:
    await an_account(core)
    found = await samples(url_of(core))
    assert found["danbao_engine_commands_total{outcome=answered}"] == 1
    assert found["process_resident_memory_bytes"] > 1_000_000
    assert [value for name, value in found.items() if name.startswith("danbao_build_info{version=")] == [1]


# --- The page ---------------------------------------------------------------------------------------------------------------


async def test_what_else_is_asked_of_the_page(core: Core) -> None:
    url = url_of(core)
    assert (await ask(url, b"GET / HTTP/1.1\r\n\r\n")).status == "404 Not Found"
    assert (await ask(url, b"POST /metrics HTTP/1.1\r\n\r\n")).status == "405 Method Not Allowed"
    assert await ask(url, b"HEAD /metrics HTTP/1.1\r\n\r\n") == ("200 OK", "")
    assert (await ask(url, b"GET /metrics?name=x HTTP/1.1\r\n\r\n")).status == "200 OK"
    assert (await ask(url, b"\xff\xfe\r\n\r\n")).status == "405 Method Not Allowed"
    assert await ask(url, b"x" * 100_000) == ("", "")
    assert (await ask(url, b"GET /metrics HTTP/1.1\r\n\r\n")).status == "200 OK"


async def test_no_page_unless_it_is_wanted(database_url: str) -> None:
    async with a_core(database_url) as core:
        assert url_of(core) == ""


async def test_a_page_on_ipv6_has_a_url_that_works() -> None:
    async with metrics_page.serving("[::1]:0", CollectorRegistry()) as url:
        assert url.startswith("http://[::1]:")
        assert (await ask(url, b"GET /metrics HTTP/1.1\r\n\r\n")).status == "200 OK"


async def test_a_port_that_is_taken_is_said_by_name(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StartFailed, match=r"^DANBAO_METRICS_LISTEN: .*address already in use.*: name another"):
            async with Server(settings_for(database_url, metrics_listen=listen)):
                pass
        async with a_valkey() as valkey:
            with pytest.raises(WorkerFailed, match=r"^DANBAO_METRICS_LISTEN: "):
                await run(worker_settings(database_url, valkey.valkey_url, metrics_listen=listen), lambda _: None)


@pytest.mark.parametrize("listen", ["9090", "127.0.0.1:65536"])
def test_a_wrong_address_is_refused_by_name(listen: str) -> None:
    given: dict[str, Any] = {"database_url": "postgresql://danbao@db/danbao", "hash_key": HASH_KEY, "metrics_listen": listen}
    with pytest.raises(SettingsError, match=r"^DANBAO_METRICS_LISTEN: "):
        load(**given)


async def test_a_worker_tells_of_its_jobs_and_of_what_is_due(database_url: str) -> None:
    async with a_valkey() as valkey:
        settings = worker_settings(database_url, valkey.valkey_url, metrics_listen="127.0.0.1:0")
        ready = asyncio.get_running_loop().create_future()
        working = asyncio.create_task(run(settings, ready.set_result))
        async with asyncio.timeout(20):
            url = await ready
        queue = await queue_of(settings)
        for text in "ab":
            job = await queue.enqueue_job("ping", text)
            assert job
            assert await job.result(timeout=20, poll_delay=0.02) == text
        await queue.aclose(close_connection_pool=True)

        async def both_are_counted_and_the_leader_has_looked() -> bool:
            found = await samples(url)
            looked = "danbao_worker_due{work=payment_timers}" in found
            return looked and found["danbao_worker_jobs_total{outcome=completed,work=ping}"] == 2

        await until(both_are_counted_and_the_leader_has_looked)
        found = await samples(url)
        assert found["danbao_worker_jobs_total{outcome=failed,work=payment_timers}"] == 0
        assert found["danbao_worker_due{work=payment_timers}"] == 0
        assert found["danbao_worker_late_seconds{work=payment_timers}"] == 0
        assert "danbao_worker_jobs_running" in found
        assert "danbao_engine_batches_total{outcome=committed}" in found
        assert found["process_resident_memory_bytes"] > 1_000_000
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
