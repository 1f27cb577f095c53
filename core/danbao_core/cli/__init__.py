"""The command `danbao`: one module per command, put together in `app.py`."""


def main() -> None:
    """Entry point of the console script."""
    from danbao_core.cli.app import app

    app()
