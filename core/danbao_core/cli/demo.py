"""`danbao demo`: purchases and disputes, step by step, with everybody's money in view."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from danbao_core.cli.locate import Core, DataOption, find_core
from danbao_core.cli.output import CommandFailed, JsonOption, Output, run

if TYPE_CHECKING:
    from danbao_client import Danbao
    from danbao_core.cli.quarrels import Quarrels
    from danbao_core.cli.story import Step


def demo(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Watch one purchase go through escrow, another one be called off, a person with a phone prove who they are and approve
    a third, and three disputes from the complaint to the last cent; then the books be audited.

    Uses the running core where there is one, and moves its clock by two days; else a sandbox of its own, which is gone
    afterwards.
    """

    async def command(output: Output) -> None:
        async with _some_core(data, output) as core:
            await _tell(core, output)

    run(command, as_json=as_json)


async def _tell(core: Core, output: Output) -> None:
    from danbao_core.cli.journey import Journey
    from danbao_core.cli.story import CURRENCY, Story

    async with core.client() as danbao:
        story = Story(danbao, on_step=_shown_by(output))
        await story.tell()
        journey = Journey(danbao, on_step=_shown_by(output))
        output.say("[bold]And now as a person with a phone[/bold]")
        await journey.tell()
        quarrels = await _quarrels(danbao, output)
        checks = await story.audit()
    breaches = [f"{check.invariant}: {check.breach}" for check in checks if not check.holds and not check.warning]
    if breaches:
        raise CommandFailed("AUDIT_FAILED", f"The audit found a breach. {breaches[0]}")
    answer: dict[str, Any] = {
        "currency": CURRENCY,
        "steps": [step.as_dict() for step in story.steps],
        "journey": [step.as_dict() for step in journey.steps],
        "disputes": [step.as_dict() for step in quarrels.steps],
        "audit": {"holds": True, "checks": [check.invariant for check in checks]},
    }
    output.result(answer, f"[bold]The audit[/bold] checked {len(checks)} invariants of the whole database: every one holds.")


async def _quarrels(danbao: "Danbao", output: Output) -> "Quarrels":
    """The three disputes, told."""
    from danbao_core.cli.quarrels import Quarrels

    quarrels = Quarrels(danbao, on_step=_shown_by(output))
    await quarrels.begin()
    for heading, tell in (
        ("A dispute with a seller who says nothing", quarrels.silent_seller),
        ("A dispute that the two settle themselves", quarrels.accepted_offer),
        ("A dispute that goes to arbitrators", quarrels.arbitration),
    ):
        output.say(f"[bold]{heading}[/bold]")
        await tell()
    return quarrels


def _shown_by(output: Output) -> "Callable[[Step], None]":
    from rich import box
    from rich.table import Table

    from danbao_core.cli.story import CURRENCY
    from danbao_core.money import Money

    def show(step: "Step") -> None:
        table = Table(*(name.capitalize() for name in step.money_minor), "Together", box=box.SIMPLE, pad_edge=False)
        figures = [*step.money_minor.values(), step.total_minor]
        table.add_row(*(str(Money(minor, CURRENCY)) for minor in figures))
        output.say(f"[bold]{step.number}. {step.what}[/bold]", step.why, table)

    return show


@asynccontextmanager
async def _some_core(data: Path | None, output: Output) -> AsyncIterator[Core]:
    """The running core; without one, and where none was asked for by name, a sandbox that lasts as long as this."""
    try:
        core = find_core(data)
    except CommandFailed as failure:
        if data is not None or failure.reason != "NOT_RUNNING":
            raise
    else:
        yield core
        return
    from danbao_core.cli.passing_sandbox import passing_sandbox

    async with passing_sandbox(output, "demo") as core:
        yield core
