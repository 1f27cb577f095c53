"""One run of each contender, and the rounds in which they take turns."""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from danbao_core.cli.bench import cold_start, jobs
from danbao_core.cli.bench.processes import Load
from danbao_core.cli.bench.stack import Pair, Stack

IN_FLIGHT: Final = 64
CHANNELS: Final = 8
"""Of unary calls, to the server and to the echo server alike."""

STREAMS: Final = 2
"""Of bulk, to each server process: while one is written to, the other is read from."""

PGBENCH_CLIENTS: Final = 8

_WARM_UP_SECONDS: Final = 2.0


class Reading(NamedTuple):
    """One run: its figure, and how many cores were taken by whom."""

    figure: float
    cores: dict[str, float]


@dataclass
class Readings:
    """What all rounds came to, by contender."""

    figures: dict[str, list[float]] = field(default_factory=dict)
    cores: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def add(self, name: str, reading: Reading) -> None:
        self.figures.setdefault(name, []).append(reading.figure)
        self.cores.setdefault(name, []).append(reading.cores)


async def take_turns(
    stack: Stack, names: Sequence[str], rounds: int, seconds: float, on_turn: Callable[[int, str], None]
) -> Readings:
    """Runs the contenders one after another, `rounds` times; before, all that can be warm once more, which is not counted."""
    for name in filter(is_warmed_up, names):
        on_turn(0, name)
        await _RUNS[name](stack, min(seconds, _WARM_UP_SECONDS))
    readings = Readings()
    for number in range(1, rounds + 1):
        for name in names:
            on_turn(number, name)
            readings.add(name, await _RUNS[name](stack, seconds))
    return readings


def is_warmed_up(name: str) -> bool:
    """A cold start is never warm."""
    return name != "cold_start"


async def _echo(stack: Stack, seconds: float) -> Reading:
    return await _rate(stack, jobs.Unary(stack.echo_address, CHANNELS, IN_FLIGHT, seconds))


async def _unary(stack: Stack, seconds: float) -> Reading:
    return await _rate(stack, jobs.Unary(stack.servers[0].address, CHANNELS, IN_FLIGHT, seconds))


async def _single(stack: Stack, seconds: float) -> Reading:
    measured, cores = await _measured(stack, jobs.Unary(stack.servers[0].address, 1, 1, seconds))
    return Reading(measured.p50_seconds * 1e3, cores)


async def _bulk(stack: Stack, seconds: float) -> Reading:
    return await _rate(stack, jobs.Bulk([stack.servers[0].address], STREAMS, seconds))


async def _bulk_hot(stack: Stack, seconds: float) -> Reading:
    return await _rate(stack, jobs.Bulk([stack.servers[0].address], STREAMS, seconds, hot=True))


async def _bulk_two(stack: Stack, seconds: float) -> Reading:
    return await _rate(stack, jobs.Bulk([server.address for server in stack.servers], STREAMS, seconds))


async def _bulk_empty(stack: Stack, seconds: float) -> Reading:
    return await _rate(stack, jobs.Bulk([_pair(stack).empty.address], STREAMS, seconds), _pair(stack).load)


async def _bulk_stored(stack: Stack, seconds: float) -> Reading:
    return await _rate(stack, jobs.Bulk([_pair(stack).stored.address], STREAMS, seconds), _pair(stack).load)


async def _cold_start(stack: Stack, _: float) -> Reading:
    return Reading(await cold_start.seconds(stack.load), {})


async def _pgbench(stack: Stack, seconds: float) -> Reading:
    rate, _ = await stack.pgbench.run(PGBENCH_CLIENTS, _whole(seconds))
    return Reading(rate, {})


async def _pgbench_single(stack: Stack, seconds: float) -> Reading:
    _, p50_milliseconds = await stack.pgbench.run(1, _whole(seconds))
    return Reading(p50_milliseconds, {})


_RUNS: Final[dict[str, Callable[[Stack, float], Awaitable[Reading]]]] = {
    "echo": _echo,
    "pgbench": _pgbench,
    "pgbench_single": _pgbench_single,
    "unary": _unary,
    "single": _single,
    "bulk": _bulk,
    "bulk_hot": _bulk_hot,
    "bulk_two": _bulk_two,
    "bulk_empty": _bulk_empty,
    "bulk_stored": _bulk_stored,
    "cold_start": _cold_start,
}


def _pair(stack: Stack) -> Pair:
    assert stack.pair is not None, "it was not wanted"
    return stack.pair


def _whole(seconds: float) -> int:
    """pgbench knows no shorter time than a second."""
    return max(math.ceil(seconds), 1)


async def _rate(stack: Stack, job: jobs.Unary | jobs.Bulk, load: Load | None = None) -> Reading:
    measured, cores = await _measured(stack, job, load)
    return Reading(measured.count / measured.seconds, cores)


async def _measured(
    stack: Stack, job: jobs.Unary | jobs.Bulk, load: Load | None = None
) -> tuple[jobs.Measured, dict[str, float]]:
    """The job, and how many cores the load generator, the servers, the echo server and Postgres took meanwhile."""
    before = stack.cpu_seconds()
    measured = await (load or stack.load).ask(job, jobs.Measured)
    after = stack.cpu_seconds()
    cores = {who: (after[who] - before[who]) / measured.seconds for who in before}
    return measured, {"load": measured.cpu_seconds / measured.seconds, **cores}
