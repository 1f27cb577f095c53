"""`danbao bench`: every contender in one go, in turns."""

import json
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from danbao_core.cli.bench import FULL_SECONDS
from danbao_core.cli.output import CommandFailed, JsonOption, Output, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from danbao_core.cli.bench.contenders import Readings
    from danbao_core.cli.bench.stack import Stack

_ROUNDS: Final = 5
_ACCOUNTS: Final = 10_000


class _Settings(NamedTuple):
    """What is measured, and how long."""

    names: list[str]
    rounds: int
    seconds: float
    accounts: int
    stored: int
    endure: int
    against: str
    profile: bool
    webhooks: bool

    def as_dict(self) -> dict[str, Any]:
        """What the file tells of them."""
        told: dict[str, Any] = {"rounds": self.rounds, "seconds": self.seconds, "accounts": self.accounts}
        return told | ({"stored": self.stored} if self.stored else {})


def _chosen(names: list[str], *, stored: bool = False, against: bool = False) -> list[str]:
    """The contenders that are run, in their order. Raises BadParameter for one that there is not, or cannot be."""
    from danbao_core.cli.bench.figures import CONTENDERS, OF_EMBEDDED, OF_STORED

    missing = (frozenset() if stored else OF_STORED) | (OF_EMBEDDED if against else frozenset())
    for name in names:
        if name not in CONTENDERS:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(CONTENDERS)}", param_hint="--only")
        if name in missing:
            why = "needs --stored" if name in OF_STORED else "is of the embedded Postgres, and goes without --against"
            raise typer.BadParameter(f"{name!r} {why}", param_hint="--only")
    return [name for name in CONTENDERS if name not in missing and (not names or name in names)]


