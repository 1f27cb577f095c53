"""The command `danbao`: one module per command, put together in `app.py`."""

import errno
import os
import sys


def main() -> None:
    """Entry point of the console script. Ctrl-C ends it with 130, also while it is still being loaded.

    The script is there without the core, too, where only the client is installed: then it says what to install. Where the
    disk that its output goes to is full, a line says so, and it ends with 1.
    """
    try:
        from danbao_core.cli.app import app

        app()
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        # What is still held back would be written at the end, fail again and turn the exit code into 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(f"error: the output cannot be written: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("danbao"):
            raise
        sys.exit(f"error: {error.name} is not installed. Install what the core needs: pip install 'danbao[server,embedded]'")
