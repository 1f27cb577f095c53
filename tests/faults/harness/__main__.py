"""`make faults SEEDS=200`: many seeds on one stack, a line for each, and a report in build/faults.md and build/faults.json.

The exit code is 1 where something is wrong. A stack on which something is wrong is replaced, so that seeds do not see each
other's breaches. SIGINT and SIGTERM end it after the seed that runs. (Where root kills it
with -9, the file system that Postgres was on stays mounted: `mount | grep danbao-faults`.)
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.harness.run import Outcome, run
from tests.faults.harness.stack import a_stack

_SEEDS_OF_A_STACK = 8
"""How many seeds share a stack: leaks show in so many, and what earlier ones left open is not yet most of what is done."""


async def _run(seeds: Sequence[int], faults: int, report: Path) -> bool:
    """Whether nothing is wrong."""
    outcomes: list[Outcome] = []
    left = list(seeds)
    for number in (signal.SIGINT, signal.SIGTERM):  # with the seed that runs it is over
        asyncio.get_running_loop().add_signal_handler(number, left.clear)
    while left:
        async with a_stack() as stack:
            for _ in range(_SEEDS_OF_A_STACK):
                if not left:
                    break
                seed = left.pop(0)
                try:
                    outcome = await run(stack, seed, faults)
                except Exception as error:
                    outcome = Outcome(seed, [], [], [f"the harness itself failed: {error!r}"])
                outcomes.append(outcome)
                sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S} {len(outcomes)}/{len(seeds)} {outcome}\n")
                sys.stdout.flush()
                _write(report, outcomes)
                if outcome.breaches:
                    sys.stdout.writelines(f"    {each}\n" for each in [*outcome.schedule, *stack.report.lines[-10:]])
                    _keep_logs(stack.folder / "logs", report.parent / f"faults-{seed}")
                    break
    return not any(outcome.breaches for outcome in outcomes)


def _keep_logs(logs: Path, folder: Path) -> None:
    """Puts the logs of a stack on which something is wrong where they stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for log in logs.glob("*.log"):
        (folder / log.name).write_bytes(log.read_bytes())


def _write(report: Path, outcomes: Sequence[Outcome]) -> None:
    report.parent.mkdir(parents=True, exist_ok=True)
    report.with_suffix(".json").write_text(json.dumps([asdict(each) for each in outcomes], indent=1, default=str) + "\n")
    wrong = sum(bool(each.breaches) for each in outcomes)
    lines = [
        f"{len(outcomes)} seeds, {wrong} with a breach; {sum(each.asked for each in outcomes)} requests.",
        "",
        "| seed | injected | asked | acknowledged | refused | asked again | webhooks | seconds | result |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for each in outcomes:
        injected = "<br>".join(map(str, each.schedule)) + "".join(f"<br>left out: {what}" for what in each.left_out)
        result = "; ".join(each.breaches) or "nothing is wrong"
        counts = f"{each.asked} | {each.acknowledged} | {each.refused} | {each.asked_again} | {each.webhooks}"
        lines.append(f"| {each.seed} | {injected} | {counts} | {each.seconds:.0f} | {result} |")
    report.write_text("\n".join(lines) + "\n")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Runs seeds of the fault harness.")
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--faults", type=int, default=8, help="how many are injected for each")
    parser.add_argument("--report", type=Path, default=Path("build/faults.md"))
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    sys.exit(not asyncio.run(_run(seeds, given.faults, given.report)))


if __name__ == "__main__":
    main()
