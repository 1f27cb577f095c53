"""The audit: healthy books hold, and each kind of breach is named with its row."""

import asyncio
import itertools
from importlib import resources
from typing import Any

import asyncpg
import pytest

from danbao_core.accounts import AccountState, Purpose, balance_id
from danbao_core.audit import INVARIANTS, Check, NotAuditable, audit, audit_within
from danbao_core.engine import Engine
from danbao_core.fundings import FundingKind, FundingState
from danbao_core.statements.words import words_of
from danbao_workers.dispute_timers import DISPUTE_TIMERS
from danbao_workers.payment_timers import PAYMENT_TIMERS
from danbao_workers.payouts import PAYOUTS
from danbao_workers.refunds import REFUNDS
from tests import builders
from tests.integration import audited_books
from tests.integration.audited_books import Books, Plant, breaches, planted
from tests.integration.breaches import PLANTS
from tests.integration.late_breaches import LONG_AGO
from tests.shared_postgres import SharedServer

Connection = Any

healthy, books, draft = audited_books.healthy, audited_books.books, audited_books.draft


async def test_healthy_books_hold(books: str) -> None:
    checks = await audit(books)
    assert [check.invariant for check in checks] == list(INVARIANTS)
    assert [check for check in checks if not check.holds] == []


async def test_an_empty_database_holds(database_url: str) -> None:
    assert breaches(await audit(database_url)) == {}


async def test_the_story_has_what_the_invariants_speak_of(books: str) -> None:
    connection = await asyncpg.connect(books)
    stories = await connection.fetch("SELECT DISTINCT mode, state, paid_at IS NULL FROM payment")
    kept = await connection.fetch("SELECT currency, version FROM balance WHERE purpose = $1", Purpose.SUSPENSE)
    suspended = {row["currency"]: row["version"] for row in kept}
    refunds = await connection.fetch("SELECT DISTINCT source, state FROM refund")
    fundings = await connection.fetch("SELECT DISTINCT kind, state FROM funding")
    account_states = await connection.fetch("SELECT DISTINCT state FROM account")
    await connection.close()
    of_escrow, of_authorization = {(1, state) for state in range(1, 7)}, {(3, state) for state in (1, 4, 5, 6, 7)}
    assert {(row["mode"], row["state"]) for row in stories} == {*of_escrow, (2, 4), *of_authorization}
    assert len(stories) == 13, "closed ones, both paid and never paid"
    assert suspended == {"CNY": 7, "GBP": 1}, "six open items, of which two were settled"
    assert {tuple(row) for row in refunds} == {(1, 1), (1, 3), (1, 4), (2, 1), (2, 2), (2, 3), (2, 4)}
    never = {(FundingKind.WITHDRAWAL, FundingState.REVERSED)}
    assert {tuple(row) for row in fundings} == set(itertools.product(FundingKind, FundingState)) - never
    assert {row["state"] for row in account_states} == set(AccountState)


async def test_statements_have_words_for_whatever_moves_money(books: str) -> None:
    connection = await asyncpg.connect(books)
    kinds = {record["kind"] for record in await connection.fetch("SELECT DISTINCT kind FROM journal")}
    await connection.close()
    assert kinds <= set(words_of("en").kinds)


async def test_progress_names_each_invariant_before_it_is_checked(database_url: str) -> None:
    named: list[str] = []
    await audit(database_url, named.append)
    assert named == list(INVARIANTS)


def test_every_invariant_has_its_file() -> None:
    files = {file.name for file in resources.files("danbao_core.audit").iterdir() if file.name.endswith(".sql")}
    assert files == {f"{invariant}.sql" for invariant in INVARIANTS}


async def test_a_database_of_something_else_is_refused(postgres: SharedServer) -> None:
    with pytest.raises(NotAuditable, match="no database of Danbao"):
        await audit(postgres.url_of("postgres"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("DELETE FROM schema_migration", "lacks migration 0001_foundation"),
        ("INSERT INTO schema_migration VALUES ('9999_future', '', now())", "does not know: use a newer one"),
    ],
)
async def test_a_database_of_another_release_is_refused(
    database_url: str, connection: Connection, change: str, words: str
) -> None:
    await connection.execute(change)
    with pytest.raises(NotAuditable, match=words):
        await audit(database_url)


