"""What the machine of `payments_machine.py` drives: decisions alone, or a real engine on a database of its own."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, ClassVar, TypeVar
from uuid import UUID, uuid4

import asyncpg
import msgspec
from hypothesis.stateful import invariant

from danbao_core import sql
from danbao_core.audit import audit
from danbao_core.engine import Command, Engine, Row
from danbao_core.engine.reads import fetch_rows
from danbao_core.errors import Refusal
from danbao_core.payments import Mode
from danbao_core.sandbox import AdvanceClock
from tests.builders import origin
from tests.memory_core import MemoryCore
from tests.property.payments_machine import PaymentsMachine
from tests.property.payments_model import START
from tests.property.people_model import POLICIES
from tests.shared_postgres import TEMPLATE, SharedServer

_TIME_STANDS_STILL = """
    CREATE SCHEMA still;
    CREATE FUNCTION still.statement_timestamp() RETURNS timestamptz LANGUAGE sql AS $$SELECT timestamptz '{time}'$$;
    GRANT USAGE ON SCHEMA still TO public;
    ALTER DATABASE {name} SET search_path = still, pg_catalog, public;
"""
"""Business time moves by AdvanceClock alone, so that the model knows to the second what is due."""

R = TypeVar("R", bound=msgspec.Struct)
S = TypeVar("S", bound=Row)


class InMemory(PaymentsMachine):
    """Every step is checked."""

    granted: ClassVar[set[type[Command[Any]]]] = set()
    ended: ClassVar[set[Mode | str]] = set()
    went_back: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.core = MemoryCore(policies=POLICIES)

    @invariant()
    def holds(self) -> None:
        self.check()


class EngineCore:
    """A real engine, driven from synchronous code."""

    def __init__(self, runner: asyncio.Runner, database_url: str) -> None:
        self._runner = runner
        self._database_url = database_url
        self._engine = runner.run(self._start())

    async def _start(self) -> Engine:
        engine = Engine(self._database_url, policies=POLICIES)
        await engine.start()
        return engine

    def carry_out(self, command: Command[R]) -> R:
        return self._runner.run(self._submit(command))

    async def _submit(self, command: Command[R]) -> R:
        return (await self._engine.submit(command)).result

    def carry_out_together(self, commands: Sequence[Command[R]]) -> list[R | Refusal]:
        return self._runner.run(self._submit_together(commands))

    async def _submit_together(self, commands: Sequence[Command[R]]) -> list[R | Refusal]:
        results: list[R | Refusal] = []
        for answer in await self._engine.submit_many(commands):
            try:
                results.append((await answer).result)
            except Refusal as refusal:
                results.append(refusal)
        return results

    def advance(self, seconds: int) -> None:
        self.carry_out(AdvanceClock(origin=origin(), by_seconds=seconds))

    def all(self, row_type: type[S]) -> Iterable[S]:
        return self._runner.run(self._all(row_type))

    async def _all(self, row_type: type[S]) -> list[S]:
        async with asyncpg.create_pool(self._database_url, min_size=1, max_size=1) as pool:
            in_key_order = f"SELECT * FROM {row_type.table.name} ORDER BY {', '.join(row_type.table.key)}"
            return await fetch_rows(pool, row_type, in_key_order)

    def claim(self, what: str, which: UUID) -> None:
        self._runner.run(self._claim(what, which))

    async def _claim(self, what: str, which: UUID) -> None:
        """The lease ends at once, so that the same worker may come again."""
        connection = await asyncpg.connect(self._database_url)
        claimed = await connection.fetchrow(sql.load("danbao_core", f"claim_{what}"), which, timedelta())
        await connection.close()
        assert claimed is not None, "a bank that is to be asked can be"

    def stop(self) -> None:
        self._runner.run(self._engine.stop())


def on_engine(postgres: SharedServer) -> type[PaymentsMachine]:
    """The machine on a real engine. Each run has a database of its own, which is audited in the end."""

    class OnEngine(PaymentsMachine):
        def __init__(self) -> None:
            super().__init__()
            self.runner = asyncio.Runner()
            self.name = f"test_{uuid4().hex}"
            self.url = postgres.url_of(self.name)
            self._administer(f"CREATE DATABASE {self.name} TEMPLATE {TEMPLATE}")
            self.runner.run(_administer(self.url, _TIME_STANDS_STILL.format(name=self.name, time=START.isoformat())))
            self.core: EngineCore = EngineCore(self.runner, self.url)

        def teardown(self) -> None:
            self.check()
            self.core.stop()
            breaches = [check for check in self.runner.run(audit(self.url)) if check.breach]
            self._administer(f"DROP DATABASE {self.name}")
            self.runner.close()
            assert not breaches

        def _administer(self, statement: str) -> None:
            self.runner.run(_administer(postgres.url_of("postgres"), statement))

    return OnEngine


async def _administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()
