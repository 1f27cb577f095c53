"""What lists rest on: uniqueness over engines, and plans that hold when tables grow."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from danbao_core import history, sql
from danbao_core.accounts import AccountKind, AccountRef, CreateAccount, balance_id
from danbao_core.accounts import lists as account_lists
from danbao_core.accounts.balances import Purpose
from danbao_core.audit import audit
from danbao_core.disputes import OpenDispute, Party, Reason, SubmitEvidence
from danbao_core.disputes import lists as dispute_lists
from danbao_core.disputes.lists import Of as Disputes
from danbao_core.engine import Answer, Engine, reads
from danbao_core.errors import ExternalIdTaken
from danbao_core.ids import AFTER_ALL, BEFORE_ALL, first_at, uuid7
from danbao_core.payments import lists as payment_lists
from danbao_core.payments import refund_lists
from danbao_core.payments.lists import Side
from danbao_core.payments.refund_lists import Of
from danbao_core.policy import PolicySchedule
from danbao_core.proposals import Grant
from danbao_core.proposals import lists as proposal_lists
from tests.builders import a_paid_payment, a_proposal, a_refund, an_account, an_operator, carried_out, origin, stored

Connection = Any


# --- External ids over engines ----------------------------------------------------------------------------------------------


def an_account_called(external_id: str) -> CreateAccount:
    return CreateAccount(
        origin=origin(), kind=AccountKind.PERSONAL, display_name="x", currencies=("CNY",), external_id=external_id
    )


async def test_the_same_external_id_from_two_engines_makes_one_account(
    engine: Engine, database_url: str, connection: Connection
) -> None:
    second = Engine(database_url, policies=PolicySchedule.load())
    await second.start()
    for number in range(10):
        commands = [(each, an_account_called(f"user-{number}")) for each in (engine, second) * 3]
        outcomes = await asyncio.gather(*(each.submit(command) for each, command in commands), return_exceptions=True)
        (made,) = [outcome.result for outcome in outcomes if isinstance(outcome, Answer)]
        others = [outcome for outcome in outcomes if isinstance(outcome, ExternalIdTaken)]
        assert len(others) == 5, outcomes
        assert {(other.resource, other.metadata["external_id"]) for other in others} == {(made.name, f"user-{number}")}
        assert (await stored(engine, AccountRef, f"user-{number}")).account_id == made.id
    await second.stop()
    assert await connection.fetchval("SELECT count(*) FROM account WHERE external_id <> ''") == 10
    assert all(check.holds for check in await audit(database_url))


async def test_accounts_without_an_external_id_do_not_get_in_each_others_way(engine: Engine, connection: Connection) -> None:
    for _ in range(3):
        await engine.submit(an_account_called(""))
    assert await connection.fetchval("SELECT count(*) FROM account_ref") == 0


# --- Ids of a time ----------------------------------------------------------------------------------------------------------


def test_ids_made_at_a_moment_sort_after_the_first_of_it() -> None:
    before, made = datetime.now(UTC), uuid7()
    assert first_at(before) <= made < first_at(datetime.now(UTC) + timedelta(milliseconds=1))
    assert (
        BEFORE_ALL == first_at(datetime(1960, 1, 1, tzinfo=UTC)) < made < first_at(datetime(9000, 1, 2, tzinfo=UTC)) < AFTER_ALL
    )


# --- Plans ------------------------------------------------------------------------------------------------------------------


ANY = [1, 2, 3, 4, 5, 6]
NEWEST = (AFTER_ALL, 51, 5_000)
ALL_PAYMENTS = (*NEWEST, ANY, ANY, None, None, BEFORE_ALL)
ALL_DISPUTES = (*NEWEST, ANY, ANY, None, None, None, None, False)
BY_DEADLINE = (datetime(1, 1, 1, tzinfo=UTC), 51, 5_000, *ALL_DISPUTES[3:], BEFORE_ALL)
ALL_FACTS = (*NEWEST, "", "", None, None, BEFORE_ALL)
QUERIES: dict[str, tuple[str, tuple[Any, ...], set[str]]] = {
    "payments": (payment_lists.text_of(Side.ALL), ALL_PAYMENTS, {"payment_pkey"}),
    "payments_of_payer": (payment_lists.text_of(Side.PAYER), (*ALL_PAYMENTS, "account"), {"payment_of_payer"}),
    "payments_of_payee": (payment_lists.text_of(Side.PAYEE), (*ALL_PAYMENTS, "payee"), {"payment_of_payee"}),
    "payments_of_party": (
        payment_lists.text_of(Side.EITHER),
        (*ALL_PAYMENTS, "account"),
        {"payment_of_payer", "payment_of_payee"},
    ),
    "refunds": (refund_lists.text_of(Of.ALL), (*NEWEST, ANY), {"refund_pkey"}),
    "refunds_of_payer": (refund_lists.text_of(Of.PAYER), (*NEWEST, ANY, "account"), {"refund_of_payer"}),
    "refunds_of_payee": (refund_lists.text_of(Of.PAYEE), (*NEWEST, ANY, "payee"), {"refund_of_payee"}),
    "refunds_of_payment": (refund_lists.text_of(Of.PAYMENT), (*NEWEST, ANY, "paid"), {"refund_of_payment"}),
    "refunds_of_party": (
        refund_lists.text_of(Of.EITHER),
        (*NEWEST, ANY, "account"),
        {"refund_of_payer", "refund_of_payee"},
    ),
    "disputes": (dispute_lists.text_of(Disputes.ALL), ALL_DISPUTES, {"dispute_pkey"}),
    "disputes_of_buyer": (dispute_lists.text_of(Disputes.BUYER), (*ALL_DISPUTES, "account"), {"dispute_of_buyer"}),
    "disputes_of_seller": (dispute_lists.text_of(Disputes.SELLER), (*ALL_DISPUTES, "payee"), {"dispute_of_seller"}),
    "disputes_of_party": (
        dispute_lists.text_of(Disputes.EITHER),
        (*ALL_DISPUTES, "account"),
        {"dispute_of_buyer", "dispute_of_seller"},
    ),
    "disputes_of_payment": (dispute_lists.text_of(Disputes.PAYMENT), (*ALL_DISPUTES, "paid"), {"dispute_of_payment"}),
    "disputes_short_of_compensation": (
        dispute_lists.text_of(Disputes.ALL, short=True),
        ALL_DISPUTES,
        {"dispute_short_of_compensation"},
    ),
    "disputes_by_deadline": (dispute_lists.text_by_deadline(Disputes.ALL), BY_DEADLINE, {"dispute_by_deadline"}),
    "disputes_by_deadline_of_buyer": (
        dispute_lists.text_by_deadline(Disputes.BUYER),
        (*BY_DEADLINE, "account"),
        {"dispute_by_deadline_of_buyer"},
    ),
    "disputes_by_deadline_of_seller": (
        dispute_lists.text_by_deadline(Disputes.SELLER),
        (*BY_DEADLINE, "payee"),
        {"dispute_by_deadline_of_seller"},
    ),
    "disputes_by_deadline_of_party": (
        dispute_lists.text_by_deadline(Disputes.EITHER),
        (*BY_DEADLINE, "account"),
        {"dispute_by_deadline_of_buyer", "dispute_by_deadline_of_seller"},
    ),
    "dispute_steps": (sql.load("danbao_core.disputes", "list_steps"), ("dispute", None, 51), {"dispute_step_pkey"}),
    "evidence": (sql.load("danbao_core.disputes", "list_evidence"), ("dispute", AFTER_ALL, 51), {"evidence_of_dispute"}),
    "read_obligation": (
        sql.load("danbao_core.accounts", "read_obligation"),
        (["account"],),
        {
            "payment_open_of_payer",
            "payment_open_of_payee",
            "refund_open_of_payer",
            "refund_open_of_payee",
            "dispute_by_deadline_of_buyer",
            "dispute_by_deadline_of_seller",
        },
    ),
    "accounts": (account_lists.TEXT, (*NEWEST, ANY, ANY), {"account_pkey"}),
    "proposals": (proposal_lists.TEXT, (*NEWEST, ANY), {"proposal_pkey"}),
    "service_keys": (sql.load("danbao_core", "list_service_keys"), (AFTER_ALL, 51), {"service_key_pkey"}),
    "fundings": (sql.load("danbao_core", "list_fundings"), (AFTER_ALL, 51), {"funding_pkey"}),
    "fundings_of_account": (
        sql.load("danbao_core", "list_fundings_of_account"),
        (AFTER_ALL, 51, "account"),
        {"funding_of_account"},
    ),
    "facts": (history.EVERYBODYS, ALL_FACTS, {"audit_event_pkey", "journal_pkey"}),
    "facts_of_subject": (
        history.OF_SUBJECT,
        (*ALL_FACTS, "paid", "payment"),
        {"audit_event_of_subject", "journal_of_subject"},
    ),
    "entries": (sql.load("danbao_core", "list_entries"), ("balance", None, 51), {"entry_pkey", "journal_pkey"}),
}
"""Each query with arguments, and the indexes that it is to use."""
MERGING = {
    "disputes_of_party",
    "disputes_by_deadline_of_party",
    "facts",
    "facts_of_subject",
    "payments_of_party",
    "refunds_of_party",
}
"""Those that go through two indexes at once."""

MANY = """
    INSERT INTO account SELECT gen_random_uuid(), kind, state, display_name, currencies, created_at, updated_at, version
    FROM account, generate_series(1, 1000);
    INSERT INTO funding SELECT gen_random_uuid(), 1, 1, id, 'CNY', 1, created_at, updated_at, 1 FROM account;
    INSERT INTO payment SELECT (jsonb_populate_record(payment, jsonb_build_object(
        'id', gen_random_uuid(), 'payer_id', CASE WHEN n % 100 = 0 THEN payer_id ELSE gen_random_uuid() END, 'order_no', ''))).*
    FROM payment, generate_series(1, 1000) AS n;
    INSERT INTO journal SELECT (jsonb_populate_record(journal, jsonb_build_object('id', gen_random_uuid()))).*
    FROM journal, generate_series(1, 1000);
    INSERT INTO audit_event SELECT (jsonb_populate_record(audit_event, jsonb_build_object('id', gen_random_uuid()))).*
    FROM audit_event, generate_series(1, 1000);
    INSERT INTO service_key SELECT (jsonb_populate_record(service_key, jsonb_build_object('id', gen_random_uuid()))).*
    FROM service_key, generate_series(1, 1000);
    INSERT INTO proposal SELECT (jsonb_populate_record(proposal, jsonb_build_object('id', gen_random_uuid()))).*
    FROM proposal, generate_series(1, 1000);
    INSERT INTO refund SELECT (jsonb_populate_record(refund, jsonb_build_object(
        'id', gen_random_uuid(), 'payer_id', CASE WHEN n % 100 = 0 THEN payer_id ELSE gen_random_uuid() END,
        'payment_id', CASE WHEN n % 100 = 0 THEN payment_id ELSE gen_random_uuid() END))).*
    FROM refund, generate_series(1, 1000) AS n;
    INSERT INTO dispute SELECT (jsonb_populate_record(dispute, jsonb_build_object(
        'id', gen_random_uuid(), 'buyer_id', CASE WHEN n % 100 = 0 THEN buyer_id ELSE gen_random_uuid() END,
        'seller_id', CASE WHEN n % 100 = 0 THEN seller_id ELSE gen_random_uuid() END,
        'payment_id', CASE WHEN n % 100 = 0 THEN payment_id ELSE gen_random_uuid() END))).*
    FROM dispute, generate_series(1, 1000) AS n WHERE state = 1;
    INSERT INTO dispute_step SELECT (jsonb_populate_record(dispute_step, jsonb_build_object('dispute_id', gen_random_uuid()))).*
    FROM dispute_step, generate_series(1, 1000);
    INSERT INTO evidence SELECT (jsonb_populate_record(evidence, jsonb_build_object(
        'id', gen_random_uuid(), 'dispute_id', gen_random_uuid()))).*
    FROM evidence, generate_series(1, 1000);
    INSERT INTO entry SELECT gen_random_uuid(), 1, id, 1, 1 FROM journal;