async def test_payments_under_way_do_not_disturb_an_audit(database_url: str, engine: Engine) -> None:
    ada = await builders.an_account(engine, funds_minor=1_000)
    shop = await builders.a_merchant(engine)
    stopping = asyncio.Event()

    async def buys_on_and_on() -> None:
        while not stopping.is_set():
            await builders.a_cancelled_payment(engine, payer=ada, payee=shop, amount_minor=10)

    buyers = [asyncio.create_task(buys_on_and_on()) for _ in range(8)]
    try:
        found = [breaches(await audit(database_url)) for _ in range(3)]
    finally:
        stopping.set()
        await asyncio.gather(*buyers)
    assert found == [{}, {}, {}]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.invariant)
async def test_a_breach_is_named_with_its_row(draft: Connection, healthy: Books, plant: Plant) -> None:
    await planted(draft, plant, healthy.ids)
    found = breaches(await audit_within(draft))
    assert set(found) == {plant.invariant, *plant.also}
    assert plant.breach.format(**healthy.ids) in found[plant.invariant]


async def test_what_a_top_up_repays_is_given_to_its_account(draft: Connection, healthy: Books) -> None:
    debt = balance_id(healthy.ids["bob"], "CNY", Purpose.RECEIVABLE)
    repay = (
        "UPDATE entry SET balance_id = $1, version = 1 "
        "WHERE amount_minor > 0 AND journal_id = (SELECT id FROM journal WHERE subject_id = $2)"
    )
    assert await draft.execute(repay, debt, healthy.ids["funding"]) == "UPDATE 1"
    found = breaches(await audit_within(draft))
    assert "balance_counts_entries" in found
    assert "funding_matches_journals" not in found


def test_each_invariant_was_broken_once() -> None:
    assert {plant.invariant for plant in PLANTS} == set(INVARIANTS)


async def test_of_many_breaches_the_first_by_id_is_named(draft: Connection, healthy: Books) -> None:
    first = min(healthy.ids[name] for name in ("paid", "also_paid", "shipped"))
    plant = Plant("payment_has_timer", "UPDATE payment SET due_event = 4 WHERE state IN (2, 3)", "")
    await planted(draft, plant, healthy.ids)
    assert breaches(await audit_within(draft))["payment_has_timer"].startswith(f"payment {first} is ")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE payment SET due_at = '2001-01-01' WHERE id = '{paid}'",
        f"{LONG_AGO}UPDATE payment SET due_at = '2001-01-01' WHERE id = '{{given}}'",
        f"{LONG_AGO}UPDATE payment SET due_at = '2001-01-01', refund_reserved_minor = held_minor WHERE id = '{{shipped}}'",
        "UPDATE funding SET next_attempt_at = now() - interval '59 minutes' WHERE id = '{unknown}'",
    ],
    ids=["the clock was moved just now", "the refund window has open refunds", "refunds leave nothing to release", "an hour"],
)
async def test_what_is_not_late(draft: Connection, healthy: Books, change: str) -> None:
    await planted(draft, Plant("nothing_is_late", change, ""), healthy.ids)
    assert " was due at 2001" not in breaches(await audit_within(draft)).get("nothing_is_late", "")


async def test_late_is_what_workers_would_have_seen_to(draft: Connection, healthy: Books) -> None:
    await planted(draft, Plant("nothing_is_late", LONG_AGO, ""), healthy.ids)
    await draft.execute("UPDATE installation SET clock_offset_seconds = clock_offset_seconds + 8 * 86400")
    [(hour_ago,)] = await draft.fetch(
        "SELECT now() - interval '1 hour' + make_interval(secs => clock_offset_seconds) FROM installation"
    )
    works = (PAYMENT_TIMERS, REFUNDS, PAYOUTS, DISPUTE_TIMERS)
    due = {work.name: await draft.fetch(work.due, hour_ago, 1_000) for work in works}
    late = {name: sum(row["late_seconds"] > 0 for row in rows) for name, rows in due.items()}
    assert all(late.values()), "each kind is among them"
    found = breaches(await audit_within(draft))["nothing_is_late"]
    assert found.endswith(f", and {sum(late.values()) - 1} more things are late")


def test_only_lateness_leaves_the_books_right() -> None:
    assert {invariant for invariant in INVARIANTS if Check(invariant, "broken").is_warning} == {"nothing_is_late"}
