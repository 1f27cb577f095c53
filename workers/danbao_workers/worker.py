"""The worker: takes jobs that come over Valkey, and leads where no other does. Losing all of Valkey loses no work."""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
import structlog
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.worker import Function, Worker, async_check_health, func
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from danbao_core import metrics_page
from danbao_core.clock import system_wall_clock
from danbao_core.notifications.outlets import outlets_of
from danbao_core.opening import bank_of, keyring_of, read_pool, running_engine
from danbao_core.settings import Mode, Settings
from danbao_workers.bank_metrics import BankMetrics, CountedBank
from danbao_workers.deliverer import Deliverer
from danbao_workers.event_numbers import EventNumbers
from danbao_workers.leader import Leader
from danbao_workers.postman import Postman
from danbao_workers.sweep import Lateness
from danbao_workers.work import Background, Work
from danbao_workers.works import SINGLETONS, WORKS

if TYPE_CHECKING:
    from danbao_workers.delivery_spans import DeliverySpans

_log = structlog.get_logger("danbao.worker")

QUEUE: Final = "danbao:jobs"

_LAST_JOBS_SECONDS: Final = 10.0
"""For jobs that run when the worker is told to stop; what they leave undone comes again."""

_encode = msgspec.msgpack.Encoder(enc_hook=repr).encode  # a failed job's exception goes as its text
_decode = msgspec.msgpack.Decoder().decode


class WorkerFailed(Exception):
    """The worker cannot go on; the message says why. Its supervisor starts another."""


def redis_settings(valkey_url: str) -> RedisSettings:
    """How to reach Valkey. The connection is made anew after an error, for a few seconds; then the worker ends."""
    settings = RedisSettings.from_dsn(valkey_url)
    settings.retry_on_error = [OSError]
    settings.conn_retries = 0  # arq's own retries would multiply with these
    settings.retry = Retry(ExponentialBackoff(cap=1, base=0.05), retries=6)
    return settings


async def queue_of(settings: Settings) -> ArqRedis:
    """What jobs are put into. Raises OSError or RedisError where Valkey does not answer. Close it."""
    return await create_pool(
        redis_settings(settings.valkey_url), default_queue_name=QUEUE, job_serializer=_encode, job_deserializer=_decode
    )


def make_worker(queue: ArqRedis, works: Sequence[Work], done: "Counter[tuple[str, str]]") -> Worker:
    """A worker that takes jobs from a queue; its context must have the `Background` under "background".

    Jobs must bear to be called twice: arq delivers at least once. How they ended is counted in `done` by work and outcome.
    """
    return Worker(
        functions=[_ping(done), *(_function(work, done) for work in works)],
        queue_name=QUEUE,
        redis_pool=queue,
        handle_signals=False,
        max_jobs=100,
        max_tries=1,  # what is still due comes again
        poll_delay=0.02,
        keep_result=0,  # a result that is kept under a job's id swallows the next job with that id
        health_check_interval=10,
        job_serializer=_encode,
        job_deserializer=_decode,
        log_results=False,
    )


def _ping(done: "Counter[tuple[str, str]]") -> Function:
    async def ping(ctx: dict[Any, Any], text: str) -> str:
        """Answers what it was sent: the job by which anybody sees that a worker takes jobs."""
        done["ping", "completed"] += 1
        return text

    return func(ping, name="ping", keep_result=60)


def _function(work: Work, done: "Counter[tuple[str, str]]") -> Function:
    async def carry_out(ctx: dict[Any, Any], ids: list[str]) -> None:
        outcome = "failed"
        try:
            await work.carry_out(ctx["background"], [UUID(each) for each in ids])
            outcome = "completed"
        except Exception:
            _log.exception("a job failed; what is still due comes again", work=work.name, ids=len(ids))
            raise
        finally:
            done[work.name, outcome] += 1

    return func(carry_out, name=work.name, timeout=work.timeout_seconds)


class WorkerMetrics(Collector):
    """The numbers of a worker's jobs since it was made and, in the leader, of what is due."""

    def __init__(self, running: Callable[[], int], done: "Counter[tuple[str, str]]", lateness: Lateness) -> None:
        self._running = running
        self._done = done
        self._lateness = lateness

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        jobs = CounterMetricFamily("danbao_worker_jobs", "Jobs, by what became of them", labels=["work", "outcome"])
        for name in ("ping", *(work.name for work in WORKS)):
            for outcome in ("completed", "failed"):
                jobs.add_metric([name, outcome], self._done[name, outcome])
        yield jobs
        yield GaugeMetricFamily("danbao_worker_jobs_running", "Jobs under way", self._running())
        due = GaugeMetricFamily("danbao_worker_due", "What is due, as the leader last saw it", labels=["work"])
        late = GaugeMetricFamily("danbao_worker_late_seconds", "How long the first of it has been due", labels=["work"])
        for name, (count, late_seconds) in self._lateness.found.items():
            due.add_metric([name], count)
            late.add_metric([name], late_seconds)
        yield due
        yield late


