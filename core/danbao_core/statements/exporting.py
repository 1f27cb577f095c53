"""A statement put together as a file: its head, its lines as they are read, and its sums."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from danbao_core.accounts import Account
from danbao_core.payout_errors import StatementTooLong
from danbao_core.statements.csv_file import CsvFile
from danbao_core.statements.parts import Head, Writer
from danbao_core.statements.period import Period
from danbao_core.statements.reading import Extract, extract_of, lines_of
from danbao_core.statements.settlement import sums_of
from danbao_core.statements.words import Words, time_text

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[Any]

MOST_LINES_OF_PDF: Final = 10_000
"""A PDF is made in memory, and nobody reads more of them."""


class Format(IntEnum):
    """The numbers are those of the contract."""

    CSV = 1
    PDF = 2


class File(NamedTuple):
    """A file that is made while it is read."""

    name: str
    line_count: int
    parts: AsyncGenerator[bytes, None]
    """Of any size."""


Sums = Callable[[int, int], Sequence[tuple[str, int]]]
"""What stands below the lines, given what came in and what went out."""


class Exporter:
    """Makes files of statements."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._drawing = asyncio.Lock()  # pages are drawn by one thread: it takes the interpreter from the calls of others

    async def statement(self, account: Account, currency: str, period: Period, file_format: Format, words: Words) -> File:
        """What an account could spend in a period, and what moved it; it has the wallet. Raises StatementTooLong."""
        extract = await extract_of(self._pool, account.id, currency, period)
        name = f"statement-{account.id}-{currency}-{period.first_day}-{period.last_day}"
        days = words.days.format(first=period.first_day, last=period.last_day)

        def sums(in_minor: int, out_minor: int) -> Sequence[tuple[str, int]]:
            return [(words.total_in, in_minor), (words.total_out, out_minor), (words.closing, extract.closing_minor)]

        return self._file(name, extract, _head(words.statement, account, extract, days, words), file_format, sums)

    async def settlement(
        self, name: str, account: Account, extract: Extract, due_at: datetime, file_format: Format, words: Words
    ) -> File:
        """What an account was paid out: what was there before, what moved it since, and the sums. Raises StatementTooLong."""
        sums = [(words.sorts[sort.value], each.amount_minor) for sort, each in (await sums_of(self._pool, extract)).items()]
        sums.append((words.payout, extract.closing_minor))
        head = _head(words.settlement, account, extract, f"{time_text(due_at)} (UTC+8)", words)
        return self._file(name, extract, head, file_format, lambda _in_minor, _out_minor: sums)

    def _file(self, name: str, extract: Extract, head: Head, file_format: Format, sums: Sums) -> File:
        if file_format is Format.CSV:
            return File(f"{name}.csv", extract.line_count, self._parts(extract, CsvFile(head), sums))
        if extract.line_count > MOST_LINES_OF_PDF:
            raise StatementTooLong(lines=extract.line_count, most=MOST_LINES_OF_PDF)
        from danbao_core.statements.pdf_file import PdfFile  # noqa: PLC0415  # most servers need not wait for it

        return File(f"{name}.pdf", extract.line_count, self._drawn(extract, PdfFile(head, len(sums(0, 0))), sums))

    async def _parts(self, extract: Extract, writer: Writer, sums: Sums) -> AsyncGenerator[bytes, None]:
        yield writer.begin()
        in_minor = out_minor = 0
        async with aclosing(lines_of(self._pool, extract)) as batches:
            async for lines in batches:
                in_minor += sum(line.amount_minor for line in lines if line.amount_minor > 0)
                out_minor += sum(line.amount_minor for line in lines if line.amount_minor < 0)
                yield await asyncio.to_thread(writer.add, lines)
        assert extract.opening_minor + in_minor + out_minor == extract.closing_minor, "a balance is the sum of its entries"
        yield await asyncio.to_thread(writer.end, sums(in_minor, out_minor))

    async def _drawn(self, extract: Extract, writer: Writer, sums: Sums) -> AsyncGenerator[bytes, None]:
        """The same of what is drawn: nothing of it can be given away before the end."""
        async with self._drawing:
            data = b"".join([part async for part in self._parts(extract, writer, sums)])
        yield data


def _head(title: str, account: Account, extract: Extract, period: str, words: Words) -> Head:
    return Head(
        title=title,
        account=f"{account.display_name} ({account.name})",
        currency=extract.currency,
        period=period,
        made_at=extract.made_at,
        opening_minor=extract.opening_minor,
        line_count=extract.line_count,
        words=words,
    )
