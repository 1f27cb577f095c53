"""Cards, fundings of them and reconciliations as callers of the wire see them, with a bank behind the core."""

import sqlite3
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import grpc
import pytest

from danbao.v1 import accounts_pb2, identity_pb2, operations_pb2, sandbox_pb2
from danbao_core.bank.http_bank import HttpBank
from danbao_core.bank.sandbox.server import SandboxBank
from danbao_core.bank.sandbox.store import FILE
from danbao_core.bank.wire import day_name
from danbao_core.clock import shanghai_day, system_wall_clock
from danbao_core.opening import running_engine
from danbao_core.settings import SettingsError
from tests.banks import GOOD_CARD, KEY, Asking, a_free_port, serving
from tests.people import a_person
from tests.rpc_client import (
    Connection,
    Core,
    a_core,
    a_merchant,
    an_account,
    audit_holds,
    available,
    nothing_changes,
    settings_for,
    walked,
)
from tests.rpc_requests import (
    a_top_up,
    a_withdrawal,
    advance_clock,
    answer_funding,
    bind,
    changed,
    settle_difference,
    start_reconciliation,
    the_bank,
)
from tests.shared_postgres import SharedServer, a_database

Bank, Funding = sandbox_pb2.Bank, accounts_pb2.Funding
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


class Town(NamedTuple):
    """A core, the bank that it asks, and what a worker does."""

    core: Core
    asking: Asking
    folder: Path


@pytest.fixture(scope="module")
async def town(postgres: SharedServer, administrator: Connection) -> AsyncIterator[Town]:
    async with (
        a_database(administrator, postgres) as database_url,
        serving(SandboxBank(folder := Path(tempfile.mkdtemp()), KEY)) as url,
        a_core(database_url, bank_url=url, bank_key=KEY) as core,
        running_engine(core.settings) as engine,
        asyncpg.create_pool(database_url, min_size=1, max_size=4) as pool,
    ):
        bank = HttpBank(url, KEY)
        yield Town(core, Asking(engine, pool, bank), folder)
        await bank.close()


@pytest.fixture(autouse=True)
async def well_behaved(town: Town) -> AsyncIterator[None]:
    yield
    await town.core.operator.ask(changed(the_bank(Bank.BEHAVIOUR_ACCEPT), channel=sandbox_pb2.BankChannel()))


def by_card(request: Any, card: identity_pb2.Instrument) -> Any:
    return changed(request, instrument=card.name)


async def the_funding(core: Core, name: str) -> accounts_pb2.Funding:
    funding: accounts_pb2.Funding = await core.operator.ask(accounts_pb2.GetFundingRequest(name=name))
    return funding


# --- Cards and fundings -----------------------------------------------------------------------------------------------------


async def test_a_merchants_key_binds_a_card_and_moves_money_by_it(town: Town) -> None:
    core, shop = town.core, await a_merchant(town.core)
    key = await core.caller("accounts.write", "accounts.read", "fundings.write", account=shop)
    request = bind(shop, GOOD_CARD)
    card = await key.ask(request)
    assert (card.account, card.last_four) == (shop, "4242")
    assert await key.answer(request) == (card, True)
    coming = await key.ask(by_card(a_top_up(shop, 500), card))
    assert (coming.state, coming.instrument) == (Funding.STATE_PENDING, card.name)
    await town.asking.once()
    assert (await the_funding(core, coming.name)).state == Funding.STATE_SUCCEEDED
    going = await key.ask(by_card(a_withdrawal(shop, 200), card))
    assert (going.state, await available(core, shop)) == (Funding.STATE_PENDING, 300)
    await town.asking.once()
    assert (await walked(key, accounts_pb2.ListFundingsRequest()))[0].state == Funding.STATE_SUCCEEDED
    assert await audit_holds(core)


async def test_without_a_card_the_till_answers_as_ever(town: Town) -> None:
    account = await an_account(town.core, funds_minor=100)
    funding = await town.core.operator.ask(a_withdrawal(account, 40))
    assert (funding.state, funding.instrument) == (Funding.STATE_SUCCEEDED, "")


async def test_a_persons_card_is_theirs_alone(town: Town) -> None:
    ada, bob = await a_person(town.core), await a_person(town.core)
    card = await ada.ask(bind(ada.account, GOOD_CARD, payment_password=ada.payment_password))
    funding = await ada.ask(by_card(a_top_up(ada.account, 70), card))
    await town.asking.once()
    assert (await ada.ask(accounts_pb2.GetFundingRequest(name=funding.name))).state == Funding.STATE_SUCCEEDED
    async with nothing_changes(town.core):
        assert (await bob.refused(by_card(a_top_up(bob.account, 70), card))).reason == "INSTRUMENT_NOT_FOUND"
        refused = await town.core.operator.refused(by_card(a_withdrawal(bob.account, 1), card))
        assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "INSTRUMENT_NOT_FOUND")


