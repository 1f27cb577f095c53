"""A supervisor with stand-in servers, as a process of its own that tests may kill.

    python sandbox_host.py FOLDER LISTEN ROLES          (ROLES: JSON, [[name, command, count], ...])

Postgres, Valkey and the supervision are real. What it reports goes to stdout, one JSON array a
line.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

from danbao_core.embedded import StartError
from danbao_core.supervisor import Endpoint, ListenAddress, Role, Supervisor


class _Lines:
    def step(self, text: str) -> None:
        self._write("step", text)

    def say(self, text: str) -> None:
        self._write("say", text)

    def ready(self, endpoint: Endpoint) -> None:
        self._write("ready", endpoint.to_json())

    def _write(self, kind: str, text: str) -> None:
        sys.stdout.write(json.dumps([kind, text]) + "\n")
        sys.stdout.flush()


async def _prepare(database_url: str, operator_keys: Iterable[str]) -> None:
    assert database_url
    assert all(operator_keys)


async def _main() -> None:
    folder, listen, roles = sys.argv[1:]
    supervisor = Supervisor(
        Path(folder),
        ListenAddress.parse(listen),
        tuple(Role(name, tuple(command), count) for name, command, count in json.loads(roles)),
        _Lines(),
        prepare=_prepare,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, supervisor.request_stop)
    try:
        await supervisor.run()
    except StartError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    asyncio.run(_main())
