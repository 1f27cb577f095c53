"""Where the running core is that a command talks to."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from danbao_core.cli.output import CommandFailed

if TYPE_CHECKING:
    from danbao_client import Danbao

DEFAULT_FOLDER: Final = Path(".danbao")

_CHANNELS_TO_MANY: Final = 8

DataOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder of a running sandbox; else DANBAO_ADDRESS and DANBAO_KEY say where the core is, else it is ./.danbao.",
    ),
]


@dataclass(frozen=True)
class Core:
    """A core that can be called, and with what."""

    address: str
    key: str
    folder: Path | None = None
    """Of the sandbox; None where the environment named the core."""
    database_url: str | None = None
    """Known for a sandbox only."""
    second_key: str | None = None
    """A second operator's, known for a sandbox only."""
    has_one_server: bool = False
    """Whether one server process, and so one connection, is all there is."""

    def client(self, *, deadline_seconds: float = 10.0, patience_seconds: float = 15.0) -> "Danbao":
        """A client of it, as `Danbao.connect` makes it, whose calls reach more than one server process where there are more."""
        from danbao_client import Danbao

        return Danbao.connect(
            self.address,
            key=self.key,
            deadline_seconds=deadline_seconds,
            patience_seconds=patience_seconds,
            channels=1 if self.has_one_server else _CHANNELS_TO_MANY,
        )


def find_core(data: Path | None) -> Core:
    """The core that `--data` names, else the environment, else the sandbox in ./.danbao.

    Raises CommandFailed, with what to do, where there is none.
    """
    address, key = os.environ.get("DANBAO_ADDRESS", ""), os.environ.get("DANBAO_KEY", "")
    if data is None and (address or key):
        if not address or not key:
            missing = "DANBAO_KEY" if address else "DANBAO_ADDRESS"
            raise CommandFailed("NOT_CONFIGURED", f"{missing} is not set: set both DANBAO_ADDRESS and DANBAO_KEY, or neither.")
        return Core(address, key)
    if data is None and not DEFAULT_FOLDER.exists():
        raise CommandFailed(
            "NOT_RUNNING",
            "No danbao is running here. Start one (danbao up), or name one: --data DIR, or DANBAO_ADDRESS and DANBAO_KEY.",
        )
    return _sandbox(data or DEFAULT_FOLDER)


def _sandbox(folder: Path) -> Core:
    from danbao_core.supervisor import NotRunning, read_endpoint

    try:
        endpoint = read_endpoint(folder)
    except NotRunning as error:
        raise CommandFailed("NOT_RUNNING", str(error)) from None
    has_one_server = len(endpoint.pids["server"]) == 1
    return Core(
        endpoint.address,
        endpoint.operator_key,
        folder,
        endpoint.database_url,
        endpoint.second_operator_key,
        has_one_server=has_one_server,
    )