async def test_what_the_bank_says_is_shown(town: Town) -> None:
    account = await an_account(town.core)
    told = {}
    for four in ("0069", "0119"):
        card = await town.core.operator.ask(bind(account, f"400000000000{four}"))
        told[four] = await town.core.operator.ask(by_card(a_top_up(account, 70), card))
    await town.asking.once()
    declined, lost = [await the_funding(town.core, told[four].name) for four in ("0069", "0119")]
    assert (declined.state, declined.failure_reason) == (Funding.STATE_FAILED, Funding.FAILURE_REASON_CARD_EXPIRED)
    assert (lost.state, lost.failure_reason) == (Funding.STATE_UNKNOWN, Funding.FAILURE_REASON_UNSPECIFIED)
    for accepted in (True, False):
        refused = await town.core.operator.refused(answer_funding(lost.name, accepted))
        assert (refused.code, refused.reason) == (PRECONDITION, "FUNDING_AT_BANK")
    await town.asking.once()
    assert (await the_funding(town.core, lost.name)).state == Funding.STATE_SUCCEEDED


async def test_a_card_that_the_bank_does_not_take(town: Town) -> None:
    account = await an_account(town.core)
    async with nothing_changes(town.core):
        refused = await town.core.operator.refused(bind(account, "4100000000000019"))
        assert (refused.code, refused.reason) == (PRECONDITION, "CARD_DECLINED")


async def test_a_bank_that_is_away_keeps_nobody_from_calling_again(
    postgres: SharedServer, administrator: Connection, tmp_path: Path
) -> None:
    port = a_free_port()
    async with (
        a_database(administrator, postgres) as database_url,
        a_core(database_url, bank_url=f"http://127.0.0.1:{port}", bank_key=KEY) as core,
    ):
        account = await an_account(core)
        request = bind(account, GOOD_CARD)
        channel = changed(the_bank(Bank.BEHAVIOUR_DECLINE), channel=sandbox_pb2.BankChannel(lost_bps=1))
        async with nothing_changes(core):
            for each in (request, channel):
                refused = await core.operator.refused(each)
                assert (refused.code, refused.reason, refused.retry_seconds) == (UNAVAILABLE, "BANK_UNAVAILABLE", 5.0)
        async with serving(SandboxBank(tmp_path, KEY), port):
            assert (await core.operator.ask(request)).last_four == "4242"
            assert (await core.operator.ask(channel)).channel.lost_bps == 1


# --- The sandbox's bank -----------------------------------------------------------------------------------------------------


async def test_the_bank_of_cards_behaves_as_it_is_told(town: Town) -> None:
    account = await an_account(town.core, funds_minor=5)
    card = await town.core.operator.ask(bind(account, GOOD_CARD))
    told = changed(the_bank(Bank.BEHAVIOUR_ACCEPT), channel=sandbox_pb2.BankChannel(refused_bps=10_000))
    assert (await town.core.operator.ask(told)).channel.refused_bps == 10_000
    assert not (await town.core.operator.ask(the_bank(Bank.BEHAVIOUR_ACCEPT))).HasField("channel")
    funding = await town.core.operator.ask(by_card(a_top_up(account, 70), card))
    await town.asking.once()
    assert (await the_funding(town.core, funding.name)).failure_reason == Funding.FAILURE_REASON_BANK_DECLINED
    for wrong in ({"lost_bps": 10_001}, {"answer_delay_ms": -1}, {"reversed_after_days": 401}):
        refused = await town.core.operator.refused(changed(told, channel=sandbox_pb2.BankChannel(**wrong)))
        assert set(refused.violations) == {f"channel.{next(iter(wrong))}"}


async def test_a_core_without_a_bank_says_so(postgres: SharedServer, administrator: Connection) -> None:
    async with a_database(administrator, postgres) as database_url, a_core(database_url) as core:
        channel = changed(the_bank(Bank.BEHAVIOUR_ACCEPT), channel=sandbox_pb2.BankChannel())
        async with nothing_changes(core):
            refused = await core.operator.refused(channel)
            assert (refused.code, refused.reason) == (PRECONDITION, "BANK_MISSING")
        account = await an_account(core)
        card = await core.operator.ask(bind(account, GOOD_CARD))
        funding = await core.operator.ask(by_card(a_top_up(account, 70), card))
        assert (funding.state, funding.instrument) == (Funding.STATE_SUCCEEDED, card.name), "the till takes cards, too"
        assert await audit_holds(core)


