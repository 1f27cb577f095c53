"""Real workers on a real Valkey, in the process of the test.

async with a_valkey() as valkey, a_worker(database_url, valkey.valkey_url):
    await until(is_done)
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from danbao_core.embedded import ValkeyServer
from danbao_core.settings import Settings, load
from danbao_workers.worker import run
from tests.integration.sandboxes import a_folder

PATIENCE_SECONDS = 30.0

HASH_KEY = "0" * 64


@asynccontextmanager
async def a_valkey() -> AsyncIterator[ValkeyServer]:
    """A running Valkey with nothing in it."""
    with a_folder() as folder:
        server = ValkeyServer(folder)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


def worker_settings(database_url: str, valkey_url: str, **given: Any) -> Settings:
    """The settings of a sandbox's worker."""
    return load(**({"mode": "sandbox", "database_url": database_url, "valkey_url": valkey_url, "hash_key": HASH_KEY} | given))


@asynccontextmanager
async def a_worker(database_url: str, valkey_url: str, **given: Any) -> AsyncIterator["asyncio.Task[None]"]:
    """A worker that takes jobs, until the end of the block or the test cancels its task. Raises what it failed with."""
    ready = asyncio.Event()
    working = asyncio.create_task(run(worker_settings(database_url, valkey_url, **given), lambda _: ready.set()))
    waiting = asyncio.create_task(ready.wait())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        yield working
    finally:
        for task in (waiting, working):
            task.cancel()
        await asyncio.gather(waiting, working, return_exceptions=True)
