"""Fixtures of all tests: a real Postgres, a database of its own for each test, and an engine on it.

The server starts when the first test asks for a database; until then nothing waits for it.
"""

import compileall
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
import structlog

import danbao.v1
import danbao_client
import danbao_core
import danbao_workers
from danbao_core.callers import CallerGuard
from danbao_core.engine import Engine
from danbao_core.policy import PolicySchedule
from danbao_core.testing import lease, plugin
from tests.shared_postgres import SharedServer, a_database


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what it puts into the background so; commands under test have to hear Ctrl-C all the same.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _log_briefly()
    if not config.pluginmanager.has_plugin("danbao"):  # an environment that was made before danbao had a plugin
        config.pluginmanager.register(plugin, "danbao")
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        _compile()


def _log_briefly() -> None:
    """What is logged of an error without the values of all variables: rendering a large batch takes many seconds."""
    *before, _ = structlog.get_config()["processors"]
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*before, renderer])


def _compile() -> None:
    """Where Python is to keep no bytecode, as in images, each process under test would compile every module again."""
    if sys.dont_write_bytecode:
        for package in (danbao.v1, danbao_client, danbao_core, danbao_workers):
            compileall.compile_dir(package.__path__[0], quiet=2)


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[SharedServer]:
    """The running server, which all tests share."""
    with lease.lease(lease.folder_of(plugin.run_of(pytestconfig)), "postgres") as answer:
        yield SharedServer(answer["url"])


@pytest.fixture(scope="session")
async def administrator(postgres: SharedServer) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection on which databases are made and dropped."""
    connection = await asyncpg.connect(postgres.url_of("postgres"))
    yield connection
    await connection.close()


@pytest.fixture
async def database_url(postgres: SharedServer, administrator: "asyncpg.Connection[Any]") -> AsyncIterator[str]:
    """The URL of a fresh, migrated sandbox database that only this test uses."""
    async with a_database(administrator, postgres) as url:
        yield url


@pytest.fixture(scope="session")
async def empty_database(
    postgres: SharedServer, administrator: "asyncpg.Connection[Any]"
) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection to a fresh, migrated sandbox database that tests look at and cannot change."""
    async with a_database(administrator, postgres) as url:
        connection = await asyncpg.connect(url, server_settings={"default_transaction_read_only": "on"})
        yield connection
        await connection.close()


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection to the test's database, beside the engine's."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[Engine]:
    """A working engine on the test's database, with the policies that are in force by default."""
    engine = Engine(database_url, policies=PolicySchedule.load(), guard=CallerGuard())
    await engine.start()
    yield engine
    await engine.stop()


@pytest.fixture
async def second_engine(database_url: str) -> AsyncIterator[Engine]:
    """Another server process's engine on the same database."""
    engine = Engine(database_url, policies=PolicySchedule.load())
    await engine.start()
    yield engine
    await engine.stop()
