"""`danbao keys`: service keys, with which everything calls the core."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import uuid4

import typer

from danbao_core.cli import keys_in_database
from danbao_core.cli.completion import scopes
from danbao_core.cli.locate import DataOption, find_core
from danbao_core.cli.output import CommandFailed, JsonOption, Output, run

if TYPE_CHECKING:
    from rich.table import Table

    from danbao.v1.operations_pb2 import (
        CreateServiceKeyResponse,
        RotateServiceKeyResponse,
        ServiceKey,
    )

app = typer.Typer(help="Make, list, rotate and revoke service keys.", no_args_is_help=True)

KeyName = Annotated[str, typer.Argument(metavar="NAME", help="The key's name, serviceKeys/UUID, as `danbao keys list` shows.")]

DEFAULT_GRACE_SECONDS: Final = 3600
MOST_GRACE_SECONDS: Final = 30 * 24 * 3600


@app.command()
def create(
    service: Annotated[str, typer.Argument(help="The service that calls with it: of a-z, 0-9, dot, dash and underscore.")],
    scope: Annotated[
        list[str],
        typer.Option(metavar="SCOPE", help="What it may do, such as payments.write. Repeat it.", autocompletion=scopes),
    ],
    account: Annotated[str, typer.Option(metavar="NAME", help="accounts/UUID for which alone it acts.")] = "",
    data: DataOption = None,
    database_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Write to this database directly: for the first operator's key of a live core."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a service key. Its token is shown this once."""
    _must_name_one_core(data, database_url)

    async def command(output: Output) -> None:
        from danbao.v1.operations_pb2 import CreateServiceKeyRequest

        request = CreateServiceKeyRequest(request_id=str(uuid4()), service=service, scopes=scope, account=account)
        if database_url is not None:
            answer = await keys_in_database.create_key(database_url, request)
        else:
            async with find_core(data).client() as danbao:
                answer = await danbao.operations.CreateServiceKey(request)
        _show_token(output, answer)

    run(command, as_json=as_json)


@app.command("list")
def list_keys(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List all service keys, revoked ones included, newest first."""

    async def command(output: Output) -> None:
        async with find_core(data).client() as danbao:
            keys = [key async for key in danbao.operations.list_service_keys()]
        output.result({"service_keys": [_as_dict(key) for key in keys]}, _table(keys))

    run(command, as_json=as_json)


@app.command()
def rotate(
    name: KeyName,
    grace: Annotated[
        int,
        typer.Option(
            metavar="SECONDS", min=0, max=MOST_GRACE_SECONDS, help="How long the old token still works; 0 ends it at once."
        ),
    ] = DEFAULT_GRACE_SECONDS,
    data: DataOption = None,
    database_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Write to this database directly: for a live core's first keys.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Give a key a new token, shown this once. A sandbox's own operators' keys are also renewed in its folder."""
    _must_name_one_core(data, database_url)

    async def command(output: Output) -> None:
        from danbao.v1.operations_pb2 import RotateServiceKeyRequest

        if database_url is not None:
            request = RotateServiceKeyRequest(request_id=str(uuid4()), name=name, grace_seconds=grace)
            _show_token(output, await keys_in_database.rotate_key(database_url, request))
            return
        core = find_core(data)
        is_second = core.second_key is not None and name == _name_of(core.second_key)
        asking = (
            replace(core, key=core.second_key) if is_second and core.second_key else core
        )  # a key that may so much renews itself
        async with asking.client() as danbao:
            answer = await danbao.operations.RotateServiceKey(RotateServiceKeyRequest(name=name, grace_seconds=grace))
        if core.folder is not None and name == _name_of(asking.key):
            _renew_operator_key(core.folder, answer.token, second=is_second)
        _show_token(output, answer)

    run(command, as_json=as_json)


@app.command()
def revoke(name: KeyName, data: DataOption = None, as_json: JsonOption = False) -> None:
    """End a key for good, from now on. Revoking it again changes nothing."""

    async def command(output: Output) -> None:
        from danbao.v1.operations_pb2 import RevokeServiceKeyRequest

        core = find_core(data)
        if core.folder is not None and name in map(_name_of, filter(None, (core.key, core.second_key))):
            raise CommandFailed("KEY_IN_USE", f"{name} is one of the sandbox's own operators' keys: rotate it instead.")
        async with core.client() as danbao:
            key = await danbao.operations.RevokeServiceKey(RevokeServiceKeyRequest(name=name))
        output.result({"service_key": _as_dict(key)}, f"{key.name} of {key.service} is revoked.")

    run(command, as_json=as_json)


def _must_name_one_core(data: Path | None, database_url: str | None) -> None:
    if database_url is not None and data is not None:
        raise typer.BadParameter("goes without --data: it names the core in another way", param_hint="--database-url")


# --- The sandbox's own keys -------------------------------------------------------------------------------------------------


def _name_of(token: str) -> str:
    from danbao_core.service_keys import Token

    return f"serviceKeys/{Token.parse(token).key_id}"


def _renew_operator_key(folder: Path, token: str, *, second: bool) -> None:
    """Puts the new token where the next start, and every other command, looks for it."""
    from danbao_core.supervisor import read_endpoint
    from danbao_core.supervisor.endpoint import write_endpoint
    from danbao_core.supervisor.files import write_private
    from danbao_core.supervisor.operator_keys import FIRST_FILE, SECOND_FILE

    try:
        write_private(folder / (SECOND_FILE if second else FIRST_FILE), f"{token}\n")
        endpoint = read_endpoint(folder)
        renewed = replace(endpoint, second_operator_key=token) if second else replace(endpoint, operator_key=token)
        write_endpoint(folder, renewed)
    except OSError as error:
        raise CommandFailed(
            "KEY_NOT_WRITTEN", f"The key was rotated, but {folder} could not be written to ({error}). The new token: {token}"
        ) from None


# --- What is shown ----------------------------------------------------------------------------------------------------------


def _show_token(output: Output, answer: "CreateServiceKeyResponse | RotateServiceKeyResponse") -> None:
    key = answer.service_key
    output.result({"service_key": _as_dict(key), "token": answer.token}, _table([key]))
    if not output.as_json:
        typer.echo("Its token, which is not shown again:")
        typer.echo(answer.token)


def _table(keys: "list[ServiceKey]") -> "Table":
    from rich import box
    from rich.table import Table

    table = Table("Name", "Service", "State", "Scopes", "Account", "Made", box=box.SIMPLE)
    for key in keys:
        state = key.State.Name(key.state).removeprefix("STATE_").lower()
        made = key.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M UTC")
        table.add_row(key.name, key.service, state, " ".join(key.scopes), key.account or "any", made)
    return table


def _as_dict(key: "ServiceKey") -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(key, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
