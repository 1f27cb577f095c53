"""Books of fundings of cards and of reconciliations, in every state, made without a bank."""

from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from danbao_core.accounts import Account, AccountState
from danbao_core.bank.asking import claim
from danbao_core.bank.port import Answer, DeclineReason, LineKind, Outcome
from danbao_core.clock import shanghai_day
from danbao_core.engine import Engine
from danbao_core.fundings import Funding
from danbao_core.fundings_at_bank import ReverseTopUp, TakeOutcome
from danbao_core.ids import uuid7
from danbao_core.money import Money
from danbao_core.people.instruments import BindInstrument, Card
from danbao_core.reconciliation import SettleDifference, StartReconciliation
from danbao_core.reconciliation.commands import CompareSides, FinishReconciliation, Sides
from tests import builders
from tests.banks import top_up_by, withdrawal_to
from tests.builders import carried_out, origin

YES, NO, NOBODY_KNOWS = (
    Outcome(Answer.ACCEPTED),
    Outcome(Answer.DECLINED, DeclineReason.CARD_BLOCKED),
    Outcome(Answer.NO_ANSWER),
)


async def fundings_of_cards(engine: Engine) -> dict[str, UUID]:
    """Of finn, whose bank took a top-up back, and of who had left when it did so."""
    finn, gone = [await builders.an_account(engine, funds_minor=1_000, display_name=name) for name in ("Finn", "Gone")]
    card, other = await _a_card(engine, finn), await _a_card(engine, gone)
    async with asyncpg.create_pool(engine._database_url, min_size=1, max_size=1) as pool:

        async def said(funding: Funding, outcome: Outcome) -> Funding:
            assert await claim(pool, "funding", funding.id)
            soon = datetime.now(UTC)
            taken = TakeOutcome(origin=origin(), funding_id=funding.id, outcome=outcome, ask_again_at=soon)
            return await carried_out(engine, taken)

        for outcome in (YES, NO):
            await said(await top_up_by(engine, finn, card, 20), outcome)
            await said(await withdrawal_to(engine, finn, card, 30), outcome)
        await top_up_by(engine, finn, card, 40)
        unknown = await said(await withdrawal_to(engine, finn, card, 50), NOBODY_KNOWS)
        await said(await top_up_by(engine, finn, card, 60), NOBODY_KNOWS)
        back = await said(await top_up_by(engine, finn, card, 70), YES)
        late = await said(await top_up_by(engine, gone, other, 80), YES)
        await builders.a_withdrawal(engine, gone, 1_080)
        closed = "UPDATE account SET state = $2, version = version + 1 WHERE id = $1"  # as CloseAccount, but for its wait
        await pool.execute(closed, gone.id, AccountState.CLOSED)
    for funding in (back, late):
        await carried_out(
            engine, ReverseTopUp(origin=origin(), funding_id=funding.id, amount=Money(funding.amount_minor, funding.currency))
        )
    named = {"unknown": unknown.id, "taken_back": back.id, "finn": finn.id, "gone": gone.id, "card": card, "other_card": other}
    return named | await _reconciliations(engine, back)


async def _a_card(engine: Engine, account: Account) -> UUID:
    card = Card("token", "622202", "4567", "k1", (uuid7().bytes * 2,))
    return (await carried_out(engine, BindInstrument(origin=origin(), account_id=account.id, card=card))).instrument_id


async def _reconciliations(engine: Engine, back: Funding) -> dict[str, UUID]:
    """A day with a difference that is open, one that is explained and one whose sides are both there; and a day that waits."""
    yesterday = shanghai_day(back.created_at) - 1
    for day in (yesterday, yesterday - 1):
        await carried_out(engine, StartReconciliation(origin=origin(), day=day))
    unheard_of, explained = uuid7(), uuid7()
    sides = (
        Sides(unheard_of, LineKind.CREDIT, "CNY", None, 5),
        Sides(explained, LineKind.DEBIT, "CNY", None, 6),
        Sides(back.id, LineKind.REVERSAL, "CNY", 70, 70),
    )
    await carried_out(engine, CompareSides(origin=origin(caller="worker"), day=yesterday, sides=sides))
    settle = SettleDifference(origin=origin(), difference_id=sides[1].difference_id, note="the bank's test")
    await carried_out(engine, settle)
    await carried_out(
        engine, FinishReconciliation(origin=origin(), day=yesterday, asked_version=1, lines=3, entries=1, differences=2)
    )
    return {"open_difference": sides[0].difference_id, "late_difference": sides[2].difference_id}
