"""Where the running core is that a command talks to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from danbao_core.cli.output import CommandFailed

if TYPE_CHECKING:
    from danbao_client import Danbao
    from danbao_core.supervisor import Endpoint

DEFAULT_FOLDER: Final = Path(".danbao")

_CHANNELS_TO_MANY: Final = 8
_TRUE: Final = frozenset({"1", "true", "t", "yes", "y", "on"})
"""As DANBAO_INSECURE of a server may be written."""

_NOTHING_HERE: Final = (
    "No danbao is running here. Start one (danbao up), or name one: --data DIR, or DANBAO_ADDRESS and DANBAO_KEY."
)

DataOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder of a running sandbox; else DANBAO_ADDRESS and DANBAO_KEY say where the core is, else it is ./.danbao.",
    ),
]

SecondOperatorOption = Annotated[
    bool,
    typer.Option("--second-operator", help="Ask as the sandbox's second operator; elsewhere set DANBAO_KEY to another key."),
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
    transport: dict[str, Any] = field(default_factory=dict)
    """How to reach it, as `Danbao.connect` takes it: nothing for a sandbox, which is on this machine."""

    def client(self, *, deadline_seconds: float = 10.0, patience_seconds: float = 15.0) -> "Danbao":
        """A client of it, as `Danbao.connect` makes it, whose calls reach more than one server process where there are more.

        Raises CommandFailed where what the environment says of TLS cannot be used.
        """
        from danbao_client import Danbao

        with transport_in_words():
            return Danbao.connect(
                self.address,
                key=self.key,
                deadline_seconds=deadline_seconds,
                patience_seconds=patience_seconds,
                channels=1 if self.has_one_server else _CHANNELS_TO_MANY,
                **self.transport,
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
        if not (key.isascii() and key.isprintable()):
            raise CommandFailed("NOT_CONFIGURED", "DANBAO_KEY holds what no key does: is there the end of a line behind it?")
        return Core(address, key, transport=_transport(address))
    return _sandbox(data)


def find_operators_core(data: Path | None, *, second_operator: bool) -> Core:
    """The core that `find_core` finds, to be called as its second operator where that is asked for. Raises CommandFailed."""
    core = find_core(data)
    if not second_operator:
        return core
    if core.second_key is None:
        raise CommandFailed("NOT_A_SANDBOX", "Only a sandbox has a second operator at hand: set DANBAO_KEY to another's key.")
    return replace(core, key=core.second_key)


def find_address(data: Path | None) -> tuple[str, dict[str, Any]]:
    """The address of the core that `find_core` finds, and how to reach it; DANBAO_KEY is not needed. Raises CommandFailed."""
    address = os.environ.get("DANBAO_ADDRESS", "")
    if data is None and address:
        return address, _transport(address)
    core = find_core(data)
    return core.address, core.transport


def _transport(address: str) -> dict[str, Any]:
    """How the environment says that a core is reached, as `Danbao.connect` takes it. Raises CommandFailed."""
    from danbao_client.channels import Tls, is_address, is_local

    if not is_address(address):
        raise CommandFailed(
            "NOT_CONFIGURED",
            f"DANBAO_ADDRESS: {address} is not HOST:PORT, as in 127.0.0.1:50051 or [::1]:50051; it has no http:// before it.",
        )
    ca, cert, key = (os.environ.get(f"DANBAO_TLS_{name}", "") for name in ("CA", "CLIENT_CERT", "CLIENT_KEY"))
    if (cert or key) and not (ca and cert and key):
        raise CommandFailed(
            "NOT_CONFIGURED",
            "DANBAO_TLS_CLIENT_CERT and DANBAO_TLS_CLIENT_KEY go together, and with DANBAO_TLS_CA: set all, or only that.",
        )
    if ca:
        return {"tls": Tls(Path(ca), (Path(cert), Path(key)) if cert else None)}
    insecure = os.environ.get("DANBAO_INSECURE", "").lower() in _TRUE
    if not insecure and not is_local(address):
        raise CommandFailed(
            "NOT_CONFIGURED",
            f"{address} is not on this machine: set DANBAO_TLS_CA to the file of the authorities by which it is trusted, or "
            "DANBAO_INSECURE=true where the network itself is trusted.",
        )
    return {"insecure": insecure}


@contextmanager
def transport_in_words() -> Iterator[None]:
    """Turns what is wrong with the files of TLS into CommandFailed."""
    try:
        yield
    except OSError as error:
        raise CommandFailed("NOT_CONFIGURED", f"DANBAO_TLS_*: {error.filename} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise CommandFailed("NOT_CONFIGURED", f"DANBAO_TLS_*: {error}.") from None


def sandbox_endpoint(data: Path | None) -> "Endpoint":
    """Where the sandbox of a folder is, ./.danbao without one. Raises CommandFailed, with what to do, where there is none."""
    from danbao_core.supervisor import NotRunning, read_endpoint

    if data is None and not DEFAULT_FOLDER.exists():
        raise CommandFailed("NOT_RUNNING", _NOTHING_HERE)
    try:
        return read_endpoint(data or DEFAULT_FOLDER)
    except NotRunning as error:
        raise CommandFailed("NOT_RUNNING", str(error)) from None


def _sandbox(data: Path | None) -> Core:
    endpoint = sandbox_endpoint(data)
    has_one_server = len(endpoint.pids["server"]) == 1
    return Core(
        endpoint.address,
        endpoint.operator_key,
        data or DEFAULT_FOLDER,
        endpoint.database_url,
        endpoint.second_operator_key,
        has_one_server=has_one_server,
    )
