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


def test_a_figure_with_a_goal_shows_it() -> None:
    assert "goal ≤ 5" in texts(drawn({"cold_start": [3.0]}))


def test_memory_is_a_line_under_its_goal_where_it_was_measured() -> None:
    picture = fromstring(chart([], {}, _MACHINE, [(0, 100.0), (500_000, 120.0), (1_000_000, 120.0)]))
    (line,) = picture.iter(f"{_SVG}polyline")
    first, *others = [tuple(map(float, point.split(","))) for point in line.get("points", "").split()]
    (goal,) = [element for element in picture.iter(f"{_SVG}line") if element.get("class") == "goal"]
    assert all(x > first[0] and y < first[1] for x, y in others), "more memory is further up"
    assert len({y for _, y in others}) == 1
    assert all(y > float(goal.get("y1", 0)) for _, y in others)
    assert {"goal ≤ 200", "120", "over 1,000,000 payments in bulk"} <= set(texts(picture))
    assert list(drawn(_FIGURES).iter(f"{_SVG}polyline")) == []


def test_words_are_escaped() -> None:
    picture = chart([], {}, _MACHINE | {"python": "<3 & more>"})
    assert "Python <3 & more>" in " ".join(texts(fromstring(picture)))


def test_it_follows_dark_colours() -> None:
    assert "@media (prefers-color-scheme: dark)" in chart([], {}, _MACHINE)
