"""A difference between the books and a bank's statements is open as long as its sides differ, in whichever order they come."""

from hypothesis import given
from hypothesis import strategies as st

from danbao_core.bank.port import LineKind
from danbao_core.ids import uuid7
from danbao_core.reconciliation import Difference, DifferenceState
from danbao_core.reconciliation.commands import CompareSides, Sides
from tests.builders import origin
from tests.memory_core import MemoryCore

SIGHTINGS = st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 5)), max_size=30)
"""A movement, whether it is seen here or there, and on which day."""


@given(amounts=st.lists(st.tuples(st.integers(1, 2), st.integers(1, 2)), min_size=4, max_size=4), seen=SIGHTINGS)
def test_a_difference_is_open_as_long_as_its_sides_differ(
    amounts: list[tuple[int, int]], seen: list[tuple[int, bool, int]]
) -> None:
    """In whichever order, and however often, the days are looked at."""
    core, transfers = MemoryCore(), [uuid7() for _ in amounts]
    sides: dict[int, set[bool]] = {}
    for number, is_here, day in seen:
        here, there = amounts[number]
        sighting = Sides(transfers[number], LineKind.DEBIT, "CNY", here if is_here else None, None if is_here else there)
        core.carry_out(CompareSides(origin=origin(), day=day, sides=(sighting,)))
        sides.setdefault(number, set()).add(is_here)
    found = {each.transfer_id: each for each in core.all(Difference)}
    assert set(found) == {transfers[number] for number in sides}
    for number, known in sides.items():
        alike = known == {True, False} and amounts[number][0] == amounts[number][1]
        state = DifferenceState.EXPLAINED if alike else DifferenceState.OPEN
        assert found[transfers[number]].state is state
