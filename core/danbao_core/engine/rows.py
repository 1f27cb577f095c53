"""Rows: one immutable struct per table, from which every statement about the table derives."""

import types
import typing
from collections.abc import Callable
from datetime import datetime
from enum import Enum, IntEnum
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, Final, NamedTuple, NewType, Self, TypeAlias, TypeVar
from uuid import UUID

import msgspec

_replaced = msgspec.structs.replace

Json = NewType("Json", str)
"""A column of type jsonb, held as its text."""

_SQL_TYPES: Final[dict[Any, str]] = {
    UUID: "uuid",
    int: "bigint",
    bool: "boolean",
    str: "text",
    bytes: "bytea",
    datetime: "timestamptz",
    Json: "jsonb",
}


class Column(NamedTuple):
    """One column: its name, its SQL type, the type of its values that are not None, and the enum to which a loaded number is
    turned, if any."""

    name: str
    sql_type: str
    python_type: type
    enum: type[IntEnum] | None


class Table:
    """What the engine knows of a table.

    `rank` is the table's place in the one order in which locks are taken and rows are written. `mutable` tables have a column
    `version`, which every new version of a row increases; rows of the others are written once. A table with a `reading` is none
    in the database: its rows are what that statement finds in others, and are only ever read. New rows are written by key, but
    those of a table that is `in_order` as they were decided.
    """

    def __init__(
        self,
        name: str,
        rank: int,
        key: tuple[str, ...],
        columns: tuple[Column, ...],
        reading: str | None = None,
        *,
        in_order: bool = False,
    ) -> None:
        by_name = {column.name: column for column in columns}
        self.name = name
        self.rank = rank
        self.key = key
        self.columns = columns
        self.reading = reading
        self.in_order = in_order
        self.key_columns = tuple(by_name[name] for name in key)
        self.mutable = "version" in by_name and "version" not in key
        self._fitting: set[tuple[type, ...]] = set()

    def must_take(self, row: "Row") -> None:
        """Raises TypeError where a value is not of its column's type. What types a row has is looked at once."""
        types = tuple(map(type, msgspec.structs.astuple(row)))
        if types in self._fitting:
            return
        for column, given in zip(self.columns, types, strict=True):
            if given is not type(None) and not issubclass(given, column.python_type):
                raise TypeError(f"{self.name}.{column.name} takes {column.python_type.__name__}, not {given.__name__}")
        self._fitting.add(types)


def _key_getter(key: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if key == ("id",):  # of nearly all rows; a getter that is called by a function takes twice as long
        return lambda row: (row.id,)
    getter = attrgetter(*key)
    return getter if len(key) > 1 else lambda row: (getter(row),)


Place: TypeAlias = tuple["type[Row]", tuple[Any, ...]]
"""What identifies a row among all: its type and its key's values."""


class Hold(Enum):
    """How a command needs a row."""

    READ = "to look at it, or to make it where it is absent: read when all locks are held"
    SHARE = "to look at it while nobody changes it: locked, together with whoever else looks"
    WRITE = "to change it: locked"
    STRIPE = "to change it: locked; of the engine's own stripe, so that no other lane or engine changes it"


# Python 3.11 takes twelve times as long for a member of an enum as for a name of the module; hot paths use names.
READ: Final = Hold.READ
SHARE: Final = Hold.SHARE
WRITE: Final = Hold.WRITE
STRIPE: Final = Hold.STRIPE


class Key(NamedTuple):
    """Names a row that a command needs, and how."""

    place: Place
    hold: Hold


_key = Key._make  # of a tuple: it takes half as long as to call the class, and a payment names nine


class Row(msgspec.Struct, frozen=True):
    """A row of a table. Subclasses are declared with `@table` and repeat `frozen=True`."""

    table: ClassVar[Table]
    key_values: ClassVar[Any]
    """What identifies a row in its table: a tuple, of each row."""

    @classmethod
    def key(cls, *values: Any) -> Key:
        """The row with these key values, to be changed: locked before decisions are made."""
        return _key(((cls, values), WRITE))

    @classmethod
    def stripe_key(cls, *values: Any) -> Key:
        """The row with these key values, to be changed, where the engine's stripe is a part of these."""
        return _key(((cls, values), STRIPE))

    @classmethod
    def shared_key(cls, *values: Any) -> Key:
        """The row with these key values, to be looked at while nobody changes it."""
        return _key(((cls, values), SHARE))

    @classmethod
    def read_key(cls, *values: Any) -> Key:
        """The row with these key values, to be looked at, or to be made where it is absent: read when all locks are held."""
        return _key(((cls, values), READ))

    def replace(self, **changes: Any) -> Self:
        """A copy with other values in the named fields. Raises TypeError for a field that there is not."""
        return _replaced(self, **changes)

    def traced(self, traceparent: str) -> Self:
        """The row as a sampled call makes it. Only rows from which other work begins tell whose call it was."""
        return self


_R = TypeVar("_R", bound=type[Row])

TABLES: Final[dict[str, type[Row]]] = {}
"""Every declared row type by its table's name."""


def table(
    name: str,
    *,
    rank: int,
    key: tuple[str, ...],
    reading: str | None = None,
    in_order: bool = False,
) -> Callable[[_R], _R]:
    """Declares the table that a row class stands for. Ranks are unique: they are the order of locks, and of reading."""

    def declare(row_type: _R) -> _R:
        hints = typing.get_type_hints(row_type)
        columns = tuple(_column(field, hints[field]) for field in row_type.__struct_fields__)
        clash = [other for other in TABLES.values() if other.table.rank == rank]
        if clash:
            raise TypeError(f"rank {rank} of {name} is taken by {clash[0].table.name}")
        row_type.table = Table(name, rank, key, columns, reading, in_order=in_order)
        row_type.key_values = property(_key_getter(key))
        TABLES[name] = row_type
        return row_type

    return declare


def _column(name: str, hint: Any) -> Column:
    if isinstance(hint, types.UnionType):
        (hint,) = [part for part in typing.get_args(hint) if part is not type(None)]
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return Column(name, "smallint", int, hint)
    return Column(name, _SQL_TYPES[hint], str if hint is Json else hint, None)


@cache
def loader(row_type: type[Row]) -> Callable[[Any], Row]:
    """A function that makes a row from a record that holds the table's columns in order."""
    enums = [
        (place, {None: None} | {member.value: member for member in column.enum})
        for place, column in enumerate(row_type.table.columns)
        if column.enum
    ]
    if not enums:
        return lambda record: row_type(*record)

    def load(record: Any) -> Row:
        values = list(record)
        for place, members in enums:
            values[place] = members[values[place]]
        return row_type(*values)

    return load
