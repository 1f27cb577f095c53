"""`danbao keyring`: the keys under which what is secret is stored, and the change from one to the next."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danbao_core.cli.output import CommandFailed, JsonOption, Output, run

if TYPE_CHECKING:
    import asyncpg

    from danbao_core.engine import Engine
    from danbao_core.keyring import Keyring
    from danbao_core.people.resealing import Progress

app = typer.Typer(
    help="Make keys for what is stored in secret, and bring what is stored under the newest.", no_args_is_help=True
)

FileOption = Annotated[
    Path | None, typer.Option("--file", envvar="DANBAO_KEYRING_FILE", metavar="FILE", help="The keyring of a core of your own.")
]
DataOption = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of a sandbox, which has a keyring of its own.")]
HashKeyOption = Annotated[
    str | None,
    typer.Option(envvar="DANBAO_HASH_KEY", hidden=True, help="The hash key, which is the first key where there was no file."),
]


@app.command()
def new(
    file: FileOption = None,
    data: DataOption = None,
    key_id: Annotated[str | None, typer.Option("--id", metavar="ID", help="Its name in the file; else today's date.")] = None,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Let servers know it and not use it yet, until `danbao keyring use`.")
    ] = False,
    hash_key: HashKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key. With --file or --data it is added to that keyring as the one in force; else it is printed, and added to none.

    Servers read the keyring when they start. One server: add the key, restart it, then run `danbao keyring reseal`. Several:
    add it --waiting everywhere and restart them one after another, then `danbao keyring use` and restart them again, then
    reseal. Remove the old key once that says that nothing needs it.
    """

    async def command(output: Output) -> None:
        from danbao_core.keyring import written

        path = _file(file, data)
        before = _text(path, hash_key)
        made = key_id or _free_id(before)
        text = written(made, os.urandom(32), waiting=waiting)
        if path is None:
            output.result({"key": made, "text": text}, text)
            return
        _add(path, before + ("\n" if before else "") + text)
        then = "known" if waiting else "in force"
        what_next = "use` and start them again" if waiting else "reseal`"
        output.result(
            {"key": made, "file": str(path), "waiting": waiting},
            f"Key {made} is in {path}, {then} once the servers are started again; then run `danbao keyring {what_next}.",
        )

    run(command, as_json=as_json)


