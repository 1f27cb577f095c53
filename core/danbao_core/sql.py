"""SQL that is kept in a file beside its module."""

from functools import cache
from importlib import resources


@cache
def load(package: str, name: str) -> str:
    """The text of `name`.sql in a package."""
    return resources.files(package).joinpath(f"{name}.sql").read_text(encoding="utf-8")
