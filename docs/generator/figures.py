"""The figures that `danbao bench` measured, as tables: `docs/bench.json` is the one place where they stand."""

import json
from pathlib import Path
from typing import Any, Final

_MEASURED: Final = Path(__file__).parents[1] / "bench.json"


def tables() -> str:
    """Ratios with their marks, then the figures, each with its median, smallest and largest."""
    measured: dict[str, Any] = json.loads(_MEASURED.read_text(encoding="utf-8"))
    machine = measured["machine"]
    lines = [
        f"Measured on {machine['cores']} shared cores, load generator and Postgres {machine['postgres']} included, Python "
        f"{machine['python']}; medians of {measured['rounds']} rounds, the smallest and the largest in brackets.",
        "",
        *([f"{measured['stored']:,} payments are stored where they are named.", ""] if "stored" in measured else []),
        "| ratio | median | first mark | goal |",
        "|---|---|---|---|",
        *(_ratio(each) for each in measured["ratios"].values()),
        "",
        "| figure | median | goal |",
        "|---|---|---|",
        *(_figure(each) for each in measured["figures"].values()),
        *([_memory(measured["endurance"])] if "endurance" in measured else []),
    ]
    return "\n".join(lines)


def _ratio(ratio: dict[str, Any]) -> str:
    sign = "≤" if ratio["at_most"] else "≥"
    marks = ("" if ratio[name] is None else f"{sign} {ratio[name]:g}" for name in ("first_mark", "goal"))
    return f"| {ratio['what']} | {ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f}) | {' | '.join(marks)} |"


def _figure(figure: dict[str, Any]) -> str:
    form, unit = (",.0f", "a second") if figure["unit"] == "1/s" else (".2f", figure["unit"])
    median, least, most = (format(figure[name], form) for name in ("median", "min", "max"))
    goal = f"≤ {figure['goal']:g} {unit}" if "goal" in figure else ""
    return f"| {figure['what']} | {median} ({least} to {most}) {unit} | {goal} |"


def _memory(endurance: dict[str, Any]) -> str:
    least = min(mebibytes for _, mebibytes in endurance["samples"])
    what = (
        f"resident memory of a server process after {endurance['payments']:,} payments (in brackets the least, and the growth"
    )
    found = f"{endurance['mebibytes']:.0f} MiB ({least:.0f}; {endurance['growth_of_second_half']:+.1f})"
    return f"| {what} in their second half) | {found} | ≤ {endurance['goal']:g} MiB |"
