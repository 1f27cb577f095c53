"""The processes that stand on Postgres and Valkey: which command, how many."""

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Role:
    """`count` processes of one command.

    The command gets `--ready-fd N` appended: it writes the line "ready" to that descriptor when it
    does its work, with the URL of its metrics behind it where it has one. It must end upon SIGTERM.

    Where it `waits`, it gets `--go-fd N`, too, and is started at once: it loads its modules, which takes longest of all, and
    touches nothing before it can read a byte from there.
    """

    name: str
    command: tuple[str, ...]
    count: int = 1
    waits: bool = False


def default_roles(processes: int, workers: int, folder: Path) -> tuple[Role, ...]:
    """`processes` servers that share one port, workers, and the bank that they ask."""
    return (
        Role("server", (sys.executable, "-m", "danbao_core", "serve"), processes, waits=True),
        Role("worker", (sys.executable, "-m", "danbao_workers"), workers, waits=True),
        Role(
            "bank", (sys.executable, "-m", "danbao_core", "sandbox-bank", "--data", str(folder.absolute() / "bank")), waits=True
        ),
    )
