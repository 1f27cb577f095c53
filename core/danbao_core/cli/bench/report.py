"""The figures, as JSON and as tables."""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from danbao_core.cli.bench.contenders import Readings
from danbao_core.cli.bench.figures import CONTENDERS, Ratio, Rule, Unit, ratios, spread

if TYPE_CHECKING:
    from rich.table import Table


def machine(postgres_version: str) -> dict[str, Any]:
    """What the figures were taken on; nothing that names the machine."""
    return {
        "cores": os.cpu_count(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "postgres": postgres_version,
    }


def as_dict(readings: Readings, machine: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that was measured. Rates are per second, times are milliseconds; `cores` are medians of the rounds."""
    return {
        "machine": dict(machine),
        **settings,
        "figures": {name: _figure(name, values) for name, values in readings.figures.items()},
        "ratios": {ratio.rule.name: _ratio(ratio) for ratio in ratios(readings.figures, machine["cores"])},
        "cores": {name: _medians(values) for name, values in readings.cores.items() if values[0]},
    }


def _figure(name: str, values: Sequence[float]) -> dict[str, Any]:
    rounded = [round(value, 3) for value in values]
    contender = CONTENDERS[name]
    figure = {"what": contender.what, "unit": contender.unit, **spread(rounded)._asdict(), "per_round": rounded}
    return figure | ({"goal": contender.goal} if contender.goal is not None else {})


def _ratio(ratio: Ratio) -> dict[str, Any]:
    rule, rounded = ratio.rule, [round(value, 4) for value in ratio.per_round]
    return {
        "what": rule.what,
        **spread(rounded)._asdict(),
        "per_round": rounded,
        "first_mark": rule.first_mark,
        "goal": rule.goal,
        "at_most": rule.at_most,
    }


def _medians(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {who: round(statistics.median(each[who] for each in values), 3) for who in values[0]}


def figures_table(readings: Readings) -> "Table":
    """Figures by contender, with the cores that load generator, server and Postgres took."""
    from rich import box
    from rich.table import Table

    table = Table("figure", "what", box=box.SIMPLE, pad_edge=False)
    for title in ("median", "min", "max", "", "load", "server", "Postgres"):
        table.add_column(title, justify="right")
    for name, values in readings.figures.items():
        contender = CONTENDERS[name]
        cores = _medians(readings.cores[name]) if readings.cores[name][0] else None
        taken = (cores["load"], cores["server"] + cores["echo"], cores.get("postgres")) if cores else ()
        figures = [in_words(value, contender.unit) for value in spread(values)]
        goal = (
            "" if contender.goal is None else _in_colour(f"≤ {contender.goal:g}", met=spread(values).median <= contender.goal)
        )
        told = ("-" if each is None else f"{each:.2f}" for each in taken)
        table.add_row(name, contender.what, *figures, f"{contender.unit} {goal}".strip(), *told)
    table.caption = "load, server, Postgres: how many cores each of them took; - where that is not known"
    return table


def ratios_table(found: Sequence[Ratio]) -> "Table":
    """The ratios, against first marks and goals."""
    from rich import box
    from rich.table import Table

    table = Table("ratio of the same round", box=box.SIMPLE, pad_edge=False)
    for title in ("median", "min", "max", "first mark", "goal"):
        table.add_column(title, justify="right")
    for ratio in found:
        table.add_row(
            ratio.rule.what,
            *(f"{value:.2f}" for value in ratio.spread),
            _mark(ratio, ratio.rule.first_mark),
            _mark(ratio, ratio.rule.goal),
        )
    return table


def _mark(ratio: Ratio, mark: float | None) -> str:
    if mark is None:
        return ""
    return _in_colour(mark_in_words(ratio.rule, mark), met=ratio.meets(mark))


def _in_colour(words: str, *, met: bool) -> str:
    colour = "green" if met else "red"
    return f"[{colour}]{words}[/{colour}]"


def mark_in_words(rule: Rule, mark: float) -> str:
    """A mark with its direction."""
    return f"{'≤' if rule.at_most else '≥'} {mark:g}"


def in_words(value: float, unit: Unit) -> str:
    """A rate without fractions, a time with them, however short."""
    return f"{value:,.0f}" if unit == "1/s" else f"{value:.2f}"
