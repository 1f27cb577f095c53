"""The SQL that every table needs alike, derived from its description.

Rows travel as one array per column (`unnest`), so a statement has the same text for one row as for two hundred and is prepared
once. New rows of a large batch go by COPY instead.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count
from typing import Any, NamedTuple

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
    """Answers the rows of several tables with the given keys, one array of records per table: one round trip, one snapshot.

    None of the tables has a `reading` of its own.
    """
    numbers = count(1)
    arrays = [
        f"ARRAY(SELECT ROW({_list([column.name for column in table.columns], 't.')}) FROM {_wanted(table, numbers)})"
        for table in tables
    ]
    return f"SELECT {', '.join(arrays)}"


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


def write_all(changes: Sequence[Change]) -> tuple[str, list[list[Any]]]:
    """One statement that writes everything, and its arguments; it answers how many rows were updated.

    For small batches: one round trip instead of one or two per table.
    """
    arguments: list[list[Any]] = []
    for change in changes:
        if change.inserts:
            arguments += insert_arguments(change.table, change.inserts)
        if change.updates:
            arguments += update_arguments(change.table, change.updates)
    shape = tuple((change.table, bool(change.inserts), bool(change.updates)) for change in changes)
    return _write_all_text(shape), arguments


@cache
def _write_all_text(shape: tuple[tuple[Table, bool, bool], ...]) -> str:
    parts, counted, number = [], [], 1
    for table, inserts, updates in shape:
        if inserts:
            parts.append(f"insert_{table.name} AS ({insert_rows(table, number)})")
            number += len(table.columns)
        if updates:
            parts.append(f"update_{table.name} AS ({update_rows(table, number)} RETURNING 1)")
            counted.append(f"(SELECT count(*) FROM update_{table.name})")
            number += len(table.columns) + 1
    # Postgres carries out the parts that the SELECT does not refer to, the inserts, from the last to the first; turned round,
    # they wait for other engines' rows in the same order as COPY does, table by table.
    return f"WITH {', '.join(reversed(parts))} SELECT {' + '.join(counted) or '0'}"


@cache
def insert_rows(table: Table, first: int = 1) -> str:
    """Writes new rows; the arguments are numbered from `first`."""
    names = _list([column.name for column in table.columns])
    arrays = ", ".join(f"${number}::{column.sql_type}[]" for number, column in enumerate(table.columns, first))
    return f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays})"


@cache
def update_rows(table: Table, first: int = 1) -> str:
    """Writes new versions of rows, each only where the version that was loaded still stands."""
    names = [column.name for column in table.columns]
    arrays = ", ".join(f"${number}::{column.sql_type}[]" for number, column in enumerate(table.columns, first))
    values = ", ".join(f"{name} = n.{name}" for name in names if name not in table.key)
    same = " AND ".join(f"t.{name} = n.{name}" for name in table.key)
    return (
        f"UPDATE {table.name} AS t SET {values} "
        f"FROM unnest({arrays}, ${first + len(names)}::bigint[]) AS n ({_list(names)}, loaded_version) "
        f"WHERE {same} AND t.version = n.loaded_version"
    )


def insert_arguments(table: Table, rows: Sequence[Row]) -> list[list[Any]]:
    """One array per column."""
    return [[getattr(row, column.name) for row in rows] for column in table.columns]


def update_arguments(table: Table, updates: Sequence[tuple[Row, int]]) -> list[list[Any]]:
    """One array per column, and the loaded versions last."""
    arrays = insert_arguments(table, [row for row, _ in updates])
    arrays.append([version for _, version in updates])
    return arrays


def records(table: Table, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Rows as COPY takes them."""
    names = [column.name for column in table.columns]
    return [tuple([getattr(row, name) for name in names]) for row in rows]


def _list(names: Sequence[str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{name}" for name in names)