"""
ONE_SHORT_OF_COMPENSATION = """
    INSERT INTO dispute SELECT (jsonb_populate_record(dispute, jsonb_build_object(
        'id', gen_random_uuid(), 'state', 5, 'outcome', 4, 'due_at', NULL, 'due_event', NULL, 'respond_by', NULL,
        'ended_at', created_at, 'award_buyer_minor', 0, 'award_compensation_minor', 1))).*
    FROM dispute
"""


async def test_queries_that_were_planned_for_empty_tables_are_right_for_full_ones(
    engine: Engine, database_url: str, connection: Connection
) -> None:
    payment = await a_paid_payment(engine, payer=await an_account(engine, funds_minor=5_000))
    await a_refund(engine, payment, 1)
    disputing = OpenDispute(origin=origin(), payment_id=payment.id, reason=Reason.UNAUTHORIZED)
    dispute = await carried_out(engine, disputing)
    await carried_out(engine, SubmitEvidence(origin=origin(), dispute_id=dispute.id, party=Party.BUYER, text="x"))
    await connection.execute(ONE_SHORT_OF_COMPENSATION)
    grant = Grant(key_id=(await an_operator(engine)).id, scopes=("payments.pay_any",))
    await a_proposal(engine, grant)
    names: dict[str, UUID] = {
        "account": payment.payer_id,
        "payee": payment.payee_id,
        "paid": payment.id,
        "dispute": dispute.id,
        "balance": balance_id(payment.payer_id, "CNY", Purpose.AVAILABLE),
    }
    reader = await asyncpg.connect(database_url, server_settings=reads.SETTINGS, statement_cache_size=0)
    executions: dict[str, str] = {}
    for query, (text, arguments, _) in QUERIES.items():
        await reader.execute(f"PREPARE {query} AS {text}")
        executions[query] = f"EXECUTE {query} ({', '.join(_literal(each, names) for each in arguments)})"
        for _ in range(8):  # Postgres settles for a plan after the fifth run
            assert await reader.fetch(executions[query]), query
    await connection.execute(MANY)
    for query, (_, _, indexes) in QUERIES.items():
        plan = "\n".join(row[0] for row in await reader.fetch(f"EXPLAIN {executions[query]}"))
        assert "Seq Scan" not in plan, plan
        assert {index for index in indexes if re.search(f"Scan (Backward )?using {index}", plan)} == indexes, plan
        assert "Sort  (" not in plan, plan
        assert plan.count("Sort Key") <= (query in MERGING), plan
    await reader.close()


def _literal(value: Any, names: dict[str, UUID]) -> str:
    match value:
        case None:
            return "NULL"
        case list():
            return f"'{{{','.join(str(names.get(each, each)) for each in value)}}}'"
        case int():
            return str(value)
        case _:
            return f"'{names.get(value, value)}'"
