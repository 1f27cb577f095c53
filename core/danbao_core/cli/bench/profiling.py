"""Where the time of a server goes: its functions by own time, and what the steps of a unary call take."""

import json
import math
import pstats
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from danbao_core.cli.bench import FULL_SECONDS, jobs
from danbao_core.cli.bench.contenders import CHANNELS, IN_FLIGHT, STREAMS, Readings
from danbao_core.cli.bench.stack import Stack

if TYPE_CHECKING:
    from rich.table import Table

_SHOWN: Final = 25
_TIMES: Final = 2_000
_PACKAGES: Final = ("site-packages", "core", "protos", "clients", "lib")


class Function(NamedTuple):
    """A function in a profile."""

    name: str
    calls: int
    own_seconds: float
    seconds: float
    """With all that it called."""


class Profile(NamedTuple):
    """Of a server under one kind of load."""

    load: str
    payments: int
    functions: list[Function]


class BudgetLine(NamedTuple):
    """A part of a unary call, and how it was measured."""

    part: str
    microseconds: float
    how: str


async def profiles(stack: Stack, seconds: float) -> list[Profile]:
    """A server under unary and one under bulk load, each in a process with cProfile on, which slows it down."""
    found = []
    for load in ("unary", "bulk"):
        file = stack.folder / "logs" / f"{load}.profile"
        async with stack.a_server("danbao_core.cli.bench.profiled", str(file)) as server:
            measured = await stack.load.ask(_job(load, server.address, seconds), jobs.Measured)
        found.append(Profile(load, measured.count, top_functions(file)))
    return found


def _job(load: str, address: str, seconds: float) -> jobs.Unary | jobs.Bulk:
    if load == "unary":
        return jobs.Unary(address, CHANNELS, IN_FLIGHT, seconds)
    return jobs.Bulk([address], STREAMS, seconds)


def top_functions(file: Path) -> list[Function]:
    """Functions by their own time, most first.

    Without the event loop, whose own time is mostly waiting, and without what the profiler misreads: it takes some of that
    waiting for the own time of whoever ran last, which then has more of it than it has together with what it calls.
    """
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]] = pstats.Stats(str(file)).stats  # type: ignore[attr-defined]
    functions = [
        Function(_name(*place), calls, own_seconds, seconds)
        for place, (_, calls, own_seconds, seconds, _) in stats.items()
        if own_seconds <= seconds and Path(place[0]).name != "runners.py" and "run_until_complete" not in place[2]
    ]
    return sorted(functions, key=lambda function: -function.own_seconds)[:_SHOWN]


def _name(file: str, line: int, name: str) -> str:
    if file == "~":
        return name
    parts = Path(file).parts
    below = max((place for place, part in enumerate(parts) if part in _PACKAGES), default=-1)
    return f"{'/'.join(parts[below + 1 :])}:{line} {name}"


async def budget(stack: Stack, readings: Readings, seconds: float) -> list[BudgetLine]:
    """What a unary call takes of a server's processor, part by part.

    Steps on the wire are the server's own functions, each timed alone. The engine's phases are from a server's own count under
    load, which its log tells at the end, and have the waiting for Postgres in them. The whole is the processor time of the
    process, by the system's count, for each call of the rounds; the echo's is what gRPC takes by itself.
    """
    async with stack.a_server() as server:
        measured = await stack.load.ask(jobs.Unary(server.address, CHANNELS, IN_FLIGHT, seconds), jobs.Measured)
    times = math.ceil(min(seconds / FULL_SECONDS, 1.0) * _TIMES)
    steps = await stack.load.ask(jobs.Budget(stack.database_url, stack.key, times), jobs.Timed)
    totals = engine_totals(server.log)
    batches = totals["batches"]["committed"]
    lines = [BudgetLine(step, taken, f"alone, median of 9 times {times:,}") for step, taken in steps.microseconds.items()]
    for phase, taken in totals["phase_seconds"].items():
        how = f"engine, with its waits; {measured.count / batches:.0f} payments a batch"
        lines.append(BudgetLine(f"engine: {phase}", taken / measured.count * 1e6, how))
    for name, who in (("echo", "echo"), ("unary", "server")):
        if name in readings.figures:
            lines.append(BudgetLine(f"{name}: all of it", _cpu_per_call(readings, name, who), "processor time of its process"))
    return lines


def _cpu_per_call(readings: Readings, name: str, who: str) -> float:
    """Microseconds of one process for each call, over all rounds."""
    shares = [cores[who] / rate for cores, rate in zip(readings.cores[name], readings.figures[name], strict=True)]
    return sum(shares) / len(shares) * 1e6


def engine_totals(log: Path) -> dict[str, Any]:
    """What a server's engine did, from the line with which it ends."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    totals: dict[str, Any] = [line for line in lines if line["event"] == "engine stopped"][-1]
    return totals


def profile_table(profile: Profile) -> "Table":
    """The functions of a profile, by own time."""
    from rich import box
    from rich.table import Table

    table = Table(f"{profile.load} load, under cProfile", box=box.SIMPLE, pad_edge=False)
    for title in ("µs a payment, own", "with what it calls", "calls a payment"):
        table.add_column(title, justify="right")
    for function in profile.functions:
        own, all_of_it = (each / profile.payments * 1e6 for each in (function.own_seconds, function.seconds))
        table.add_row(function.name, f"{own:.1f}", f"{all_of_it:.1f}", f"{function.calls / profile.payments:.2f}")
    return table


def budget_table(lines: list[BudgetLine]) -> "Table":
    """The parts of a unary call."""
    from rich import box
    from rich.table import Table

    table = Table("a unary call", box=box.SIMPLE, pad_edge=False)
    table.add_column("µs", justify="right")
    table.add_column("how it was measured")
    for line in lines:
        table.add_row(line.part, f"{line.microseconds:.1f}", line.how)
    return table
