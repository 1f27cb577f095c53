"""Where people pay: a server by a clock of ours, a new day for each test, a shop, and Ada, who may pay a lot.

core, a_new_day, ada, app = paying_world.core, paying_world.a_new_day, paying_world.ada, paying_world.app
"""

from collections.abc import AsyncIterator

import pytest

from danbao_core.people.person import IdentityLevel
from tests.factors import (
    App,
    Clock,
    a_core_with,
    enrolled,
)
from tests.people import PersonCaller, a_person
from tests.rpc_client import (
    Connection,
    Core,
    a_merchant,
    id_of,
)
from tests.rpc_requests import (
    advance_clock,
)
from tests.shared_postgres import SharedServer

CLOCK = Clock()
YUAN = 100


@pytest.fixture(scope="module")
async def core(postgres: SharedServer, administrator: Connection) -> AsyncIterator[Core]:
    """One server for the module, by a clock of ours."""
    async with a_core_with(CLOCK, administrator, postgres) as running:
        yield running


@pytest.fixture(autouse=True)
async def a_new_day(core: Core) -> None:
    """Each test begins now by wall time, and on a business day of its own, some way from its end."""
    CLOCK.reset()
    seconds = await core.connection.fetchval(
        "SELECT extract(epoch FROM date_trunc('day', (now() + make_interval(secs => clock_offset_seconds)) "
        "AT TIME ZONE 'Asia/Shanghai') + interval '1 day 1 hour' - (now() + make_interval(secs => clock_offset_seconds)) "
        "AT TIME ZONE 'Asia/Shanghai')::bigint FROM installation"
    )
    await core.operator.ask(advance_clock(int(seconds)))


@pytest.fixture
async def shop(core: Core) -> str:
    return await a_merchant(core)


@pytest.fixture
async def ada(core: Core) -> PersonCaller:
    """Somebody at level III with 100,000 yuan."""
    return await a_person(core, funds_minor=100_000 * YUAN, level=IdentityLevel.III)


@pytest.fixture
async def app(ada: PersonCaller) -> App:
    return await enrolled(ada, CLOCK)


async def used(core: Core, person: PersonCaller, *periods: str) -> list[int]:
    """What is counted of a person, in minor units."""
    row = await core.connection.fetchrow(
        "SELECT * FROM spending WHERE account_id = $1 AND currency = 'CNY'", id_of(person.account)
    )
    assert row is not None
    return [row[f"{period}_minor"] for period in periods]
