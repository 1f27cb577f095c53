"""The command `danbao`: one module per command, put together in `app.py`."""

import sys


def main() -> None:
    """Entry point of the console script. Ctrl-C ends it with 130, also while it is still being loaded."""
    try:
        from danbao_core.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)
