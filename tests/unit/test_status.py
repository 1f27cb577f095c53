"""`danbao status`: what two looks come to, and how it is shown at 80 columns."""

import asyncio
import io
import os
import pty
from collections.abc import Iterator
from typing import Final

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from rich.console import Console

from danbao_core.cli.status.command import _quitting
from danbao_core.cli.status.figures import Look, Status, Store, status_of
from danbao_core.cli.status.samples import Samples, Spread
from danbao_core.cli.status.view import page, seconds_in_words

SERVER, OTHER_SERVER, WORKER = (f"http://127.0.0.1:{port}/metrics" for port in (9101, 9102, 9103))
CREATE: Final = "PaymentService/CreatePayment"


def a_server(*, ok: int = 0, refused: int = 0, batches: int = 0, started_at: float = 1.0, queue: int = 0) -> Samples:
    """A server's page, as it looks after so many calls and batches."""
    return Samples.parse(
        f"process_start_time_seconds {started_at}\nprocess_cpu_seconds_total {ok / 100}\n"
        "process_resident_memory_bytes 104857600\n"
        f'danbao_build_info{{version="0.1.0"}} 1\ndanbao_rpc_in_flight 3\ndanbao_engine_queue_commands {queue}\n'
        f'danbao_rpc_requests_total{{method="{CREATE}",code="OK",reason=""}} {ok}\n'
        f'danbao_rpc_requests_total{{method="{CREATE}",code="FAILED_PRECONDITION",reason="INSUFFICIENT_FUNDS"}} {refused}\n'
        f'danbao_engine_batches_total{{outcome="committed"}} {batches}\n'
        f'danbao_engine_phase_seconds_bucket{{phase="commit",le="0.005"}} {batches}\n'
        f'danbao_engine_phase_seconds_bucket{{phase="commit",le="+Inf"}} {batches}\n'
        f'danbao_engine_phase_seconds_sum{{phase="commit"}} {batches * 0.004}\n'
    )


def a_worker(*, leads: bool = True) -> Samples:
    due = 'danbao_worker_due{work="payment_timers"} 7\ndanbao_worker_late_seconds{work="payment_timers"} 180\n' if leads else ""
    return Samples.parse(
        "process_start_time_seconds 1\nprocess_resident_memory_bytes 1048576\ndanbao_outbox_lag_seconds 0.25\n"
        'danbao_news_behind 12\ndanbao_worker_jobs_running 2\ndanbao_worker_jobs_total{work="fundings",outcome="completed"} 4\n'
        'danbao_worker_due{work="fundings"} 0\n' * leads + due
    )


def a_status(
    before: dict[str, Samples], now: dict[str, Samples], *, seconds: float = 2.0, silent: tuple[str, ...] = ()
) -> Status:
    stores = {"Postgres": Store(answers=True, words="18.6, 15 of 100 connections, 9 MiB")}
    return status_of(
        Look(100.0, pages=before),
        Look(100.0 + seconds, "127.0.0.1:50051", "SERVING", now, silent, stores),
    )


def shown(status: Status, most_calls: int = 12) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(page(status, most_calls))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO
    assert isinstance(text, str)
    return text


# --- Figures ----------------------------------------------------------------------------------------------------------------


def test_rates_are_of_the_time_between_two_looks() -> None:
    status = a_status({SERVER: a_server(ok=1000, batches=10)}, {SERVER: a_server(ok=1100, refused=4, batches=30, queue=5)})
    (calls,) = status.calls
    assert (calls.method, calls.per_second) == (CREATE, {"OK": 50.0, "FAILED_PRECONDITION": 2.0})
    assert status.engine.batches_per_second == {"committed": 10.0}
    assert status.engine.phase_seconds["commit"].mean == pytest.approx(0.004)
    assert status.engine.phase_seconds["gather"] == Spread()
    assert (status.engine.queue, status.calls_in_flight, status.version) == (5, 3, "0.1.0")
    (process,) = status.processes
    assert (process.kind, process.cores, process.memory_bytes) == ("server", 0.5, 100 * 2**20)


def test_servers_count_together_and_one_that_is_new_not_yet() -> None:
    before = {SERVER: a_server(ok=10)}
    status = a_status(before, {SERVER: a_server(ok=20, queue=1), OTHER_SERVER: a_server(ok=500, queue=2)})
    assert status.calls[0].per_second == {"OK": 5.0}
    assert status.engine.queue == 3


def test_a_process_that_was_started_again_counts_from_nothing() -> None:
    status = a_status({SERVER: a_server(ok=1000)}, {SERVER: a_server(ok=6, started_at=2.0)})
    assert status.calls[0].per_second == {"OK": 3.0}


