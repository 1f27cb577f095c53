"""`danbao bench`, very short: everything is started, has its turn and is told. What the figures are is not looked at."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import parse

import pytest

from danbao.v1 import common_pb2, payments_pb2
from danbao_core.bootstrap import SAMPLE_BUYER, SAMPLE_SHOP
from danbao_core.cli.bench import command, echo
from danbao_core.cli.bench.figures import CONTENDERS, RULES
from tests.acceptance.commands import Result
from tests.acceptance.sandbox import Sandbox, danbao
from tests.integration.sandboxes import a_folder

SHORT = ("--rounds", "1", "--seconds", "0.2", "--accounts", "40")


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for what a bench leaves meanwhile, which Postgres may walk through."""
    with a_folder() as folder:
        folder.mkdir(mode=0o711)
        yield folder


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
    """One of each contender, and the ratios that follow from them."""
    assert (answer["rounds"], answer["seconds"], answer["accounts"]) == (1, 0.2, 40)
    assert set(answer["machine"]) == {"cores", "system", "architecture", "python", "postgres"}
    assert list(answer["figures"]) == list(CONTENDERS)
    for name, figure in answer["figures"].items():
        assert set(figure) == {"what", "unit", "median", "min", "max", "per_round"}, name
        assert figure["per_round"] == [figure["median"]]
        assert figure["median"] > 0
    assert list(answer["ratios"]) == [rule.name for rule in RULES]
    for rule in RULES:
        ratio = answer["ratios"][rule.name]
        assert set(ratio) == {"what", "median", "min", "max", "per_round", "first_mark", "goal", "at_most"}
        over, under = (answer["figures"][side]["median"] for side in (rule.over, rule.under))
        assert ratio["median"] == pytest.approx(over / under, rel=0.01)
        assert ratio["first_mark"] == rule.first_mark
    assert set(answer["cores"]) == set(CONTENDERS) - {"pgbench", "pgbench_single"}
    assert all(set(cores) == {"load", "server", "echo", "postgres"} for cores in answer["cores"].values())


def must_be_a_profile(profile: dict[str, Any]) -> None:
    """Where the time of a unary call goes, and the functions that take most of it."""
    steps = ["authentication", "parse", "validate", "hash", "convert", "answer", "log_and_count"]
    phases = [f"engine: {phase}" for phase in ("begin", "gather", "decide", "persist", "commit")]
    assert [line["part"] for line in profile["budget"]] == [*steps, *phases, "echo: all of it", "unary: all of it"]
    assert all(line["microseconds"] > 0 and line["how"] for line in profile["budget"])
    for load in ("unary", "bulk"):
        assert "danbao_core/" in " ".join(function["name"] for function in profile["functions"][load])


def test_only_what_is_asked_for_is_run() -> None:
    assert command._chosen([]) == list(CONTENDERS)
    assert command._chosen(["unary", "echo"]) == ["echo", "unary"], "in their order"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--only", "nothing"), "'nothing' is none of echo, pgbench"),
        (("--rounds", "0"), "--rounds"),
        (("--seconds", "0"), "--seconds"),
        (("--accounts", "1"), "--accounts"),
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
