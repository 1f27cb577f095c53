"""The book: the rows of one batch, as they were loaded and as its commands change them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from danbao_core.engine import connection as connections
from danbao_core.engine import statements
from danbao_core.engine.connection import Connection
from danbao_core.engine.failures import Restart
from danbao_core.engine.rows import Hold, Key, Place, Row, loader
from danbao_core.policy import Policy, PolicySchedule

R = TypeVar("R", bound=Row)

SMALL_BATCH_ROWS: Final = 256
"""Up to so many rows, one statement for all tables is quicker than COPY table by table."""


_UNKNOWN: Final[Any] = object()

_STATEMENTS: Final = {
    Hold.WRITE: statements.lock_rows,
    Hold.SHARE: statements.share_rows,
    Hold.READ: statements.read_rows,
}


class NotLoaded(Exception):
    """A decision asked for a row that its keys did not name."""


class RowNeeded(Exception):
    """A decision met a case, too rare for its keys to provide for, in which it needs more rows: it is made again with them."""

    def __init__(self, *keys: Key) -> None:
        super().__init__(*keys)
        self.keys = keys


class Book:
    """The rows that a batch works on.

    Commands read it; the engine merges the changes of a command into it once the command succeeded, so the next command of
    the batch sees them and a refused command leaves nothing behind.
    """

    now: datetime
    """Business time, the same for the whole batch."""
    database_time: datetime
    """The same moment without the sandbox's offset."""
    policy: Policy
    """The figures in force now. Like the time, they are known to decisions, and to `keys` of commands that look at rows, once
    these have found one."""

    def __init__(self, *, policies: PolicySchedule, now: datetime | None = None, stripe: int = 0) -> None:
        self.policies = policies
        """The figures of every time; what came due before now followed those of its own day."""
        self.knows_time = False
        if now is not None:
            self._take_time(now, 0)
        self._stripe = stripe
        self.changed = False
        """Whether a command of the batch changed anything yet."""
        self.discovering = False
        """Whether keys are being asked for: a row that is not loaded then is simply not known yet."""
        self.asked = False
        """Whether the last `keys` looked at the book, so that it may name more once it sees more."""
        self.asked_for_stripe = False
        """Whether the last `keys` depended on the stripe."""
        self._rows: dict[Place, Any] = {}
        """Rows by their places, None where there is none."""
        self._loaded_versions: dict[Place, int] = {}
        self._locked: set[Place] = set()
        self._shared: set[Place] = set()
        self._touched: dict[type[Row], dict[tuple[Any, ...], Row]] = defaultdict(dict)
        """What changed, in its last version, by table and key; each in the place of its first change."""

    # --- What commands see ---

    @property
    def stripe(self) -> int:
        """Which stripe of the platform's balances this batch may touch."""
        self.asked_for_stripe = True
        return self._stripe

    def get(self, row_type: type[R], *values: Any) -> R | None:
        """The row with this key, or None where there is none. Raises NotLoaded where the command's keys did not name it."""
        self.asked = True
        row: R | None = self._rows.get((row_type, values), _UNKNOWN)
        if row is _UNKNOWN:
            if self.discovering:
                return None
            raise NotLoaded(f"{row_type.table.name} {values} is not among the keys")
        return row

    def need(self, row_type: type[R], *values: Any) -> R | None:
        """The row with this key, locked, or None where there is none. Raises RowNeeded where it is not locked yet: the command
        is then decided again, in the next batch and with the row.

        While keys are asked for it answers what is known, as `get` does.
        """
        key = row_type.key(*values)
        if self.discovering or key.place in self._locked:
            return self.get(row_type, *values)
        if values in self._touched[row_type]:  # made in this very batch
            row: R = self._rows[key.place]
            return row
        raise RowNeeded(key)

    def __getitem__(self, place: tuple[Any, ...]) -> Any:
        """The row with this key, as in `book[Payment, id]`; KeyError where there is none."""
        row_type, *values = place
        row = self.get(row_type, *values)
        if row is None:
            raise KeyError(f"no {row_type.table.name} {values}")
        return row

    # --- What the engine does ---

    def holds(self, key: Key) -> bool:
        """Whether the row is loaded, or known to be absent, as strongly as the key asks for."""
        match key.hold:
            case Hold.WRITE | Hold.STRIPE:
                return key.place in self._locked
            case Hold.SHARE:
                return key.place in self._locked or key.place in self._shared
            case Hold.READ:
                return key.place in self._rows

    def knows(self, key: Key) -> bool:
        """Whether the row was loaded at all."""
        return key.place in self._rows

    async def learn_time(self, connection: Connection) -> None:
        """Reads the time, where it did not come with rows."""
        if not self.knows_time:
            self._take_time(*await connections.read_time(connection))

    def _take_time(self, database_time: datetime, offset_seconds: int) -> None:
        """The first time that is heard of is that of the batch."""
        if not self.knows_time:
            self.database_time = database_time
            self.now = database_time + timedelta(seconds=offset_seconds)
            self.policy = self.policies.at(self.now)
            self.knows_time = True

    async def load(self, connection: Connection, places: Iterable[Place]) -> None:
        """Loads rows to look at them, table by table in the order of ranks.

        Those of several tables are read by one statement while they are few: a round trip costs more than the rows.
        """
        by_type = _by_type(places)
        together: list[type[Row]] = []
        if sum(map(len, by_type.values())) <= SMALL_BATCH_ROWS:
            together = [row_type for row_type in by_type if row_type.table.reading is None]
        for row_type, wanted in by_type.items():
            if row_type not in together:
                await self._load_of(connection, row_type, wanted, Hold.READ)
        if together:
            await self._read_together(connection, {row_type: by_type[row_type] for row_type in together})

    async def _load_of(self, connection: Connection, row_type: type[Row], wanted: list[Place], hold: Hold) -> None:
        """Loads rows of one table in key order, and locks them as `hold` asks for."""
        found = await connection.fetch(_STATEMENTS[hold](row_type.table), *_by_column(wanted))
        self._take(wanted, map(loader(row_type), found), hold)

    async def _read_together(self, connection: Connection, by_type: dict[type[Row], list[Place]]) -> None:
        """Reads rows of several tables as they stand at one moment, so that none is older than another."""
        statement = statements.read_rows_of(tuple([row_type.table for row_type in by_type]))
        arguments = [column for wanted in by_type.values() for column in _by_column(wanted)]
        (record,) = await connection.fetch(statement, *arguments)
        *arrays, database_time, offset_seconds = record
        self._take_time(database_time, offset_seconds)
        for (row_type, wanted), found in zip(by_type.items(), arrays, strict=True):
            self._take(wanted, map(loader(row_type), found), Hold.READ)

    async def lock(self, connection: Connection, writes: set[Place], shares: set[Place]) -> None:
        """Locks rows, table by table in the order of ranks and each table's rows by one statement in key order.

        Where a batch changes one row of a table and shares another, both are locked as if to be changed: two statements on one
        table would take its locks in two orders.
        """
        changing = {row_type for row_type, _ in writes}
        for row_type, wanted in _by_type(writes | shares).items():
            await self._load_of(connection, row_type, wanted, Hold.WRITE if row_type in changing else Hold.SHARE)

    def place(self, rows: Iterable[Row], absent: Iterable[Key] = ()) -> None:
        """Takes rows as if they had been loaded and locked: what a book is made of without a database."""
        for row in rows:
            self._take([(type(row), row.key_values)], [row], Hold.WRITE)
        for key in absent:
            self._take([key.place], [], Hold.WRITE)

    def _take(self, places: Sequence[Place], found: Iterable[Row], hold: Hold) -> None:
        """Takes rows of one table as they were loaded from these places, or held."""
        self._rows.update(dict.fromkeys(places))
        if hold is not Hold.READ:
            (self._locked if hold is Hold.WRITE else self._shared).update(places)
        row_type = places[0][0]
        if row_type.table.mutable:
            for place in places:
                self._loaded_versions.pop(place, None)
        for row in found:
            place = (row_type, row.key_values)
            self._rows[place] = row
            if row_type.table.mutable:
                self._loaded_versions[place] = row.version  # type: ignore[attr-defined]  # mutable: it has one

    def merge(self, changes: Sequence[Row]) -> None:
        """Takes over what a command changed, all of it or, where a change breaks a rule of the engine, none."""
        places: list[Place] = [(type(row), row.key_values) for row in changes]
        for place, row in zip(places, changes, strict=True):
            before = self._rows.get(place)
            if before is not None:  # otherwise it is new; if another engine makes it too, the primary key tells
                self._must_be_allowed(place, before, row)
        self._rows.update(zip(places, changes, strict=True))
        for (row_type, values), row in zip(places, changes, strict=True):
            self._touched[row_type][values] = row
        self.changed = self.changed or bool(changes)

    def _must_be_allowed(self, place: Place, before: Row, row: Row) -> None:
        table = place[0].table
        if not table.mutable:
            raise ValueError(f"a {table.name} is written once: {place[1]}")
        if place in self._loaded_versions and place not in self._locked:
            raise ValueError(f"{table.name} {place[1]} is changed but was not locked")
        if row.version <= before.version:  # type: ignore[attr-defined]  # mutable: both have one
            raise ValueError(f"{table.name} {place[1]} is changed but its version is not")

    def changes(self) -> list[statements.Change]:
        """What is to be written, by table in order of rank and in key order, or in that of the decisions where that counts."""
        changed = [row_type for row_type, rows in self._touched.items() if rows]
        return [self._change(row_type, self._touched[row_type]) for row_type in sorted(changed, key=_by_rank)]

    def _change(self, row_type: type[Row], rows: dict[tuple[Any, ...], Row]) -> statements.Change:
        table = row_type.table
        keys = list(rows) if table.in_order else sorted(rows)
        if not table.mutable:
            return statements.Change(table, [rows[values] for values in keys], ())
        inserts: list[Row] = []
        updates: list[tuple[Row, int]] = []
        for values in keys:
            loaded_version = self._loaded_versions.get((row_type, values))
            if loaded_version is None:
                inserts.append(rows[values])
            else:
                updates.append((rows[values], loaded_version))
        return statements.Change(table, inserts, updates)

    async def persist(self, connection: Connection, batch: statements.NumberedBatch) -> None:
        """Writes what changed, and counts the batch. Raises Restart where a row is no longer what was loaded, although it was
        locked, and RuntimeError where the engine has no row."""
        changes = self.changes()
        size = sum(change.size for change in changes)
        persist = persist_at_once if size <= SMALL_BATCH_ROWS else persist_by_table
        updated = await persist(connection, changes, batch)
        if updated != sum(len(change.updates) for change in changes):
            raise Restart("a locked row changed its version")