def test_a_bank_is_asked_over_tls_but_for_a_sandboxs(monkeypatch: pytest.MonkeyPatch) -> None:
    key = {"bank_key": KEY}
    assert settings_for("postgresql://x/y", bank_url="http://127.0.0.1:1", **key).bank_url
    assert settings_for("postgresql://x/y", bank_url="https://bank.example.com/v2", mode="live", **key).bank_url
    for given, words in (
        ({"bank_url": "http://bank.example.com", **key}, "must begin with https://"),
        ({"bank_url": "http://127.0.0.1:1", "mode": "live", **key}, "must begin with https://"),
        ({"bank_url": "https://bank.example.com"}, "DANBAO_BANK_KEY: is not set"),
        ({"bank_url": "https://me:secret@bank.example.com", **key}, "DANBAO_BANK_URL: "),
        ({"bank_url": "https://bank.example.com?x=1", **key}, "DANBAO_BANK_URL: "),
        ({"bank_url": "ftp://bank.example.com", **key}, "DANBAO_BANK_URL: "),
    ):
        with pytest.raises(SettingsError, match=words):
            settings_for("postgresql://x/y", **given)
    assert KEY not in repr(settings_for("postgresql://x/y", bank_url="http://127.0.0.1:1", **key))


# --- Reconciliation ---------------------------------------------------------------------------------------------------------


async def differences(core: Core, *states: operations_pb2.ReconciliationDifference.State.ValueType) -> list[Any]:
    return await walked(core.operator, operations_pb2.ListReconciliationDifferencesRequest(states=states, page_size=1))


async def test_operators_reconcile_a_day_and_explain_what_differs(town: Town) -> None:
    core, today = town.core, shanghai_day(system_wall_clock())
    names = [day_name(today + days) for days in (0, 1)]
    account = await an_account(core)
    card = await core.operator.ask(bind(account, GOOD_CARD))
    fundings = [await core.operator.ask(by_card(a_top_up(account, 100 + number), card)) for number in range(3)]
    await town.asking.until_known()
    for funding in fundings[:2]:
        _lost_at_the_bank(town, funding.name.partition("/")[2])
    async with nothing_changes(core):
        for wrong in names[0], names[1]:
            refused = await core.operator.refused(start_reconciliation(wrong))
            assert (refused.code, refused.reason) == (PRECONDITION, "DAY_NOT_OVER")
        for wrong in "2026-02-30", "1969-12-31":
            assert set((await core.operator.refused(start_reconciliation(wrong))).violations) == {"day"}
    await core.operator.ask(advance_clock(86_400))
    request = start_reconciliation(names[0])
    asked = await core.operator.ask(request)
    assert (asked.day, asked.state) == (names[0], asked.STATE_PENDING)
    assert await core.operator.answer(request) == (asked, True)
    await town.asking.reconciled()
    (day,) = await walked(core.operator, operations_pb2.ListReconciliationsRequest())
    assert (day.name, day.state, day.entries - day.lines, day.differences) == (asked.name, asked.STATE_DONE, 2, 2)

    second, first = await differences(core)
    kind, state = operations_pb2.ReconciliationDifference.Kind, operations_pb2.ReconciliationDifference.State
    assert [each.kind for each in (first, second)] == [kind.Value("KIND_MISSING_THERE")] * 2
    assert [each.here.amount_minor for each in (first, second)] == [100, 101]
    assert not first.HasField("there")
    assert first.transfer_id == fundings[0].name.partition("/")[2]
    explained = await core.operator.ask(settle_difference(first.name, "the bank's fault"))
    assert (explained.explained_by, explained.note) == ("service:operator", "the bank's fault")
    refused = await core.operator.refused(settle_difference(first.name))
    assert (refused.code, refused.reason) == (PRECONDITION, "DIFFERENCE_EXPLAINED")
    assert await differences(core, state.Value("STATE_OPEN")) == [second]
    assert await differences(core, state.Value("STATE_EXPLAINED")) == [explained]
    assert await audit_holds(core)


def _lost_at_the_bank(town: Town, transfer_id: str) -> None:
    """A transfer that the bank did, and has forgotten."""
    with sqlite3.connect(town.folder / FILE) as database:
        assert database.execute("DELETE FROM transfer WHERE id = ?", (transfer_id,)).rowcount == 1
    database.close()
