"""`danbao backup` and `danbao restore`: a sandbox that can be brought back to any moment."""

import shlex
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from danbao_core.cli.locate import DEFAULT_FOLDER, DataOption, find_core
from danbao_core.cli.output import CommandFailed, JsonOption, Output, run


def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the backup is, or is made.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back up a running sandbox: all of it at first, and what was changed since then each time after.

    `danbao restore` brings it back to any moment between the end of the first time and that of the last. The backup has the
    keys, too: keep it from others.
    """

    async def command(output: Output) -> None:
        import sqlite3

        from danbao_core.database_errors import DATABASE_ERRORS
        from danbao_core.embedded.recovery import CopyFailed
        from danbao_core.supervisor.backup import back_up

        core = find_core(data or DEFAULT_FOLDER)
        assert core.folder is not None, "it was named by its folder"
        assert core.database_url is not None, "it is a sandbox"
        try:
            up_to = await back_up(
                core.folder, core.database_url, folder.absolute(), lambda text: output.progress.print(f"{text} ...")
            )
        except (CopyFailed, sqlite3.Error, *DATABASE_ERRORS) as error:
            raise CommandFailed("BACKUP_FAILED", f"{error}") from None
        output.result(
            {"folder": str(folder.absolute()), "up_to": up_to.isoformat()},
            f"{folder} holds all that was committed up to {up_to.isoformat()}.",
        )

    run(command, as_json=as_json, when_stopped="Run it again to go on.")


def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The backup.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Where to make the sandbox: a folder that is new or empty.")],
    to: Annotated[
        str, typer.Option(metavar="TIME", help="The moment to bring back, like 2026-03-01T12:30:00Z; else the backup's last.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a sandbox of a backup, as it was at a moment; `danbao up --data DIR` then runs it.

    The bank's books are those of the backup's end, because no bank goes back in time: `danbao reconcile` finds what the core
    has forgotten.
    """

    async def command(output: Output) -> None:
        from danbao_core.embedded import StartError
        from danbao_core.supervisor.backup import restore as restore_sandbox

        moment = _moment(to)
        try:
            last = await restore_sandbox(
                folder.absolute(), data.absolute(), moment, lambda text: output.progress.print(f"{text} ...")
            )
        except (StartError, OSError) as error:
            raise CommandFailed("RESTORE_FAILED", f"{error}") from None
        output.result(
            {"data": str(data.absolute()), "last_commit_time": last.isoformat() if last else None},
            f"{data} is as it was {f'after the commit at {last.isoformat()}' if last else 'when the backup was begun'}."
            f" Start it: {shlex.join(['danbao', 'up', '--data', str(data)])}",
        )

    run(command, as_json=as_json, when_stopped="Nothing was made.")


def _moment(text: str) -> datetime | None:
    """Raises CommandFailed for what is no time, or says not in which zone."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment
    except ValueError:
        pass
    raise CommandFailed("TIME_INVALID", f"{text} is no time with its zone, like 2026-03-01T12:30:00Z.")