def test_the_one_that_leads_is_the_one_that_knows_what_is_due() -> None:
    status = a_status({}, {WORKER: a_worker(leads=False), OTHER_SERVER: a_worker()})
    assert [each.leads for each in status.processes] == [False, True]
    assert status.as_dict()["leader"] == OTHER_SERVER
    assert [(due.work, due.count, due.late_seconds) for due in status.due] == [("payment_timers", 7, 180.0)]
    assert (status.telling.outbox_lag_seconds, status.telling.news_behind, status.jobs_running) == (0.25, 12, 2)


def test_quantiles_lie_evenly_within_their_bucket() -> None:
    registry = CollectorRegistry()
    seconds = Histogram("seconds", "of what", registry=registry, buckets=(1.0, 2.0, 4.0))
    for value in (0.5, 1.5, 1.6, 3.0):
        seconds.observe(value)
    spread = Samples.parse(generate_latest(registry).decode()).spread("seconds")
    assert spread.mean == pytest.approx(6.6 / 4)
    assert spread.p50 == pytest.approx(1.5)
    assert spread.p99 == pytest.approx(2 + 2 * 0.96)
    seconds.observe(1000.0)
    assert Samples.parse(generate_latest(registry).decode()).spread("seconds").p99 == 4.0


def test_a_page_of_something_else_is_nothing() -> None:
    registry = CollectorRegistry()
    Counter("requests", "of another program", registry=registry).inc()
    Gauge("queue", "of another program", registry=registry).set(3)
    assert Samples.parse(generate_latest(registry).decode()).value("danbao_rpc_in_flight") == 0
    with pytest.raises(ValueError, match="html"):
        Samples.parse("<html>\n")


# --- The page ---------------------------------------------------------------------------------------------------------------


def test_a_busy_core_fits_eighty_columns() -> None:
    before = {SERVER: a_server(), WORKER: a_worker()}
    text = shown(
        a_status(before, {SERVER: a_server(ok=2000, refused=9, batches=90), WORKER: a_worker()}, silent=(OTHER_SERVER,))
    )
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    for words in (
        "danbao 0.1.0  127.0.0.1:50051  SERVING",
        "Postgres 18.6",
        f"{OTHER_SERVER} does not answer",
        "FAILED_PRECONDITION 4.5",
        "commit 4.0",
        "payment_timers 7 for 3 min",
        "worker, leads",
    ):
        assert words in text
    (row,) = (line.split() for line in lines if line.startswith(CREATE))
    assert row[1] == "1,004"


def test_addresses_in_brackets_are_shown_whole() -> None:
    here, there = "http://[fd00::1]:9101/metrics", "http://[fe80::1]:9102/metrics"
    text = shown(a_status({here: a_server()}, {here: a_server()}, silent=(there,)))
    assert f"{there} does not answer" in text
    assert "[fd00::1]:9101" in text


def test_only_the_busiest_methods_are_shown_where_there_is_no_room() -> None:
    pages = [
        Samples.parse(
            "\n".join(f'danbao_rpc_requests_total{{method="M{each}",code="OK"}} {each * turn}' for each in range(9)) + "\n"
        )
        for turn in (0, 10)
    ]
    text = shown(a_status({SERVER: pages[0]}, {SERVER: pages[1]}), most_calls=2)
    assert [name for name in (f"M{each}" for each in range(9)) if name in text] == ["M7", "M8"]
    assert "6 more methods" in text


def test_a_core_that_is_gone_has_no_figures() -> None:
    gone = status_of(Look(100.0, pages={SERVER: a_server(ok=9)}), Look(102.0, health="NOT_RUNNING"))
    assert shown(gone).splitlines() == ["danbao  NOT_RUNNING  the last 2.0 s", "", "No process tells what it does."]


def test_without_a_leader_it_says_that_nobody_looks() -> None:
    assert "no worker leads" in shown(a_status({}, {SERVER: a_server()}))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0.0, "0 s"), (0.00025, "250 µs"), (0.0041, "4.1 ms"), (12.0, "12.0 s"), (180.0, "3 min"), (9000.0, "2.5 h")),
        (345_600.0, "4.0 d"),
    ],
)
def test_times_are_said_as_people_take_them_in(seconds: float, words: str) -> None:
    assert seconds_in_words(seconds) == words


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """What is written to it is typed at the terminal of stdin."""
    keyboard, terminal = pty.openpty()
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield keyboard
    os.close(keyboard)


async def test_q_ends_the_page_also_behind_other_keys(keyboard: int) -> None:
    async with asyncio.timeout(30), _quitting() as asked:
        os.write(keyboard, b"\x1b[Aq")  # an arrow, and q
        await asked.wait()
