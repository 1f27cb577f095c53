"""`danbao up`: a sandbox on this machine."""

import json
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from danbao_core.cli.first_call import first_call

if TYPE_CHECKING:
    from rich.status import Status

    from danbao_core.supervisor import Endpoint, ListenAddress

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(
    data: Annotated[Path, typer.Option(help="Folder that holds everything; made if it is missing.")] = Path(".danbao"),
    listen: Annotated[
        str, typer.Option(metavar="ADDR", help="Loopback address to serve on. Port 0 takes any free one.")
    ] = "127.0.0.1:50051",
    processes: Annotated[int, typer.Option(min=1, max=64, help="Server processes that share the address.")] = 1,
    workers: Annotated[
        int, typer.Option(min=0, max=64, help="Worker processes. Without any, what happens after a commit waits for one.")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="When ready, print the endpoint as one JSON object.")] = False,
) -> None:
    """Run a sandbox: Postgres, Valkey, servers, a worker and a bank, until Ctrl-C.

    The same folder finds the same data and the same operator key at every start.
    """
    # Here, so that the processes that it starts, which are commands, too, need not load it.
    import asyncio

    from danbao_core.embedded import StartError
    from danbao_core.supervisor import ListenAddress

    try:
        address = ListenAddress.parse(listen)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--listen") from None
    report = _Report(data, as_json=as_json)
    try:
        asyncio.run(_run(data, address, processes, workers, report))
    except (StartError, OSError) as error:
        report.failed(str(error))
        raise typer.Exit(1) from error
    report.end()
    report.say("Stopped.")


async def _run(data: Path, listen: "ListenAddress", processes: int, workers: int, report: "_Report") -> None:
    import asyncio

    from danbao_core.supervisor import Supervisor, default_roles

    supervisor = Supervisor(data, listen, default_roles(processes, workers, data), report)
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, supervisor.request_stop)
    await supervisor.run()


class _Report:
    """Progress on stderr: a spinner on a terminal, plain lines elsewhere. Only the ready message
    goes to stdout.
    """

    def __init__(self, data: Path, *, as_json: bool) -> None:
        from rich.console import Console

        self._data = data
        self._as_json = as_json
        self._console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self._status: Status | None = None

    def step(self, text: str) -> None:
        if not self._console.is_terminal:
            self.say(f"{text} ...")
        elif self._status is not None:
            self._status.update(f"{text} ...")
        else:
            self._status = self._console.status(f"{text} ...")
            self._status.start()

    def say(self, text: str) -> None:
        # The terminal may be gone (a closed window): what runs must be stopped cleanly all the
        # same.
        with suppress(OSError):
            if self._status is not None:
                self._console.print(text)
            else:
                typer.echo(text, err=True)

    def ready(self, endpoint: "Endpoint") -> None:
        self.end()
        if self._as_json:
            typer.echo(endpoint.to_json())
            return
        typer.echo(f"ready: {endpoint.address}, data in {self._data.absolute()}, stop with Ctrl-C")
        typer.echo("A first call:")
        typer.echo(f"  {first_call(endpoint.address, endpoint.operator_key)}")

    def failed(self, message: str) -> None:
        self.end()
        if self._as_json:
            typer.echo(json.dumps({"error": {"reason": "START_FAILED", "message": message}}))
        typer.echo(f"error: {message}", err=True)

    def end(self) -> None:
        """Takes the spinner away."""
        if self._status is not None:
            self._status.stop()
            self._status = None
