"""What goes on for ever goes on where asyncpg is out of step with a server that shuts down."""

import asyncio
from typing import Any, cast

import asyncpg

from danbao_workers.leader import Leader
from danbao_workers.sweep import Lateness, Sweep
from danbao_workers.work import Background
from danbao_workers.works import WORKS


class ShutDown:
    """A connection, or a pool, of which the server said that it ends before it was asked anything."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def fetchval(self, *_: Any) -> Any:
        self.asked.set()
        raise asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress")

    fetch = fetchval


class Valkey:
    """Which lost nothing."""

    async def getset(self, _: str, marker: str) -> bytes:
        return marker.encode()


async def test_a_leader_leads_no_longer() -> None:
    connection = ShutDown()
    await Leader(cast("Background", None), (), (), Lateness())._lead_while(cast("Any", connection))
    assert connection.asked.is_set()


async def test_a_sweep_looks_again() -> None:
    pool, stop = ShutDown(), asyncio.Event()
    background = cast("Background", type("Some", (), {"pool": pool, "queue": Valkey()}))
    sweeping = asyncio.create_task(Sweep(background, WORKS[0], Lateness()).run(stop))
    await asyncio.wait([sweeping, asyncio.create_task(pool.asked.wait())], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await sweeping
    assert pool.asked.is_set()
