"""A live core reaches people by a gateway, whatever happens to its workers: real processes, killed with a message in hand."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from redis.asyncio import Redis

from danbao_core.embedded import ValkeyServer
from danbao_core.migrations import migrate
from danbao_core.settings import Mode
from tests.gateways import HANGS, HttpGateway, an_http_gateway
from tests.people import a_phone, a_stranger
from tests.rpc_client import HASH_KEY, Connection, Core, a_core, until
from tests.rpc_requests import answer_challenge, complete, register
from tests.shared_postgres import SharedServer, a_database
from tests.workers import a_valkey


class Live(NamedTuple):
    """A live core, its gateway, and the queue of its workers."""

    core: Core
    gateway: HttpGateway
    valkey: ValkeyServer

    @asynccontextmanager
    async def a_worker(self) -> AsyncIterator["asyncio.subprocess.Process"]:
        """A worker in a process of its own, that is killed at the end."""
        settings = {
            "MODE": "live",
            "DATABASE_URL": self.core.settings.database_url,
            "VALKEY_URL": self.valkey.valkey_url,
            "HASH_KEY": HASH_KEY,
            "SMS_URL": self.gateway.url,
            "SMS_KEY": "a-key",
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DANBAO_")}
        environment |= {f"DANBAO_{name}": value for name, value in settings.items()}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "danbao_workers", env=environment, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()

    async def taken(self, count: int) -> None:
        """Returns when the gateway has been asked so many times."""
        await until(lambda: self._was_asked(count), 60.0)

    async def _was_asked(self, count: int) -> bool:
        return len(self.gateway.taken) >= count

    async def is_sent(self) -> bool:
        """Whether every message is."""
        return not await self.core.connection.fetchval("SELECT count(*) FROM message WHERE state <> 2")

    @property
    def code(self) -> str:
        """In the last message that the gateway was given."""
        found = re.search(r"\b\d{6}\b", self.gateway.taken[-1]["text"])
        assert found is not None
        return found[0]


@pytest.fixture
async def live(postgres: SharedServer, administrator: Connection) -> AsyncIterator[Live]:
    async with a_database(administrator, postgres, "template1") as database_url, an_http_gateway() as gateway:
        await migrate(database_url, "live")
        given: dict[str, Any] = {"mode": Mode.LIVE, "sms_url": gateway.url}
        async with a_core(database_url, **given) as core, a_valkey() as valkey:
            yield Live(core, gateway, valkey)


async def test_somebody_registers_at_a_live_core(live: Live) -> None:
    phone, stranger = a_phone(), a_stranger(live.core)
    challenge = await stranger.ask(register(phone, language="en"))
    async with live.a_worker():
        await live.taken(1)
        await until(live.is_sent)
    [message] = live.gateway.taken
    assert message["to"] == phone
    assert message["text"].startswith("[Danbao] ")
    assert live.gateway.headers[0]["Authorization"] == "Bearer a-key"
    approval = await stranger.ask(answer_challenge(challenge.name, live.code))
    assert (await stranger.ask(complete(approval.name))).access_token


async def test_a_worker_that_is_killed_with_a_message_in_its_hands_loses_nothing(live: Live) -> None:
    live.gateway.answers = [HANGS, 500]
    await a_stranger(live.core).ask(register(a_phone()))
    async with live.a_worker() as first:
        await live.taken(1)
        first.send_signal(signal.SIGKILL)
        await first.wait()
    assert not await live.is_sent()
    await live.core.connection.execute("UPDATE message SET next_attempt_at = now()")  # as when the lease has ended
    async with live.a_worker():
        await live.taken(3)
        await until(live.is_sent)
    assert len({each["id"] for each in live.gateway.taken}) == 1
    assert len({each["Idempotency-Key"] for each in live.gateway.headers}) == 1
    attempts = await live.core.connection.fetchval("SELECT attempts FROM message")
    assert attempts == 3


async def test_two_workers_and_a_queue_that_is_wiped_send_each_message_once(live: Live) -> None:
    phones = [a_phone() for _ in range(30)]
    stranger = a_stranger(live.core)
    async with live.a_worker(), live.a_worker():
        for number, phone in enumerate(phones):
            await stranger.ask(register(phone))
            if number == 15:
                await _wipe(live.valkey)
        await until(live.is_sent, 60.0)
    assert sorted(each["to"] for each in live.gateway.taken) == sorted(phones)


async def _wipe(valkey: ValkeyServer) -> None:
    client = Redis.from_url(valkey.valkey_url)
    await client.flushall()
    await client.aclose()
