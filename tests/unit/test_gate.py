"""The way into a server, as it closes."""

import pytest

from danbao_core.errors import ShuttingDown
from danbao_core.rpc.gate import Gate


async def test_who_is_inside_is_told_when_it_closes() -> None:
    gate, told = Gate(), list[str]()
    with gate, gate.telling(lambda: told.append("closed")):
        assert told == []
        await gate.close(0)
        assert told == ["closed"]


async def test_who_went_in_before_it_closed_and_asks_to_be_told_afterwards_is_told_at_once() -> None:
    gate, told = Gate(), list[str]()
    with gate:
        await gate.close(0)
        with gate.telling(lambda: told.append("closed")):
            assert told == ["closed"]


async def test_who_is_out_again_is_told_nothing() -> None:
    gate, told = Gate(), list[str]()
    with gate, gate.telling(lambda: told.append("closed")):
        pass
    await gate.close(0)
    assert told == []


async def test_nobody_enters_once_it_is_closed() -> None:
    gate = Gate()
    await gate.close(0)
    with pytest.raises(ShuttingDown), gate:
        pytest.fail("it let somebody in")
