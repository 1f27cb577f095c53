"""What every process that works on the database opens: connections for reads, an engine, the keyring."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog

from danbao_core import server_role
from danbao_core.callers import CallerGuard
from danbao_core.database_errors import DATABASE_ERRORS
from danbao_core.engine import Engine, reads
from danbao_core.engine.failures import NoStripeLeft
from danbao_core.keyring import Keyring, KeyringError
from danbao_core.migrations import must_be_current
from danbao_core.policy import PolicySchedule
from danbao_core.settings import Settings

if TYPE_CHECKING:
    from danbao_core.bank.http_bank import HttpBank

    Pool = asyncpg.Pool[Any]

_log = structlog.get_logger("danbao.engine")


class StartFailed(Exception):
    """The process cannot start; the message says why and what to do."""


@contextlib.asynccontextmanager
async def running_engine(settings: Settings) -> AsyncIterator[Engine]:
    """An engine that works, and carries out what waits before it ends. Raises StartFailed."""
    try:
        policies = PolicySchedule.load(settings.policy_file)
    except ValueError as error:
        raise StartFailed(f"DANBAO_POLICY_FILE: {error}") from None
    engine = Engine(
        settings.database_url,
        policies=policies,
        guard=CallerGuard(),
        batch_max=settings.batch_max,
        queue_max=settings.queue_max,
        request_retention=timedelta(days=settings.request_retention_days),
    )
    try:
        await engine.start()
    except (*DATABASE_ERRORS, NoStripeLeft) as error:
        raise StartFailed(f"DANBAO_DATABASE_URL: an engine cannot work there ({error})") from None
    try:
        yield engine
    finally:
        await engine.stop()
        _log.info("engine stopped", engine=str(engine.id), **engine.metrics.totals())


@contextlib.asynccontextmanager
async def read_pool(settings: Settings, size: int) -> AsyncIterator["Pool"]:
    """At most `size` connections in the servers' role, planned by indexes only.

    Raises StartFailed where no database answers us, MigrationError where it is not ours.
    """
    try:
        pool = await asyncpg.create_pool(
            settings.database_url,
            min_size=1,
            max_size=size,
            timeout=5,
            command_timeout=30,
            server_settings=reads.SETTINGS,
            connect=server_role.connect,
            reset=_leave_as_it_is,
        )
    except server_role.RoleRefused as error:
        raise StartFailed(f"DANBAO_DATABASE_URL: its login cannot serve ({error})") from None
    except (*DATABASE_ERRORS, ValueError) as error:
        raise StartFailed(f"DANBAO_DATABASE_URL: the database does not answer ({error})") from None
    async with pool:
        await must_be_current(pool, settings.mode.value)
        yield pool


async def _leave_as_it_is(_: object) -> None:
    """Single reads leave no state behind in a connection; asyncpg's own reset would be a second round trip for each."""


def keyring_of(settings: Settings) -> Keyring:
    """The keys for what is secret in the database. Raises StartFailed."""
    try:
        return Keyring.load(settings.keyring_file, settings.hash_key_bytes)
    except KeyringError as error:
        raise StartFailed(f"DANBAO_KEYRING_FILE: {error}") from None


@contextlib.asynccontextmanager
async def bank_of(settings: Settings) -> "AsyncIterator[HttpBank | None]":
    """The bank that cards are asked of; None where none is set up."""
    if not settings.bank_url:
        yield None
        return
    from danbao_core.bank.http_bank import HttpBank  # noqa: PLC0415  # its HTTP client takes a fifth of a second to load

    bank = HttpBank(settings.bank_url, settings.bank_key.get_secret_value())
    try:
        yield bank
    finally:
        await bank.close()
