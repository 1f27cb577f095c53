"""Differences between the bank and the books: the stories of single decisions."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from danbao_core.bank.port import LineKind
from danbao_core.bank_errors import DayNotOver, DifferenceExplained, DifferenceNotFound
from danbao_core.clock import shanghai_day
from danbao_core.ids import uuid7
from danbao_core.reconciliation import (
    Difference,
    DifferenceKind,
    DifferenceState,
    Reconciliation,
    ReconciliationState,
    SettleDifference,
    StartReconciliation,
)
from danbao_core.reconciliation.commands import CompareSides, FinishReconciliation, Sides
from danbao_core.reconciliation.rows import Movement, difference_id, reconciliation_id
from danbao_core.trail import AuditEvent
from tests.builders import origin
from tests.memory_core import NOON, MemoryCore

TODAY = shanghai_day(NOON)
TRANSFER = uuid7()


def sides(here: int | None, there: int | None, **facts: Any) -> Sides:
    given: dict[str, Any] = {"transfer_id": TRANSFER, "kind": LineKind.DEBIT, "currency": "CNY"} | facts
    return Sides(here_minor=here, there_minor=there, **given)


def compared(core: MemoryCore, *found: Sides, day: int = TODAY - 1) -> int:
    """How many are open."""
    return core.carry_out(CompareSides(origin=origin(caller="worker"), day=day, sides=found)).open


def the_difference(core: MemoryCore) -> Difference:
    (difference,) = core.all(Difference)
    return difference


# --- Days -------------------------------------------------------------------------------------------------------------------


def test_a_day_is_asked_for_done_and_asked_for_again() -> None:
    core = MemoryCore()
    start = StartReconciliation(origin=origin(), day=TODAY - 1)
    asked = core.carry_out(start)
    assert (asked.state, asked.finished_at, asked.id) == (ReconciliationState.PENDING, None, reconciliation_id(TODAY - 1))
    finish = FinishReconciliation(origin=origin(), day=TODAY - 1, asked_version=1, lines=7, entries=6, differences=1)
    done = core.carry_out(finish)
    assert (done.state, done.lines, done.entries, done.differences) == (ReconciliationState.DONE, 7, 6, 1)
    again = core.carry_out(StartReconciliation(origin=origin(), day=TODAY - 1))
    assert (again.state, again.lines, again.version) == (ReconciliationState.PENDING, 7, 3)
    assert len(core.all(Reconciliation)) == 1
    assert len(core.all(AuditEvent)) == 3


def test_a_day_that_is_asked_for_again_while_it_is_done_is_done_once_more() -> None:
    core, start = MemoryCore(), StartReconciliation(origin=origin(), day=TODAY - 1)
    first, again = core.carry_out(start), core.carry_out(start)
    late = FinishReconciliation(origin=origin(), day=TODAY - 1, asked_version=first.version, lines=7, entries=6, differences=1)
    assert core.carry_out(late) == again, "what was asked for last may not be on the statement that was fetched before"
    finish = msgspec.structs.replace(late, asked_version=again.version, lines=8)
    done = core.carry_out(finish)
    assert (done.state, done.lines) == (ReconciliationState.DONE, 8)
    assert core.carry_out(late) == done, "another has finished it"


@pytest.mark.parametrize("days", [0, 1, 10])
def test_a_day_that_is_not_over_has_no_statement(days: int) -> None:
    with pytest.raises(DayNotOver):
        MemoryCore().carry_out(StartReconciliation(origin=origin(), day=TODAY + days))


def test_days_are_those_of_shanghai() -> None:
    core = MemoryCore(at=NOON.replace(hour=15, minute=59))
    with pytest.raises(DayNotOver):
        core.carry_out(StartReconciliation(origin=origin(), day=TODAY))
    core.advance(60)
    assert core.carry_out(StartReconciliation(origin=origin(), day=TODAY)).day == TODAY


def test_ids_follow_the_days_and_the_transfers() -> None:
    assert reconciliation_id(1) < reconciliation_id(20_000) < reconciliation_id(2_932_896)
    first, second = uuid7(), uuid7()
    movements = [Movement(each, kind, currency) for each in (first, second) for kind in LineKind for currency in ("CNY", "USD")]
    ids = [difference_id(each) for each in movements]
    assert len(set(ids)) == len(ids)
    assert all(each.bytes[:6] == first.bytes[:6] for each in ids[:6]), "later transfers are listed first"


# --- Differences ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("here", "there", "kind"),
    [
        (None, 5, DifferenceKind.MISSING_HERE),
        (5, None, DifferenceKind.MISSING_THERE),
        (5, 6, DifferenceKind.AMOUNT_DIFFERS),
    ],
)
def test_what_one_side_has_and_the_other_has_not(here: int | None, there: int | None, kind: DifferenceKind) -> None:
    core = MemoryCore()
    assert compared(core, sides(here, there)) == 1
    found = the_difference(core)
    assert (found.kind, found.state, found.here_minor, found.there_minor) == (kind, DifferenceState.OPEN, here, there)
    assert (found.explained_by, found.explained_at, found.day) == ("", None, TODAY - 1)
    before = len(core._rows)
    assert compared(core, sides(here, there)) == 1
    assert (the_difference(core), len(core._rows)) == (found, before), "found again, nothing is written"


@pytest.mark.parametrize("first", [(None, 5), (5, None)])
def test_the_other_side_that_comes_on_another_day_settles_it(first: tuple[int | None, int | None]) -> None:
    core = MemoryCore()
    compared(core, sides(*first))
    kind = the_difference(core).kind
    core.advance(86_400)
    assert compared(core, sides(*reversed(first)), day=TODAY) == 0
    settled = the_difference(core)
    assert (settled.state, settled.kind, settled.day) == (DifferenceState.EXPLAINED, kind, TODAY - 1)
    assert (settled.explained_by, settled.explained_at, settled.note) == ("worker", core.now, "")
    for again in (first, tuple(reversed(first)), (5, 5)):
        assert compared(core, sides(*again)) == 0
    assert the_difference(core) == settled


def test_an_other_side_with_another_amount_leaves_it_open() -> None:
    core = MemoryCore()
    compared(core, sides(None, 5))
    assert compared(core, sides(4, None)) == 1
    found = the_difference(core)
    assert (found.kind, found.here_minor, found.there_minor) == (DifferenceKind.AMOUNT_DIFFERS, 4, 5)


def test_both_sides_at_once_are_no_open_difference() -> None:
    core = MemoryCore()
    assert compared(core, sides(5, 5)) == 0
    assert (the_difference(core).state, the_difference(core).kind) == (DifferenceState.EXPLAINED, DifferenceKind.MISSING_HERE)


def test_movements_of_one_transfer_are_told_apart() -> None:
    core = MemoryCore()
    found = [sides(None, 5), sides(None, 5, kind=LineKind.REVERSAL), sides(None, 5, currency="USD")]
    assert compared(core, *found) == 3
    assert len(core.all(Difference)) == 3


def test_one_that_comes_twice_in_one_go_is_met_there() -> None:
    core = MemoryCore()
    assert compared(core, sides(None, 5), sides(5, None)) == 1  # open when the first was looked at
    assert the_difference(core).state is DifferenceState.EXPLAINED


def test_an_operator_explains_a_difference_once() -> None:
    core = MemoryCore()
    compared(core, sides(None, 5))
    by = origin(caller="service:desk")
    settle = SettleDifference(origin=by, difference_id=the_difference(core).id, note="a test of the bank's")
    explained = core.carry_out(settle)
    assert (explained.state, explained.explained_by, explained.note) == (
        DifferenceState.EXPLAINED,
        "service:desk",
        "a test of the bank's",
    )
    assert core.all(AuditEvent)[-1].memo == "a test of the bank's"
    with pytest.raises(DifferenceExplained):
        core.carry_out(SettleDifference(origin=origin(), difference_id=explained.id, note="again"))
    with pytest.raises(DifferenceNotFound):
        core.carry_out(SettleDifference(origin=origin(), difference_id=uuid7(), note="none"))
    assert compared(core, sides(None, 5)) == 0, "what is explained stays so"


def test_figures_that_change_open_what_was_explained() -> None:
    core = MemoryCore()
    compared(core, sides(None, 5))
    core.carry_out(SettleDifference(origin=origin(), difference_id=the_difference(core).id, note="ours"))
    assert compared(core, sides(None, 6)) == 1
    found = the_difference(core)
    assert (found.state, found.note, found.explained_by, found.there_minor) == (DifferenceState.OPEN, "", "", 6)
    core.now += timedelta(days=1)
    assert compared(core, sides(6, None)) == 0
