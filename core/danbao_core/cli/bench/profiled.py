"""A server under the standard library's profiler: `python -m danbao_core.cli.bench.profiled FILE ARGUMENTS OF danbao`.

Everything is imported first, so that the profile is of serving alone; it is written to FILE when the server ends.
"""

import cProfile
import sys

import danbao_core.server  # noqa: F401 - loaded before the profile begins
from danbao_core.cli.app import app


def _main() -> None:
    file = sys.argv.pop(1)
    profile = cProfile.Profile()
    try:
        profile.runcall(app)
    finally:
        profile.dump_stats(file)


if __name__ == "__main__":
    _main()