class Draft:
    """What one command changes, step by step: reads see the steps before. Nothing reaches the book but by the decision."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.now = book.now
        self.policy = book.policy
        self._rows: dict[Place, Any] = {}

    def get(self, row_type: type[R], *values: Any) -> R | None:
        """The row as this command has changed it so far; otherwise as `Book.get`."""
        drafted: R | None = self._rows.get((row_type, values))
        return self.book.get(row_type, *values) if drafted is None else drafted

    def need(self, row_type: type[R], *values: Any) -> R | None:
        """The row as this command has changed it so far; otherwise as `Book.need`."""
        drafted: R | None = self._rows.get((row_type, values))
        return self.book.need(row_type, *values) if drafted is None else drafted

    def put(self, *rows: Row) -> None:
        """Adds a new row, or the new version of one."""
        for row in rows:
            self._rows[type(row), row.key_values] = row

    @property
    def changes(self) -> list[Row]:
        """Every row that the command changed, in its last version."""
        return list(self._rows.values())


async def persist_at_once(
    connection: Connection, changes: Sequence[statements.Change], batch: statements.NumberedBatch | None = None
) -> int:
    """Writes everything with one statement; answers how many rows were updated."""
    text, arguments = statements.write_all(changes, batch)
    ((updated, counted),) = await connection.fetch(text, *arguments)
    _must_be_counted(counted, batch)
    return int(updated)


async def persist_by_table(
    connection: Connection, changes: Sequence[statements.Change], batch: statements.NumberedBatch | None = None
) -> int:
    """Writes new rows by COPY and new versions by one UPDATE per table; answers how many rows were updated."""
    updated = 0
    for change in changes:
        table = change.table
        if change.inserts:
            await connection.copy_records_to_table(
                table.name,
                columns=[column.name for column in table.columns],
                records=statements.records(change.inserts),
            )
        if change.updates:
            arguments = statements.update_arguments(table, change.updates)
            updated += _count(await connection.execute(statements.update_rows(table), *arguments))
    if batch is not None:
        _must_be_counted(_count(await connection.execute(statements.COUNT_BATCH, *batch)), batch)
    return updated


def _count(status: str) -> int:
    """How many rows an UPDATE changed, by what the database says of it."""
    return int(status.removeprefix("UPDATE "))


def _must_be_counted(counted: int, batch: statements.NumberedBatch | None) -> None:
    if batch is not None and not counted:
        raise RuntimeError(f"the engine {batch.engine_id} has no row: was it deleted?")


def _by_type(places: Iterable[Place]) -> dict[type[Row], list[Place]]:
    """Places by their tables, in the order of ranks."""
    by_type: dict[type[Row], list[Place]] = defaultdict(list)
    for place in places:
        by_type[place[0]].append(place)
    return {row_type: by_type[row_type] for row_type in sorted(by_type, key=_by_rank)}


def _by_column(places: Iterable[Place]) -> list[list[Any]]:
    """The keys of rows of one table as statements take them: sorted, one array per column of the key."""
    wanted = sorted([values for _, values in places])
    return [list(column) for column in zip(*wanted, strict=True)]


def _by_rank(row_type: type[Row]) -> int:
    return row_type.table.rank
