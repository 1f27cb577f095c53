"""The command `danbao`: one module per command, put together in `app.py`."""

import sys


def main() -> None:
    """Entry point of the console script. Ctrl-C ends it with 130, also while it is still being loaded.

    The script is there without the core, too, where only the client is installed: then it says what to install.
    """
    try:
        from danbao_core.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("danbao"):
            raise
        sys.exit(f"error: {error.name} is not installed. Install what the core needs: pip install 'danbao[server,embedded]'")
