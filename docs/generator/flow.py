"""Draws what goes from whom to whom, in order of time: a column for each of them, and an arrow for each step."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from danbao_core.money import fee_minor
from docs.generator.svg import STYLE, opening

_STEP: Final = 38
_BETWEEN: Final = 200
_FIRST: Final = 80
_TOP: Final = 20


@dataclass(frozen=True)
class Step:
    """Something that goes from one to another."""

    what: str
    source: str
    target: str


@dataclass(frozen=True)
class Story:
    """Steps among some, who stand in this order."""

    title: str
    lanes: Sequence[str]
    steps: Sequence[Step]


_HOLDERS: Final = ("Buyer", "Escrow", "Seller", "Fees")
_PAID_MINOR: Final = 1250
_FEE_MINOR: Final = fee_minor(_PAID_MINOR, 150)
_BACK_MINOR: Final = 500
_SHARE_MINOR: Final = _FEE_MINOR * _BACK_MINOR // _PAID_MINOR


def all_stories() -> dict[str, Story]:
    """Every picture by the name of its file."""
    return {"money": _money(), "refunded": _refunded(), "approval": _approval()}


def _money() -> Story:
    steps = (
        Step(f"pay: {_amount(_PAID_MINOR)}", "Buyer", "Escrow"),
        Step(f"confirm: {_amount(_PAID_MINOR - _FEE_MINOR)}", "Escrow", "Seller"),
        Step(f"and the fee: {_amount(_FEE_MINOR)}", "Escrow", "Fees"),
    )
    return Story("The money of an escrow payment", _HOLDERS, steps)


def _refunded() -> Story:
    steps = (
        Step(f"before the release: {_amount(_BACK_MINOR)}", "Escrow", "Buyer"),
        Step(f"after it: {_amount(_BACK_MINOR - _SHARE_MINOR)}", "Seller", "Buyer"),
        Step(f"and of the fee: {_amount(_SHARE_MINOR)}", "Fees", "Buyer"),
    )
    return Story("The money of a refund of 5.00 out of 12.50", _HOLDERS, steps)


def _approval() -> Story:
    person, core, phone = lanes = ("Person", "Danbao", "Phone")
    steps = (
        Step("pay, with the password", person, core),
        Step("APPROVAL_REQUIRED", core, person),
        Step("challenge for this payment", person, core),
        Step("a code, where it is SMS", core, phone),
        Step("answer with the code", person, core),
        Step("approval", core, person),
        Step("pay, with the approval", person, core),
        Step("PAID", core, person),
    )
    return Story("A payment that is approved", lanes, steps)


def _amount(amount_minor: int) -> str:
    return f"{amount_minor / 100:.2f}"


def drawn(story: Story) -> str:
    """The SVG of a story."""
    at = {lane: _FIRST + number * _BETWEEN for number, lane in enumerate(story.lanes)}
    arrows, y = list[str](), _TOP + 58
    for step in story.steps:
        start, end = at[step.source], at[step.target]
        middle = start + (_BETWEEN if end > start else -_BETWEEN) / 2
        arrows.append(f'<path class="way" d="M{start} {y} H{end}"/>')
        arrows.append(f'<text x="{middle:g}" y="{y - 6}" text-anchor="middle">{escape(step.what)}</text>')
        y += _STEP
    height, width = y - 14, at[story.lanes[-1]] + _FIRST
    heads = [
        f'<line class="way" style="marker-end: none" x1="{x}" x2="{x}" y1="{_TOP + 30}" y2="{height}" stroke-dasharray="3 4"/>'
        f'<rect class="box" x="{x - 60}" y="{_TOP}" width="120" height="30" rx="6"/>'
        f'<text class="name" x="{x}" y="{_TOP + 20}" text-anchor="middle">{lane}</text>'
        for lane, x in at.items()
    ]
    return "\n".join([opening(story.title, width, height), *STYLE, *heads, *arrows, "</svg>"])
