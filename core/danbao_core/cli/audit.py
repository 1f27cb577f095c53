"""`danbao audit`: is what must always be true of the books true?"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from danbao_core.cli.locate import Core, DataOption, find_core
from danbao_core.cli.output import CommandFailed, JsonOption, Output, in_words, run

if TYPE_CHECKING:
    from rich.table import Table

    from danbao_core.audit import Check

BREACH_EXIT_CODE: Final = 1
FAILURE_EXIT_CODE: Final = 2

_QUIET_SECONDS: Final = 2.0
_DEADLINE_SECONDS: Final = 600.0


def audit(
    data: DataOption = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The database to audit; without it and --data it is DANBAO_DATABASE_URL, where that is set."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the books: every journal, balance and payment, on one snapshot, while the core works on.

    Reads the database itself where it is known, and otherwise asks the core. Exit code 0: the books are right; that no worker
    has seen for an hour to what is due is a warning. 1: they are not, and the first breach is named. 2: they could not be read.
    """
    if database_url is not None and data is not None:
        raise typer.BadParameter("goes without --data: it names the books in another way", param_hint="--database-url")

    async def command(output: Output) -> None:
        began_at = time.monotonic()
        try:
            with _progress(output) as progress:
                checks = await _checks(data, database_url, progress)
        except CommandFailed as failure:
            output.failure(failure.reason, str(failure))
            raise typer.Exit(FAILURE_EXIT_CODE) from None
        _show(output, checks, time.monotonic() - began_at)

    run(command, as_json=as_json, when_stopped="An audit changes nothing.")


async def _checks(data: Path | None, database_url: str | None, progress: Callable[[str], None]) -> "list[Check]":
    if database_url is None and data is None:
        database_url = os.environ.get("DANBAO_DATABASE_URL") or None
    if database_url is not None:
        return await _read(database_url, progress)
    core = find_core(data)
    if core.database_url is not None:
        return await _read(core.database_url, progress)
    return await _ask(core)


async def _read(database_url: str, progress: Callable[[str], None]) -> "list[Check]":
    from danbao_core.audit import NotAuditable
    from danbao_core.audit import audit as audit_database
    from danbao_core.cli.databases import does_not_answer
    from danbao_core.database_errors import DATABASE_ERRORS

    try:
        return await audit_database(database_url, progress)
    except NotAuditable as error:
        raise CommandFailed("NOT_AUDITABLE", f"The database cannot be audited: {error}.") from None
    except OSError as error:
        raise CommandFailed("DATABASE_UNAVAILABLE", does_not_answer(error)) from None
    except (*DATABASE_ERRORS, ValueError) as error:
        raise CommandFailed("DATABASE_UNAVAILABLE", f"The database cannot be read ({error}). Is its URL right?") from None


async def _ask(core: Core) -> "list[Check]":
    from danbao.v1.operations_pb2 import AuditLedgerRequest
    from danbao_client import DanbaoError
    from danbao_core.audit import Check

    try:
        async with core.client() as danbao:
            answer = await danbao.operations.AuditLedger(AuditLedgerRequest(), deadline_seconds=_DEADLINE_SECONDS)
    except DanbaoError as error:
        raise CommandFailed(error.reason or error.code.name, in_words(error)) from None
    return [Check(check.invariant, None if check.holds else check.breach) for check in answer.checks]


@contextmanager
def _progress(output: Output) -> Iterator[Callable[[str], None]]:
    """Says what is being checked, once it takes longer than one would wait without a word."""
    status = output.progress.status("auditing ...")
    starting = asyncio.get_running_loop().call_later(_QUIET_SECONDS, status.start)
    try:
        yield lambda invariant: status.update(f"checking {invariant} ...")
    finally:
        starting.cancel()
        status.stop()


def _show(output: Output, checks: "list[Check]", seconds: float) -> None:
    """Prints what was found; ends the command with exit code 1 where something does not hold."""
    breaches = [check for check in checks if not check.holds and not check.is_warning]
    warnings = [check for check in checks if not check.holds and check.is_warning]
    answer = {
        "holds": not breaches,
        "seconds": round(seconds, 3),
        "checks": [
            {"invariant": check.invariant, "holds": check.holds, "breach": check.breach, "warning": check.is_warning}
            for check in checks
        ],
    }
    for check in warnings:
        typer.echo(f"warning: {check.invariant}: {check.breach}", err=True)
    if not breaches:
        holding = f"All {len(checks)} invariants hold" if not warnings else "The books are right, and workers are behind"
        output.result(answer, _table(checks), f"{holding} ({seconds:.1f} s).")
        return
    output.result(answer, _table(checks), f"{len(breaches)} of {len(checks)} invariants do not hold ({seconds:.1f} s).")
    typer.echo(f"first breach: {breaches[0].invariant}: {breaches[0].breach}", err=True)
    raise typer.Exit(BREACH_EXIT_CODE)


def _table(checks: "list[Check]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table("invariant", "found", box=None)
    for check in checks:
        found = Text(check.breach, "yellow" if check.is_warning else "bold red") if check.breach else Text("holds", "green")
        table.add_row(check.invariant, found)
    return table
