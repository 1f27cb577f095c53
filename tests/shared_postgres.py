"""One Postgres for a whole test session, shared by all xdist workers, which starts when the first test asks for it.

The controller of the session starts a host process (`postgres_host.py`) and hands it a listening socket. Whoever needs a
database connects to the socket and reads where the server is: the first one makes the host start Postgres and migrate the
template, the others wait with it. When the controller closes the host's stdin, or is killed, the host stops the server and
deletes its data.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from tests.temporary import a_temporary_folder

TEMPLATE: Final = "danbao_template"
"""The migrated database that tests clone; nobody connects to it."""

_HOST: Final = Path(__file__).with_name("postgres_host.py")
_SOCKET: Final = "host.sock"
_LOG: Final = "host.log"
_START_SECONDS: Final = 120.0


class SharedPostgres:
    """The controller's side; `folder` is all that the others have to know."""

    def __init__(self) -> None:
        self.folder = a_temporary_folder("danbao-tests-")
        self.folder.chmod(0o711)  # where root runs the tests, Postgres runs as another user, which has to walk through
        with socket.socket(socket.AF_UNIX) as listener, (self.folder / _LOG).open("wb") as log:
            listener.bind(str(self.folder / _SOCKET))
            listener.listen(64)
            self._host = subprocess.Popen(
                [sys.executable, str(_HOST), str(self.folder), str(listener.fileno())],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()],
                start_new_session=True,  # a Ctrl-C at the terminal ends the tests, and those end the host
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )

    def stop(self) -> None:
        """Returns when the server has stopped and its data are gone."""
        self._host.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)


class SharedServer:
    """A client's side: where the databases are."""

    def __init__(self, folder: Path) -> None:
        """Waits until the server runs and the template is migrated. Raises RuntimeError with what the host wrote."""
        url, why = "", "its host failed"
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(_START_SECONDS)
                client.connect(str(folder / _SOCKET))
                with client.makefile() as answer:
                    url = answer.read()
        except OSError as error:
            why = str(error)
        if not url:
            raise RuntimeError(f"the shared Postgres did not start ({why}):\n{(folder / _LOG).read_text()}")
        self._url = urlsplit(url)

    def url_of(self, database: str) -> str:
        """The URL of a database, existing or not."""
        return self._url._replace(path=f"/{database}").geturl()


@asynccontextmanager
async def a_database(
    administrator: "asyncpg.Connection[Any]", postgres: SharedServer, template: str = TEMPLATE
) -> AsyncIterator[str]:
    """The URL of a database of its own, which is a migrated sandbox unless another template is named."""
    name = f"test_{uuid4().hex}"
    await administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield postgres.url_of(name)
    finally:
        await administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
