"""Merchants are paid out by their schedules: once for each time, whatever dies, with a report that adds up."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from danbao_core.accounts import Account, CloseAccount
from danbao_core.bank.ways import Ways
from danbao_core.engine import Engine
from danbao_core.errors import AccountFrozen, AccountNotFound, Refusal, ScopeMissing, WalletMissing
from danbao_core.fundings import Funding, FundingState
from danbao_core.money import MAX_AMOUNT_MINOR
from danbao_core.payments import CreateRefund, Mode
from danbao_core.payout_errors import PayoutsForMerchants
from danbao_core.payouts import Cadence, Payout, PayoutState, Skip
from danbao_core.people.instruments import UnbindInstrument
from danbao_core.people_errors import InstrumentNotFound
from danbao_core.sandbox import BankBehaviour
from danbao_core.statements.reading import extract_between, lines_of
from danbao_core.statements.settlement import Sort, Sum, sums_of
from tests import builders, disputes
from tests.banks import Asking, a_bank, a_card
from tests.builders import BY_BANK, carried_out, later, origin, stored
from tests.engines import available, breaches, money, outcomes_of
from tests.payouts import AN_HOUR, a_schedule, finish, paid_out, pay_out, set_hourly
from tests.rpc_client import until
from tests.workers import a_valkey, a_worker


async def payouts_of(connection: "asyncpg.Connection[Any]", shop: Account, engine: Engine) -> list[Payout]:
    """Its payouts, oldest first."""
    records = await connection.fetch("SELECT id FROM payout WHERE account_id = $1 ORDER BY id", shop.id)
    return [await stored(engine, Payout, record["id"]) for record in records]


async def sums(database_url: str, payout: Payout) -> dict[Sort, Sum]:
    """What its report says; all of it."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool:
        extract = await extract_between(
            pool, payout.account_id, payout.currency, payout.after_version, payout.until_version, payout.created_at
        )
        assert extract.opening_minor == payout.carried_minor
        assert extract.closing_minor == payout.amount_minor
        found = await sums_of(pool, extract)
        assert payout.carried_minor + sum(each.amount_minor for each in found.values()) == payout.amount_minor
        return {sort: each for sort, each in found.items() if each.number}


