"""A database that a command was told of by its URL: does it answer, and can this release work on it?"""

from danbao_core.cli.output import CommandFailed


def does_not_answer(error: Exception) -> str:
    """For people: why a database does not answer, and what to look at."""
    why = error.strerror if isinstance(error, OSError) else str(error)
    return f"The database does not answer ({why or 'no answer in time'}). Does it run, and is its URL right?"


async def must_be_usable(database_url: str) -> None:
    """Raises CommandFailed where nobody answers, the login may not work there, or the schema is not that of this release."""
    from danbao_core import server_role
    from danbao_core.database_errors import DATABASE_ERRORS
    from danbao_core.migrations import MigrationError, must_have_all

    try:
        connection = await server_role.connect(database_url, server_settings=server_role.AS_SERVER)
        try:
            await must_have_all(connection)
        finally:
            await connection.close()
    except MigrationError as error:
        said = str(error)
        raise CommandFailed("DATABASE_UNUSABLE", f"{said[:1].upper()}{said[1:]}.") from None
    except server_role.RoleRefused as error:
        raise CommandFailed("DATABASE_UNUSABLE", f"The login of the database may not do this: {error}.") from None
    except (*DATABASE_ERRORS, ValueError) as error:
        raise CommandFailed("DATABASE_UNUSABLE", does_not_answer(error)) from None
