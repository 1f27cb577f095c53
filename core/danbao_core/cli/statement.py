"""`danbao statement`: a wallet's statement as a file."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from danbao_core.cli.completion import currencies
from danbao_core.cli.locate import DataOption, find_core
from danbao_core.cli.output import CommandFailed, JsonOption, Output, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from danbao.v1.statements_pb2 import FileChunk

_QUIET_SECONDS: Final = 2.0


class FileKind(StrEnum):
    """As `--format` takes it."""

    CSV = "csv"
    PDF = "pdf"


class Language(StrEnum):
    """As `--language` takes it."""

    CHINESE = "zh-CN"
    ENGLISH = "en"
    FRENCH = "fr"
    SPANISH = "es"


def statement(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Whose, as in accounts/01a202b3-….")],
    currency: Annotated[str, typer.Argument(metavar="CURRENCY", help="Of which wallet, as in CNY.", autocompletion=currencies)],
    period: Annotated[
        str, typer.Argument(metavar="PERIOD", help="A month, as in 2026-10, or days, as in 2026-10-01..2026-10-31.")
    ],
    kind: Annotated[FileKind, typer.Option("--format", help="What kind of file.")] = FileKind.CSV,
    language: Annotated[Language, typer.Option(help="Of the words in it.")] = Language.CHINESE,
    output_file: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write it; a name of its own without.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a wallet's statement into a file: what it held, what moved it, and what it held then.

    Days are those of Asia/Shanghai.
    """

    async def command(output: Output) -> None:
        from danbao.v1.statements_pb2 import FileFormat

        first, days, last = period.partition("..")
        async with find_core(data).client() as danbao:
            with _progress(output) as progress:
                answers = danbao.accounts.export_statement(
                    account=account,
                    currency_code=currency,
                    month="" if days else first,
                    first_day=first if days else "",
                    last_day=last,
                    format=FileFormat.Value(f"FILE_FORMAT_{kind.name}"),
                    language=language.value,
                )
                path, size_bytes, line_count = await _written(answers, output_file, progress)
        output.result(
            {"file": str(path), "bytes": size_bytes, "lines": line_count},
            f"{path}: {line_count:,} lines, {size_bytes:,} bytes",
        )

    run(command, as_json=as_json, when_stopped="A statement changes nothing; no file was written.")


async def _written(
    answers: "AsyncGenerator[FileChunk, None]", wanted: Path | None, progress: "Callable[[str], None]"
) -> tuple[Path, int, int]:
    """Writes the file, whole or not at all: its path, its size in bytes, and its lines. Raises CommandFailed or DanbaoError."""
    async with contextlib.aclosing(answers) as chunks:
        first = await anext(chunks)
        path = wanted or Path(first.file_name)
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("wb") as file:
                size_bytes = file.write(first.data)
                async for chunk in chunks:
                    size_bytes += file.write(chunk.data)
                    progress(f"{first.line_count:,} lines, {size_bytes:,} bytes so far ...")
            part.replace(path)
        except OSError as error:
            raise CommandFailed("FILE_NOT_WRITTEN", f"{path} cannot be written: {error.strerror}.") from None
        finally:
            part.unlink(missing_ok=True)
    return path, size_bytes, first.line_count


@contextlib.contextmanager
def _progress(output: Output) -> "Iterator[Callable[[str], Any]]":
    """Says how far it is, once it takes longer than one would wait without a word."""
    status = output.progress.status("making the statement ...")
    starting = asyncio.get_running_loop().call_later(_QUIET_SECONDS, status.start)
    try:
        yield status.update
    finally:
        starting.cancel()
        status.stop()