async def fees_of_lines(database_url: str, payout: Payout) -> list[int]:
    """What its file says of the fee, line by line."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool:
        extract = await extract_between(
            pool, payout.account_id, payout.currency, payout.after_version, payout.until_version, payout.created_at
        )
        return [line.fee_minor async for lines in lines_of(pool, extract) for line in lines]


# --- What is paid out --------------------------------------------------------------------------------------------------------


async def test_all_that_is_there_is_paid_out_once(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]"
) -> None:
    shop = await builders.a_merchant(engine)
    schedule = await a_schedule(engine, shop)
    await builders.a_paid_payment(engine, payee=shop, amount_minor=10_000, mode=Mode.INSTANT)
    assert await carried_out(engine, pay_out(schedule)) == schedule, "nothing is due yet"
    after = await paid_out(engine, schedule)
    assert after.due_at is not None
    assert schedule.due_at is not None
    assert (after.due_at - schedule.due_at).total_seconds() == AN_HOUR
    assert await carried_out(engine, pay_out(schedule)) == after, "a repeat changes nothing"
    (payout,) = await payouts_of(connection, shop, engine)
    assert (payout.amount_minor, payout.carried_minor, payout.state) == (9_850, 0, PayoutState.SUCCEEDED)
    assert payout.due_at == schedule.due_at
    funding = await stored(engine, Funding, payout.funding_id)
    assert (funding.state, funding.amount_minor) == (FundingState.SUCCEEDED, 9_850)
    assert await money(engine, shop) == (0, 0)
    topics = await connection.fetch("SELECT topic FROM outbox WHERE subject_id = $1", payout.id)
    assert [record["topic"] for record in topics] == ["payout.succeeded"]
    assert not await breaches(database_url)


async def test_what_was_there_before_the_schedule_is_carried_over(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]"
) -> None:
    shop = await builders.a_merchant(engine, funds_minor=700)
    schedule = await a_schedule(engine, shop)
    await builders.a_paid_payment(engine, payee=shop, amount_minor=1_000, mode=Mode.INSTANT)
    await paid_out(engine, schedule)
    (payout,) = await payouts_of(connection, shop, engine)
    assert (payout.carried_minor, payout.amount_minor) == (700, 1_685)
    assert await sums(database_url, payout) == {Sort.PAYMENTS: Sum(1_000, 1), Sort.FEES: Sum(-15, 1)}
    assert not await breaches(database_url)


async def test_payouts_follow_each_other_entry_by_entry(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]"
) -> None:
    shop = await builders.a_merchant(engine)
    schedule = await a_schedule(engine, shop)
    for amount_minor in (1_000, 2_000):
        await builders.a_paid_payment(engine, payee=shop, amount_minor=amount_minor, mode=Mode.INSTANT)
        await paid_out(engine, schedule)
    first, second = await payouts_of(connection, shop, engine)
    assert (first.after_version, first.until_version) == (0, 1)
    assert (second.after_version, second.until_version) == (2, 3), "the withdrawal between them belongs to neither"
    assert await sums(database_url, second) == {Sort.PAYMENTS: Sum(2_000, 1), Sort.FEES: Sum(-30, 1)}
    assert not await breaches(database_url)


async def test_a_report_tells_what_a_payout_is_made_of(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]"
) -> None:
    buyer = await builders.an_account(engine, funds_minor=50_000)
    shop, other = await builders.a_merchant(engine), await builders.a_merchant(engine)
    schedule = await a_schedule(engine, shop)
    at_once = await builders.a_paid_payment(engine, payer=buyer, payee=shop, amount_minor=10_000, mode=Mode.INSTANT)
    await builders.a_confirmed_payment(engine, payer=buyer, payee=shop, amount_minor=2_000)
    await builders.a_funding(engine, shop, 500)
    await builders.a_withdrawal(engine, shop, 300)
    await builders.a_paid_payment(engine, payer=shop, payee=other, amount_minor=40, mode=Mode.INSTANT)
    await carried_out(engine, CreateRefund(origin=origin(), payment_id=at_once.id))
    await builders.approved(engine, builders.an_adjustment(buyer, shop, 77))
    await paid_out(engine, schedule)
    (payout,) = await payouts_of(connection, shop, engine)
    assert await sums(database_url, payout) == {
        Sort.PAYMENTS: Sum(12_000, 2),
        Sort.FEES: Sum(-180, 2),
        Sort.REFUNDS: Sum(-9_850, 1),
        Sort.ADJUSTMENTS: Sum(77, 1),
        Sort.FUNDINGS: Sum(200, 2),
        Sort.PURCHASES: Sum(-40, 1),
    }
    assert payout.amount_minor == 12_000 - 180 - 9_850 + 77 + 200 - 40
    assert not await breaches(database_url)


async def test_a_report_counts_what_a_dispute_released_as_paid_and_what_it_took_back_as_refunded(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]"
) -> None:
    shop = await builders.a_merchant(engine)
    schedule = await a_schedule(engine, shop)
    for a_disputed in (builders.a_shipped_payment, builders.a_confirmed_payment):
        dispute = await disputes.a_dispute(engine, await a_disputed(engine, payee=shop, amount_minor=1_000), 600)
        await disputes.offer_accepted(engine, await disputes.offered(engine, dispute, 200))
    await paid_out(engine, schedule)
    (payout,) = await payouts_of(connection, shop, engine)
    assert await sums(database_url, payout) == {
        Sort.PAYMENTS: Sum(800 + 1_000, 2),
        Sort.FEES: Sum(-12 - 15, 2),
        Sort.REFUNDS: Sum(-591 + 394, 2),
    }
    assert await fees_of_lines(database_url, payout) == [-12, -15, 0, 0]
    assert not await breaches(database_url)


async def test_a_report_stays_as_it_is_when_a_refund_fails_after_the_payout(
    database_url: str, engine: Engine, second_engine: Engine, connection: "asyncpg.Connection[Any]"
) -> None:
    shop, payer = await builders.a_merchant(engine), await builders.an_account(engine, funds_minor=1_000)
    payment = await builders.a_shipped_payment(engine, payer=payer, payee=shop, amount_minor=1_000)
    refund = await builders.a_refund(engine, payment, 400)
    schedule = await a_schedule(engine, shop)
    await builders.confirmed(engine, payment)
    await paid_out(engine, schedule)
    (first,) = await payouts_of(connection, shop, engine)
    told = await sums(database_url, first), await fees_of_lines(database_url, first)
    assert told == ({Sort.PAYMENTS: Sum(600, 1), Sort.FEES: Sum(-9, 1)}, [-9])
    await builders.a_funding(second_engine, payer, MAX_AMOUNT_MINOR)  # so the wallet is full, and the refund fails
    assert (await builders.stepped(engine, refund)).fee_kept_minor == 6
    assert (await sums(database_url, first), await fees_of_lines(database_url, first)) == told
    await paid_out(engine, schedule)
    _, second = await payouts_of(connection, shop, engine)
    assert await sums(database_url, second) == {Sort.REFUNDS: Sum(400, 1), Sort.FEES: Sum(-6, 1)}
    assert await fees_of_lines(database_url, second) == [-6]
    assert not await breaches(database_url)


# --- What the bank says ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accepted", [True, False])
async def test_a_payout_ends_as_its_withdrawal_ends(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]", accepted: bool
) -> None:
    shop = await builders.a_merchant(engine, funds_minor=900)
    schedule = await a_schedule(engine, shop)
    await builders.the_bank(engine, BankBehaviour.NO_ANSWER)
    assert (await paid_out(engine, schedule)).open_payout_id is not None
    (payout,) = await payouts_of(connection, shop, engine)
    assert (await carried_out(engine, finish(payout))).state is PayoutState.PENDING, "no bank has answered"
    after = await paid_out(engine, schedule)
    assert after.skip is Skip.PAYOUT_UNDER_WAY
    await builders.settled(engine, await stored(engine, Funding, payout.funding_id), accepted=accepted)
    assert not await breaches(database_url), "it ends a moment later"
    ended = await carried_out(engine, finish(payout))
    assert ended.state is (PayoutState.SUCCEEDED if accepted else PayoutState.FAILED)
    assert await carried_out(engine, finish(payout)) == ended
    records = await connection.fetch("SELECT topic FROM outbox WHERE subject_id = $1 ORDER BY sequence", payout.id)
    assert [record["topic"] for record in records] == ["payout.created", f"payout.{ended.state.name.lower()}"]
    assert await available(engine, shop) == (0 if accepted else 900)
    assert not await breaches(database_url)


async def test_a_payout_to_a_card_waits_for_its_bank(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]"
) -> None:
    """As any withdrawal to a card: pending until a worker has asked the bank, under the withdrawal's id."""
    shop = await builders.a_merchant(engine, funds_minor=900)
    async with a_bank() as bank, asyncpg.create_pool(database_url, min_size=1, max_size=4) as pool:
        schedule = await a_schedule(engine, shop, instrument_id=await a_card(engine, shop, bank))
        await later(engine, AN_HOUR)
        await carried_out(engine, pay_out(schedule, BY_BANK))
        (payout,) = await payouts_of(connection, shop, engine)
        assert (payout.state, await money(engine, shop)) == (PayoutState.PENDING, (0, 900))
        await Asking(engine, pool, bank).until_known()
    ended = await carried_out(engine, finish(payout))
    assert (ended.state, await money(engine, shop)) == (PayoutState.SUCCEEDED, (0, 0))
    assert not await breaches(database_url)


