"""`make model MINUTES=60`: the model of the product for as long as it is let, by other random runs each time.

In turns many runs on decisions alone and a few on a real engine. Where the core does what the model has not foreseen, the
shortest run that shows it is printed, and the exit code is 1; hypothesis keeps it in .hypothesis, and begins with it next time.
"""

import argparse
import sys
import time
from collections import Counter
from typing import ClassVar
from uuid import uuid4

from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from danbao_core.testing import lease
from tests.property.cores import InMemory, on_engine
from tests.shared_postgres import SharedServer

_IN_MEMORY = 100
_ON_ENGINE = 5
_STEPS = 60


class Counted(InMemory):
    """Counts what was tried."""

    done: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.done["runs"] += 1

    @invariant()
    def one_step_more(self) -> None:
        self.done["steps"] += 1


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Runs the model of the product against it.")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long")
    minutes: float = parser.parse_args().minutes
    with lease.lease(lease.folder_of(uuid4().hex), "postgres") as answer:
        run(SharedServer(answer["url"]), time.monotonic() + minutes * 60)


def run(postgres: SharedServer, end_at: float) -> None:
    machines = ((Counted, _IN_MEMORY), (on_engine(postgres), _ON_ENGINE))
    on_engines = 0
    while time.monotonic() < end_at:
        for machine, runs in machines:
            how = settings(
                max_examples=runs, stateful_step_count=_STEPS, deadline=None, suppress_health_check=list(HealthCheck)
            )
            run_state_machine_as_test(machine, settings=how)
        on_engines += _ON_ENGINE
        sys.stdout.write(f"{Counted.done['runs']} runs in memory with {Counted.done['steps']} steps, {on_engines} on engines\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
