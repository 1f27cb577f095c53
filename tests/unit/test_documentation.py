"""What of the documentation is made from the code says all that the code does."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from danbao.v1 import payments_pb2
from danbao_core.disputes import lifecycle as disputes
from danbao_core.errors import Refusal
from danbao_core.payments import lifecycle as payments
from danbao_core.payments import refund_rows as refunds
from docs.generator import contract, flow, lives, reasons, recording, reference, svg
from docs.generator.__main__ import made
from tests.snippets import blocks_of, commands_of

ROOT = Path(__file__).parents[2]
LIVES = lives.all_lives()


def texts_of(picture: str) -> list[str]:
    """Every text of an SVG. Raises ParseError where it is none."""
    root = ElementTree.fromstring(picture)
    return [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]


def event_of(label: str) -> str:
    return re.split(r" ·|,", label)[0].replace(" ", "_").upper()


@pytest.mark.parametrize("mode", payments.Mode)
def test_a_diagram_of_payments_has_each_transition_of_its_mode_and_no_other(mode: payments.Mode) -> None:
    table = {(state.name, event.name, after.name) for (of, state, event), after in payments.TRANSITIONS.items() if of is mode}
    assert drawn_in(LIVES[mode.name.lower()]) == table


def test_the_diagrams_of_refunds_and_disputes_have_each_transition_and_no_other() -> None:
    of_refunds = {(state.name, event.name, after.name) for (state, event), after in refunds.TRANSITIONS.items()}
    assert drawn_in(LIVES["refund"]) == of_refunds
    of_disputes = [*disputes.TRANSITIONS.items(), *disputes.FINAL.items()]
    assert drawn_in(LIVES["dispute"]) == {(state.name, event.name, after.name) for (state, event), after in of_disputes}


def drawn_in(life: svg.Life) -> set[tuple[str, str, str]]:
    """The transitions of a life, each of which its picture shows with its states."""
    shown = texts_of(svg.drawn(life))
    for move in life.moves:
        for text in (move.label, move.source.replace("_", " "), move.target.replace("_", " ")):
            assert text in shown
    assert len(shown) == len(life.moves) + len({state for move in life.moves for state in (move.source, move.target)})
    return {(move.source, event_of(move.label), move.target) for move in life.moves}


def test_a_move_for_which_there_is_no_place_is_not_left_out_in_silence() -> None:
    life = svg.Life("nothing", ["A", "B"], "A", [svg.Move("A", "C", "go")])
    with pytest.raises(ValueError, match="no place for"):
        svg.drawn(life)


@pytest.mark.parametrize("name", flow.all_stories())
def test_a_story_shows_every_step(name: str) -> None:
    story = flow.all_stories()[name]
    assert texts_of(flow.drawn(story)) == [*story.lanes, *(step.what for step in story.steps)]


def test_the_reference_has_everything_of_the_contract() -> None:
    pages = made()
    for file in contract.files():
        page = pages[f"reference/{file.name}.md"]
        for service in file.services:
            for rpc in service.rpcs:
                assert f"\n### {rpc.name}\n" in page
                needs = f"`{rpc.scope}`" if rpc.scope else "*none*"
                assert (
                    f" → {'stream of ' * rpc.answers_stream}[`{rpc.response}`](#{reference.type_anchor(rpc.response)})" in page
                )
                assert f"; needs {needs}\n" in page
                assert rpc.comment, rpc.name
                assert f"`{reference.python_methods()[rpc.name]}(" in page
        for each in file.types:
            rows = [*(field.name for field in each.fields), *(value.name for value in each.values)]
            assert f"\n### {each.name}\n" in page
            assert all(f"\n| `{row}` |" in page for row in rows)


def test_the_reference_reads_the_contract_as_it_is() -> None:
    (file,) = (file for file in contract.files() if file.name == "payments")
    assert {each.name for each in file.types if each.fields} >= set(payments_pb2.DESCRIPTOR.message_types_by_name)
    types = {each.name: each for each in file.types}
    metadata = next(field for field in types["CreatePaymentRequest"].fields if field.name == "metadata")
    assert (metadata.kind, metadata.marks) == ("map<string, string>", ["free text"])
    states = next(field for field in types["ListPaymentsRequest"].fields if field.name == "states")
    assert (states.kind, states.type_name) == ("repeated Payment.State", "Payment.State")
    password = next(field for field in types["PayPaymentRequest"].fields if field.name == "payment_password")
    assert password.marks == ["secret"]


def test_every_reason_is_explained() -> None:
    page = made()["errors.md"]

    def below(refusal: type[Refusal]) -> Iterable[type[Refusal]]:
        for each in refusal.__subclasses__():
            yield each
            yield from below(each)

    for refusal in below(Refusal):
        if refusal.__module__.startswith("danbao_core"):
            assert f"\n({reasons.anchor(refusal.reason)})=\n### {refusal.reason}\n" in page
    assert "*Send again* after 0.1 s." in page


def test_the_figures_are_those_that_were_measured() -> None:
    tables = made()["_made/figures.md"]
    measured = json.loads((ROOT / "docs" / "bench.json").read_text(encoding="utf-8"))
    for each in [*measured["ratios"].values(), *measured["figures"].values()]:
        assert f"| {each['what']} |" in tables
    assert f"{measured['figures']['unary']['median']:,.0f}" in tables


def test_snippets_are_as_narrow_as_a_page() -> None:
    for path in [ROOT / "docs" / "quickstart.md", *(ROOT / "docs" / "guides").glob("*.md")]:
        for block in blocks_of(path.read_text(encoding="utf-8")):
            for number, line in enumerate(block.text.splitlines()):
                assert len(line) <= 100, f"{path}:{block.line + number}"


def test_a_recording_loads_nothing_and_tells_one_story() -> None:
    told = "1. \x1b[1mA buyer\x1b[0m\n" + "And now as a person with a phone\n2. More\nThe audit checked 7 invariants"
    picture = recording.recorded(told)
    assert "font-face" not in picture
    shown = "".join(texts_of(picture)).replace("\xa0", " ")
    assert "1. A buyer" in shown
    assert "The audit checked 7" in shown
    assert "More" not in shown


def test_snippets_are_found_in_pages() -> None:
    page = "Text\n\n```python\na = 1\n```\n\n```output\n1\n```\n\n```{code-block} python\n:caption: test_a.py\n\nb = 2\n```\n"
    found = [(block.line, block.language, block.text, block.file) for block in blocks_of(page)]
    assert found == [
        (4, "python", "a = 1\n", ""),
        (8, "output", "1\n", ""),
        (14, "python", "b = 2\n", "test_a.py"),
    ]
    assert list(commands_of("$ one \\\n    more\nprinted\n$ two\n")) == [("one \\\n    more\n", "printed\n"), ("two\n", "")]
