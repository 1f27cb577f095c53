"""A person's whole journey with a phone, over gRPC alone, and what of it stands where."""

from danbao_client import Danbao
from danbao_core.cli.journey import Journey
from danbao_core.cli.story import Step
from tests import rpc_client
from tests.leaks import columns_with, must_not_be_logged, must_not_be_stored
from tests.log_lines import log_lines
from tests.rpc_client import Core, audit_holds

core = rpc_client.core


async def test_a_person_buys_with_a_second_factor_and_nothing_of_them_stands_in_clear(core: Core) -> None:
    told: list[Step] = []
    assert core.operator.token
    async with Danbao.connect(core.server.address, key=core.operator.token) as danbao:
        with log_lines() as lines:
            journey = Journey(danbao, on_step=told.append)
            await journey.tell()
    assert told[-1].money_minor == {"buyer": 200_000, "seller": 295_500, "escrow": 0, "fees": 4_500}
    assert await audit_holds(core)
    assert len(lines.of("rpc")) > 15
    assert len(journey.secrets) == 6
    await must_not_be_stored(core.connection, *journey.secrets)
    must_not_be_logged(lines, *journey.secrets)
    for digits in journey.digits:
        assert await columns_with(core.connection, digits) == []
