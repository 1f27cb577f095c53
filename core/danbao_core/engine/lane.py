"""A lane of an engine: a connection, and the batch that is on it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from danbao_core.engine import connection as connections
from danbao_core.engine.connection import Connection
from danbao_core.engine.failures import CommitInDoubt, is_connection_loss
from danbao_core.engine.waiting import Waiting
from danbao_core.ids import uuid7

_BETWEEN_QUESTIONS_SECONDS: Final = 0.1

_log = structlog.get_logger("danbao.engine")


class Lane:
    """To the database each lane is an engine: it has a row and a stripe of its own, and waits for the locks of others."""

    def __init__(
        self,
        database_url: str,
        *,
        connect_timeout_seconds: float,
        on_lost: Callable[[], None],
        on_found_again: Callable[[], None],
    ) -> None:
        """`on_lost` is called whenever a connection has ended, `on_found_again` for each that takes the place of one."""
        self.id = uuid7()
        self.connection: Connection | None = None
        self.stripe = 0
        self.chain = connections.Chain()
        self.batch_no = 0
        """Of the last batch that was written, taken or not."""
        self.batch: Sequence[Waiting] = ()
        """What is being carried out."""
        self._database_url = database_url
        self._connect_timeout_seconds = connect_timeout_seconds
        self._on_lost = on_lost
        self._on_found_again = on_found_again
        self._had_connection = False

    @property
    def connected(self) -> bool:
        return self.connection is not None and not self.connection.is_closed()

    async def connect(self) -> Connection:
        """The lane's connection, made anew where it was lost. Raises what asyncpg raises where the database cannot be reached,
        and NoStripeLeft."""
        if self.connection is not None and not self.connection.is_closed():
            return self.connection
        connection = await connections.connect(self._database_url, timeout_seconds=self._connect_timeout_seconds)
        try:
            await connections.register(connection, self.id)
            self.stripe = await connections.lease_stripe(connection)
        except BaseException:
            connection.terminate()
            raise
        connection.add_termination_listener(lambda _: self._on_lost())
        self.connection = connection
        if self._had_connection:
            self._on_found_again()
        self._had_connection = True
        return connection

    async def disconnect(self) -> None:
        if self.connection is not None:
            connection, self.connection = self.connection, None
            try:
                await connection.close(timeout=1)
            except Exception:
                connection.terminate()

    async def rest(self) -> None:
        """Ends the transaction that waits for the next batch, where there is one."""
        if self.connection is not None and self.connected and self.connection.is_in_transaction():
            await roll_back(self.connection)

    async def was_taken(self, doubt: CommitInDoubt, patience_seconds: float) -> bool | None:
        """Whether the database took a batch whose COMMIT was lost; None where it cannot be asked in time."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + patience_seconds
        while loop.time() < give_up_at:
            await self.disconnect()
            try:
                return await connections.last_batch(await self.connect(), self.id) >= doubt.batch_no
            except Exception as error:
                _log.warning("a commit is in doubt and the database does not answer", error=repr(error))
                await asyncio.sleep(_BETWEEN_QUESTIONS_SECONDS)
        return None


async def roll_back(connection: Connection, error: BaseException | None = None) -> None:
    """Ends a transaction, which met the error if there was one; a connection of which that cannot be said is ended itself."""
    if error is not None and is_connection_loss(error):
        connection.terminate()  # asking it for anything more may take as long again
        return
    try:
        await connection.execute("ROLLBACK")
    except Exception:
        connection.terminate()
