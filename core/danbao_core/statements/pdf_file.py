"""Statements as PDF, for people.

Chinese is set in STSong-Light, a font that readers of PDF have or replace by theirs, so no font goes with the file; what is
Latin is set in Helvetica, in every language. How many pages there are is known beforehand, so each is finished at once.
"""

import io
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from reportlab.lib.colors import HexColor, black
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from danbao_core.statements.parts import Head, Line
from danbao_core.statements.words import time_text

_LATIN: Final = "Helvetica"
_BOLD: Final = "Helvetica-Bold"
_CHINESE: Final = "STSong-Light"
_NOT_LATIN: Final = re.compile(f"([^{re.escape(bytes(range(256)).decode('cp1252', 'ignore'))}]+)")
"""What Helvetica lacks."""

_GREY: Final = HexColor("#666666")
_RULE: Final = HexColor("#bbbbbb")
_SHADE: Final = HexColor("#f4f4f4")

_WIDTH, _HEIGHT = A4
_MARGIN: Final = 30.0
_ROW: Final = 13.0
_SIZE: Final = 7.5
_TOP: Final = _HEIGHT - 60
"""Where the table begins on all pages but the first."""
_TOP_OF_FIRST: Final = _HEIGHT - 160
_BOTTOM: Final = 50.0

