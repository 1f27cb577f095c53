"""A status on a terminal, at 80 columns or more."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from danbao_core.cli.status.figures import PHASES, Engine, Status

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_LATE_SECONDS: Final = 60.0
_LAGS_SECONDS: Final = 5.0
_NOT_THE_CALLERS: Final = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS", "UNAVAILABLE"})
"""Codes of calls that failed by a fault of ours."""

LINES_BESIDE_CALLS: Final = 22
"""About how many lines a page has without its calls, for who has to choose how many of these there is room for."""


def page(status: Status, most_calls: int = 12) -> "RenderableType":
    """Everything, the busiest `most_calls` methods of the calls; where no process answers, that alone."""
    from rich.console import Group

    if not status.processes:
        return Group(_head(status), "", "No process tells what it does.")
    return Group(_head(status), "", _calls(status, most_calls), "", _facts(status), "", _processes(status))


def seconds_in_words(seconds: float) -> str:
    """A length of time as people take it in: 0 s, 250 µs, 4.1 ms, 12.0 s, 3 min, 2.5 h, 4.0 d."""
    if not seconds:
        return "0 s"
    for limit, unit_seconds, text in (
        (1e-3, 1e-6, "{:.0f} µs"),
        (1.0, 1e-3, "{:.1f} ms"),
        (120.0, 1.0, "{:.1f} s"),
        (7200.0, 60.0, "{:.0f} min"),
        (172_800.0, 3600.0, "{:.1f} h"),
    ):
        if seconds < limit:
            return text.format(seconds / unit_seconds)
    return f"{seconds / 86_400:.1f} d"


def _head(status: Status) -> str:
    colour = "green" if status.health == "SERVING" else "red"
    health = f"[bold {colour}]{status.health}[/]" if status.health else ""
    name = f"[bold]{f'danbao {status.version}'.strip()}[/]"
    about = filter(None, (name, _escaped(status.address), health, f"[dim]the last {status.seconds:.1f} s[/]"))
    lines = ["  ".join(about)]
    for name, store in status.stores.items():
        lines.append(f"{name} {store.words}" if store.answers else f"[red]{name} does not answer: {_escaped(store.words)}[/]")
    lines += [f"[red]{_escaped(url)} does not answer[/]" for url in status.silent]
    return "\n".join(lines)


def _calls(status: Status, most: int) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(f"Calls, {status.calls_in_flight} under way")
    for name in ("a second", "p50", "p99"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("of which not OK")
    for calls in status.calls[:most]:
        shown = (
            _rate(calls.all_per_second),
            *(seconds_in_words(each or 0.0) for each in (calls.seconds.p50, calls.seconds.p99)),
        )
        others = {code: rate for code, rate in calls.per_second.items() if code != "OK"}
        table.add_row(calls.method, *shown, ", ".join(_failures(others)))
    if not status.calls:
        table.add_row("none", "", "", "", "")
    if len(status.calls) > most:
        rest = sum(calls.all_per_second for calls in status.calls[most:])
        table.add_row(f"{len(status.calls) - most} more methods", _rate(rest), "", "", "")
    return table


def _failures(per_second: Mapping[str, float]) -> Iterator[str]:
    for code, rate in per_second.items():
        text = f"{code} {_rate(rate)}"
        yield f"[red]{text}[/]" if code in _NOT_THE_CALLERS else text


def _facts(status: Status) -> "Table":
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    engine, telling, reads = status.engine, status.telling, status.read_pool
    table.add_row("Commands", f"{_rates(engine.commands_per_second)}; {_marked(engine.queue, 'wait', engine.queue > 1000)}")
    table.add_row("Batches", _batches(engine))
    table.add_row("Phases, ms", _phases(engine))
    table.add_row(
        "Reads", f"{reads.connections} connections, {reads.idle} idle, {_marked(reads.waiting, 'wait', reads.waiting > 0)}"
    )
    lag = _marked(seconds_in_words(telling.outbox_lag_seconds), "behind", telling.outbox_lag_seconds > _LAGS_SECONDS)
    table.add_row("Outbox", f"{lag}; news {telling.news_behind:,} events behind")
    table.add_row("Deliveries", _rates(telling.deliveries_per_second))
    table.add_row("Messages", _rates(telling.messages_per_second))
    table.add_row("Jobs", f"{_rates(status.jobs_per_second)}; {status.jobs_running} under way")
    table.add_row("Due", _due(status))
    return table


def _batches(engine: Engine) -> str:
    sizes = engine.batch_commands
    text = _rates(engine.batches_per_second)
    if sizes.mean is not None and sizes.p99 is not None:
        text += f"; of {sizes.mean:.1f} commands, p99 {sizes.p99:.0f}"
    if engine.retries_per_second:
        text += f"; {_rate(engine.retries_per_second)} tried again"
    return text + (f"; {engine.reconnects} reconnects" if engine.reconnects else "")


def _phases(engine: Engine) -> str:
    """Means of a batch, in milliseconds."""
    means = {"wait": engine.wait_seconds.mean} | {phase: engine.phase_seconds[phase].mean for phase in PHASES}
    shown = [f"{name} {mean * 1e3:.{1 if mean < 0.01 else 0}f}" for name, mean in means.items() if mean is not None]
    return ", ".join(shown) or "none"


def _due(status: Status) -> str:
    if not any(each.leads for each in status.processes):
        return "[red]no worker leads, so nobody looks[/]"
    if not status.due:
        return "nothing"
    return ", ".join(
        f"{due.work} {_marked(f'{due.count:,}', f'for {seconds_in_words(due.late_seconds)}', due.late_seconds > _LATE_SECONDS)}"
        for due in status.due[:6]
    )


def _processes(status: Status) -> "Table":
    from rich.table import Table

    table = Table("Process", "page", box=None, pad_edge=False, header_style="dim")
    for name in ("cores", "memory"):
        table.add_column(name, justify="right")
    for each in status.processes:
        kind = f"{each.kind}, leads" if each.leads else each.kind
        table.add_row(kind, _escaped(urlsplit(each.url).netloc), f"{each.cores:.2f}", f"{each.memory_bytes / 1048576:,.0f} MiB")
    return table


def _rates(per_second: Mapping[str, float]) -> str:
    """What happened, by what it came to; nothing else is worth a word."""
    shown = [f"{_rate(rate)} {name.replace('_', ' ')}" for name, rate in per_second.items() if rate > 0]
    return f"{', '.join(shown)} a second" if shown else "none"


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.1f}"


def _marked(figure: object, words: str, marked: bool) -> str:  # said where it is decided
    return f"[red]{figure} {words}[/]" if marked else f"{figure} {words}"


def _escaped(text: str) -> str:
    """What may hold brackets that are not ours, as addresses of IPv6 do."""
    from rich.markup import escape

    return escape(text)
