"""Draws the life of a resource as an SVG: its states in a column, and beside it as bars those to which many of them lead.

Each box is as high as what it holds, each gap as what stands in it. Colours are those of the page (furo's variables), light or
dark, with others where the picture stands alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_LINE: Final = 16
_BOX_WIDTH: Final = 216
_BAR_WIDTH: Final = 124
_BESIDE: Final = 190
"""Between the column and a bar, where the labels of what leads there stand."""
_MARGIN: Final = 12
_TOP: Final = 34


@dataclass(frozen=True)
class Move:
    """What leads from one state to another, or leaves it as it is: the event, and who brings it about."""

    source: str
    target: str
    label: str


@dataclass(frozen=True)
class Life:
    """The states of a resource, in the order in which they are drawn, and the moves between them."""

    title: str
    column: Sequence[str]
    start: str
    moves: Sequence[Move]
    left: str = ""
    """A state that stands as a bar to the left of the column; none where empty."""
    right: str = ""

    def labels(self, source: str, target: str) -> list[str]:
        """What leads from one state to another."""
        return [move.label for move in self.moves if (move.source, move.target) == (source, target)]

    def must_be_whole(self) -> None:
        """Raises ValueError where a move cannot be drawn: between bars, or past a state of the column."""
        for move in self.moves:
            ends = [self.column.index(state) for state in (move.source, move.target) if state in self.column]
            drawn = abs(ends[0] - ends[1]) <= 2 if len(ends) == 2 else len(ends) == 1 and move.target in (self.left, self.right)
            if not drawn and not (move.source == move.target and move.source in (self.left, self.right)):
                raise ValueError(f"{self.title}: no place for {move}")


@dataclass(frozen=True)
class _Box:
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    @property
    def centre(self) -> float:
        return self.x + self.width / 2


def drawn(life: Life) -> str:
    """The SVG of a life. Raises ValueError where a move has no place in it."""
    life.must_be_whole()
    left_room = _MARGIN + (_BAR_WIDTH + _BESIDE if life.left else _BESIDE - 40)
    boxes = _boxes(life, left_room)
    last = boxes[life.column[-1]]
    bottom = last.y + last.height
    if life.left:
        boxes[life.left] = _Box(_MARGIN, _TOP, _BAR_WIDTH, bottom - _TOP)
    if life.right:
        boxes[life.right] = _Box(left_room + _BOX_WIDTH + _BESIDE, _TOP, _BAR_WIDTH, bottom - _TOP)
    width = left_room + _BOX_WIDTH + (_BESIDE + _BAR_WIDTH if life.right else 0) + _MARGIN
    height = bottom + _MARGIN
    parts = [*_arrows(life, boxes), *_states(life, boxes)]
    return "\n".join(
        [
            opening(life.title, width, height),
            *STYLE,
            *parts,
            "</svg>",
        ]
    )


def opening(title: str, width: float, height: float) -> str:
    """How an SVG of ours begins: as large as it is drawn, or smaller where there is less room."""
    named = escape(title)
    return (
        f'<svg class="life" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'role="img" aria-label="{named}">\n<title>{named}</title>'
    )


STYLE: Final = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto-start-reverse">'
    '<path d="M0 0 8 4 0 8z" class="tip"/></marker></defs>',
    "<style>",
    "svg.life { max-width: 100%; font: 12px var(--font-stack, sans-serif); }",
    "svg.life text { fill: var(--color-foreground-primary, #222); }",
    "svg.life .name { font-weight: 600; font-size: 13px; }",
    "svg.life .stays { fill: var(--color-foreground-secondary, #555); }",
    "svg.life .box { fill: var(--color-background-secondary, #f4f6f8); }",
    "svg.life .box { stroke: var(--color-brand-primary, #1d6fa5); stroke-width: 1.3; }",
    "svg.life .ends { fill: var(--color-background-hover, #e7eef3); }",
    "svg.life .way { fill: none; stroke: var(--color-foreground-muted, #667); stroke-width: 1.3; marker-end: url(#tip); }",
    "svg.life .tip { fill: var(--color-foreground-muted, #667); }",
    "</style>",
)


def _boxes(life: Life, x: float) -> dict[str, _Box]:
    """The places of the column's states: each is as high as what it holds, each gap as what stands in it."""
    boxes, y = dict[str, _Box](), float(_TOP)
    for number, state in enumerate(life.column):
        height = 34 + _LINE * len(life.labels(state, state))
        boxes[state] = _Box(x, y, _BOX_WIDTH, height)
        lines = 1
        if number + 1 < len(life.column):
            below = life.column[number + 1]
            beside = [len(life.labels(below, bar)) for bar in (life.left, life.right) if bar]
            lines = max(len(life.labels(state, below)), len(life.labels(below, state)), *beside, 1)
        y += height + 22 + _LINE * lines
    return boxes


