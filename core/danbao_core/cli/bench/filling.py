"""Payments by the million, written by Postgres itself: each is a copy of one that the engine made, under ids of its own.

What is copied is every column of every row that a payment leaves, so a new column needs no word here; what differs from one
payment to the next is said below. Nobody else may work on the database meanwhile: balances are moved at the end, once.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import asyncpg

PAYMENTS_OF_AN_ACCOUNT: Final = 100
_CHUNK: Final = 20_000
"""Payments in one transaction: what is made of them in between stays in memory."""

_DAYS: Final = 29
"""Over which the payments were made: requests are remembered for thirty."""

_MODEL: Final = """
    CREATE TEMPORARY TABLE model_payment AS SELECT * FROM payment ORDER BY id DESC LIMIT 1;
    CREATE TEMPORARY TABLE model_journal AS
        SELECT journal.* FROM journal JOIN model_payment ON model_payment.id = journal.subject_id;
    CREATE TEMPORARY TABLE model_outbox AS
        SELECT outbox.* FROM outbox JOIN model_payment ON model_payment.id = outbox.subject_id;
    CREATE TEMPORARY TABLE model_request AS
        SELECT request.* FROM request JOIN model_journal USING (caller, request_id);
"""

_PARTY: Final = """
    CREATE TEMPORARY TABLE {side} AS
    SELECT
        row_number() OVER (ORDER BY account.id) - 1 AS number,
        account.id AS account_id,
        balance.id AS balance_id,
        balance.version,
        balance.amount_minor
    FROM account
    JOIN balance ON balance.account_id = account.id AND balance.purpose = 1
    JOIN model_payment ON model_payment.currency = balance.currency
    JOIN account AS model ON model.id = model_payment.{side}_id AND model.kind = account.kind
    WHERE balance.amount_minor >= {least_minor};
    CREATE UNIQUE INDEX ON {side} (number);
    ANALYZE {side}
"""
"""Accounts that can stand in for the model's, with their wallets (purpose 1), in the order of the accounts' ids."""

_FEE: Final = """
    CREATE TEMPORARY TABLE fee AS
    SELECT balance.id AS balance_id, balance.version, balance.amount_minor
    FROM entry
    JOIN model_journal ON model_journal.id = entry.journal_id
    JOIN balance ON balance.id = entry.balance_id AND balance.purpose = 12
"""

_NUMBERED: Final = """
    CREATE TEMPORARY TABLE stored ON COMMIT DROP AS
    SELECT
        n,
        made_at AS at,
        uuidv7(made_at - clock_timestamp()) AS payment_id,
        uuidv7(made_at - clock_timestamp()) AS journal_id,
        uuidv7(made_at - clock_timestamp()) AS event_id,
        uuidv7(made_at - clock_timestamp())::text AS request_id,
        payer.account_id AS payer_id,
        payee.account_id AS payee_id,
        payer.balance_id AS payer_balance_id,
        payee.balance_id AS payee_balance_id,
        payer.version + n / payers + 1 AS payer_version,
        payee.version + n / payees + 1 AS payee_version,
        payer.amount_minor - (n / payers + 1) * model.amount_minor AS payer_minor,
        payee.amount_minor + (n / payees + 1) * (model.amount_minor - model.fee_minor) AS payee_minor
    FROM generate_series($1::bigint, $2::bigint - 1) AS n
    CROSS JOIN model_payment AS model
    CROSS JOIN (SELECT count(*) AS payers FROM payer) AS counted_payers
    CROSS JOIN (SELECT count(*) AS payees FROM payee) AS counted_payees
    CROSS JOIN LATERAL (SELECT statement_timestamp() - make_interval(days => $4) * (1 - n::float8 / $3)) AS made (made_at)
    JOIN payer ON payer.number = n % payers
    JOIN payee ON payee.number = (n + n / payees) % payees
    ORDER BY n
"""
"""Every payer and every payee has its turn before any has the next, each time with another of the other side: so versions, and
what is left, are known without looking at what was written before."""

_TIMES_OF_PAYMENT: Final = ("created_at", "updated_at", "paid_at", "succeeded_at")
_OWN: Final = {
    "payment": {"id": "payment_id", "payer_id": "stored.payer_id", "payee_id": "stored.payee_id"}
    | {"due_at": "at + (model.due_at - model.created_at)"}
    | dict.fromkeys(_TIMES_OF_PAYMENT, "at"),
    "journal": {"id": "journal_id", "subject_id": "payment_id", "request_id": "stored.request_id", "created_at": "at"},
    "request": {
        "request_id": "stored.request_id",
        "content": "sha256(stored.request_id::bytea)",
        "answer": "{answer}",
        "created_at": "at",
        "expires_at": "at + (model.expires_at - model.created_at)",
    },
}
"""By table, the columns in which a stored payment's row differs from the model's."""

_EVENTS: Final = """
    INSERT INTO event (
        position, id, topic, subject_id, subject_version, ordering_id, account_id, other_account_id, payload, created_at,
        relayed_at, traceparent
    )
    SELECT
        last_position + n + 1, event_id, topic, payment_id, subject_version, payment_id, payee_id, payer_id, {payload}, at,
        at, traceparent
    FROM stored CROSS JOIN model_outbox AS model CROSS JOIN event_log
    ORDER BY n
