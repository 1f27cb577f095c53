"""`danbao migrate`: bring a database up to date."""

from typing import Annotated

import typer

from danbao_core.cli.output import CommandFailed, JsonOption, Output, run


def migrate(
    database_url: Annotated[
        str, typer.Option(envvar="DANBAO_DATABASE_URL", metavar="URL", help="The database to bring up to date.")
    ],
    mode: Annotated[
        str, typer.Option(envvar="DANBAO_MODE", help="What a new database becomes, for good: live or sandbox.")
    ] = "live",
    as_json: JsonOption = False,
) -> None:
    """Apply the migrations that a database lacks; a repeat applies nothing."""
    if mode not in ("live", "sandbox"):
        raise typer.BadParameter("must be live or sandbox", param_hint="--mode")

    async def command(output: Output) -> None:
        applied = await _apply(output, database_url, mode)
        output.result({"applied": applied}, f"Applied {', '.join(applied)}." if applied else "There was nothing to apply.")

    run(command, as_json=as_json)


async def _apply(output: Output, database_url: str, mode: str) -> list[str]:
    from danbao_core import migrations
    from danbao_core.cli.databases import does_not_answer
    from danbao_core.database_errors import DATABASE_ERRORS

    try:
        return await migrations.migrate(database_url, mode, lambda name: output.progress.print(f"Applying {name} ..."))
    except migrations.MigrationError as error:
        raise CommandFailed("MIGRATION_REFUSED", f"The database is left as it was: {error}.") from None
    except (*DATABASE_ERRORS, ValueError) as error:
        raise CommandFailed("DATABASE_UNAVAILABLE", does_not_answer(error)) from None
