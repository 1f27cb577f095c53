"""`python -m danbao_workers` runs one worker until SIGTERM; with `--check` it says whether one runs."""

import argparse
import os
import sys

import uvloop

from danbao_core import logs, settings
from danbao_core.go import wait_for_go
from danbao_core.migrations import MigrationError
from danbao_core.opening import StartFailed
from danbao_workers.worker import WorkerFailed, check, run


def main() -> None:
    """Reads DANBAO_* variables; exits with 1 and a word where they are wrong, or the database or Valkey does not answer."""
    parser = argparse.ArgumentParser(prog="danbao_workers", description=__doc__)
    parser.add_argument("--ready-fd", type=int, help="where to write the line `ready`, and the URL of the metrics")
    parser.add_argument("--go-fd", type=int, help="where to wait for a byte before it begins")
    parser.add_argument("--check", action="store_true", help="exit with 0 where a worker takes jobs, else with 1 and a word")
    arguments = parser.parse_args()
    ready_fd = arguments.ready_fd

    def ready(metrics_url: str) -> None:
        if ready_fd is not None:
            with os.fdopen(ready_fd, "w") as pipe:
                pipe.write(f"ready {metrics_url}".strip() + "\n")

    wait_for_go(arguments.go_fd)
    try:
        configured = settings.load()
        logs.configure(configured.log_level)
        uvloop.run(check(configured) if arguments.check else run(configured, ready))
    except (settings.SettingsError, WorkerFailed, StartFailed, MigrationError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
