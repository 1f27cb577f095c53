"""What two looks at a core come to. Pure: the same looks are the same figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from danbao_core.cli.status.samples import Samples, Spread

PHASES: Final = ("begin", "gather", "decide", "persist", "commit")

LEADS: Final = "danbao_worker_due"
"""Only the worker that leads knows what is due, so its page alone tells of it."""


@dataclass(frozen=True)
class Store:
    """Postgres or Valkey, as it was asked."""

    answers: bool
    words: str
    """Its version and what it holds, or why it does not answer."""


@dataclass(frozen=True)
class Look:
    """What was found at one moment."""

    at_seconds: float
    """By a clock that only goes on."""
    address: str = ""
    """Of the core; empty where only its pages are known."""
    health: str = ""
    """As the health service says, or why it does not; empty where it was not asked."""
    pages: Mapping[str, Samples] = field(default_factory=dict)
    """By URL, those that answered."""
    silent: tuple[str, ...] = ()
    """The URLs of pages that did not answer."""
    stores: Mapping[str, Store] = field(default_factory=dict)
    """By name; empty where they are not known."""


@dataclass(frozen=True)
class Calls:
    """The calls of one method."""

    method: str
    per_second: Mapping[str, float]
    """By code."""
    seconds: Spread

    @property
    def all_per_second(self) -> float:
        return sum(self.per_second.values())


@dataclass(frozen=True)
class Engine:
    """What the engines of all processes did."""

    queue: int
    commands_per_second: Mapping[str, float]
    """By outcome, as are batches."""
    batches_per_second: Mapping[str, float]
    batch_commands: Spread
    wait_seconds: Spread
    phase_seconds: Mapping[str, Spread]
    retries_per_second: float
    reconnects: int
    """Since the processes were started."""


@dataclass(frozen=True)
class ReadPool:
    """Connections for reads, of all servers."""

    connections: int
    idle: int
    waiting: int


@dataclass(frozen=True)
class Due:
    """Work of one kind that waits for a worker."""

    work: str
    count: int
    late_seconds: float
    """For how long the oldest of it has been due."""


@dataclass(frozen=True)
class Telling:
    """How far behind those are who are told what happens."""

    outbox_lag_seconds: float
    news_behind: int
    deliveries_per_second: Mapping[str, float]
    """By outcome, as are messages."""
    messages_per_second: Mapping[str, float]


@dataclass(frozen=True)
class Process:
    """One server or worker."""

    kind: str
    url: str
    leads: bool
    cores: float
    """How much of a processor it took."""
    memory_bytes: int


@dataclass(frozen=True)
class Status:
    """All of it."""

    version: str
    """Of the processes that answered; several where they differ."""
    address: str
    health: str
    seconds: float
    """Between the two looks: rates and spreads are of that time."""
    calls: tuple[Calls, ...]
    """The busiest first; methods that were not called are left out."""
    calls_in_flight: int
    engine: Engine
    read_pool: ReadPool
    jobs_per_second: Mapping[str, float]
    jobs_running: int
    due: tuple[Due, ...]
    """The longest due first."""
    telling: Telling
    processes: tuple[Process, ...]
    silent: tuple[str, ...]
    stores: Mapping[str, Store]

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        # A spread is a tuple, which JSON would make a list without names.
        named: dict[str, Any] = _named(self)
        return named | {"leader": next((each.url for each in self.processes if each.leads), None)}


def _named(value: Any) -> Any:
    if isinstance(value, Spread):
        return value._asdict()
    if hasattr(value, "__dataclass_fields__"):
        return {name: _named(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {key: _named(each) for key, each in value.items()}
    return [_named(each) for each in value] if isinstance(value, tuple) else value


def status_of(before: Look, now: Look) -> Status:
    """The figures of the time between two looks, and what stands at the second."""
    seconds = max(now.at_seconds - before.at_seconds, 1e-9)
    grown = {url: page.since(before.pages.get(url)) for url, page in now.pages.items()}
    total, added = Samples.together(now.pages.values()), Samples.together(grown.values())

    def rates(name: str, label: str) -> dict[str, float]:
        return {value: count / seconds for value, count in added.by(name, label).items()}

    return Status(
        version=", ".join(sorted(total.by("danbao_build_info", "version"))),
        address=now.address,
        health=now.health,
        seconds=seconds,
        calls=_calls(added, seconds),
        calls_in_flight=int(total.value("danbao_rpc_in_flight")),
        engine=Engine(
            queue=int(total.value("danbao_engine_queue_commands")),
            commands_per_second=rates("danbao_engine_commands_total", "outcome"),
            batches_per_second=rates("danbao_engine_batches_total", "outcome"),
            batch_commands=added.spread("danbao_engine_batch_commands"),
            wait_seconds=added.spread("danbao_engine_wait_seconds"),
            phase_seconds={phase: added.spread("danbao_engine_phase_seconds", phase=phase) for phase in PHASES},
            retries_per_second=sum(rates("danbao_engine_retries_total", "cause").values()),
            reconnects=int(total.value("danbao_engine_reconnects_total")),
        ),
        read_pool=ReadPool(*(int(total.value(f"danbao_read_pool_{name}")) for name in ("connections", "idle", "waiting"))),
        jobs_per_second=rates("danbao_worker_jobs_total", "outcome"),
        jobs_running=int(total.value("danbao_worker_jobs_running")),
        due=_due(total),
        telling=Telling(
            outbox_lag_seconds=total.value("danbao_outbox_lag_seconds"),
            news_behind=int(total.value("danbao_news_behind")),
            deliveries_per_second=rates("danbao_deliveries_total", "outcome"),
            messages_per_second=rates("danbao_messages_total", "outcome"),
        ),
        processes=tuple(_process(url, page, grown[url], seconds) for url, page in now.pages.items()),
        silent=now.silent,
        stores=now.stores,
    )


def _calls(added: Samples, seconds: float) -> tuple[Calls, ...]:
    found = []
    for method, count in added.by("danbao_rpc_requests_total", "method").items():
        if count > 0:
            codes = added.only("danbao_rpc_requests_total", method=method).by("danbao_rpc_requests_total", "code")
            per_second = {code: number / seconds for code, number in codes.items() if number > 0}
            found.append(Calls(method, per_second, added.spread("danbao_rpc_seconds", method=method)))
    return tuple(sorted(found, key=lambda calls: -calls.all_per_second))


def _due(total: Samples) -> tuple[Due, ...]:
    late_seconds = total.by("danbao_worker_late_seconds", "work")
    found = [Due(work, int(count), late_seconds.get(work, 0.0)) for work, count in total.by(LEADS, "work").items() if count]
    return tuple(sorted(found, key=lambda due: -due.late_seconds))


def _process(url: str, page: Samples, added: Samples, seconds: float) -> Process:
    return Process(
        kind="server" if page.has("danbao_rpc_in_flight") else "worker",
        url=url,
        leads=page.has(LEADS),
        cores=added.value("process_cpu_seconds_total") / seconds,
        memory_bytes=int(page.value("process_resident_memory_bytes")),
    )