def bench(  # noqa: PLR0913, PLR0917  # typer makes an option of each
    output_file: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="Write all figures to this file.")
    ] = None,
    chart_file: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE.svg", dir_okay=False, help="Draw the figures into this file.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="How often every contender has its turn.")] = _ROUNDS,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=3600, help="How long a turn is; pgbench takes whole seconds, at least one.")
    ] = FULL_SECONDS,
    accounts: Annotated[int, typer.Option(min=4, max=1_000_000, help="Accounts, half buyers and half merchants.")] = _ACCOUNTS,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Run only this contender. Repeat it.")] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Also show where the time of a server goes.")] = False,
    webhooks: Annotated[bool, typer.Option("--webhooks", help="Also measure how fast webhooks are.")] = False,
    stored: Annotated[
        int,
        typer.Option(
            min=0,
            max=100_000_000,
            metavar="N",
            help="Also measure bulk in a database with so many payments, beside an empty one. A million take 4 GB.",
        ),
    ] = 0,
    endure: Annotated[
        int,
        typer.Option(min=0, max=100_000_000, metavar="N", help="Also make so many payments, and tell how memory grows."),
    ] = 0,
    against: Annotated[
        str,
        typer.Option(
            envvar="DANBAO_BENCH_AGAINST",
            metavar="URL",
            help="An outside Postgres instead of the embedded one. Databases are made there, and dropped at the end.",
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Measure the core against bare gRPC and bare Postgres, on a sandbox of its own.

    All contenders take turns, round after round, so that what disturbs the machine disturbs all of them; look at the ratios.
    The books are audited at the end. Exit code 0 whatever the figures are; 1 where the audit found a breach.
    """
    names = _chosen(only or [], stored=bool(stored), against=bool(against))
    if against and webhooks:
        raise typer.BadParameter("goes without --against: the worker needs a sandbox", param_hint="--webhooks")
    settings = _Settings(names, rounds, seconds, accounts, stored, endure, against, profile, webhooks)

    async def command(output: Output) -> None:
        for file in filter(None, (output_file, chart_file)):
            _must_be_writable(file)
        await _run(output, settings, output_file, chart_file)

    run(command, as_json=as_json, when_stopped="What the bench had made is gone.")


async def _run(output: Output, settings: _Settings, output_file: Path | None, chart_file: Path | None) -> None:
    from danbao_core.cli.bench import report
    from danbao_core.cli.bench.chart import chart
    from danbao_core.cli.bench.figures import ratios

    async with _a_stack(output, settings) as stack:
        # First: the others leave much to be told.
        told = await _webhooks(output, stack, settings.seconds) if settings.webhooks else {}
        readings = await _measured(output, stack, settings)
        machine = report.machine(await stack.postgres_version())
        answer = report.as_dict(readings, machine, settings.as_dict()) | told
        if settings.endure:
            answer["endurance"] = await _endured(output, stack, settings.endure)
        if settings.profile:
            answer["profile"] = await _profiled(output, stack, readings, settings.seconds)
        breaches = await _breaches(output, stack)
    found = ratios(readings.figures, machine["cores"])
    output.say(report.figures_table(readings), report.ratios_table(found))
    answer["audit"] = {"holds": not breaches, "breaches": breaches}
    _write(output_file, json.dumps(answer, ensure_ascii=False, indent=1) + "\n")
    memory = answer["endurance"]["samples"] if settings.endure else ()
    _write(chart_file, chart(found, readings.figures, machine, memory))
    if breaches:
        raise CommandFailed("AUDIT_FAILED", f"The audit found a breach. {breaches[0]}")
    output.result(answer, "The audit found every invariant to hold.")


@asynccontextmanager
async def _a_stack(output: Output, settings: _Settings) -> "AsyncIterator[Stack]":
    from danbao_core.cli.bench.ground import embedded, outside
    from danbao_core.cli.bench.stack import Wanted, a_stack

    wanted = Wanted.by(settings.names, settings.stored)
    ground = outside(output, settings.against) if settings.against else embedded(output, with_worker=settings.webhooks)
    async with ground as prepared, a_stack(output, prepared, settings.accounts, wanted) as stack:
        yield stack


def _must_be_writable(file: Path) -> None:
    """Before anything is measured. Raises CommandFailed."""
    if not os.access(file if file.exists() else file.absolute().parent, os.W_OK):
        raise CommandFailed("FILE_UNUSABLE", f"{file} cannot be written: choose another, in a folder that exists.")


def _write(file: Path | None, text: str) -> None:
    if file is not None:
        file.write_text(text)


async def _measured(output: Output, stack: "Stack", settings: _Settings) -> "Readings":
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from danbao_core.cli.bench.contenders import is_warmed_up, take_turns

    columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.progress) as progress:
        warming_up = sum(map(is_warmed_up, settings.names))
        task = progress.add_task("", total=len(settings.names) * settings.rounds + warming_up)
        turns = 0

        def on_turn(number: int, name: str) -> None:
            nonlocal turns
            which = f"round {number}" if number else "warming up"
            progress.update(task, completed=turns, description=f"{which}: {name}")
            turns += 1

        readings = await take_turns(stack, settings.names, settings.rounds, settings.seconds, on_turn)
        progress.update(task, completed=turns, description="measured")
    return readings


async def _endured(output: Output, stack: "Stack", count: int) -> dict[str, Any]:
    """Says how memory grew, and answers it."""
    from danbao_core.cli.bench.endurance import endure

    with output.progress.status("Making payments ...") as status:
        endurance = await endure(
            stack,
            count,
            lambda sample: status.update(f"{sample.payments:,} of {count:,} payments: {sample.mebibytes:.0f} MiB ..."),
        )
    output.say(endurance.in_words)
    return endurance.as_dict()


async def _profiled(output: Output, stack: "Stack", readings: "Readings", seconds: float) -> dict[str, Any]:
    """Shows the profiles and the budget of a unary call, and answers them."""
    from danbao_core.cli.bench import profiling

    with output.progress.status("Profiling ..."):
        lines = await profiling.budget(stack, readings, seconds)
        profiles = await profiling.profiles(stack, seconds)
    output.say(profiling.budget_table(lines), *map(profiling.profile_table, profiles))
    return {
        "budget": [line._asdict() for line in lines],
        "functions": {each.load: [function._asdict() for function in each.functions] for each in profiles},
    }


async def _webhooks(output: Output, stack: "Stack", seconds: float) -> dict[str, Any]:
    """Says how fast webhooks are, and answers it."""
    from danbao_core.cli.bench.webhooks import measure

    with output.progress.status("Sending webhooks ..."):
        figures = await measure(stack, seconds)
    output.say(figures.in_words)
    return {"webhooks": figures._asdict()}


async def _breaches(output: Output, stack: "Stack") -> list[str]:
    from danbao_core.audit import audit

    urls = [stack.database_url, *([stack.pair.stored_url] if stack.pair else [])]
    with output.progress.status("Auditing the books ..."):
        checks = [check for url in urls for check in await audit(url)]
    return [f"{check.invariant}: {check.breach}" for check in checks if not check.holds and not check.is_warning]
