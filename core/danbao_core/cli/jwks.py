"""`danbao jwks`: the public keys with which other services verify access tokens by themselves."""

import json
from pathlib import Path
from typing import Annotated

import typer

from danbao_core.cli.output import CommandFailed, JsonOption, Output, run


def jwks(
    file: Annotated[
        Path | None,
        typer.Option("--file", envvar="DANBAO_KEYRING_FILE", metavar="FILE", help="The keyring of a core of your own."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of a sandbox, which has a keyring of its own.")
    ] = None,
    hash_key: Annotated[
        str | None,
        typer.Option(envvar="DANBAO_HASH_KEY", hidden=True, help="The hash key, which is the one key where there is no file."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the JWK set (RFC 7517) of the keys that sign access tokens, the one in force first; it holds nothing secret.

    Print it again after each new key, before the servers are restarted: a service that does not know a token's key refuses it.
    """

    async def command(output: Output) -> None:
        from danbao_core.keyring import Keyring, KeyringError
        from danbao_core.people.sessions import public_keys
        from danbao_core.supervisor.files import KEYRING_FILE

        path = file if data is None else data / KEYRING_FILE
        if path is None and hash_key is None:
            raise CommandFailed(
                "KEYRING_MISSING", "Name the keyring with --file or DANBAO_KEYRING_FILE, or a sandbox with --data."
            )
        try:
            secret = bytes.fromhex(hash_key or "") if path is None else b""
            found = public_keys(Keyring.load(path, secret))
        except ValueError as error:  # a KeyringError is one
            said = str(error) if isinstance(error, KeyringError) else "DANBAO_HASH_KEY must be 64 hexadecimal digits"
            raise CommandFailed("KEYRING_INVALID", f"{said}.") from None
        output.result(found)
        if not as_json:
            typer.echo(json.dumps(found, indent=2))

    run(command, as_json=as_json)
