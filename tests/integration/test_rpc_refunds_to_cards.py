"""Refunds to cards as callers of the wire see them: a server, a worker and a bank over HTTP."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from danbao.v1 import operations_pb2, payments_pb2
from danbao_core.bank.sandbox.server import SandboxBank
from danbao_core.bank.wire import day_name
from danbao_core.clock import shanghai_day, system_wall_clock
from tests.banks import GOOD_CARD, KEY, serving
from tests.rpc_client import (
    HASH_KEY,
    Connection,
    Core,
    a_core,
    a_merchant,
    an_account,
    audit_holds,
    available,
    nothing_changes,
    until,
    walked,
)
from tests.rpc_requests import (
    a_payment,
    a_top_up,
    a_transfer,
    advance_clock,
    bind,
    changed,
    refund,
    start_reconciliation,
    unbind,
)
from tests.shared_postgres import SharedServer, a_database
from tests.workers import a_valkey, a_worker

Refund = payments_pb2.Refund
DECLINED_CARD, SILENT_CARD = "4000000000000002", "4000000000000119"


class Town(NamedTuple):
    """A core, and what it takes to start a worker beside it."""

    core: Core
    valkey_url: str
    bank_url: str

    def worker(self) -> Any:
        facts = {"hash_key": HASH_KEY, "bank_url": self.bank_url, "bank_key": KEY}
        return a_worker(self.core.settings.database_url, self.valkey_url, **facts)


@pytest.fixture(scope="module")
async def town(postgres: SharedServer, administrator: Connection) -> AsyncIterator[Town]:
    async with (
        a_database(administrator, postgres) as database_url,
        a_valkey() as valkey,
        serving(SandboxBank(Path(tempfile.mkdtemp()), KEY)) as url,
        a_core(database_url, bank_url=url, bank_key=KEY) as core,
    ):
        yield Town(core, valkey.valkey_url, url)


async def ended(core: Core, of: Any) -> Any:
    """The refund when it has succeeded or failed."""

    async def has_ended() -> bool:
        return bool((await core.operator.ask(payments_pb2.GetRefundRequest(name=of.name))).HasField("end_time"))

    await until(has_ended)
    return await core.operator.ask(payments_pb2.GetRefundRequest(name=of.name))


async def test_the_money_reaches_the_card_or_the_wallet_and_the_banks_statement_says_so(town: Town) -> None:
    core = town.core
    payer, payee = await an_account(core, funds_minor=6_000), await a_merchant(core)
    refunds = {}
    for number in (GOOD_CARD, DECLINED_CARD, SILENT_CARD):
        card = await core.operator.ask(bind(payer, number))
        for make in (a_payment, a_transfer):
            payment = await core.operator.ask(make(payer, payee, 1_000))
            made = await core.operator.ask(refund(payment.name, 400, instrument=card.name))
            assert (made.state, made.destination) == (Refund.STATE_PENDING, Refund.DESTINATION_INSTRUMENT)
            assert made.instrument == card.name
            refunds[number, make] = made
    async with town.worker():
        done = {key: await ended(core, made) for key, made in refunds.items()}
    assert {each.state for each in done.values()} == {Refund.STATE_SUCCEEDED}
    for (number, _), each in done.items():
        to_wallet = number == DECLINED_CARD
        assert each.destination == (Refund.DESTINATION_WALLET if to_wallet else Refund.DESTINATION_INSTRUMENT)
        assert each.fallback_reason == (Refund.FALLBACK_REASON_BANK_DECLINED if to_wallet else 0)
    assert await available(core, payer) == 2 * 400
    assert await audit_holds(core)

    day = day_name(shanghai_day(system_wall_clock()))
    await core.operator.ask(advance_clock(86_400))
    async with town.worker():
        await core.operator.ask(start_reconciliation(day))

        async def is_reconciled() -> bool:
            found = await core.operator.ask(operations_pb2.ListReconciliationsRequest())
            return any(each.HasField("finish_time") for each in found.reconciliations)

        await until(is_reconciled)
    assert not await walked(core.operator, operations_pb2.ListReconciliationDifferencesRequest(), 10)


async def test_a_card_that_is_unbound_before_the_bank_is_asked(town: Town) -> None:
    core = town.core
    payer, payee = await an_account(core, funds_minor=100), await a_merchant(core)
    card = await core.operator.ask(bind(payer, GOOD_CARD))
    payment = await core.operator.ask(a_payment(payer, payee, 100))
    made = await core.operator.ask(refund(payment.name, instrument=card.name))
    await core.operator.ask(unbind(card.name))
    async with town.worker():
        done = await ended(core, made)
    assert done.fallback_reason == Refund.FALLBACK_REASON_INSTRUMENT_UNBOUND
    assert await available(core, payer) == 100


async def test_only_the_payers_own_card(town: Town) -> None:
    core = town.core
    payer, payee = await an_account(core, funds_minor=100), await a_merchant(core)
    payment = await core.operator.ask(a_payment(payer, payee, 100))
    shops = await core.operator.ask(bind(payee, GOOD_CARD))
    async with nothing_changes(core):
        assert (await core.operator.refused(refund(payment.name, instrument=shops.name))).reason == "INSTRUMENT_NOT_FOUND"


async def test_a_repeat_is_answered_as_ever_when_the_bank_was_taken_away(town: Town) -> None:
    core = town.core
    payer, payee = await an_account(core, funds_minor=100), await a_merchant(core)
    card = await core.operator.ask(bind(payer, GOOD_CARD))
    payment = await core.operator.ask(a_payment(payer, payee, 100))
    requests = [refund(payment.name, 40, instrument=card.name), changed(a_top_up(payer, 5), instrument=card.name)]
    answers = [await core.operator.ask(request) for request in requests]
    async with a_core(core.settings.database_url) as without_a_bank:
        operator = without_a_bank.operator.with_token(core.operator.token)
        for request, answer in zip(requests, answers, strict=True):
            assert await operator.answer(request) == (answer, True)
        another = refund(payment.name, 40, instrument=card.name)
        assert (await operator.refused(another)).reason == "BANK_MISSING"
