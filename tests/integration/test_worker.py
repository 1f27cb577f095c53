"""The worker takes jobs from a real Valkey, leads where no other does, and ends when it is told to."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from danbao_core.embedded import ValkeyServer
from danbao_core.opening import StartFailed
from danbao_core.settings import Settings
from danbao_workers.worker import WorkerFailed, check, queue_of, run
from tests.rpc_client import until
from tests.workers import PATIENCE_SECONDS, a_valkey, a_worker, worker_settings


@pytest.fixture
async def valkey() -> AsyncIterator[ValkeyServer]:
    async with a_valkey() as server:
        yield server


async def test_a_job_is_taken_and_answered(database_url: str, valkey: ValkeyServer) -> None:
    async with a_worker(database_url, valkey.valkey_url), asyncio.timeout(PATIENCE_SECONDS):
        queue = await queue_of(worker_settings(database_url, valkey.valkey_url))
        jobs = [await queue.enqueue_job("ping", f"text {number}") for number in range(3)]
        assert [await job.result(poll_delay=0.02) for job in jobs if job] == ["text 0", "text 1", "text 2"]
        await queue.aclose(close_connection_pool=True)


async def test_a_worker_without_valkey_says_so(database_url: str, valkey: ValkeyServer) -> None:
    configured = worker_settings(database_url, valkey.valkey_url)
    await valkey.stop()
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(WorkerFailed, match="DANBAO_VALKEY_URL: Valkey does not answer"):
            await run(configured, lambda _: None)


async def test_a_worker_without_a_database_says_so(valkey: ValkeyServer) -> None:
    configured = worker_settings("postgresql://nobody@/nowhere?host=/nowhere", valkey.valkey_url)
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(StartFailed, match="DANBAO_DATABASE_URL: the database does not answer"):
            await run(configured, lambda _: None)


async def test_a_worker_ends_when_valkey_is_lost(database_url: str, valkey: ValkeyServer) -> None:
    async with a_worker(database_url, valkey.valkey_url) as working, asyncio.timeout(PATIENCE_SECONDS):
        await valkey.stop()
        with pytest.raises(WorkerFailed, match="Valkey does not answer"):
            await working


async def test_a_check_tells_whether_a_worker_takes_jobs(database_url: str, valkey: ValkeyServer) -> None:
    configured = worker_settings(database_url, valkey.valkey_url)
    with pytest.raises(WorkerFailed, match="no worker takes jobs"):
        await check(configured)
    async with a_worker(database_url, valkey.valkey_url):
        await until(lambda: is_checked(configured))
    await valkey.stop()
    with pytest.raises(WorkerFailed, match="Valkey does not answer"):
        await check(configured)


async def is_checked(configured: Settings) -> bool:
    try:
        await check(configured)
    except WorkerFailed:
        return False
    return True
