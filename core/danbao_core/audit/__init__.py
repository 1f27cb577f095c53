"""The audit: what is always true of the books, checked on one snapshot of the whole database.

Each invariant is a file beside this one: a query that answers the first breach in words, or no row. Their names are stable; the
order is that of `INVARIANTS`, from the ledger's own structure to what payments and fundings say of it.

The queries are written for the whole: hash joins and aggregates over full tables, sums as numeric so that none overflows. A
`MATERIALIZED` part keeps the planner from choosing a plan that would only be quick if there were a breach.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import asyncpg

from danbao_core import migrations, sql

INVARIANTS: Final = (
    # The ledger in itself.
    "journal_sums_to_zero",
    "journal_has_entries",
    "journal_has_subject",
    "entry_has_journal",
    "entry_has_balance",
    "entry_continues_balance",
    "balance_equals_entries",
    "balance_counts_entries",
    "balance_keeps_floor",
    "balance_fits_owner",
    "balance_is_unique",
    "account_has_wallets",
    "currency_sums_to_zero",
    # The ledger against what it is kept for.
    "escrow_equals_payments",
    "held_equals_reservations",
    "fees_equal_payments",
    "payment_within_amount",
    "payment_has_its_fee",
    "payment_matches_state",
    "payment_matches_times",
    "payment_matches_journals",
    "payment_has_timer",
    "payment_has_parties",
    "payment_counts_refunds",
    "payment_returns_its_fee",
    "refund_matches_payment",
    "refund_matches_state",
    "refund_matches_journals",
    "payment_gives_what_it_got",
    "payment_counts_disputes",
    "dispute_matches_payment",
    "dispute_matches_state",
    "dispute_has_timer",
    "dispute_has_steps",
    "dispute_matches_journals",
    "dispute_counts_evidence",
    "evidence_has_file",
    "payment_has_order_ref",
    "order_ref_has_payment",
    "account_has_account_ref",
    "account_ref_has_account",
    "account_matches_state",
    "funding_has_account",
    "suspense_equals_open_items",
    "open_item_matches_journals",
    "proposal_matches_journal",
    "account_owes_knowingly",
    "service_key_has_root",
    "service_key_was_granted",
    "funding_matches_journals",
    "funding_asks_its_bank",
    "difference_is_explained",
    "payout_matches_funding",
    "payout_matches_entries",
    "payout_schedule_matches_payouts",
    # People.
    "account_has_person",
    "person_has_phone_ref",
    "phone_ref_has_person",
    "person_has_identity_ref",
    "approval_has_challenge",
    "instrument_has_ref",
    "instrument_ref_has_instrument",
    "message_has_contents",
    "inbox_message_has_person",
    "inbox_message_was_told",
    # What is told.
    "event_has_no_gap",
    "event_is_told_once",
    "delivery_matches_event",
    "webhook_endpoint_has_account",
)
"""What is checked, in this order. That no timer is long past joins `payment_has_timer` when a worker carries timers out."""

_CONNECT_SECONDS: Final = 10.0
_SETTINGS: Final = {
    "work_mem": "256MB",
    "max_parallel_workers_per_gather": "2",
    "enable_nestloop": "off",  # on tables that grew since their last ANALYZE it would never end
    "enable_parallel_hash": "off",  # its tables lie in /dev/shm, of which containers often have 64 MB
    "jit": "off",
    "statement_timeout": "0",
}


class Check(NamedTuple):
    """One invariant, and its first breach in words that name the row; None where it holds."""

    invariant: str
    breach: str | None

    @property
    def holds(self) -> bool:
        return self.breach is None


class NotAuditable(Exception):
    """The database is not one that this release can audit; the message says why."""


async def audit(
    database_url: str, progress: Callable[[str], None] | None = None, settings: Mapping[str, str] | None = None
) -> list[Check]:
    """Checks every invariant, on one snapshot, beside whatever else works on the database; nothing is written.

    `progress` is told the name of each invariant before it is checked; `settings` are the connection's. Raises NotAuditable,
    and what asyncpg raises where the database cannot be reached.
    """
    connection = await asyncpg.connect(database_url, timeout=_CONNECT_SECONDS, server_settings=dict(settings or {}))
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await _must_be_auditable(connection)
            return await audit_within(connection, progress)
    finally:
        await connection.close()


async def audit_within(connection: "asyncpg.Connection[Any]", progress: Callable[[str], None] | None = None) -> list[Check]:
    """The same within a transaction that is open on `connection`, of what that sees; its settings change until it ends."""
    for name, value in _SETTINGS.items():
        await connection.execute("SELECT set_config($1, $2, true)", name, value)
    checks = []
    for invariant in INVARIANTS:
        if progress is not None:
            progress(invariant)
        # Not fetchval: it asks for one row only, and Postgres runs such a query without parallel workers.
        rows = await connection.fetch(sql.load(__name__, invariant))
        checks.append(Check(invariant, rows[0][0] if rows else None))
    return checks


async def _must_be_auditable(connection: "asyncpg.Connection[Any]") -> None:
    tables = "installation", "schema_migration"
    if None in [await connection.fetchval("SELECT to_regclass($1)", table) for table in tables]:
        raise NotAuditable("it is no database of Danbao, or an empty one: run `danbao migrate` to make it one")
    applied = {row["version"] for row in await connection.fetch("SELECT version FROM schema_migration")}
    known = {migration.version for migration in migrations.available()}
    if missing := known - applied:
        raise NotAuditable(f"the database lacks migration {min(missing)}: run `danbao migrate` first")
    if unknown := applied - known:
        raise NotAuditable(f"the database has migration {min(unknown)}, which this release does not know: use a newer one")