async def test_a_card_that_was_unbound_is_not_paid_out_to(engine: Engine) -> None:
    shop = await builders.a_merchant(engine, funds_minor=900)
    async with a_bank() as bank:
        card = await a_card(engine, shop, bank)
    schedule = await a_schedule(engine, shop, instrument_id=card)
    await carried_out(engine, UnbindInstrument(origin=origin(), instrument_id=card))
    assert (await paid_out(engine, schedule)).skip is Skip.INSTRUMENT_MISSING
    assert await available(engine, shop) == 900


async def test_what_a_bank_refused_is_part_of_the_next_payout(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]"
) -> None:
    shop = await builders.a_merchant(engine)
    schedule = await a_schedule(engine, shop)
    await builders.a_paid_payment(engine, payee=shop, amount_minor=1_000, mode=Mode.INSTANT)
    await builders.the_bank(engine, BankBehaviour.DECLINE)
    await paid_out(engine, schedule)
    await builders.the_bank(engine, BankBehaviour.ACCEPT)
    await paid_out(engine, schedule)
    failed, paid = await payouts_of(connection, shop, engine)
    assert (failed.state, paid.state) == (PayoutState.FAILED, PayoutState.SUCCEEDED)
    assert await sums(database_url, paid) == {Sort.FUNDINGS: Sum(985, 1)}
    assert not await breaches(database_url)


