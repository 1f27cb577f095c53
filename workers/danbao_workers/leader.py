"""The leader: the one worker that looks for what is due and gives it out as jobs, which all workers take.

Who holds an advisory lock leads. The lock goes with its connection, which Postgres ends when it hears nothing for ten seconds:
another follows a worker that was killed or hangs. Two may believe to lead for a moment; work bears to be given out twice.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import structlog

from danbao_core import server_role
from danbao_core.database_errors import DATABASE_ERRORS
from danbao_workers.sweep import Lateness, Sweep
from danbao_workers.work import Background, Singleton, Work

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any]

_log = structlog.get_logger("danbao.worker")

_LOCK: Final = 0x44414E4257
"""The advisory lock by which a worker leads ("DANBW")."""

_SETTINGS: Final = {
    "application_name": "danbao-leader",
    **server_role.AS_SERVER,
    "idle_session_timeout": "10s",
    "tcp_user_timeout": "5s",
}
_HEARTBEAT_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 1.0
_LAST_LOOK_SECONDS: Final = 5.0


class Leader:
    """Waits until it may lead, and leads as long as it can."""

    def __init__(
        self, background: Background, works: Sequence[Work], singletons: Sequence[Singleton], lateness: Lateness
    ) -> None:
        self._background = background
        self._works = works
        self._singletons = singletons
        self._lateness = lateness

    async def run(self) -> None:
        """Goes on until it is cancelled. Raises RedisError where Valkey does not answer; waits where the database does not."""
        while True:
            try:
                connection = await self._connect()
            except DATABASE_ERRORS as error:
                _log.warning("cannot lead without the database", error=type(error).__name__)
            else:
                try:
                    await self._lead_while(connection)
                finally:
                    connection.terminate()
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _connect(self) -> "Connection":
        return await server_role.connect(
            self._background.settings.database_url, timeout=5, command_timeout=5, server_settings=_SETTINGS
        )

    async def _lead_while(self, connection: "Connection") -> None:
        """Leads once the lock is free, until the connection is lost."""
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                await asyncio.sleep(_HEARTBEAT_SECONDS)
        except DATABASE_ERRORS:
            return
        _log.info("leads")
        stop = asyncio.Event()
        sweeps = [asyncio.create_task(Sweep(self._background, work, self._lateness).run(stop)) for work in self._works]
        others = [
            asyncio.create_task(_until_lost(connection)),
            *(asyncio.create_task(self._keep(singleton)) for singleton in self._singletons),
        ]
        try:
            done, _ = await asyncio.wait([*sweeps, *others], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            stop.set()
            await asyncio.wait(sweeps, timeout=_LAST_LOOK_SECONDS)
            for task in [*sweeps, *others]:
                task.cancel()
            await asyncio.gather(*sweeps, *others, return_exceptions=True)
            self._lateness.found.clear()  # another leads, and knows
            _log.info("leads no longer")

    async def _keep(self, singleton: Singleton) -> None:
        """Runs it for ever."""
        while True:
            try:
                await singleton.run(self._background)
            except Exception:
                _log.exception("failed, and begins anew", singleton=singleton.name)
            await asyncio.sleep(_AGAIN_SECONDS)


async def _until_lost(connection: "Connection") -> None:
    """Returns when the connection no longer answers."""
    while True:
        await asyncio.sleep(_HEARTBEAT_SECONDS)
        try:
            await connection.fetchval("SELECT 1")
        except DATABASE_ERRORS:
            return
