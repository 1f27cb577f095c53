"""The worker takes jobs from a real Valkey, and ends when it is told to."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from arq.connections import ArqRedis, create_pool

from danbao_core.embedded import ValkeyServer
from danbao_core.settings import Settings, load
from danbao_workers.worker import QUEUE, WorkerFailed, check, make_worker, redis_settings, run
from tests.integration.sandboxes import a_folder

TIMEOUT_SECONDS = 20


@pytest.fixture
async def valkey() -> AsyncIterator[ValkeyServer]:
    with a_folder() as folder:
        server = ValkeyServer(folder)
        await server.start()
        yield server
        await server.stop()


def settings(valkey_url: str) -> Settings:
    return load(valkey_url=valkey_url, database_url="postgresql://nowhere/danbao", hash_key="0" * 64)


async def queue_of(configured: Settings) -> ArqRedis:
    worker = make_worker(configured)
    return await create_pool(
        redis_settings(configured.valkey_url),
        default_queue_name=QUEUE,
        job_serializer=worker.job_serializer,
        job_deserializer=worker.job_deserializer,
    )


async def test_a_job_is_taken_and_answered(valkey: ValkeyServer) -> None:
    configured = settings(valkey.valkey_url)
    ready = asyncio.Event()
    working = asyncio.create_task(run(configured, lambda _: ready.set()))
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await ready.wait()
        queue = await queue_of(configured)
        jobs = [await queue.enqueue_job("ping", f"text {number}") for number in range(3)]
        assert [await job.result(poll_delay=0.02) for job in jobs if job] == ["text 0", "text 1", "text 2"]
        await queue.aclose(close_connection_pool=True)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def test_a_worker_without_valkey_says_so(valkey: ValkeyServer) -> None:
    configured = settings(valkey.valkey_url)
    await valkey.stop()
    async with asyncio.timeout(TIMEOUT_SECONDS):
        with pytest.raises(WorkerFailed, match="DANBAO_VALKEY_URL: Valkey does not answer"):
            await run(configured, lambda _: None)


async def test_a_check_tells_whether_a_worker_takes_jobs(valkey: ValkeyServer) -> None:
    configured = settings(valkey.valkey_url)
    with pytest.raises(WorkerFailed, match="no worker takes jobs"):
        await check(configured)
    working = asyncio.create_task(run(configured, lambda _: None))
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not await is_checked(configured):
            await asyncio.sleep(0.02)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await valkey.stop()
    with pytest.raises(WorkerFailed, match="Valkey does not answer"):
        await check(configured)


async def is_checked(configured: Settings) -> bool:
    try:
        await check(configured)
    except WorkerFailed:
        return False
    return True
