"""Finding all that is known of a payment, without an index that payments would have to pay for."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from danbao_core import sql
from danbao_core.accounts import PLATFORM_ID, Purpose
from danbao_core.disputes import Dispute, Step
from danbao_core.engine.reads import fetch_row, fetch_rows
from danbao_core.explaining.known import Approved, Explanation, Posted, Told
from danbao_core.history import Fact
from danbao_core.payments import Payment, Refund
from danbao_core.people.challenges import FactorKind
from danbao_core.statements.reading import OUT_OF_ORDER

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[Any]

MOST_OF_A_KIND: Final = 1_000
"""How many of each kind of row are read at most, the oldest."""

_OUT_OF_ORDER_IN_STRIPES: Final = timedelta(seconds=1)
"""The same as OUT_OF_ORDER for balances that one engine at a time moves: as far as the database's clock may be set back."""


async def explain(pool: "Pool", payment_id: UUID) -> Explanation | None:
    """All that is known of a payment; None where there is none.

    It is read by several queries, one after another: what happens meanwhile may be told in part.
    """
    payment = await fetch_row(pool, Payment, payment_id)
    if payment is None:
        return None
    refunds = await fetch_rows(pool, Refund, _text("read_refunds"), payment_id, MOST_OF_A_KIND + 1)
    disputes = await fetch_rows(pool, Dispute, _text("read_disputes"), payment_id, MOST_OF_A_KIND + 1)
    dispute_ids = [dispute.id for dispute in disputes]
    dispute_steps = await fetch_rows(pool, Step, _text("read_dispute_steps"), dispute_ids, MOST_OF_A_KIND + 1)
    subjects = [payment_id, *(refund.id for refund in refunds), *dispute_ids]
    facts = await _facts(pool, subjects)
    events = [Told(*record) for record in await pool.fetch(_text("read_told_events"), payment_id, MOST_OF_A_KIND + 1)]
    approvals = await _approvals(pool, payment)
    found = (refunds, disputes, dispute_steps, facts, events, approvals)
    kept_facts = facts[:MOST_OF_A_KIND]
    return Explanation(
        payment=payment,
        refunds=refunds[:MOST_OF_A_KIND],
        disputes=disputes[:MOST_OF_A_KIND],
        dispute_steps=dispute_steps[:MOST_OF_A_KIND],
        facts=kept_facts,
        posted=await _posted(pool, payment, kept_facts),
        events=events[:MOST_OF_A_KIND],
        approvals=approvals[:MOST_OF_A_KIND],
        truncated=any(len(each) > MOST_OF_A_KIND for each in found),
    )


async def _facts(pool: "Pool", subjects: list[UUID]) -> list[Fact]:
    records = await pool.fetch(_text("read_facts"), subjects, MOST_OF_A_KIND + 1)
    return [Fact(*[record[name] for name in Fact._fields]) for record in records]


async def _posted(pool: "Pool", payment: Payment, facts: list[Fact]) -> list[Posted]:
    """The entries of journals. They move nobody's balances but those of the two sides and of the platform."""
    journals = [fact.id for fact in facts if fact.moves_money]
    accounts = [payment.payer_id, payment.payee_id, PLATFORM_ID]
    records = await pool.fetch(
        _text("read_entries"), journals, accounts, payment.currency, OUT_OF_ORDER, PLATFORM_ID, _OUT_OF_ORDER_IN_STRIPES
    )
    return [
        Posted(journal_id, account_id, Purpose(purpose), amount_minor, after_minor)
        for journal_id, account_id, purpose, amount_minor, after_minor in records
    ]


async def _approvals(pool: "Pool", payment: Payment) -> list[Approved]:
    records = await pool.fetch(_text("read_approvals"), payment.payer_id, payment.name, MOST_OF_A_KIND + 1)
    return [
        Approved(approval_id, account_id, FactorKind(factor), created_at, used_at)
        for approval_id, account_id, factor, created_at, used_at in records
    ]


def _text(name: str) -> str:
    return sql.load("danbao_core.explaining", name)
