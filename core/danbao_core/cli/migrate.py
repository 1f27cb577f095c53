"""`danbao migrate`: bring a database up to date."""

import asyncio
from typing import Annotated

import typer


def migrate(
    database_url: Annotated[
        str, typer.Option(envvar="DANBAO_DATABASE_URL", metavar="URL", help="The database to bring up to date.")
    ],
    mode: Annotated[
        str, typer.Option(envvar="DANBAO_MODE", help="What a new database becomes, for good: live or sandbox.")
    ] = "live",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Apply the migrations that a database lacks; a repeat applies nothing."""
    import json

    import asyncpg

    from danbao_core import migrations

    if mode not in ("live", "sandbox"):
        raise typer.BadParameter("must be live or sandbox", param_hint="--mode")
    try:
        applied = asyncio.run(migrations.migrate(database_url, mode, lambda name: typer.echo(f"applying {name} ...", err=True)))
    except migrations.MigrationError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        typer.echo(f"error: the database does not answer ({error}); is the URL right?", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"applied": applied}))
    else:
        typer.echo(f"applied {len(applied)}" if applied else "nothing to apply")