async def run(settings: Settings, ready: Callable[[str], None]) -> None:
    """Works until SIGTERM or SIGINT; calls `ready` with the URL of its metrics (or "") once it does.

    Raises WorkerFailed where Valkey does not answer, or the metrics cannot be served where they are wanted, StartFailed or
    MigrationError where the database cannot be used.
    """
    try:
        async with contextlib.AsyncExitStack() as stack:
            background = await stack.enter_async_context(background_of(settings))
            done: Counter[tuple[str, str]] = Counter()
            worker, lateness = make_worker(background.queue, WORKS, done), Lateness()
            worker.ctx["background"] = background
            metrics = WorkerMetrics(lambda: len(_running(worker)), done, lateness)
            registry = metrics_page.registry_of(
                metrics, BankMetrics(background.bank), background.engine.metrics, background.numbers, background.postman
            )
            try:
                url = await stack.enter_async_context(metrics_page.serving(settings.metrics_listen, registry))
            except OSError as error:
                raise WorkerFailed(f"DANBAO_METRICS_LISTEN: {error.strerror}: name another") from None
            leader = Leader(background, WORKS, SINGLETONS, lateness)
            await _work(worker, leader, lambda: ready(url))
    except (OSError, RedisError) as error:
        raise WorkerFailed(f"DANBAO_VALKEY_URL: Valkey does not answer ({error})") from None


@contextlib.asynccontextmanager
async def background_of(settings: Settings) -> AsyncIterator[Background]:
    """All that work has at hand. Raises StartFailed, MigrationError, OSError or RedisError."""
    async with contextlib.AsyncExitStack() as stack:
        queue = await queue_of(settings)
        stack.push_async_callback(_close, queue)
        pool = await stack.enter_async_context(read_pool(settings, settings.pool_size))
        engine = await stack.enter_async_context(running_engine(settings))
        keyring, numbers, sandbox = keyring_of(settings), EventNumbers(), settings.mode is Mode.SANDBOX
        deliverer = await stack.enter_async_context(
            Deliverer(engine, pool, keyring, system_wall_clock, numbers, sandbox=sandbox, spans=await _spans(settings, stack))
        )
        postman = Postman(pool, keyring, await stack.enter_async_context(outlets_of(settings)))
        bank = await stack.enter_async_context(bank_of(settings))
        counted = None if bank is None else CountedBank(bank)
        yield Background(settings, engine, pool, queue, keyring, system_wall_clock, deliverer, numbers, postman, counted)


async def _spans(settings: Settings, stack: contextlib.AsyncExitStack) -> "DeliverySpans | None":
    """Makes spans of deliveries, where DANBAO_TRACES is set; the last ones are sent at the end. Raises WorkerFailed."""
    if not settings.traces:
        return None
    from danbao_workers.delivery_spans import DeliverySpans  # noqa: PLC0415  # a tenth of a second that most need not wait

    try:
        spans = DeliverySpans(settings.traces, f"worker-{os.getpid()}")
    except OSError as error:
        raise WorkerFailed(f"DANBAO_TRACES: {settings.traces} cannot be written ({error.strerror})") from None
    stack.push_async_callback(asyncio.to_thread, spans.close)
    return spans


async def _work(worker: Worker, leader: Leader, ready: Callable[[], None]) -> None:
    """Works until it is told to stop, and lets the jobs that run end. Raises what ended it otherwise."""

    async def started(ctx: dict[Any, Any]) -> None:
        _log.info("taking jobs", queue=QUEUE)
        ready()

    worker.on_startup = started
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    working: asyncio.Task[object] = asyncio.create_task(worker.async_run(), name="danbao-worker")
    leading: asyncio.Task[object] = asyncio.create_task(leader.run(), name="danbao-leader")
    stopping: asyncio.Task[object] = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, leading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (working, leading):
            if task.done():
                task.result()
        _log.info("stopping")
        leading.cancel()
        worker.allow_pick_jobs = False
        if jobs := _running(worker):
            await asyncio.wait(jobs, timeout=_LAST_JOBS_SECONDS)
    finally:
        await _end(stopping, leading, working)
        await _end(*_running(worker))  # which arq leaves alone, with nobody to hear that they wait for Valkey


async def _end(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _running(worker: Worker) -> "list[asyncio.Task[Any]]":
    return [task for task in worker.tasks.values() if not task.done()]


async def check(settings: Settings) -> None:
    """Returns where a worker on the settings' Valkey took jobs in the last ten seconds; raises WorkerFailed where none did."""
    try:
        if await async_check_health(redis_settings(settings.valkey_url), queue_name=QUEUE) != 0:
            raise WorkerFailed("no worker takes jobs")
    except (OSError, RedisError) as error:
        raise WorkerFailed(f"DANBAO_VALKEY_URL: Valkey does not answer ({error})") from None


async def _close(queue: ArqRedis) -> None:
    try:
        # In a task of its own: redis's time-outs do not work in one that is being cancelled (seen with Python 3.11.2).
        await asyncio.create_task(queue.aclose(close_connection_pool=True))
    except (OSError, RedisError, asyncio.CancelledError) as error:
        _log.warning("closed in the middle of something", error=repr(error))
