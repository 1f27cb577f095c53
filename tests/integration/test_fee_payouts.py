"""Fees are paid out through the bank, once and never more than there is, whoever approves at the same time."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from danbao_core.accounts import Account
from danbao_core.engine import Engine
from danbao_core.engine.reads import fetch_rows
from danbao_core.fundings import Funding, FundingState
from danbao_core.money import Money
from danbao_core.payments import Mode
from danbao_core.payout_errors import FeesExceeded
from danbao_core.proposals import ApproveProposal, FeePayout
from tests import builders
from tests.banks import Asking, a_bank, a_card
from tests.builders import BY_BANK, by, carried_out, later
from tests.engines import available, breaches, outcomes_of

A_DAY = 86_400


async def fees_at(*engines: Engine) -> None:
    """150 of fees in the stripe of each engine."""
    for engine in engines:
        await builders.a_paid_payment(engine, amount_minor=10_000, mode=Mode.INSTANT)


async def approval_of(engine: Engine, account: Account, amount_minor: int, card: UUID | None = None) -> ApproveProposal:
    """What approves a payout of fees that another operator has proposed."""
    terms = FeePayout(account_id=account.id, amount=Money(amount_minor, "CNY"), instrument_id=card)
    proposal = await builders.a_proposal(engine, terms)
    return ApproveProposal(origin=by(await builders.an_operator(engine)), proposal_id=proposal.id, ways=BY_BANK)


@pytest.mark.parametrize(
    ("number", "state", "left"),
    [("4000000000000119", FundingState.SUCCEEDED, 0), ("4000000000000002", FundingState.FAILED, 300)],
    ids=["its answer is lost", "it declines"],
)
async def test_fees_go_through_the_bank_and_its_statement_says_so(
    engine: Engine, second_engine: Engine, database_url: str, number: str, state: FundingState, left: int
) -> None:
    company = await builders.a_merchant(engine)
    await fees_at(engine, second_engine)
    async with a_bank() as bank, asyncpg.create_pool(database_url, min_size=1, max_size=4) as pool:
        card, asking = await a_card(engine, company, bank, number), Asking(engine, pool, bank)
        await carried_out(engine, await approval_of(engine, company, 300, card))
        [funding] = await fetch_rows(pool, Funding, "SELECT * FROM funding WHERE account_id = $1", company.id)
        assert (funding.state, funding.amount_minor, funding.instrument_id) == (FundingState.PENDING, 300, card)
        assert await pool.fetchval("SELECT sum(amount_minor) FROM balance WHERE purpose = 12") == 0
        await asking.until_known()
        assert await pool.fetchval("SELECT state FROM funding WHERE id = $1", funding.id) == state
        assert await available(engine, company) == left
        await later(engine, A_DAY)
        await asking.reconciled()
        assert await pool.fetchval("SELECT count(*) FROM difference") == 0
    assert await breaches(database_url) == []


async def test_payouts_that_are_approved_at_once_share_what_there_is(
    engine: Engine, second_engine: Engine, database_url: str, connection: "asyncpg.Connection[Any]"
) -> None:
    first, second = await builders.a_merchant(engine), await builders.a_merchant(engine)
    await fees_at(engine, second_engine)
    approvals = [await approval_of(engine, each, 200) for each in (first, second, first, second)]
    racing = zip((engine, second_engine, engine, second_engine), approvals, strict=True)
    outcomes = await outcomes_of(*racing)
    assert [type(each) for each in outcomes if isinstance(each, Exception)] == [FeesExceeded] * 3
    assert await connection.fetchval("SELECT sum(amount_minor) FROM balance WHERE purpose = 12") == 100
    assert await breaches(database_url) == []
