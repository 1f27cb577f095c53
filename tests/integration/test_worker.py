"""The worker takes jobs from a real Valkey, leads where no other does, and ends when it is told to."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest

from danbao_core.embedded import ValkeyServer
from danbao_core.opening import StartFailed
from danbao_core.settings import Settings
from danbao_workers.leader import Leader
from danbao_workers.sweep import Lateness
from danbao_workers.work import Background, Work
from danbao_workers.worker import QUEUE, WorkerFailed, _running, _work, background_of, check, make_worker, queue_of, run
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


async def test_a_kind_of_work_that_hangs_leaves_room_for_the_others_and_one_that_fails_for_the_rest(
    database_url: str, valkey: ValkeyServer
) -> None:
    """Thousands of ids whose jobs never end, or fail for ever, beside one that goes well."""
    release, seen = asyncio.Event(), set[UUID]()

    async def hang(background: Background, ids: Sequence[UUID]) -> None:
        await release.wait()

    async def fail(background: Background, ids: Sequence[UUID]) -> None:
        raise RuntimeError("planted")

    async def see(background: Background, ids: Sequence[UUID]) -> None:
        seen.update(ids)

    many = "SELECT gen_random_uuid(), 1, extract(epoch FROM $1::timestamptz - $1)::float8 FROM generate_series(1, $2::bigint)"
    works = [
        Work("hanging", many, hang, every_seconds=0.05, at_a_time=1, most_jobs=3),
        Work("failing", many, fail, every_seconds=0.05, at_a_time=1, most_jobs=3),
        Work("going_well", many, see, every_seconds=0.05, at_a_time=1),
    ]
    queue = await queue_of(worker_settings(database_url, valkey.valkey_url))
    async with background_of(worker_settings(database_url, valkey.valkey_url)) as background:
        done: Counter[tuple[str, str]] = Counter()
        worker = make_worker(queue, works, done)
        worker.ctx["background"] = background
        leader = Leader(background, works, (), Lateness())
        tasks = [asyncio.create_task(worker.async_run()), asyncio.create_task(leader.run())]

        async def many_went_well_and_failed() -> bool:
            return len(seen) > 200 and done["failing", "failed"] > 20

        await until(many_went_well_and_failed)
        jobs = [job.partition(b":")[0] for job in await queue.zrange(QUEUE, 0, -1)]
        assert jobs.count(b"hanging") == 3
        release.set()
        working, leading = tasks
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)

        async def no_jobs_are_left() -> bool:
            return not await queue.zcard(QUEUE)

        await until(no_jobs_are_left)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    await queue.aclose(close_connection_pool=True)


async def test_a_worker_that_is_cancelled_leaves_no_job_behind(database_url: str, valkey: ValkeyServer) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hang(background: Background, ids: Sequence[UUID]) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    one = "SELECT gen_random_uuid(), 1, extract(epoch FROM $1::timestamptz - $1)::float8 LIMIT $2"
    works = [Work("hanging", one, hang, every_seconds=0.05, most_jobs=1)]
    queue = await queue_of(worker_settings(database_url, valkey.valkey_url))
    async with background_of(worker_settings(database_url, valkey.valkey_url)) as background:
        worker = make_worker(queue, works, Counter())
        worker.ctx["background"] = background
        working = asyncio.create_task(_work(worker, Leader(background, works, (), Lateness()), lambda: None))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await begun.wait()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
    assert ended.is_set()
    assert not _running(worker)
    await queue.aclose(close_connection_pool=True)