"""
"""As the relay leaves them, from the outbox, told."""

_ENTRIES: Final = """
    INSERT INTO entry (balance_id, version, journal_id, amount_minor, balance_after_minor)
    SELECT moved.balance_id, moved.version, journal_id, moved.amount_minor, after_minor
    FROM stored CROSS JOIN model_payment AS model CROSS JOIN fee CROSS JOIN LATERAL (VALUES
        (payer_balance_id, payer_version, -model.amount_minor, payer_minor),
        (payee_balance_id, payee_version, model.amount_minor - model.fee_minor, payee_minor),
        (fee.balance_id, fee.version + n + 1, model.fee_minor, fee.amount_minor + (n + 1) * model.fee_minor)
    ) AS moved (balance_id, version, amount_minor, after_minor)
    WHERE moved.amount_minor <> 0
    ORDER BY n
"""

_BALANCES: Final = """
    UPDATE balance SET version = last.version, amount_minor = last.balance_after_minor
    FROM (
        SELECT DISTINCT ON (balance_id) balance_id, version, balance_after_minor
        FROM entry ORDER BY balance_id, version DESC
    ) AS last
    WHERE last.balance_id = balance.id AND last.version <> balance.version
"""
_TOLD: Final = "UPDATE event_log SET last_position = last_position + $1"

_COLUMNS: Final = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
    ORDER BY attnum
"""


class NothingToCopy(Exception):
    """There is no payment like which others could be, or no accounts for them."""


async def fill(database_url: str, count: int, on_stored: Callable[[int], None]) -> None:
    """Stores `count` more payments like the last one that was made, between all accounts that have the money for it.

    `on_stored` is told how many there are. Afterwards all is vacuumed, analysed and on disk. Raises NothingToCopy.
    """
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("SET synchronous_commit = off; SET jit = off")
        await _prepare(connection, count)
        statements = await _copying(connection)
        # It would look through what grows again and again; once is enough, at the end.
        await _for_each_table(connection, "SET (autovacuum_enabled = false)")
        for first in range(0, count, _CHUNK):
            end = min(first + _CHUNK, count)
            async with connection.transaction():
                await connection.execute(_NUMBERED, first, end, float(count), _DAYS)
                for statement in statements:
                    await connection.execute(statement)
            on_stored(end)
        async with connection.transaction():
            await connection.execute(_BALANCES)
            await connection.execute(_TOLD, count)
        await _for_each_table(connection, "RESET (autovacuum_enabled)")
        await connection.execute("VACUUM (ANALYZE)")
        with suppress(asyncpg.InsufficientPrivilegeError):  # an outside Postgres makes one when it is time
            await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _prepare(connection: "asyncpg.Connection[Any]", count: int) -> None:
    """Makes the tables from which is copied."""
    await connection.execute(_MODEL)
    model = await connection.fetchrow("SELECT amount_minor FROM model_payment")
    if model is None:
        raise NothingToCopy("there is no payment yet")
    # What all accounts could need at the most, whoever takes part.
    await connection.execute(_PARTY.format(side="payee", least_minor=0))
    payees = await connection.fetchval("SELECT count(*) FROM payee")
    least_minor = (count // payees + 1) * model["amount_minor"]
    await connection.execute(_PARTY.format(side="payer", least_minor=least_minor))
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM payer)"):
        raise NothingToCopy(f"no account has {least_minor} minor units")
    await connection.execute(_FEE)


async def _for_each_table(connection: "asyncpg.Connection[Any]", change: str) -> None:
    for table in (*_OWN, "entry", "event"):
        await connection.execute(f"ALTER TABLE {table} {change}")


async def _copying(connection: "asyncpg.Connection[Any]") -> list[str]:
    """The statements that write what a payment leaves for each of those in `stored`."""
    columns = {
        "answer": await _renamed(connection, "answer", "model_request"),
        "payload": await _renamed(connection, "payload", "model_outbox"),
    }
    statements = [_EVENTS.format(**columns), _ENTRIES]
    for table, own in _OWN.items():
        names = [record["attname"] for record in await connection.fetch(_COLUMNS, table)]
        values = [own.get(name, f"model.{name}").format(**columns) for name in names]
        statements.append(
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} "  # noqa: S608 - of the catalogue and of us
            f"FROM stored CROSS JOIN model_{table} AS model ORDER BY n"
        )
    return statements


async def _renamed(connection: "asyncpg.Connection[Any]", column: str, table: str) -> str:
    """An expression: what the model says of itself, with the ids of the stored payment where the model's stand."""
    content: bytes = await connection.fetchval(f"SELECT {column} FROM {table}")  # noqa: S608 - names of ours
    model = await connection.fetchrow("SELECT id AS payment_id, payer_id, payee_id FROM model_payment")
    assert model is not None, "it was looked for before"
    expression = f"model.{column}"
    for name, value in model.items():
        written = str(value).encode()
        at = content.find(written)
        while at >= 0:
            expression = f"overlay({expression} PLACING stored.{name}::text::bytea FROM {at + 1})"
            at = content.find(written, at + 1)
    return expression
