"""Statements as CSV, for spreadsheets and programs."""

import csv
import io
from collections.abc import Sequence
from typing import Final

from danbao_core.statements.parts import Head, Line
from danbao_core.statements.words import figure, time_text

_BOM: Final = "\ufeff"
"""Without it Excel takes UTF-8 for the code page of its country, and Chinese for gibberish."""

_FORMULAS: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What makes a spreadsheet take a text for a formula (OWASP, CSV Injection), the full-width forms included."""


class CsvFile:
    """A table as RFC 4180 has it: names, then rows of as many fields; the balance at first and the sums are rows, too."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._buffer = io.StringIO(newline="")
        self._rows = csv.writer(self._buffer)

    def begin(self) -> bytes:
        words = self._head.words
        self._buffer.write(_BOM)
        self._rows.writerow(
            [
                words.time,
                words.what,
                words.order_no,
                words.subject,
                words.counterparty,
                words.fee,
                words.amount,
                words.balance,
                words.currency,
                words.reference,
            ]
        )
        self._sum(words.opening, self._head.opening_minor)
        return self._written()

    def add(self, lines: Sequence[Line]) -> bytes:
        words, currency = self._head.words, self._head.currency
        self._rows.writerows(
            [
                time_text(line.created_at),
                words.kind(line.kind, line.amount_minor),
                _safe(line.order_no),
                _safe(line.subject),
                _safe(line.counterparty),
                figure(line.fee_minor, currency) if line.fee_minor else "",
                figure(line.amount_minor, currency),
                figure(line.balance_after_minor, currency),
                currency,
                line.reference,
            ]
            for line in lines
        )
        return self._written()

    def end(self, sums: Sequence[tuple[str, int]]) -> bytes:
        for name, amount_minor in sums:
            self._sum(name, amount_minor)
        return self._written()

    def _sum(self, name: str, amount_minor: int) -> None:
        """A sum stands in the column of balances."""
        currency = self._head.currency
        self._rows.writerow(["", name, "", "", "", "", "", figure(amount_minor, currency), currency, ""])

    def _written(self) -> bytes:
        text = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return text.encode()


def _safe(text: str) -> str:
    """A text of somebody else's that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULAS) else text
