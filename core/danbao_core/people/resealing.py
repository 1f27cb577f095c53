"""Bringing what is stored under the key in force, while the core serves: the background of a change of keys.

Each row is a command like any other: it is locked in the one order, compared with what its new seals were made from, and left
to the next pass where somebody changed it meanwhile. A run that was stopped is begun again and finds what is left; a run that
has nothing left to do changes nothing.

What cannot be brought along, because what was hashed is not stored, stays under its key until it is set anew: payment
passwords, the fingerprints of cards, recovery codes.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import msgspec

from danbao_core.clock import system_wall_clock
from danbao_core.engine import Book, Command, Decision, Engine, Key, Origin, Row
from danbao_core.engine.reads import fetch_rows
from danbao_core.errors import Refusal
from danbao_core.ids import BEFORE_ALL
from danbao_core.keyring import Keyring, SealBroken, sealed_under
from danbao_core.notifications.endpoints import WebhookEndpoint
from danbao_core.people.challenges import LIFETIME, Challenge
from danbao_core.people.documents import number_hashes
from danbao_core.people.factors import Factor
from danbao_core.people.identity import IdentityRef
from danbao_core.people.messages import Message
from danbao_core.people.person import Person, PhoneRef

if TYPE_CHECKING:
    import asyncpg

    _Pool = asyncpg.Pool[Any]

ROWS_AT_ONCE: Final = 200
"""Read, and submitted, before the next ones are looked at."""

_PASSES: Final = 5
"""How often what was changed meanwhile is tried again."""

SEALED: Final[dict[type[Row], tuple[str, tuple[str, ...]]]] = {
    Person: ("account_id", ("phone", "real_name", "number")),
    Message: ("id", ("address", "parameters")),
    Factor: ("id", ("secret",)),
    Challenge: ("id", ("details",)),
    WebhookEndpoint: ("id", ("secret", "old_secret")),
}
"""Every table with sealed columns: what its key is, and which they are. The place of each is (table, column, key)."""


_KEPT_UNDER: Final = {
    "payment passwords": """
        SELECT payment_key_id AS key_id, count(*) AS count FROM person WHERE payment_password IS NOT NULL GROUP BY 1""",
    "cards": "SELECT fingerprint_key_id AS key_id, count(*) AS count FROM instrument WHERE unbound_at IS NULL GROUP BY 1",
}
"""What stays under its key, because what was hashed is not stored."""


class Changed(msgspec.Struct, frozen=True):
    """Whether a row was brought along."""

    done: bool


class ResealRow(Command[Changed], frozen=True):
    """Puts new seals and lookup hashes in the place of old ones; a row that is no longer what they were made from stays."""

    result_type = Changed
    before: Row
    after: Row
    """The same with other seals and hashes."""
    phone_hash: bytes | None = None
    """Of a person, under the key in force."""
    number_hash: bytes | None = None

    def keys(self, book: Book) -> Iterable[Key]:
        yield type(self.before).key(*self.before.key_values)
        if self.phone_hash is not None:
            yield PhoneRef.key(self.phone_hash)
        if self.number_hash is not None:
            yield IdentityRef.key(self.number_hash)

    def decide(self, book: Book) -> Decision[Changed]:
        row: Any = book.get(type(self.before), *self.before.key_values)
        changes: list[Row] = []
        sealed = _facts(self.before, self.after)
        _, columns = SEALED[type(self.before)]  # the others, too: the hashes were made from them
        if row is None or any(getattr(row, name) != getattr(self.before, name) for name in (*sealed, *columns)):
            return Decision(Changed(done=False))
        if isinstance(row, Challenge) and book.now >= row.expires_at + LIFETIME:  # of its approval, too
            return Decision(Changed(done=True), [row.replace(details=None, version=row.version + 1)])  # of no use any more
        if sealed:
            changes.append(row.replace(**{name: getattr(self.after, name) for name in sealed}, version=row.version + 1))
        if isinstance(row, Person):
            changes += self._refs(book, row)
        return Decision(Changed(done=True), changes)

    def _refs(self, book: Book, person: Person) -> Iterable[Row]:
        """What the number and the document of a person are found by, under the key in force, too."""
        if self.phone_hash is not None and person.phone is not None:
            ref = book.get(PhoneRef, self.phone_hash)
            if ref is None or ref.account_id is None:
                yield PhoneRef(self.phone_hash, person.account_id, 1 if ref is None else ref.version + 1)
        if self.number_hash is not None and person.number is not None:
            known = book.get(IdentityRef, self.number_hash)
            account_ids = {str(person.account_id), *(() if known is None else known.account_ids.split())}
            if known is None or account_ids != set(known.account_ids.split()):
                yield IdentityRef(self.number_hash, " ".join(sorted(account_ids)), 1 if known is None else known.version + 1)


def _facts(before: Row, after: Row) -> list[str]:
    return [name for name in before.__struct_fields__ if getattr(before, name) != getattr(after, name)]


class Progress(NamedTuple):
    """What a run has done so far."""

    looked_at: int
    resealed: int
    broken: tuple[str, ...]
    """Rows that no key of the ring opens, such as "person 0198…": they stay as they are."""
    left: int
    """Rows that were changed by others each time."""


async def reseal(engine: Engine, pool: "_Pool", keyring: Keyring, report: Callable[[Progress], None]) -> Progress:
    """Brings every row under the key in force; `report` is called after every batch.

    It may be stopped at any time and begun again.
    """
    progress = Progress(0, 0, (), 0)
    for row_type in SEALED:
        left: list[Row] = []
        async for rows in _batches(pool, row_type):
            progress, changed = await _reseal_rows(engine, pool, keyring, progress, rows)
            left += changed
            report(progress)
        for _ in range(_PASSES):
            if not left:
                break
            again = [row for each in left for row in await _read_again(pool, each)]
            progress = progress._replace(looked_at=progress.looked_at - len(again))
            progress, left = await _reseal_rows(engine, pool, keyring, progress, again)
        progress = progress._replace(left=progress.left + len(left))
    report(progress)
    return progress


async def _reseal_rows(
    engine: Engine, pool: "_Pool", keyring: Keyring, progress: Progress, rows: list[Row]
) -> tuple[Progress, list[Row]]:
    """The progress after some rows, and those that somebody changed meanwhile."""
    commands, broken = [], []
    for row in rows:
        try:
            command = await _command(pool, keyring, row)
        except SealBroken:
            broken.append(f"{row.table.name} {row.key_values[0]}")
        else:
            if command is not None:
                commands.append(command)
    left, done = [], 0
    for command, answer in zip(commands, await engine.submit_many(commands), strict=True):
        try:
            changed = (await answer).result.done
        except Refusal:  # too much at once, or others kept getting in the way
            changed = False
        done += changed
        if not changed:
            left.append(command.before)
    after = Progress(progress.looked_at + len(rows), progress.resealed + done, (*progress.broken, *broken), progress.left)
    return after, left


async def _command(pool: "_Pool", keyring: Keyring, row: Row) -> ResealRow | None:
    """What brings a row under the key in force; None where it is. Raises SealBroken."""
    current, (_, columns) = keyring.current.id, SEALED[type(row)]
    opened = {name: _opened(keyring, row, name) for name in columns}
    stale = {
        name: keyring.seal(text, row.table.name, name, row.key_values[0])
        for name, text in opened.items()
        if text is not None and sealed_under(getattr(row, name)) != current
    }
    origin = Origin(caller="core", method="keyring reseal", received_at=system_wall_clock())
    if isinstance(row, Message) and opened["address"] and row.address_hash != keyring.lookup("phone", opened["address"]):
        stale["address_hash"] = keyring.lookup("phone", opened["address"])
    if not isinstance(row, Person):
        return ResealRow(origin=origin, before=row, after=row.replace(**stale)) if stale else None
    phone_hash = None if opened["phone"] is None else keyring.lookup("phone", opened["phone"])
    number_hash = None if opened["number"] is None else number_hashes(keyring, row.document, opened["number"])[0]
    if number_hash is not None and row.number_hash != number_hash:
        stale["number_hash"] = number_hash
    if not stale and await _are_found(pool, row, phone_hash, number_hash):
        return None
    return ResealRow(origin=origin, before=row, after=row.replace(**stale), phone_hash=phone_hash, number_hash=number_hash)


def _opened(keyring: Keyring, row: Row, name: str) -> str | None:
    """What is sealed in a column; None for nothing. Raises SealBroken."""
    sealed = getattr(row, name)
    return keyring.open(sealed, row.table.name, name, row.key_values[0]) if sealed else None


async def _are_found(pool: "_Pool", person: Person, phone_hash: bytes | None, number_hash: bytes | None) -> bool:
    """Whether what a person is found by stands under the key in force."""
    if phone_hash is not None:
        refs = await pool.fetch("SELECT account_id FROM phone_ref WHERE phone_hash = $1", phone_hash)
        if not any(row["account_id"] is not None for row in refs):
            return False
    if number_hash is not None:
        known = await pool.fetch("SELECT account_ids FROM identity_ref WHERE number_hash = $1", number_hash)
        return any(str(person.account_id) in row["account_ids"].split() for row in known)
    return True


# --- Reading ----------------------------------------------------------------------------------------------------------------


async def _batches(pool: "_Pool", row_type: type[Row]) -> AsyncIterator[list[Row]]:
    """The rows of a table in which something is sealed, by key."""
    key, columns = SEALED[row_type]
    sealed = " OR ".join(f"length({name}) > 0" for name in columns)
    text = f"SELECT * FROM {row_type.table.name} WHERE {key} > $1 AND ({sealed}) ORDER BY {key} LIMIT $2"  # noqa: S608  # our names
    last: UUID = BEFORE_ALL
    while rows := await fetch_rows(pool, row_type, text, last, ROWS_AT_ONCE):
        yield rows
        last = rows[-1].key_values[0]


async def _read_again(pool: "_Pool", row: Row) -> list[Row]:
    key, _ = SEALED[type(row)]
    return await fetch_rows(pool, type(row), f"SELECT * FROM {row.table.name} WHERE {key} = $1", row.key_values[0])  # noqa: S608


async def dependents(pool: "_Pool", keyring: Keyring) -> dict[str, dict[str, int]]:
    """For each key of the ring, and each that is not in it and should be, how much of what kind still needs it."""
    counted: dict[str, dict[str, int]] = {key.id: {} for key in keyring}
    for row_type, (_, columns) in SEALED.items():
        for name in columns:
            under = f"encode(substring({name} FROM 2 FOR get_byte({name}, 0)), 'escape') AS key_id"
            counting = f"SELECT {under}, count(*) AS count FROM {row_type.table.name} WHERE length({name}) > 0 GROUP BY 1"  # noqa: S608
            for row in await pool.fetch(counting):
                _add(counted, row, "sealed")
    for kind, text in _KEPT_UNDER.items():
        for row in await pool.fetch(text):
            _add(counted, row, kind)
    return counted


def _add(counted: dict[str, dict[str, int]], row: Any, kind: str) -> None:
    of_key = counted.setdefault(row["key_id"], {})
    of_key[kind] = of_key.get(kind, 0) + row["count"]
