"""The picture of the figures."""

from xml.etree.ElementTree import Element, fromstring

from danbao_core.cli.bench.chart import chart
from danbao_core.cli.bench.figures import CONTENDERS, RULES, ratios

_SVG = "{http://www.w3.org/2000/svg}"
_MACHINE = {"cores": 4, "python": "3.11.7", "postgres": "18.1"}
_FIGURES = {name: [1.0, 2.0, 4.0] for name in CONTENDERS}


def drawn(figures: dict[str, list[float]]) -> Element:
    return fromstring(chart(ratios(figures, cores=4), figures, _MACHINE))


def texts(picture: Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{_SVG}text")]


def test_every_ratio_is_named_and_has_its_marks() -> None:
    picture = drawn(_FIGURES)
    assert picture.tag == f"{_SVG}svg"
    named = [element.get("data-ratio") for element in picture.iter(f"{_SVG}text") if element.get("data-ratio")]
    assert named == [rule.name for rule in RULES]
    told = texts(picture)
    assert {rule.what for rule in RULES} <= set(told)
    assert {"first mark ≥ 0.4", "goal ≥ 0.75", "first mark ≤ 4", "goal ≤ 2.5", "goal ≥ 1.6"} <= set(told)


def test_a_ratio_is_drawn_from_its_smallest_to_its_largest_round() -> None:
    figures = {"unary": [1.0, 2.0, 3.0], "echo": [4.0, 4.0, 4.0]}
    picture = drawn(figures)
    (bar,) = [element for element in picture.iter(f"{_SVG}line") if element.get("class") == "range"]
    (dot,) = picture.iter(f"{_SVG}circle")
    (goal,) = [element for element in picture.iter(f"{_SVG}line") if element.get("class") == "goal"]
    left, middle, right = (float(bar.get("x1", 0)), float(dot.get("cx", 0)), float(bar.get("x2", 0)))
    assert left < middle < right
    assert right == float(goal.get("x1", 0))  # 3 of 4 is the goal


def test_words_are_escaped() -> None:
    picture = chart([], {}, _MACHINE | {"python": "<3 & more>"})
    assert "Python <3 & more>" in " ".join(texts(fromstring(picture)))


def test_it_follows_dark_colours() -> None:
    assert "@media (prefers-color-scheme: dark)" in chart([], {}, _MACHINE)