# --- What is not paid out ----------------------------------------------------------------------------------------------------


async def test_too_little_waits_for_more(database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]") -> None:
    shop = await builders.a_merchant(engine, funds_minor=999)
    schedule = await a_schedule(engine, shop, least_minor=1_000)
    skipped = await paid_out(engine, schedule)
    assert (skipped.skip, await available(engine, shop)) == (Skip.TOO_LITTLE, 999)
    memo = await connection.fetchval("SELECT memo FROM audit_event WHERE subject_id = $1 ORDER BY id DESC LIMIT 1", schedule.id)
    assert memo == "too_little"
    await builders.a_funding(engine, shop, 1)
    paid = await paid_out(engine, schedule)
    assert (paid.skip, paid.skipped_at, await available(engine, shop)) == (Skip.NONE, None, 0)


async def test_a_threshold_pays_out_when_it_is_reached(engine: Engine) -> None:
    shop = await builders.a_merchant(engine, funds_minor=999)
    schedule = await a_schedule(engine, shop, cadence=Cadence.THRESHOLD, least_minor=1_000)
    assert (await paid_out(engine, schedule)).skip is Skip.TOO_LITTLE
    await builders.a_funding(engine, shop, 1)
    await paid_out(engine, schedule)
    assert await available(engine, shop) == 0


async def test_a_frozen_account_says_so_and_is_paid_out_afterwards(engine: Engine) -> None:
    shop = await builders.a_merchant(engine, funds_minor=900)
    schedule = await a_schedule(engine, shop)
    await builders.frozen(engine, shop)
    skipped = await paid_out(engine, schedule)
    assert (skipped.skip, await available(engine, shop)) == (Skip.ACCOUNT_FROZEN, 900)
    await builders.unfrozen(engine, shop)
    assert (await paid_out(engine, schedule)).skip is Skip.NONE
    assert await available(engine, shop) == 0


async def test_refunds_come_first(database_url: str, engine: Engine) -> None:
    buyer, shop = await builders.an_account(engine, funds_minor=10_000), await builders.a_merchant(engine)
    schedule = await a_schedule(engine, shop)
    sold = await builders.a_paid_payment(engine, payer=buyer, payee=shop, amount_minor=5_000, mode=Mode.INSTANT)
    await builders.a_withdrawal(engine, shop, 4_000)
    await carried_out(engine, CreateRefund(origin=origin(), payment_id=sold.id))
    skipped = await paid_out(engine, schedule)
    assert (skipped.skip, await available(engine, shop)) == (Skip.REFUNDS_WAITING, 925)
    assert not await breaches(database_url)


async def test_a_closed_account_is_due_no_more(engine: Engine, database_url: str) -> None:
    shop = await builders.a_merchant(engine)
    schedule = await a_schedule(engine, shop, cadence=Cadence.WEEKLY, weekday=3)
    await carried_out(engine, CloseAccount(origin=origin(), account_id=shop.id))
    await later(engine, 7 * 24 * AN_HOUR)
    skipped = await carried_out(engine, pay_out(schedule))
    assert (skipped.skip, skipped.cadence, skipped.due_at) == (Skip.ACCOUNT_CLOSED, Cadence.NEVER, None)
    assert not await breaches(database_url)


