"""What the bank of a sandbox keeps: SQLite in a folder, written by one process, whole after kill -9."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from danbao_core.bank import wire
from danbao_core.bank.port import DeclineReason
from danbao_core.clock import shanghai_midnight

FILE: Final = "bank.sqlite"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS card (token TEXT PRIMARY KEY, trick TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transfer (
    id TEXT PRIMARY KEY,
    direction TEXT NOT NULL,
    token TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    reason TEXT NOT NULL,      -- why it is declined; empty where it is not
    settles_at INTEGER NOT NULL,  -- wall time, in microseconds since 1970: until then it is PENDING
    booked_at INTEGER NOT NULL,   -- the customer's business time, likewise: on which statement it is
    reversed_at INTEGER        -- likewise, where the debit is taken back
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS transfer_booked ON transfer (booked_at);
CREATE INDEX IF NOT EXISTS transfer_reversed ON transfer (reversed_at) WHERE reversed_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
_LINES: Final = """
SELECT id, direction, amount_minor, currency, booked_at AS at FROM transfer
WHERE booked_at >= :first AND booked_at < :last AND reason = '' AND settles_at <= :now
UNION ALL
SELECT id, 'REVERSAL', amount_minor, currency, reversed_at FROM transfer
WHERE reversed_at >= :first AND reversed_at < :last AND reason = '' AND settles_at <= :now
ORDER BY at, id
"""
_PUT_OFF: Final = """
UPDATE transfer SET booked_at = :closed_until, reversed_at = reversed_at + :closed_until - booked_at
WHERE booked_at < :closed_until AND settles_at > :now
"""
_CLOSED_UNTIL: Final = "closed_until"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Verdict(NamedTuple):
    """What the bank makes of a transfer when it is asked for it first. An empty reason: it moves the money."""

    reason: DeclineReason
    settles_after: timedelta
    reversed_after: timedelta | None


class ContentDiffers(Exception):
    """The id was used for another transfer."""


class Store:
    """The bank's books. For one thread; every method that writes has its own transaction, on disk when it returns."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._database = sqlite3.connect(folder / FILE, isolation_level=None, check_same_thread=False)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("PRAGMA busy_timeout = 5000")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Ends it."""
        self._database.close()

    def setting(self, name: str) -> str | None:
        """What was kept under a name."""
        row = self._database.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row["value"])

    def keep_setting(self, name: str, value: str) -> None:
        """Keeps it, in the place of what was there."""
        self._database.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def keep_card(self, token: str, trick: str) -> None:
        """Keeps what a token stands for."""
        self._database.execute("INSERT INTO card VALUES (?, ?)", (token, trick))

    def trick(self, token: str) -> str | None:
        """What a token stands for; None where it is none of the bank's."""
        row = self._database.execute("SELECT trick FROM card WHERE token = ?", (token,)).fetchone()
        return None if row is None else str(row["trick"])

    def transfer(self, transfer_id: UUID, now: datetime) -> wire.TransferAnswer | None:
        """What has become of a transfer."""
        row = self._database.execute("SELECT * FROM transfer WHERE id = ?", (str(transfer_id),)).fetchone()
        return None if row is None else _answer(row, now)

    def carry_out(self, transfer_id: UUID, asked: wire.TransferRequest, verdict: Verdict, now: datetime) -> wire.TransferAnswer:
        """Keeps a transfer with what the bank makes of it; one that is there stays as it is. Raises ContentDiffers."""
        with self._transaction():
            booked_at = max(asked.asked_at + verdict.settles_after, _moment(self._closed_until()))
            reversed_at = None if verdict.reversed_after is None else booked_at + verdict.reversed_after
            self._database.execute(
                "INSERT INTO transfer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    str(transfer_id),
                    asked.direction,
                    asked.token,
                    asked.amount_minor,
                    asked.currency,
                    verdict.reason.name if verdict.reason else "",
                    _micros(now + verdict.settles_after),
                    _micros(booked_at),
                    None if reversed_at is None else _micros(reversed_at),
                ),
            )
            row = self._database.execute("SELECT * FROM transfer WHERE id = ?", (str(transfer_id),)).fetchone()
            kept = tuple(row[name] for name in ("direction", "token", "amount_minor", "currency"))
            if kept != (asked.direction, asked.token, asked.amount_minor, asked.currency):
                raise ContentDiffers
            return _answer(row, now)

    def statement(self, day: int, now: datetime) -> wire.StatementAnswer:
        """All movements of a day, which is closed by that: what is not decided by then, and what comes later, is booked on the
        next one. Also written to `statements/DAY.json` and `.csv` in the folder."""
        first, last = (_micros(shanghai_midnight(each)) for each in (day, day + 1))
        with self._transaction():
            closed_until = max(last, self._closed_until())
            self.keep_setting(_CLOSED_UNTIL, str(closed_until))
            self._database.execute(_PUT_OFF, {"closed_until": closed_until, "now": _micros(now)})
            rows = self._database.execute(_LINES, {"first": first, "last": last, "now": _micros(now)}).fetchall()
        answer = wire.StatementAnswer(
            wire.day_name(day),
            [
                wire.LineAnswer(UUID(row["id"]), row["direction"], row["amount_minor"], row["currency"], _moment(row["at"]))
                for row in rows
            ],
        )
        self._write(answer)
        return answer

    def _closed_until(self) -> int:
        """Before which nothing is booked any more, in microseconds since 1970."""
        return int(self.setting(_CLOSED_UNTIL) or 0)

    def _write(self, statement: wire.StatementAnswer) -> None:
        folder = self._folder / "statements"
        folder.mkdir(mode=0o700, exist_ok=True)
        lines = [
            {
                "transfer_id": str(line.transfer_id),
                "kind": line.kind,
                "amount_minor": line.amount_minor,
                "currency": line.currency,
                "booked_at": line.booked_at.isoformat(),
            }
            for line in statement.lines
        ]
        columns = wire.LineAnswer.__struct_fields__
        table = [",".join(columns), *(",".join(str(line[column]) for column in columns) for line in lines)]
        for name, text in (
            (f"{statement.day}.json", json.dumps({"day": statement.day, "lines": lines}, indent=1) + "\n"),
            (f"{statement.day}.csv", "\r\n".join(table) + "\r\n"),
        ):
            partial = folder / f".{name}.{os.getpid()}"
            partial.write_text(text, encoding="utf-8", newline="")
            partial.replace(folder / name)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def _answer(row: sqlite3.Row, now: datetime) -> wire.TransferAnswer:
    state = "PENDING" if row["settles_at"] > _micros(now) else "DECLINED" if row["reason"] else "ACCEPTED"
    return wire.TransferAnswer(
        id=UUID(row["id"]),
        direction=row["direction"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        state=state,  # type: ignore[arg-type]  # one of the three
        reason=row["reason"] if state == "DECLINED" else "",
    )


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
