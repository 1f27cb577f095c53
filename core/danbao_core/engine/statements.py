"""The SQL that every table needs alike, derived from its description.

A statement has the same text for one row as for two hundred and is prepared once. Keys travel as one array per column
(`unnest`). Rows travel as JSON, one argument per table: to write it takes a small part of the time that asyncpg takes for an
array per column, each of whose elements it looks at. Postgres reads it more slowly, so new rows of a large batch go by COPY.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from danbao_core.engine.connection import TIME
from danbao_core.engine.rows import Row, Table


@cache
def lock_rows(table: Table) -> str:
    """Locks the rows with the given keys in key order and answers them.

    The one place that says how rows are locked: on a sharded database, which refuses FOR UPDATE over shards, an
    `UPDATE ... SET version = version ... RETURNING` takes its place.
    """
    return f"{read_rows(table)} ORDER BY {_list(table.key, 't.')} FOR NO KEY UPDATE OF t"


@cache
def share_rows(table: Table) -> str:
    """Answers the rows with the given keys and keeps others from changing them; any number of engines may share a row."""
    return f"{read_rows(table)} ORDER BY {_list(table.key, 't.')} FOR SHARE OF t"


@cache
def read_rows(table: Table) -> str:
    """Answers the rows with the given keys."""
    if table.reading is not None:
        return table.reading
    return f"SELECT {_list([column.name for column in table.columns], 't.')} FROM {_wanted(table, count(1))}"


@cache
def read_rows_of(tables: tuple[Table, ...]) -> str:
    """Answers the rows of several tables with the given keys, one array of records per table, and the time: one round trip, one
    snapshot. None of the tables has a `reading` of its own.
    """
    numbers = count(1)
    arrays = [
        f"ARRAY(SELECT ROW({_list([column.name for column in table.columns], 't.')}) FROM {_wanted(table, numbers)})"
        for table in tables
    ]
    return f"SELECT {', '.join(arrays)}, {TIME}"


def _wanted(table: Table, numbers: Iterator[int]) -> str:
    """A table's rows with the keys that the next arguments name."""
    keys = ", ".join(f"${next(numbers)}::{column.sql_type}[]" for column in table.key_columns)
    return f"unnest({keys}) AS k ({_list(table.key)}) JOIN {table.name} AS t USING ({_list(table.key)})"


class Change(NamedTuple):
    """What is written to one table: new rows, and new versions of rows with the version that was loaded."""

    table: Table
    inserts: Sequence[Row]
    updates: Sequence[tuple[Row, int]]

    @property
    def size(self) -> int:
        return len(self.inserts) + len(self.updates)


_IN_JSON: Final = {"bytea": "text", "jsonb": "text"}
"""What columns travel as that JSON has no other form for: bytes in base64, and JSON as the text that the engine holds."""

_FROM_JSON: Final = {"bytea": "decode({}, 'base64')", "jsonb": "{}::jsonb"}


class NumberedBatch(NamedTuple):
    """Which batch of which engine is written: it is counted on the engine's row, in the same commit, so that the number tells
    after a lost COMMIT whether the batch was taken."""

    engine_id: UUID
    number: int


COUNT_BATCH: Final = "UPDATE engine SET batch_no = $2 WHERE id = $1"


def write_all(changes: Sequence[Change], batch: NumberedBatch | None = None) -> tuple[str, list[Any]]:
    """One statement that writes everything, and its arguments; it answers how many rows were updated, and how many batches were
    counted.

    For small batches: one round trip instead of one or two per table.
    """
    arguments: list[Any] = [] if batch is None else [*batch]
    for change in changes:
        if change.inserts:
            arguments.append(as_json(change.table, change.inserts))
        if change.updates:
            arguments += update_arguments(change.table, change.updates)
    shape = tuple((change.table, bool(change.inserts), bool(change.updates)) for change in changes)
    return _write_all_text(shape, counts=batch is not None), arguments


@cache
def _write_all_text(shape: tuple[tuple[Table, bool, bool], ...], *, counts: bool) -> str:
    parts, updated, number = [], [], 1
    if counts:
        parts.append(f"update_engine AS ({COUNT_BATCH} RETURNING 1)")
        number += 2
    for table, inserts, updates in shape:
        if inserts:
            parts.append(f"insert_{table.name} AS ({insert_rows(table, number)})")
            number += 1
        if updates:
            parts.append(f"update_{table.name} AS ({update_rows(table, number)} RETURNING 1)")
            updated.append(f"(SELECT count(*) FROM update_{table.name})")
            number += 2
    counted = "(SELECT count(*) FROM update_engine)" if counts else "0"
    # Postgres carries out the parts that the SELECT does not refer to, the inserts, from the last to the first; turned round,
    # they wait for other engines' rows in the same order as COPY does, table by table.
    return f"WITH {', '.join(reversed(parts))} SELECT {' + '.join(updated) or '0'}, {counted}"


@cache
def insert_rows(table: Table, number: int = 1) -> str:
    """Writes new rows, given as JSON in the argument of that number."""
    names = [column.name for column in table.columns]
    values = ", ".join(_FROM_JSON.get(column.sql_type, "{}").format(column.name) for column in table.columns)
    given = f"json_to_recordset(${number}) AS n ({_in_json(table)})"
    return f"INSERT INTO {table.name} ({_list(names)}) SELECT {values} FROM {given}"


@cache
def update_rows(table: Table, number: int = 1) -> str:
    """Writes new versions of rows, each only where the version that was loaded still stands.

    The argument of that number has the rows as JSON, the next one the loaded versions.
    """
    given = {column.name: _FROM_JSON.get(column.sql_type, "{}").format(f"n.{column.name}") for column in table.columns}
    values = ", ".join(f"{name} = {value}" for name, value in given.items() if name not in table.key)
    same = " AND ".join(f"t.{name} = {given[name]}" for name in table.key)
    names = _list([column.name for column in table.columns])
    return (
        f"UPDATE {table.name} AS t SET {values} "
        f"FROM ROWS FROM (json_to_recordset(${number}) AS ({_in_json(table)}), unnest(${number + 1}::bigint[])) "
        f"AS n ({names}, loaded_version) "
        f"WHERE {same} AND t.version = n.loaded_version"
    )


def _in_json(table: Table) -> str:
    return ", ".join(f"{column.name} {_IN_JSON.get(column.sql_type, column.sql_type)}" for column in table.columns)


def update_arguments(table: Table, updates: Sequence[tuple[Row, int]]) -> list[Any]:
    """The rows, and the loaded versions. Raises what `as_json` raises."""
    return [as_json(table, [row for row, _ in updates]), [version for _, version in updates]]


def as_json(table: Table, rows: Sequence[Row]) -> str:
    """Rows as an array of objects.

    Raises TypeError for a value that is not of its column's type, of which Postgres might make one without a word, and
    UnicodeEncodeError or OverflowError for others that cannot be written.
    """
    for row in rows:
        table.must_take(row)
    return msgspec.json.encode(rows).decode()


def records(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Rows as COPY takes them."""
    return list(map(msgspec.structs.astuple, rows))


def _list(names: Sequence[str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{name}" for name in names)
