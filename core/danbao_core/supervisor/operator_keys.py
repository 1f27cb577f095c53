"""The operators' keys of a sandbox, each in a file of its folder. There are two, because some things take two operators."""

import secrets
from pathlib import Path
from typing import Final, NamedTuple

from danbao_core.ids import uuid7
from danbao_core.supervisor.files import kept

FIRST_FILE: Final = "operator.key"
SECOND_FILE: Final = "second-operator.key"


class OperatorKeys(NamedTuple):
    """The tokens of both."""

    first: str
    second: str

    @classmethod
    def kept(cls, folder: Path) -> "OperatorKeys":
        """Those in the folder, made where there are none. Raises StartError where a file cannot be read or written."""
        return cls(kept(folder / FIRST_FILE, _new_key), kept(folder / SECOND_FILE, _new_key))

    @classmethod
    def read(cls, folder: Path) -> "OperatorKeys":
        """Those in the folder now: `danbao keys rotate` may have renewed them. Raises OSError."""
        return cls(*((folder / name).read_text().strip() for name in (FIRST_FILE, SECOND_FILE)))


def _new_key() -> str:
    return f"dbk_{uuid7().hex}_{secrets.token_urlsafe(32)}"