ROWS_OF_FIRST: Final = int((_TOP_OF_FIRST - _BOTTOM) // _ROW) - 1
ROWS: Final = int((_TOP - _BOTTOM) // _ROW) - 1
"""How many rows fit on a page beneath the names of the columns."""


class _Column(NamedTuple):
    """Where something stands: from `left` to `right`, at whichever side."""

    left: float
    right: float
    is_figure: bool = False


_TIME: Final = _Column(_MARGIN, 108)
_WHAT: Final = _Column(112, 222)
_ORDER: Final = _Column(226, 330)
_OTHER: Final = _Column(334, 392)
_FEE: Final = _Column(394, 436, is_figure=True)
_AMOUNT: Final = _Column(438, 497, is_figure=True)
_BALANCE: Final = _Column(502, _WIDTH - _MARGIN, is_figure=True)


def page_count(rows: int) -> int:
    """How many pages so many rows take."""
    return 1 + max(0, -(-(rows - ROWS_OF_FIRST) // ROWS))


class PdfFile:
    """Pages with their number and how many there are, the balance at first, the lines, and the sums behind them."""

    def __init__(self, head: Head, sum_count: int) -> None:
        """`sum_count` is how many sums there will be at the end."""
        if _CHINESE not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(UnicodeCIDFont(_CHINESE))
        self._head = head
        self._pages = page_count(head.line_count + sum_count + 1 + (head.line_count == 0))
        self._file = io.BytesIO()
        self._canvas: Any = Canvas(self._file, pagesize=A4, pageCompression=1)
        self._canvas.setTitle(head.title)
        self._canvas.setCreator("Danbao")
        self._page = 0
        self._row = 0
        self._font: tuple[str, float] = ("", 0.0)
        self._colour: Any = None

    def begin(self) -> bytes:
        self._turn()
        self._sum(self._head.words.opening, self._head.opening_minor)
        if not self._head.line_count:
            self._write(self._next_row(), _WHAT._replace(right=_AMOUNT.right), self._head.words.no_lines)
        return b""

    def add(self, lines: Sequence[Line]) -> bytes:
        words, currency = self._head.words, self._head.currency
        for line in lines:
            y = self._next_row()
            self._write(y, _TIME, time_text(line.created_at))
            self._write(y, _WHAT, words.kind(line.kind, line.amount_minor))
            self._write(y, _ORDER, " ".join(filter(None, (line.order_no, line.subject))))
            self._write(y, _OTHER, line.counterparty)
            if line.fee_minor:
                self._write(y, _FEE, words.figure(line.fee_minor, currency))
            self._write(y, _AMOUNT, words.figure(line.amount_minor, currency))
            self._write(y, _BALANCE, words.figure(line.balance_after_minor, currency))
        return b""

    def end(self, sums: Sequence[tuple[str, int]]) -> bytes:
        for name, amount_minor in sums:
            self._sum(name, amount_minor)
        self._canvas.showPage()
        self._canvas.save()
        return self._file.getvalue()

    # --- Pages ---

    def _next_row(self) -> float:
        """Where the next row stands; a full page is turned."""
        if self._row == (ROWS_OF_FIRST if self._page == 1 else ROWS):
            self._canvas.showPage()
            self._turn()
        self._row += 1
        top = _TOP_OF_FIRST if self._page == 1 else _TOP
        y = top - (self._row + 1) * _ROW
        if self._row % 2:
            self._fill(_SHADE)
            self._canvas.rect(_MARGIN, y - 4, _WIDTH - 2 * _MARGIN, _ROW, stroke=0, fill=1)
        return y

    def _turn(self) -> None:
        """A new page with its head and foot."""
        self._page += 1
        self._row, self._font, self._colour = 0, ("", 0.0), None
        words = self._head.words
        if self._page == 1:
            self._front()
        else:
            self._write(_HEIGHT - 40, _Column(_MARGIN, 400), f"{self._head.title}  {self._head.currency}", colour=_GREY)
        page = words.page.format(number=self._page, of=self._pages)
        self._write(30, _Column(300, _WIDTH - _MARGIN, is_figure=True), page, colour=_GREY)
        self._write(30, _Column(_MARGIN, 400), self._head.account, colour=_GREY)
        y = (_TOP_OF_FIRST if self._page == 1 else _TOP) - _ROW
        for column, name in (
            (_TIME, words.time),
            (_WHAT, words.what),
            (_ORDER, f"{words.order_no} / {words.subject}"),
            (_OTHER, words.counterparty),
            (_FEE, words.fee),
            (_AMOUNT, words.amount),
            (_BALANCE, words.balance),
        ):
            self._write(y, column, name, bold=True)
        self._canvas.setStrokeColor(_RULE)
        self._canvas.line(_MARGIN, y - 4, _WIDTH - _MARGIN, y - 4)

    def _front(self) -> None:
        head, words = self._head, self._head.words
        self._write(_HEIGHT - 55, _Column(_MARGIN, _WIDTH - _MARGIN), head.title, size=16, bold=True)
        for number, (name, text) in enumerate(
            (
                (words.account, head.account),
                (words.currency, head.currency),
                (words.period, head.period),
                (words.made, f"{time_text(head.made_at)} (UTC+8)"),
            )
        ):
            y = _HEIGHT - 82 - number * 15
            self._write(y, _Column(_MARGIN, 110), name, size=9, colour=_GREY)
            self._write(y, _Column(112, _WIDTH - _MARGIN), text, size=9)

    def _sum(self, name: str, amount_minor: int) -> None:
        y = self._next_row()
        self._write(y, _WHAT._replace(right=_AMOUNT.left), name, bold=True)
        self._write(y, _BALANCE, self._head.words.figure(amount_minor, self._head.currency), bold=True)

    def _write(
        self, y: float, column: _Column, text: str, *, size: float = _SIZE, bold: bool = False, colour: Any = black
    ) -> None:
        """Writes one line of text; what does not fit ends with an ellipsis, a figure is set smaller."""
        room = column.right - column.left
        wide = _width(text, bold=bold) * size
        if wide > room and column.is_figure:
            size *= room / wide
        elif wide > room:
            text = _shortened(text, room / size, bold=bold)
        x = column.right - min(wide, room) if column.is_figure else column.left
        self._fill(colour)
        for run in _runs(text, bold=bold):
            self._set(run.font, size)
            self._canvas.drawString(x, y, run.text)
            x += run.width * size

    def _fill(self, colour: Any) -> None:
        """Sets the colour, where it is another one: that takes as long as to write a text."""
        if self._colour is not colour:
            self._canvas.setFillColor(colour)
            self._colour = colour

    def _set(self, font: str, size: float) -> None:
        """Sets the font, where it is another one."""
        if self._font != (font, size):
            self._canvas.setFont(font, size)
            self._font = (font, size)


class _Run(NamedTuple):
    """A part of a text that one font has."""

    font: str
    text: str
    width: float
    """In the size 1."""


@lru_cache(maxsize=2_048)
def _runs(text: str, *, bold: bool) -> tuple[_Run, ...]:
    """A text in parts, each with the font that has its characters."""
    latin = _BOLD if bold else _LATIN
    runs: list[_Run] = []
    for part in filter(None, _NOT_LATIN.split(text)):
        font, shown = latin, part
        if _NOT_LATIN.match(part):  # the font's encoding ends with the characters of 16 bits
            font, shown = _CHINESE, "".join(each if ord(each) <= 0xFFFF else "□" for each in part)
        runs.append(_Run(font, shown, pdfmetrics.stringWidth(shown, font, 1)))
    return tuple(runs)


def _width(text: str, *, bold: bool) -> float:
    """In the size 1."""
    return sum(run.width for run in _runs(text, bold=bold))


def _shortened(text: str, room: float, *, bold: bool) -> str:
    """As much of a text as fits, and an ellipsis; `room` is for the size 1."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if _width(f"{text[:middle]}…", bold=bold) <= room:
            low = middle
        else:
            high = middle - 1
    return f"{text[:low]}…"