async def test_without_a_card_only_a_sandbox_pays_out(engine: Engine) -> None:
    shop = await builders.a_merchant(engine, funds_minor=900)
    schedule = await a_schedule(engine, shop)
    await later(engine, AN_HOUR)
    assert (await carried_out(engine, pay_out(schedule, Ways(till=False)))).skip is Skip.BANK_MISSING
    assert await available(engine, shop) == 900


async def test_a_schedule_that_was_ended_pays_nothing_out(engine: Engine) -> None:
    shop = await builders.a_merchant(engine, funds_minor=900)
    await a_schedule(engine, shop)
    ended = await a_schedule(engine, shop, cadence=Cadence.NEVER)
    assert ended.due_at is None
    assert await paid_out(engine, ended) == ended
    assert await available(engine, shop) == 900


# --- Who may set it ----------------------------------------------------------------------------------------------------------


async def test_who_may_set_a_schedule(engine: Engine) -> None:
    shop, ada = await builders.a_merchant(engine), await builders.an_account(engine)
    operator = await builders.an_operator(engine)
    stranger = origin(account_id=ada.id)
    frozen = await builders.frozen(engine, await builders.a_merchant(engine))
    for command, refusal in (
        (set_hourly(ada), PayoutsForMerchants),
        (set_hourly(shop, origin=builders.by(operator)), ScopeMissing),
        (set_hourly(shop, origin=stranger), AccountNotFound),
        (set_hourly(shop, currency="USD"), WalletMissing),
        (set_hourly(shop, instrument_id=ada.id), InstrumentNotFound),
        (set_hourly(frozen), AccountFrozen),
    ):
        with pytest.raises(Refusal) as caught:
            await engine.submit(command)
        assert type(caught.value) is refusal


# --- Whatever dies -----------------------------------------------------------------------------------------------------------


async def test_two_workers_pay_out_once(
    database_url: str, engine: Engine, second_engine: Engine, connection: "asyncpg.Connection[Any]"
) -> None:
    shop = await builders.a_merchant(engine, funds_minor=900)
    schedule = await a_schedule(engine, shop)
    await later(engine, AN_HOUR)
    outcomes = await outcomes_of(*((each, pay_out(schedule)) for each in (engine, second_engine) for _ in range(8)))
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    (payout,) = await payouts_of(connection, shop, engine)
    assert payout.amount_minor == 900
    assert not await breaches(database_url)


async def test_workers_pay_out_what_is_due_and_finish_it(
    database_url: str, engine: Engine, connection: "asyncpg.Connection[Any]"
) -> None:
    """Two workers, one of which dies, while the clock moves a year at once: one payout for each merchant."""
    shops = [await builders.a_merchant(engine, funds_minor=100 + number) for number in range(12)]
    for shop in shops:
        await a_schedule(engine, shop)
    await builders.the_bank(engine, BankBehaviour.NO_ANSWER)
    async with (
        a_valkey() as valkey,
        a_worker(database_url, valkey.valkey_url) as first,
        a_worker(database_url, valkey.valkey_url),
    ):
        await later(engine, 365 * 24 * AN_HOUR)

        async def some_are_paid_out() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM payout"))

        await until(some_are_paid_out)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

        async def all_are_paid_out() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM payout") == len(shops))

        await until(all_are_paid_out)
        fundings: list[UUID] = [record["id"] for record in await connection.fetch("SELECT id FROM funding WHERE kind = 2")]
        for funding_id in fundings:
            await builders.settled(engine, await stored(engine, Funding, funding_id), accepted=True)

        async def all_have_ended() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM payout WHERE state = 2") == len(shops))

        await until(all_have_ended)
    amounts = await connection.fetch("SELECT amount_minor FROM payout ORDER BY amount_minor")
    assert [record["amount_minor"] for record in amounts] == [100 + number for number in range(12)]
    assert not await breaches(database_url)
