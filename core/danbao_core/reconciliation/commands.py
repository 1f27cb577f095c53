"""How reconciliations change. What was matched outside, `running.py` brings in; the rows themselves decide."""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from danbao_core import trail
from danbao_core.bank.port import LineKind
from danbao_core.bank_errors import DayNotOver, DifferenceExplained, DifferenceNotFound
from danbao_core.clock import shanghai_day
from danbao_core.engine import Book, Command, Decision, Draft, Key
from danbao_core.reconciliation.rows import (
    Difference,
    DifferenceKind,
    DifferenceState,
    Movement,
    Reconciliation,
    ReconciliationState,
    difference_id,
    reconciliation_id,
)


class StartReconciliation(Command[Reconciliation], frozen=True):
    """Asks for a day to be reconciled, for the first time or again.

    One that is being reconciled is reconciled once more, because what is asked for may have come after its statement was
    fetched. Refused: DayNotOver.
    """

    result_type = Reconciliation
    day: int

    def keys(self, book: Book) -> Iterable[Key]:
        yield Reconciliation.key(reconciliation_id(self.day))

    def decide(self, book: Book) -> Decision[Reconciliation]:
        if self.day >= shanghai_day(book.now):
            raise DayNotOver
        before = book.get(Reconciliation, reconciliation_id(self.day))
        asked = (
            Reconciliation(
                id=reconciliation_id(self.day),
                day=self.day,
                state=ReconciliationState.PENDING,
                lines=0,
                entries=0,
                differences=0,
                created_at=book.now,
                finished_at=None,
                version=1,
            )
            if before is None
            else before.replace(state=ReconciliationState.PENDING, version=before.version + 1)
        )
        return Decision(asked, [asked, trail.audit_event(self.ids(), self.origin, Reconciliation, asked.id, book.now)])


class FinishReconciliation(Command[Reconciliation], frozen=True):
    """Says what a day's matching has counted. Never refused for a day that was started.

    A day that was asked for again meanwhile still waits, and one that another has finished stays as it is.
    """

    result_type = Reconciliation
    day: int
    asked_version: int
    """The version that the row of the day had before its statement was fetched."""
    lines: int
    entries: int
    differences: int

    def keys(self, book: Book) -> Iterable[Key]:
        yield Reconciliation.key(reconciliation_id(self.day))

    def decide(self, book: Book) -> Decision[Reconciliation]:
        before: Reconciliation = book[Reconciliation, reconciliation_id(self.day)]
        if before.version != self.asked_version:
            return Decision(before)
        done = before.replace(
            state=ReconciliationState.DONE,
            lines=self.lines,
            entries=self.entries,
            differences=self.differences,
            finished_at=book.now,
            version=before.version + 1,
        )
        return Decision(done, [done, trail.audit_event(self.ids(), self.origin, Reconciliation, done.id, book.now)])


class Sides(msgspec.Struct, frozen=True):
    """What is known of a movement on a day; None where that side has nothing of it on that day."""

    transfer_id: UUID
    kind: LineKind
    currency: str
    here_minor: int | None
    there_minor: int | None

    @property
    def difference_id(self) -> UUID:
        return difference_id(Movement(self.transfer_id, self.kind, self.currency))


class Compared(msgspec.Struct, frozen=True):
    """How many of the movements are open now."""

    open: int


class CompareSides(Command[Compared], frozen=True):
    """Keeps what one side has and the other has not, and explains what both have after all. Never refused.

    What an operator has explained is open again only where a side has come that changes the figures.
    """

    result_type = Compared
    day: int
    sides: tuple[Sides, ...]

    @property
    def size(self) -> int:
        return max(1, len(self.sides))

    def keys(self, book: Book) -> Iterable[Key]:
        yield from (Difference.key(each.difference_id) for each in self.sides)

    def decide(self, book: Book) -> Decision[Compared]:
        draft, ids, is_open = Draft(book), self.ids(), 0
        for sides in self.sides:
            before = draft.get(Difference, sides.difference_id)
            after = _found(self.day, sides, book) if before is None else _met(before, sides)
            settled = _settled_by_itself(after, self.origin.caller, book)
            if settled != before:
                draft.put(settled, trail.audit_event(ids, self.origin, Difference, settled.id, book.now))
            is_open += settled.state is DifferenceState.OPEN
        return Decision(Compared(is_open), draft.changes)


def _found(day: int, sides: Sides, book: Book) -> Difference:
    """A difference that nobody knew of."""
    return Difference(
        id=sides.difference_id,
        kind=_kind(sides.here_minor, sides.there_minor),
        state=DifferenceState.OPEN,
        day=day,
        transfer_id=sides.transfer_id,
        movement=sides.kind,
        currency=sides.currency,
        here_minor=sides.here_minor,
        there_minor=sides.there_minor,
        created_at=book.now,
        explained_at=None,
        explained_by="",
        note="",
        version=1,
    )


def _met(before: Difference, sides: Sides) -> Difference:
    """A difference with what is known now; where that is new, it is open."""
    here = before.here_minor if sides.here_minor is None else sides.here_minor
    there = before.there_minor if sides.there_minor is None else sides.there_minor
    if (here, there) == (before.here_minor, before.there_minor):
        return before
    return before.replace(
        kind=before.kind if here == there else _kind(here, there),
        state=DifferenceState.OPEN,
        here_minor=here,
        there_minor=there,
        explained_at=None,
        explained_by="",
        note="",
        version=before.version + 1,
    )


def _settled_by_itself(difference: Difference, caller: str, book: Book) -> Difference:
    if difference.state is not DifferenceState.OPEN or difference.here_minor != difference.there_minor:
        return difference
    return difference.replace(state=DifferenceState.EXPLAINED, explained_at=book.now, explained_by=caller)


def _kind(here_minor: int | None, there_minor: int | None) -> DifferenceKind:
    if here_minor is None or here_minor == there_minor:  # what both have was on the statement first
        return DifferenceKind.MISSING_HERE
    return DifferenceKind.MISSING_THERE if there_minor is None else DifferenceKind.AMOUNT_DIFFERS


class SettleDifference(Command[Difference], frozen=True):
    """An operator says what a difference comes from. Refused: DifferenceNotFound, DifferenceExplained."""

    result_type = Difference
    difference_id: UUID
    note: str

    def keys(self, book: Book) -> Iterable[Key]:
        yield Difference.key(self.difference_id)

    def decide(self, book: Book) -> Decision[Difference]:
        difference = book.get(Difference, self.difference_id)
        if difference is None:
            raise DifferenceNotFound(difference=f"differences/{self.difference_id}")
        if difference.state is DifferenceState.EXPLAINED:
            raise DifferenceExplained(difference=difference.name)
        explained = difference.replace(
            state=DifferenceState.EXPLAINED,
            explained_at=book.now,
            explained_by=self.origin.caller,
            note=self.note,
            version=difference.version + 1,
        )
        trace = trail.audit_event(self.ids(), self.origin, Difference, difference.id, book.now, self.note)
        return Decision(explained, [explained, trace])
