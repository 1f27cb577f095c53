"""The ratios and figures as an SVG picture, which follows a reader's light or dark colours."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from danbao_core.cli.bench.figures import CONTENDERS, MEMORY_GOAL_MEBIBYTES, Ratio, spread
from danbao_core.cli.bench.report import in_words, mark_in_words

_WIDTH: Final = 900
_LEFT: Final = 330
_RIGHT: Final = 730
_ROW: Final = 46
_BAR_ROW: Final = 26
_MEMORY_HEIGHT: Final = 132
_UNITS: Final = (
    ("1/s", "Rates per second"),
    ("ms", "Milliseconds of one call, p50"),
    ("s", "Seconds from nothing"),
)
_STYLE: Final = """
  .ground { fill: #ffffff; stroke: #d0d7de } .track { stroke: #d8dee4 } text { fill: #1f2328; font: 13px system-ui, sans-serif }
  .title { font-weight: 600; font-size: 15px } .small { font-size: 11px; fill: #59636e } .range { stroke: #54aeff }
  .dot { fill: #0969da } .bar { fill: #54aeff } .mark { stroke: #9a6700 } .mark-text { fill: #9a6700; font-size: 11px }
  .line { fill: none; stroke: #0969da } .goal { stroke: #1a7f37 } .goal-text { fill: #1a7f37; font-size: 11px }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; stroke: #3d444d } .track { stroke: #3d444d } text { fill: #f0f6fc }
    .small { fill: #9198a1 } .range { stroke: #1f6feb } .dot { fill: #79c0ff } .bar { fill: #1f6feb }
    .line { stroke: #79c0ff }
    .mark { stroke: #d29922 } .mark-text { fill: #d29922 } .goal { stroke: #3fb950 } .goal-text { fill: #3fb950 }
  }
"""


def chart(
    ratios: Sequence[Ratio],
    figures: Mapping[str, Sequence[float]],
    machine: Mapping[str, Any],
    memory: Sequence[tuple[int, float]] = (),
) -> str:
    """The picture as text: each ratio with its spread, first mark and goal, and below the rates and times themselves.

    `memory` is the mebibytes of a server process after so many payments, where that was measured.
    """
    parts = [_text(24, 32, "Ratios of figures taken in the same round", "title")]
    parts.append(
        _text(24, 50, "dot: median of rounds; bar: smallest to largest; each row has a scale of its own from 0", "small")
    )
    top = 76
    for ratio in ratios:
        parts += _ratio_row(ratio, top)
        top += _ROW
    for unit, title in _UNITS:
        names = [name for name in figures if CONTENDERS[name].unit == unit]
        if names:
            top += 18
            parts.append(_text(24, top, title, "title"))
            most = max(max(spread(figures[name]).median, CONTENDERS[name].goal or 0.0) for name in names)
            for name in names:
                top += _BAR_ROW
                parts += _bar_row(name, figures[name], most, top)
            top += 14
    if memory:
        parts += _memory(memory, top + 34)
        top += 34 + _MEMORY_HEIGHT
    told = f"{machine['cores']} cores, Python {machine['python']}, Postgres {machine['postgres']}, everything on one machine"
    parts.append(_text(24, top + 20, told, "small"))
    height = top + 40
    ground = f'<rect class="ground" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="8"/>'
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    head = f"<title>danbao bench: ratios and figures</title>\n<style>{_STYLE}</style>\n{ground}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n{head}\n' + "\n".join(parts) + "\n</svg>\n"


def _ratio_row(ratio: Ratio, top: float) -> list[str]:
    rule, found = ratio.rule, ratio.spread
    marks = [(mark, kind) for mark, kind in ((rule.first_mark, "mark"), (rule.goal, "goal")) if mark is not None]
    most = max(found.max, *(mark for mark, _ in marks), 0.0) * 1.08
    middle = top + 12

    def x(value: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * value / most, 1)

    parts = [
        _text(24, middle + 4, rule.what, ratio=rule.name),
        f'<line class="track" x1="{_LEFT}" y1="{middle}" x2="{_RIGHT}" y2="{middle}"/>',
        f'<line class="range" x1="{x(found.min)}" y1="{middle}" x2="{x(found.max)}" y2="{middle}" stroke-width="8"/>',
        f'<circle class="dot" cx="{x(found.median)}" cy="{middle}" r="6"/>',
        _text(_RIGHT + 14, middle + 4, f"{found.median:.2f}"),
        _text(_RIGHT + 54, middle + 4, f"{found.min:.2f} to {found.max:.2f}", "small"),
    ]
    for mark, kind in marks:
        called = "first mark" if kind == "mark" else "goal"
        parts.append(
            f'<line class="{kind}" x1="{x(mark)}" y1="{middle - 10}" x2="{x(mark)}" y2="{middle + 10}" stroke-width="2"/>'
        )
        words = f"{called} {mark_in_words(rule, mark)}"
        # Where two marks are near one another, one is told to the left and the other to the right.
        anchor = "end" if mark == min(each for each, _ in marks) and len(marks) > 1 else "start"
        parts.append(_text(x(mark), middle + 22, words, f"{kind}-text", anchor=anchor))
    return parts


def _bar_row(name: str, values: Sequence[float], most: float, baseline: float) -> list[str]:
    contender, found = CONTENDERS[name], spread(values)

    def x(value: float) -> float:
        return round((_RIGHT - _LEFT) * value / most, 1)

    parts = [
        _text(24, baseline, contender.what.removesuffix(": p50"), "small"),
        f'<rect class="bar" x="{_LEFT}" y="{baseline - 11}" width="{x(found.median)}" height="14" rx="2"/>',
        _text(_RIGHT + 14, baseline, in_words(found.median, contender.unit)),
        _text(_RIGHT + 64, baseline, " to ".join(in_words(each, contender.unit) for each in found[1:]), "small"),
    ]
    if contender.goal is not None:
        at = _LEFT + x(contender.goal)
        parts += [
            f'<line class="goal" x1="{at}" y1="{baseline - 14}" x2="{at}" y2="{baseline + 6}" stroke-width="2"/>',
            _text(at - 6, baseline + 16, f"goal ≤ {contender.goal:g}", "goal-text", anchor="end"),
        ]
    return parts


def _memory(samples: Sequence[tuple[int, float]], top: float) -> list[str]:
    """A line from the first sample to the last, under the goal."""
    bottom, height = top + _MEMORY_HEIGHT - 22, _MEMORY_HEIGHT - 44
    most = max(MEMORY_GOAL_MEBIBYTES, *(mebibytes for _, mebibytes in samples)) * 1.08
    payments, last = samples[-1]

    def y(mebibytes: float) -> float:
        return round(bottom - height * mebibytes / most, 1)

    points = " ".join(f"{_LEFT + round((_RIGHT - _LEFT) * made / payments, 1)},{y(held)}" for made, held in samples)
    goal = y(MEMORY_GOAL_MEBIBYTES)
    return [
        _text(24, top, "Memory of a server process, MiB", "title"),
        _text(24, bottom, f"over {payments:,} payments in bulk", "small"),
        f'<line class="track" x1="{_LEFT}" y1="{bottom}" x2="{_RIGHT}" y2="{bottom}"/>',
        f'<line class="goal" x1="{_LEFT}" y1="{goal}" x2="{_RIGHT}" y2="{goal}" stroke-width="2"/>',
        _text(_LEFT, goal - 5, f"goal ≤ {MEMORY_GOAL_MEBIBYTES:g}", "goal-text"),
        f'<polyline class="line" points="{points}" stroke-width="2"/>',
        _text(_RIGHT + 14, y(last) + 4, f"{last:.0f}"),
    ]


def _text(x: float, y: float, words: str, kind: str = "", *, anchor: str = "start", ratio: str = "") -> str:
    attributes = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor != "start" else "")
    attributes += f' data-ratio="{ratio}"' if ratio else ""
    return f'<text x="{x}" y="{y}"{attributes}>{escape(words)}</text>'