def _states(life: Life, boxes: Mapping[str, _Box]) -> Iterable[str]:
    left_by = {move.source for move in life.moves if move.source != move.target}
    for state, box in boxes.items():
        ends = "" if state in left_by else " ends"
        yield f'<rect class="box{ends}" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="6"/>'
        stays = life.labels(state, state)
        y = box.middle + 4 - _LINE * len(stays) / 2
        yield _text(box.centre, y, state.replace("_", " "), "name", "middle")
        for number, label in enumerate(stays, 1):
            yield _text(box.centre, y + _LINE * number, label, "stays", "middle")
    first = boxes[life.start]
    y = first.y + 17 if life.left == "" else first.y - 22
    if life.left:
        yield f'<circle class="tip" cx="{first.centre:g}" cy="{y:g}" r="5"/>' + _way(f"M{first.centre:g} {y:g} V{first.y:g}")
    else:
        yield f'<circle class="tip" cx="{first.x - 50:g}" cy="{y:g}" r="5"/>' + _way(f"M{first.x - 50:g} {y:g} H{first.x:g}")


def _arrows(life: Life, boxes: Mapping[str, _Box]) -> Iterable[str]:
    for source in life.column:
        for target in boxes:
            labels = life.labels(source, target)
            if source == target or not labels:
                continue
            if target == life.right:
                yield from _to_the_right(boxes[source], boxes[target], labels)
            elif target == life.left:
                yield from _to_the_left(boxes[source], boxes[target], labels)
            else:
                steps = life.column.index(target) - life.column.index(source)
                draw = {1: _down, -1: _up}.get(steps, _around)
                yield from draw(boxes[source], boxes[target], labels)


def _to_the_right(source: _Box, bar: _Box, labels: Sequence[str]) -> Iterable[str]:
    start, y = source.x + source.width, source.y + 17
    yield _way(f"M{start:g} {y:g} H{bar.x:g}")
    for number, label in enumerate(reversed(labels)):
        yield _text((start + bar.x) / 2 + 10, y - 5 - _LINE * number, label, "", "middle")


def _to_the_left(source: _Box, bar: _Box, labels: Sequence[str]) -> Iterable[str]:
    end, y = bar.x + bar.width, source.y + 17
    yield _way(f"M{source.x:g} {y:g} H{end:g}")
    for number, label in enumerate(reversed(labels)):
        yield _text((source.x + end) / 2, y - 5 - _LINE * number, label, "", "middle")


def _down(source: _Box, target: _Box, labels: Sequence[str]) -> Iterable[str]:
    x, top = source.centre - 40, source.y + source.height
    yield _way(f"M{x:g} {top:g} V{target.y:g}")
    yield from _lines(x + 8, (top + target.y) / 2, labels, "start")


def _up(source: _Box, target: _Box, labels: Sequence[str]) -> Iterable[str]:
    x, bottom = source.centre - 62, target.y + target.height
    yield _way(f"M{x:g} {source.y:g} V{bottom:g}")
    yield from _lines(x - 8, (bottom + source.y) / 2, labels, "end")


def _around(source: _Box, target: _Box, labels: Sequence[str]) -> Iterable[str]:
    x, begin, end = source.x, source.y + source.height - 12, target.y + 17 + (8 if target.y > source.y else 0)
    yield _way(f"M{x:g} {begin:g} C{x - 60:g} {begin:g} {x - 60:g} {end:g} {x:g} {end:g}")
    yield from _lines(x - 54, (begin + end) / 2, labels, "end")


def _lines(x: float, middle: float, labels: Sequence[str], anchor: str) -> Iterable[str]:
    first = middle + 4 - _LINE * (len(labels) - 1) / 2
    for number, label in enumerate(labels):
        yield _text(x, first + _LINE * number, label, "", anchor)


def _way(path: str) -> str:
    return f'<path class="way" d="{path}"/>'


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{f" class={kind!r}" if kind else ""}>{escape(text)}</text>'