@app.command()
def use(file: FileOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Put the keys in force that wait, once every server was started again and knows them. Doing it again changes nothing."""

    async def command(output: Output) -> None:
        from danbao_core.keyring import Keyring, in_force

        path = _file(file, data)
        if path is None:
            raise CommandFailed("KEYRING_MISSING", "Name the keyring with --file or --data.")
        text = in_force(_text(path, None))
        _add(path, text)
        key_id = Keyring.parse(text).current.id
        output.result(
            {"key": key_id, "file": str(path)},
            f"Key {key_id} is in force once the servers are started again; then run `danbao keyring reseal`.",
        )

    run(command, as_json=as_json)


@app.command()
def reseal(
    file: FileOption = None,
    data: DataOption = None,
    database_url: Annotated[
        str | None, typer.Option(envvar="DANBAO_DATABASE_URL", metavar="URL", help="The database of a core of your own.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Although servers started before the keyring was written: they know its last key.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring what is stored in secret under the key in force, and say which keys nothing needs. The core serves meanwhile.

    It may be stopped and begun again; where nothing is left to do it changes nothing. Exit code 1 where a row cannot be read.
    """

    async def command(output: Output) -> None:
        from danbao_core.cli.databases import must_be_usable

        place = _place(file, data, database_url)
        await must_be_usable(place.database_url)
        if not anyway:
            await _must_know_the_key(place)
        async with _working(place.database_url) as (engine, pool):
            from danbao_core.people.resealing import dependents
            from danbao_core.people.resealing import reseal as reseal_all

            with output.progress.status("Resealing ...") as status:
                done = await reseal_all(
                    engine,
                    pool,
                    place.keyring,
                    lambda so_far: status.update(f"Resealing ... {so_far.looked_at:,} rows looked at"),
                )
            _show(output, place.keyring, done, await dependents(pool, place.keyring))
        if done.broken or done.left:
            raise typer.Exit(1)

    run(command, as_json=as_json, when_stopped="Run it again for what is left.")


# --- The file ---------------------------------------------------------------------------------------------------------------


def _file(file: Path | None, data: Path | None) -> Path | None:
    from danbao_core.supervisor.files import KEYRING_FILE

    return data / KEYRING_FILE if data is not None else file


def _text(path: Path | None, hash_key: str | None) -> str:
    """What stands in the file. Where there is none it begins with the hash key, which was the only key until then."""
    from danbao_core.keyring import FIRST_ID, written

    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if hash_key is None:
            raise CommandFailed(
                "HASH_KEY_MISSING", f"{path} does not exist: set DANBAO_HASH_KEY, which becomes its first key, or name another."
            ) from None
    except OSError as error:
        raise CommandFailed("FILE_UNUSABLE", f"{path} cannot be read ({error.strerror}).") from None
    try:
        return written(FIRST_ID, bytes.fromhex(hash_key))
    except ValueError:
        raise CommandFailed("HASH_KEY_INVALID", "DANBAO_HASH_KEY must be 64 hexadecimal digits.") from None


def _free_id(before: str) -> str:
    today = datetime.now(UTC).date().isoformat()
    names = [today, *(f"{today}.{number}" for number in range(2, 100))]
    return next(name for name in names if f'"{name}"' not in before)


def _add(path: Path, text: str) -> None:
    """Puts the keyring into its file in one step, once it is known to be good: whoever reads it meanwhile has the old or the
    new. Raises CommandFailed."""
    from danbao_core.keyring import Keyring, KeyringError
    from danbao_core.supervisor.files import write_private

    try:
        Keyring.parse(text)
        owner = path.stat() if path.exists() else None
        write_private(path, text)
        if owner is not None and os.geteuid() == 0:  # the servers that read it are another user
            os.chown(path, owner.st_uid, owner.st_gid)
    except KeyringError as error:
        raise CommandFailed("KEYRING_INVALID", f"{path} stays as it was: {error}.") from None
    except OSError as error:
        raise CommandFailed("FILE_UNUSABLE", f"{path} cannot be written ({error.strerror}).") from None


# --- What is resealed -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """A database, and the keys of what is in it."""

    database_url: str
    file: Path
    keyring: "Keyring"


def _place(file: Path | None, data: Path | None, database_url: str | None) -> _Place:
    """Raises CommandFailed where nothing is named, or what is named cannot be used."""
    from danbao_core.cli.locate import find_core
    from danbao_core.keyring import Keyring, KeyringError

    if data is not None:
        core = find_core(data)
        database_url, file = core.database_url, _file(None, data)
    if database_url is None:
        raise CommandFailed("DATABASE_MISSING", "Name a sandbox with --data, or a database with DANBAO_DATABASE_URL.")
    if file is None:
        raise CommandFailed(
            "KEYRING_MISSING", "Name the keyring with --file or DANBAO_KEYRING_FILE: without one there is one key."
        )
    try:
        return _Place(database_url, file, Keyring.load(file, b""))
    except KeyringError as error:
        raise CommandFailed("KEYRING_INVALID", f"{error}.") from None


async def _must_know_the_key(place: _Place) -> None:
    """Raises CommandFailed where a server runs that was started before the keyring was written: it could not read what is
    sealed under a key that it does not know. The row of a server's engine says since when it runs, however often it has
    connected again."""
    import asyncpg

    from danbao_core.cli.databases import does_not_answer
    from danbao_core.database_errors import DATABASE_ERRORS

    try:
        connection = await asyncpg.connect(place.database_url)  # as the login: the servers' role is shown no connections
    except (*DATABASE_ERRORS, ValueError) as error:
        raise CommandFailed("DATABASE_UNUSABLE", does_not_answer(error)) from None
    try:
        since = await connection.fetchval(
            "SELECT min(engine.started_at) FROM engine JOIN pg_stat_activity ON datname = current_database() "
            "AND application_name = 'danbao-engine ' || engine.id"
        )
    finally:
        await connection.close()
    if since is not None and since.timestamp() < place.file.stat().st_mtime:
        raise CommandFailed(
            "SERVERS_NOT_RESTARTED",
            f"A server runs since {since:%Y-%m-%d %H:%M} UTC, and {place.file} was written after that: restart the servers "
            "first, or say --anyway where they know its last key.",
        )


@asynccontextmanager
async def _working(database_url: str) -> AsyncIterator["tuple[Engine, asyncpg.Pool[Any]]"]:
    """An engine and a pool on a database. Raises CommandFailed."""
    import asyncpg

    from danbao_core import logs, server_role
    from danbao_core.cli.databases import does_not_answer
    from danbao_core.database_errors import DATABASE_ERRORS
    from danbao_core.engine import Engine
    from danbao_core.policy import PolicySchedule

    logs.configure("warning")
    engine = Engine(database_url, policies=PolicySchedule.load())
    try:
        pool = await asyncpg.create_pool(
            database_url, min_size=1, max_size=2, server_settings=server_role.AS_SERVER, connect=server_role.connect
        )
    except (*DATABASE_ERRORS, ValueError) as error:
        raise CommandFailed("DATABASE_UNUSABLE", does_not_answer(error)) from None
    async with pool:
        await engine.start()
        try:
            yield engine, pool
        finally:
            await engine.stop()


def _show(output: Output, keyring: "Keyring", done: "Progress", counted: dict[str, dict[str, int]]) -> None:
    free = [key_id for key_id, needed in counted.items() if not needed and key_id != keyring.current.id]
    answer: dict[str, Any] = {
        "looked_at": done.looked_at,
        "resealed": done.resealed,
        "broken": list(done.broken),
        "left": done.left,
        "keys": counted,
        "removable": free,
    }
    lines = [f"{done.resealed:,} of {done.looked_at:,} rows were brought under key {keyring.current.id}."]
    lines += [f"{row} is under a key that is not in the ring, or was changed in the database." for row in done.broken]
    if done.left:
        lines.append(f"{done.left:,} rows were being changed by others: run it again.")
    for key_id, needed in counted.items():
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in needed.items())
        lines.append(
            f"Key {key_id}: {kinds or 'nothing needs it'}{'' if keyring.get(key_id) else ', and it is not in the ring'}."
        )
    if free:
        lines.append("With a key go the refresh tokens (good for 30 days) and the recovery codes that were made under it.")
    output.result(answer, "\n".join(lines))
