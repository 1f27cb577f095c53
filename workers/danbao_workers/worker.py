"""The worker: jobs that come over Valkey. Postgres holds the truth; losing all of Valkey loses no work."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import structlog
from arq.connections import RedisSettings
from arq.worker import Worker, async_check_health, func
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from danbao_core import metrics_page
from danbao_core.settings import Settings

_log = structlog.get_logger("danbao.worker")

QUEUE: Final = "danbao:jobs"

_encode = msgspec.msgpack.Encoder(enc_hook=repr).encode  # a failed job's exception goes as its text
_decode = msgspec.msgpack.Decoder().decode


class WorkerFailed(Exception):
    """The worker cannot go on; the message says why. Its supervisor starts another."""


async def ping(ctx: dict[Any, Any], text: str) -> str:
    """Answers what it was sent: the job by which anybody sees that a worker takes jobs."""
    return text


def redis_settings(valkey_url: str) -> RedisSettings:
    """How to reach Valkey. The connection is made anew after an error, for a few seconds; then the worker ends."""
    settings = RedisSettings.from_dsn(valkey_url)
    settings.retry_on_error = [OSError]
    settings.conn_retries = 0  # arq's own retries would multiply with these
    settings.retry = Retry(ExponentialBackoff(cap=1, base=0.05), retries=6)
    return settings


def make_worker(settings: Settings) -> Worker:
    """A worker on the settings' Valkey. Its jobs must bear to be called twice: arq delivers at least once."""
    return Worker(
        functions=[func(ping, keep_result=60)],
        queue_name=QUEUE,
        redis_settings=redis_settings(settings.valkey_url),
        handle_signals=False,
        max_jobs=100,
        poll_delay=0.02,
        keep_result=0,  # a result that is kept under a job's id swallows the next job with that id
        health_check_interval=10,
        job_serializer=_encode,
        job_deserializer=_decode,
        log_results=False,
    )


class JobMetrics(Collector):
    """The numbers of a worker's jobs since it was made."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        worker = self._worker
        jobs = CounterMetricFamily("danbao_worker_jobs", "Jobs, by what became of them", labels=["outcome"])
        jobs.add_metric(["completed"], worker.jobs_complete)
        jobs.add_metric(["failed"], worker.jobs_failed)
        jobs.add_metric(["retried"], worker.jobs_retried)
        yield jobs
        running = sum(not task.done() for task in worker.tasks.values())
        yield GaugeMetricFamily("danbao_worker_jobs_running", "Jobs under way", running)


async def run(settings: Settings, ready: Callable[[str], None]) -> None:
    """Takes jobs until SIGTERM or SIGINT; calls `ready` with the URL of its metrics (or "") once it does.

    Raises WorkerFailed where Valkey does not answer, or the metrics cannot be served where they are wanted.
    """
    worker = make_worker(settings)
    try:
        async with metrics_page.serving(settings.metrics_listen, metrics_page.registry_of(JobMetrics(worker))) as metrics_url:
            await _work(worker, lambda: ready(metrics_url))
    except OSError as error:
        raise WorkerFailed(f"DANBAO_METRICS_LISTEN: {error.strerror}: name another") from None


async def _work(worker: Worker, ready: Callable[[], None]) -> None:
    async def started(ctx: dict[Any, Any]) -> None:
        _log.info("taking jobs", queue=QUEUE)
        ready()

    worker.on_startup = started
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    working = asyncio.create_task(worker.async_run(), name="danbao-worker")
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        _log.info("stopping")
    except (OSError, RedisError) as error:
        raise WorkerFailed(f"DANBAO_VALKEY_URL: Valkey does not answer ({error})") from None
    finally:
        for task in (stopping, working):
            task.cancel()
        await asyncio.gather(stopping, working, return_exceptions=True)
        await _close(worker)


async def check(settings: Settings) -> None:
    """Returns where a worker on the settings' Valkey took jobs in the last ten seconds; raises WorkerFailed where none did."""
    try:
        if await async_check_health(redis_settings(settings.valkey_url), queue_name=QUEUE) != 0:
            raise WorkerFailed("no worker takes jobs")
    except (OSError, RedisError) as error:
        raise WorkerFailed(f"DANBAO_VALKEY_URL: Valkey does not answer ({error})") from None


async def _close(worker: Worker) -> None:
    """Cancels the jobs that run, which arq will deliver again, and disconnects."""
    try:
        # In a task of its own: redis's time-outs do not work in one that is being cancelled (seen with Python 3.11.2).
        await asyncio.create_task(worker.close())
    except (OSError, RedisError, asyncio.CancelledError) as error:
        _log.warning("closed in the middle of something", error=repr(error))
