"""`danbao serve`: one server process."""

import gc
import json
import os
from typing import Annotated

import typer


def serve(
    listen: Annotated[str | None, typer.Option(metavar="ADDR", help="Address to serve on; else DANBAO_LISTEN.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="When ready, print the address as one JSON object.")] = False,
    ready_fd: Annotated[
        int | None, typer.Option(hidden=True, help="Where to write the line `ready`, and the URL of the metrics.")
    ] = None,
    go_fd: Annotated[int | None, typer.Option(hidden=True, help="Where to wait for a byte before it begins.")] = None,
) -> None:
    """Serve gRPC until SIGTERM. Everything else is set by DANBAO_* variables; see the README."""
    import uvloop

    from danbao_core import logs, server, settings
    from danbao_core.cli.output import Output
    from danbao_core.go import wait_for_go
    from danbao_core.migrations import MigrationError
    from danbao_core.opening import StartFailed

    def ready(served: server.Server) -> None:
        address, metrics = served.address, served.metrics_url
        if ready_fd is not None:
            with os.fdopen(ready_fd, "w") as pipe:
                pipe.write(f"ready {metrics}".strip() + "\n")
        elif as_json:
            typer.echo(json.dumps({"address": address} | ({"metrics": metrics} if metrics else {})))
        else:
            typer.echo(f"ready: {address}")

    if go_fd is not None:
        import danbao_core.bank.http_bank  # noqa: F401  # which a sandbox's server needs, while there is time for it

    wait_for_go(go_fd)
    try:
        configured = settings.load(listen=listen)
        logs.configure(configured.log_level)
        # Rows live for one batch and make no cycles: looking for cycles after every 700 of them finds nothing and takes a
        # tenth of the time.
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        uvloop.run(server.serve(configured, ready))
    except (settings.SettingsError, StartFailed, MigrationError) as error:
        Output(as_json=as_json).failure("START_FAILED", str(error))
        raise typer.Exit(1) from None
