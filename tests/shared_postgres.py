"""One Postgres for a whole test session, shared by all xdist workers: that of the host of danbao's own pytest plugin, which
starts when the first test asks for it, and ends with its data when the last process of the session has ended, however.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from danbao_core.testing import host

TEMPLATE: Final = host.TEMPLATE
"""The migrated database that tests clone."""


class SharedServer:
    """Where the databases are."""

    def __init__(self, url: str) -> None:
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
