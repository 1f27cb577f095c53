"""Refunds to cards at the sandbox's own bank: refused, answers lost, workers killed, and payments called off meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from danbao_core.accounts import Account
from danbao_core.bank.asking import ask, claim
from danbao_core.bank.http_bank import HttpBank
from danbao_core.bank.port import Answer
from danbao_core.bank.sandbox.behaviour import Behaviour
from danbao_core.clock import system_wall_clock
from danbao_core.engine import Engine
from danbao_core.ids import uuid7
from danbao_core.payments import CancelPayment, CloseReason, Payment, Refund, RefundState
from danbao_core.payments.refund_rows import Destination, Fallback, RefundFailure
from danbao_workers.refund_transfers import REFUND_TRANSFERS
from danbao_workers.refunds import REFUNDS
from danbao_workers.work import Background
from tests.banks import GOOD_CARD, a_bank
from tests.builders import (
    a_confirmed_payment,
    a_merchant,
    a_paid_payment,
    a_refund,
    an_account,
    origin,
    stored,
)
from tests.engines import available, breaches, money

Connection = Any

DECLINED_CARD, SILENT_CARD = "4000000000000002", "4000000000000119"


@pytest.fixture
async def bank() -> AsyncIterator[HttpBank]:
    async with a_bank(call_seconds=0.3) as asked:
        yield asked


@pytest.fixture
async def workers(
    engine: Engine, second_engine: Engine, database_url: str, bank: HttpBank
) -> AsyncIterator[tuple[Background, Background]]:
    """Two workers at one bank, as far as refunds need them."""
    nobody = cast("Any", None)
    async with asyncpg.create_pool(database_url, min_size=1, max_size=4) as pool:
        one, two = (
            Background(nobody, each, pool, nobody, nobody, system_wall_clock, nobody, nobody, nobody, bank)
            for each in (engine, second_engine)
        )
        yield one, two


async def a_card(bank: HttpBank, connection: Connection, account: Account, number: str = GOOD_CARD) -> UUID:
    """A card that the bank knows, bound to an account."""
    card_id = uuid7()
    await connection.execute(
        "INSERT INTO instrument VALUES ($1, $2, $3, '424242', '4242', '1', now(), NULL, 1)",
        card_id,
        account.id,
        await bank.tokenize(number),
    )
    await connection.execute("INSERT INTO instrument_ref VALUES ($1, $2, 1)", card_id.bytes * 2, card_id)
    return card_id


async def work(workers: tuple[Background, ...], connection: Connection) -> None:
    """What all workers do at once of all that is due; pauses are over."""
    await connection.execute("UPDATE refund SET next_attempt_at = now() - interval '1 s' WHERE next_attempt_at IS NOT NULL")
    ids = [row["id"] for row in await connection.fetch("SELECT id FROM refund WHERE due_at IS NOT NULL")]
    for kind in (REFUND_TRANSFERS, REFUNDS):
        await asyncio.gather(*(kind.carry_out(worker, ids) for worker in workers))


async def worked_off(workers: tuple[Background, ...], connection: Connection) -> None:
    """The same until nothing is under way."""
    async with asyncio.timeout(60):
        while await connection.fetchval("SELECT count(*) FROM refund WHERE due_at IS NOT NULL"):
            await work(workers, connection)


async def test_a_card_gets_the_money_and_the_wallet_what_the_bank_declines(
    engine: Engine, connection: Connection, bank: HttpBank, workers: tuple[Background, Background], database_url: str
) -> None:
    payer, payee = await an_account(engine, funds_minor=4_000), await a_merchant(engine)
    good, bad = [await a_card(bank, connection, payer, number) for number in (GOOD_CARD, DECLINED_CARD)]
    refunds = []
    for make in (a_paid_payment, a_confirmed_payment):
        for card in (good, bad):
            payment = await make(engine, payer=payer, payee=payee, amount_minor=1_000)
            refunds.append(await a_refund(engine, payment, instrument_id=card))
    await worked_off(workers, connection)
    ended = [await stored(engine, Refund, each.id) for each in refunds]
    assert {each.state for each in ended} == {RefundState.SUCCEEDED}
    assert [each.destination for each in ended] == [Destination.INSTRUMENT, Destination.WALLET] * 2
    assert [each.fallback for each in ended] == [Fallback.NONE, Fallback.BANK_DECLINED] * 2
    assert await money(engine, payer) == (2_000, 0)
    closed = [(await stored(engine, Payment, each.payment_id)).close_reason for each in refunds]
    assert set(closed) == {CloseReason.REFUNDED}
    assert await breaches(database_url) == []


async def test_answers_that_are_lost_and_workers_that_meet_move_nothing_twice(
    engine: Engine, connection: Connection, bank: HttpBank, workers: tuple[Background, Background], database_url: str
) -> None:
    """A third of all calls is carried out or hangs without an answer, a sixth of the transfers is declined."""
    payer, payee = await an_account(engine, funds_minor=40_000), await a_merchant(engine)
    card = await a_card(bank, connection, payer)
    await bank.set_behaviour(Behaviour(lost_bps=2_000, hanging_bps=1_300, refused_bps=1_600))
    refunds = []
    for number in range(40):
        make = a_paid_payment if number % 2 else a_confirmed_payment
        payment = await make(engine, payer=payer, payee=payee, amount_minor=1_000)
        refunds.append(await a_refund(engine, payment, 700, instrument_id=card))
    await worked_off(workers, connection)
    await bank.set_behaviour(Behaviour())
    ended = [await stored(engine, Refund, each.id) for each in refunds]
    assert {each.state for each in ended} == {RefundState.SUCCEEDED}
    for each in ended:
        moved = (await bank.query(each.id)).answer is Answer.ACCEPTED
        assert moved == (each.destination is Destination.INSTRUMENT), each
    to_wallet = sum(each.destination is Destination.WALLET for each in ended)
    assert 0 < to_wallet < 40
    assert await available(engine, payer) == to_wallet * 700
    outside = await connection.fetchval("SELECT -sum(amount_minor) FROM balance WHERE purpose = 13 AND currency = 'CNY'")
    assert outside == 40_000 - (40 - to_wallet) * 700
    assert await breaches(database_url) == []


async def test_a_worker_that_is_killed_after_the_bank_was_asked_leaves_it_to_another(
    engine: Engine, connection: Connection, bank: HttpBank, workers: tuple[Background, Background], database_url: str
) -> None:
    payer = await an_account(engine, funds_minor=1_000)
    card = await a_card(bank, connection, payer)
    refund = await a_refund(engine, await a_paid_payment(engine, payer=payer), instrument_id=card)
    claimed = await claim(workers[0].pool, "refund", refund.id)
    assert claimed is not None
    assert (await ask(bank, claimed)).answer is Answer.ACCEPTED
    # Here it dies. While its lease lasts nobody else asks.
    assert await claim(workers[1].pool, "refund", refund.id) is None
    assert (await stored(engine, Refund, refund.id)).state is RefundState.PENDING
    await worked_off(workers, connection)
    ended = await stored(engine, Refund, refund.id)
    assert (ended.state, ended.destination, ended.attempts) == (RefundState.SUCCEEDED, Destination.INSTRUMENT, 2)
    assert await breaches(database_url) == []


async def test_what_is_not_known_stays_pending_for_as_long_as_it_takes(
    engine: Engine, connection: Connection, bank: HttpBank, workers: tuple[Background, Background]
) -> None:
    payer = await an_account(engine, funds_minor=1_000)
    card = await a_card(bank, connection, payer, SILENT_CARD)
    refund = await a_refund(engine, await a_paid_payment(engine, payer=payer), instrument_id=card)
    await bank.set_behaviour(Behaviour(hanging_bps=10_000))
    for _ in range(3):
        await work(workers[:1], connection)
        waiting = await stored(engine, Refund, refund.id)
        assert (waiting.state, waiting.destination) == (RefundState.PENDING, Destination.INSTRUMENT)
        assert waiting.next_attempt_at is not None
    await bank.set_behaviour(Behaviour())
    await worked_off(workers, connection)
    assert (await stored(engine, Refund, refund.id)).destination is Destination.INSTRUMENT


async def test_a_card_that_was_unbound_is_not_asked(
    engine: Engine, connection: Connection, bank: HttpBank, workers: tuple[Background, Background], database_url: str
) -> None:
    payer = await an_account(engine, funds_minor=1_000)
    card = await a_card(bank, connection, payer)
    refund = await a_refund(engine, await a_paid_payment(engine, payer=payer), instrument_id=card)
    await connection.execute("UPDATE instrument SET unbound_at = now(), version = 2 WHERE id = $1", card)
    await worked_off(workers, connection)
    ended = await stored(engine, Refund, refund.id)
    assert (ended.state, ended.fallback, ended.attempts) == (RefundState.SUCCEEDED, Fallback.INSTRUMENT_UNBOUND, 0)
    assert (await bank.query(refund.id)).answer is Answer.NOT_KNOWN
    assert await available(engine, payer) == 1_000
    assert await breaches(database_url) == []


async def test_a_cancellation_races_with_the_bank(
    engine: Engine, connection: Connection, bank: HttpBank, workers: tuple[Background, Background], database_url: str
) -> None:
    """Either the refund is superseded, and the bank never hears of it, or it is the bank's and the rest returns."""
    payer, payee = await an_account(engine, funds_minor=1_000), await a_merchant(engine)
    card = await a_card(bank, connection, payer)
    to_card = 0
    for number in range(12):
        payment = await a_paid_payment(engine, payer=payer, payee=payee, amount_minor=50)
        refund = await a_refund(engine, payment, 20, instrument_id=card)
        cancelling = engine.submit(CancelPayment(origin=origin(), payment_id=payment.id))
        racing = [REFUND_TRANSFERS.carry_out(workers[1], [refund.id]), cancelling]
        await asyncio.gather(*(racing if number % 2 else racing[::-1]))
        await worked_off(workers, connection)
        ended, closed = await stored(engine, Refund, refund.id), await stored(engine, Payment, payment.id)
        moved = (await bank.query(refund.id)).answer is Answer.ACCEPTED
        assert moved == (ended.state is RefundState.SUCCEEDED)
        assert moved or ended.failure is RefundFailure.SUPERSEDED
        assert (closed.returned_minor, closed.held_minor, closed.refund_reserved_minor) == (50, 0, 0)
        to_card += moved
    assert await money(engine, payer) == (1_000 - 20 * to_card, 0)
    assert await breaches(database_url) == []
