"""`danbao sandbox-bank`: the bank of a sandbox, as a process of its own."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer


def sandbox_bank(
    data: Annotated[Path, typer.Option(help="Folder that holds its books and statements.")] = Path(".danbao/bank"),
    listen: Annotated[
        str, typer.Option(metavar="ADDR", help="Loopback address to serve on; else that of DANBAO_BANK_URL.")
    ] = "",
    seed: Annotated[int | None, typer.Option(help="Makes what is left to chance the same every time.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="When ready, print the URL as one JSON object.")] = False,
    ready_fd: Annotated[int | None, typer.Option(hidden=True, help="Where to write the line `ready`.")] = None,
    go_fd: Annotated[int | None, typer.Option(hidden=True, help="Where to wait for a byte before it begins.")] = None,
) -> None:
    """Run the bank of a sandbox until SIGTERM. Callers show it the key in DANBAO_BANK_KEY.

    It moves play money, and fails as it is told to: see SetBankBehaviour, and the test cards in the README.
    """
    import asyncio
    import errno
    import signal
    import sqlite3

    import uvloop

    from danbao_core.bank.sandbox.server import SandboxBank, serve
    from danbao_core.cli.output import Output
    from danbao_core.go import wait_for_go
    from danbao_core.supervisor.listen import ListenAddress

    key = os.environ.get("DANBAO_BANK_KEY", "")
    written = listen or os.environ.get("DANBAO_BANK_URL", "").rstrip("/").rpartition("//")[2] or "127.0.0.1:50080"

    def ready(url: str) -> None:
        if ready_fd is None:
            typer.echo(json.dumps({"url": url}) if as_json else f"ready: {url}")
            return
        with os.fdopen(ready_fd, "w") as pipe:
            pipe.write("ready\n")

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(SandboxBank(data, key, seed=seed), address.host, address.port, ready, stop)

    wait_for_go(go_fd)
    try:
        address = ListenAddress.parse(written)
        if not key:
            raise ValueError("DANBAO_BANK_KEY is not set: choose a key that those who ask this bank show it.")
        uvloop.run(run())
    except (ValueError, OSError, sqlite3.Error) as error:
        is_taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        message = f"{written} is in use by another program: choose another with --listen." if is_taken else str(error)
        Output(as_json=as_json).failure("START_FAILED", message)
        raise typer.Exit(1) from None
