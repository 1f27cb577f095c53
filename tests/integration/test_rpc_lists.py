"""Lists: what each filter lets through, what a bound key sees, and statements that add up."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from danbao.v1 import accounts_pb2, payments_pb2
from danbao_core import ledger
from danbao_core.accounts import Account, Purpose
from danbao_core.engine import Book, Command, Decision, Draft, Engine, Key, reads
from danbao_core.ids import uuid7
from danbao_core.policy import PolicySchedule
from danbao_core.service_keys import Token
from tests import rpc_client
from tests.builders import carried_out, origin
from tests.rpc_client import (
    Caller,
    Core,
    a_core,
    a_merchant,
    an_account,
    available,
    engines_waiting,
    id_of,
    nothing_changes,
    until,
    walked,
)
from tests.rpc_requests import (
    UNKNOWN,
    a_payment,
    a_top_up,
    a_transfer,
    advance_clock,
    cancel,
    changed,
    close,
    confirm,
    create_account,
    ship,
)
from tests.shared_postgres import SharedServer, a_database

core = rpc_client.core

ListPayments = payments_pb2.ListPaymentsRequest
ListAccounts = accounts_pb2.ListAccountsRequest
ListEntries = accounts_pb2.ListEntriesRequest
ListFundings = accounts_pb2.ListFundingsRequest
Payment = payments_pb2.Payment

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND


class World(NamedTuple):
    """Two buyers, two shops, and payments between them in every mode and most states, newest first."""

    core: Core
    ada: str
    bob: str
    shop: str
    market: str
    payments: list[Any]
    fundings: list[Any]


@pytest.fixture(scope="module")
async def world(postgres: SharedServer, administrator: Any) -> AsyncIterator[World]:
    async with a_database(administrator, postgres) as database_url, a_core(database_url) as core:
        ask = core.operator.ask
        ada, bob, shop, market = [
            await an_account(core),
            await an_account(core),
            await a_merchant(core),
            await a_merchant(core),
        ]
        fundings = [await ask(a_top_up(account, amount)) for account, amount in ((ada, 900), (bob, 800), (shop, 70), (ada, 60))]
        made: list[str] = []
        for payer, payee in ((ada, shop), (bob, shop), (ada, market), (ada, bob), (shop, market), (shop, ada)):
            made.append((await ask(a_payment(payer, payee, 10, pay=False))).name)
            made.append((await ask(a_transfer(payer, payee, 10))).name)
            await ask(advance_clock(86_400))
            made.append((await ask(a_payment(payer, payee, 10))).name)
            for steps in ((ship,), (ship, confirm), (cancel,)):
                made.append((await ask(a_payment(payer, payee, 10))).name)
                for step in steps:
                    await ask(step(made[-1]))
        payments = [await ask(payments_pb2.GetPaymentRequest(name=name)) for name in made]
        yield World(core, ada, bob, shop, market, newest_first(payments), newest_first(fundings))


def newest_first(resources: Iterable[Any]) -> list[Any]:
    return sorted(resources, key=lambda resource: id_of(resource.name), reverse=True)


def at(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


# --- Payments ---------------------------------------------------------------------------------------------------------------


async def test_without_a_filter_all_payments_are_listed_newest_first(world: World) -> None:
    for sizes in ((0,), (1,), (500,), (7, 2, 100)):
        assert await walked(world.core.operator, ListPayments(), *sizes) == world.payments


async def test_payments_by_account_and_side(world: World) -> None:
    for account in (world.ada, world.bob, world.shop, world.market):
        sides = {
            ListPayments.SIDE_UNSPECIFIED: [each for each in world.payments if account in (each.payer, each.payee)],
            ListPayments.SIDE_PAYER: [each for each in world.payments if account == each.payer],
            ListPayments.SIDE_PAYEE: [each for each in world.payments if account == each.payee],
        }
        for side, expected in sides.items():
            assert await walked(world.core.operator, ListPayments(account=account, side=side), 5) == expected, side
    assert len({each.payer for each in world.payments}) == 3


async def test_a_side_needs_an_account(world: World) -> None:
    refused = await world.core.operator.refused(ListPayments(side=ListPayments.SIDE_PAYER))
    assert (refused.code, refused.reason, set(refused.violations)) == (INVALID, "FIELD_INVALID", {"side"})


async def test_payments_by_states_and_modes(world: World) -> None:
    states = [state for state in Payment.State.values() if state]
    modes = [mode for mode in Payment.Mode.values() if mode]
    assert {each.state for each in world.payments} >= {1, 2, 3, 4, 6}
    some_states = [(), *((state,) for state in states), tuple(states), (4, 6), (6, 4)]
    for wanted, way in itertools.product(some_states, [(), *((mode,) for mode in modes), tuple(modes)]):
        for account in ("", world.shop):
            expected = [
                each
                for each in world.payments
                if each.state in (wanted or states) and each.mode in (way or modes) and account in ("", each.payer, each.payee)
            ]
            request = changed(ListPayments(account=account), states=wanted, modes=way)
            assert await walked(world.core.operator, request, 4) == expected, request


async def test_payments_by_the_business_time_of_their_creation(world: World) -> None:
    times = sorted({each.create_time.ToDatetime(UTC) for each in world.payments})
    assert times[-1] - times[0] > timedelta(days=5), "the sandbox's clock ran ahead"
    bounds = [None, datetime.fromtimestamp(0, UTC), *times[::7], times[-1], datetime(9000, 1, 1, tzinfo=UTC)]
    for earliest, end in itertools.product(bounds, bounds):
        request = ListPayments(created_from=earliest and at(earliest), created_before=end and at(end))
        expected = [
            each
            for each in world.payments
            if (earliest or times[0]) <= each.create_time.ToDatetime(UTC)
            and (end is None or each.create_time.ToDatetime(UTC) < end)
        ]
        assert await walked(world.core.operator, request, 20) == expected, request


async def test_a_page_looks_at_so_many_rows_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ask, walk = world.core.operator.ask, world.core.operator
    rare = [each for each in world.payments if each.state == Payment.STATE_CLOSED]
    ids = [id_of(each.name) for each in world.payments]
    for most in (1, 2, 3, 7, 1_000):
        monkeypatch.setattr(reads, "MOST_LOOKED_AT", most)
        assert await walked(walk, ListPayments(), 4) == world.payments
        for account in ("", world.shop):
            found = [each for each in rare if account in ("", each.payer, each.payee)]
            request = ListPayments(states=[Payment.STATE_CLOSED], account=account)
            assert await walked(walk, request, 2) == found, most
        (accounts,) = [await walked(walk, ListAccounts(kinds=[accounts_pb2.Account.KIND_MERCHANT]), 1)]
        assert {each.name for each in accounts} == {world.shop, world.market}
        first = await ask(ListPayments(states=[Payment.STATE_CLOSED], page_size=500))
        assert bool(first.next_page_token) == (most < len(ids))
        assert len(first.payments) <= most


async def test_times_before_the_calendar_begins(database_url: str) -> None:
    async with a_core(database_url) as core:
        ada, bob = await an_account(core, funds_minor=10), await an_account(core)
        made = await core.operator.ask(a_transfer(ada, bob, 10))
        await core.connection.execute("UPDATE installation SET clock_offset_seconds = 2000::bigint * 366 * 86400")
        assert await walked(core.operator, ListPayments(created_from=Timestamp(seconds=0))) == [made]


async def test_nobody_waits_at_the_door_because_of_lists(database_url: str) -> None:
    async with a_core(database_url, pool_size=1) as core:
        stranger = core.operator.with_token(str(Token.new(uuid7())))
        transaction = core.connection.transaction()
        await transaction.start()
        await core.connection.execute("LOCK TABLE payment IN ACCESS EXCLUSIVE MODE")
        listing = asyncio.create_task(core.operator.ask(ListPayments()))
        await until(lambda: engines_waiting(core))
        assert (await stranger.refused(ListPayments())).reason == "TOKEN_INVALID"
        assert not listing.done()
        await transaction.rollback()
        assert not (await listing).payments


async def test_times_that_no_payment_can_have(world: World) -> None:
    for seconds, nanos in ((-1, 0), (221_845_392_001, 0), (2**63 - 1, 0), (-(2**63), 0), (0, -1), (0, 10**9), (1, 2**31 - 1)):
        for field in ("created_from", "created_before"):
            request = changed(ListPayments(), **{field: Timestamp(seconds=seconds, nanos=nanos)})
            refused = await world.core.operator.refused(request)
            assert (refused.code, set(refused.violations)) == (INVALID, {field}), request


async def test_a_bound_key_is_shown_the_payments_of_its_account_alone(world: World) -> None:
    mine = await world.core.caller("payments.read", account=world.bob)
    own = [each for each in world.payments if world.bob in (each.payer, each.payee)]
    received = [each for each in own if each.payee == world.bob]
    assert 0 < len(received) < len(own) < len(world.payments)
    assert await walked(mine, ListPayments()) == own
    assert await walked(mine, ListPayments(account=world.bob)) == own
    assert await walked(mine, ListPayments(side=ListPayments.SIDE_PAYEE)) == received
    assert await walked(mine, ListPayments(states=[Payment.STATE_PAID]), 1) == [each for each in own if each.state == 2]
    refused = await mine.refused(ListPayments(account=world.shop))  # although they have payments with each other
    unknown = await mine.refused(ListPayments(account=f"accounts/{UNKNOWN}"))
    assert (refused.code, refused.reason) == (unknown.code, unknown.reason) == (NOT_FOUND, "ACCOUNT_NOT_FOUND")


async def test_of_an_account_that_does_not_exist_nothing_is_listed(world: World) -> None:
    for account in (UNKNOWN, "00000000-0000-8000-8000-00000000da0b"):
        for request in (ListPayments(), ListFundings(), ListEntries(currency_code="CNY")):
            refused = await world.core.operator.refused(changed(request, account=f"accounts/{account}"))
            assert (refused.code, refused.reason) == (NOT_FOUND, "ACCOUNT_NOT_FOUND")


async def test_a_payment_by_its_payees_order_number(core: Core) -> None:
    payer, shop, other = await an_account(core, funds_minor=500), await a_merchant(core), await a_merchant(core)
    payment = await core.operator.ask(a_payment(payer, shop, order_no="A 1"))
    same = await core.operator.ask(a_payment(payer, other, order_no="A 1"))
    by_number = payments_pb2.GetPaymentByOrderNoRequest(payee=shop, order_no="A 1")
    assert await core.operator.ask(by_number) == payment
    assert await core.operator.ask(changed(by_number, payee=other)) == same
    for side in (payer, shop):
        assert await (await core.caller("payments.read", account=side)).ask(by_number) == payment
    stranger = await core.caller("payments.read", account=other)
    for caller, request in (
        (stranger, by_number),
        (core.operator, changed(by_number, order_no="a 1")),
        (core.operator, changed(by_number, payee=payer)),
    ):
        refused = await caller.refused(request)
        assert (refused.code, refused.reason) == (NOT_FOUND, "PAYMENT_NOT_FOUND")
        assert refused.metadata == {"payee": request.payee, "order_no": request.order_no}


# --- Accounts and fundings --------------------------------------------------------------------------------------------------


async def test_accounts_by_kind_and_state(database_url: str) -> None:
    async with a_core(database_url) as core:
        people = [await core.operator.ask(create_account("CNY")) for _ in range(3)]
        shops = [await core.operator.ask(create_account("CNY", merchant=True)) for _ in range(3)]
        gone = [await core.operator.ask(close(each.name)) for each in (people.pop(), shops.pop())]
        everybody = newest_first([*people, *shops, *gone])
        kinds, states = (1, 2), (1, 2)
        for kind, state in itertools.product([(), (1,), (2,), kinds], [(), (1,), (2,), states]):
            request = changed(ListAccounts(), kinds=kind, states=state)
            expected = [each for each in everybody if each.kind in (kind or kinds) and each.state in (state or states)]
            for size in (0, 1, 2, 6):
                assert await walked(core.operator, request, size) == expected, request


async def test_a_bound_key_does_not_list_accounts(core: Core) -> None:
    refused = await (await core.caller("accounts.read", account=await an_account(core))).refused(ListAccounts())
    assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_YOUR_ACCOUNT")


async def test_fundings_by_account(world: World) -> None:
    assert await walked(world.core.operator, ListFundings(), 3) == world.fundings
    for account in (world.ada, world.bob, world.market):
        own = [each for each in world.fundings if each.account == account]
        assert await walked(world.core.operator, ListFundings(account=account), 1) == own
        mine = await world.core.caller("accounts.read", account=account)
        assert await walked(mine, ListFundings()) == await walked(mine, ListFundings(account=account)) == own
        refused = await mine.refused(ListFundings(account=world.shop))
        assert (refused.code, refused.reason) == (NOT_FOUND, "ACCOUNT_NOT_FOUND")


# --- External ids -----------------------------------------------------------------------------------------------------------


async def test_an_account_by_its_external_id(core: Core) -> None:
    number = " ~user:7'\"\\%$1"
    account = await core.operator.ask(create_account("CNY", external_id=number))
    other = await core.operator.ask(create_account("CNY"))
    by_number = accounts_pb2.GetAccountByExternalIdRequest(external_id=number)
    assert (account.external_id, other.external_id) == (number, "")
    assert await core.operator.ask(accounts_pb2.GetAccountRequest(name=account.name)) == account
    assert await core.operator.ask(by_number) == account
    assert await (await core.caller("accounts.read", account=account.name)).ask(by_number) == account
    stranger = await core.caller("accounts.read", account=other.name)
    for caller, request in ((stranger, by_number), (core.operator, changed(by_number, external_id="nobody's"))):
        refused = await caller.refused(request)
        assert (refused.code, refused.reason) == (NOT_FOUND, "ACCOUNT_NOT_FOUND")
        assert refused.metadata == {"external_id": request.external_id}
    closed = await core.operator.ask(close(account.name))
    assert await core.operator.ask(by_number) == closed


async def test_whose_an_external_id_is_is_not_told_to_a_bound_key(core: Core) -> None:
    await core.operator.ask(create_account("CNY", external_id="secret"))
    bound = await core.caller("accounts.write", account=await an_account(core))
    assert (await bound.refused(create_account("CNY", external_id="secret"))).reason == "NOT_YOUR_ACCOUNT"


async def test_an_external_id_is_taken_once_for_ever(core: Core) -> None:
    request = create_account("CNY", external_id="once")
    first = await core.operator.ask(request)
    assert await core.operator.answer(request) == (first, True)
    await core.operator.ask(close(first.name))
    async with nothing_changes(core):
        refused = await core.operator.refused(create_account("CNY", external_id="once"))
        assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "EXTERNAL_ID_TAKEN")
        assert (refused.resource, refused.metadata) == (first.name, {"external_id": "once"})


# --- Statements -------------------------------------------------------------------------------------------------------------


class Hold(Command[Account], frozen=True):
    """Sets money of a wallet aside, as payments will."""

    result_type = Account
    account_id: UUID
    amount_minor: int

    def _postings(self) -> list[ledger.Posting]:
        return [
            ledger.Posting(self.account_id, Purpose.AVAILABLE, -self.amount_minor),
            ledger.Posting(self.account_id, Purpose.HELD, self.amount_minor),
        ]

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.read_key(self.account_id)
        yield from ledger.keys(book, "CNY", self._postings())

    def decide(self, book: Book) -> Decision[Account]:
        draft, ids = Draft(book), self.ids()
        subject = ids.take()
        ledger.post(draft, ids, self.origin, kind="payment.hold", subject_id=subject, currency="CNY", postings=self._postings())
        return Decision(book[Account, self.account_id], draft.changes)


def adds_up(entries: list[Any]) -> bool:
    """Whether each entry continues the one before it, from nothing to the newest; entries come newest first."""
    older = [*entries[1:], None]
    return all(
        entry.balance_after.amount_minor - entry.amount.amount_minor == (before.balance_after.amount_minor if before else 0)
        and entry.sequence == (before.sequence if before else 0) + 1
        for entry, before in zip(entries, older, strict=True)
    )


async def test_a_statement_says_what_moved_and_why_and_adds_up(core: Core) -> None:
    buyer, shop = await an_account(core, "CNY", "USD"), await a_merchant(core)
    funding = await core.operator.ask(a_top_up(buyer, 1_000))
    await core.operator.ask(a_top_up(buyer, 5, "USD"))
    transfer = await core.operator.ask(a_transfer(buyer, shop, 200))
    order = await core.operator.ask(a_payment(buyer, shop, 300))
    await core.operator.ask(cancel(order.name))
    entries = await walked(core.operator, ListEntries(account=buyer, currency_code="CNY"))
    assert [(entry.kind, entry.subject, entry.amount.amount_minor, entry.balance_after.amount_minor) for entry in entries] == [
        ("payment.cancel", order.name, 300, 800),
        ("payment.pay", order.name, -300, 500),
        ("payment.pay", transfer.name, -200, 800),
        ("funding.top_up", funding.name, 1_000, 1_000),
    ]
    assert adds_up(entries)
    assert {entry.purpose for entry in entries} == {accounts_pb2.Entry.PURPOSE_AVAILABLE}
    assert entries[-1].create_time == funding.create_time
    assert {money.currency_code for entry in entries for money in (entry.amount, entry.balance_after)} == {"CNY"}
    (dollars,) = await walked(core.operator, ListEntries(account=buyer, currency_code="USD"))
    assert (dollars.amount.amount_minor, dollars.amount.currency_code) == (5, "USD")
    (received,) = await walked(core.operator, ListEntries(account=shop, currency_code="CNY"))
    assert (received.journal, received.amount.amount_minor) == (entries[2].journal, 197)


async def test_a_long_statement_adds_up_page_by_page_while_money_moves(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=10_000), await a_merchant(core)
    for amount in range(1, 40):
        await core.operator.ask(a_transfer(buyer, shop, amount))
    first = await core.operator.ask(ListEntries(account=buyer, currency_code="CNY", page_size=3))
    entries, token = list(first.entries), first.next_page_token
    while token:
        await core.operator.ask(a_transfer(buyer, shop, 1))
        page = await core.operator.ask(
            ListEntries(account=buyer, currency_code="CNY", page_size=1 + len(entries) % 7, page_token=token)
        )
        entries, token = [*entries, *page.entries], page.next_page_token
    assert len(entries) == 40
    assert adds_up(entries)
    now = await walked(core.operator, ListEntries(account=buyer, currency_code="CNY"))
    assert now[-40:] == entries
    assert now[0].balance_after.amount_minor == await available(core, buyer)


async def test_each_balance_of_a_wallet_has_its_statement(core: Core) -> None:
    owner = await an_account(core, funds_minor=1_000)
    engine = Engine(core.settings.database_url, policies=PolicySchedule.load())
    await engine.start()
    for amount in (100, 20, 3):
        await carried_out(engine, Hold(origin=origin(), account_id=id_of(owner), amount_minor=amount))
    await engine.stop()
    ask = ListEntries(account=owner, currency_code="CNY")
    available_, held, owed = (
        accounts_pb2.Entry.Purpose.Value(f"PURPOSE_{name}") for name in ("AVAILABLE", "HELD", "RECEIVABLE")
    )
    of = {purpose: await walked(core.operator, changed(ask, purposes=[purpose])) for purpose in (available_, held, owed)}
    assert [entry.balance_after.amount_minor for entry in of[held]] == [123, 120, 100]
    assert [entry.balance_after.amount_minor for entry in of[available_]] == [877, 880, 900, 1_000]
    assert of[owed] == []
    assert adds_up(of[held])
    assert await walked(core.operator, ask) == of[available_]
    for sizes in ((1,), (2,), (3,), (4,), (5,), (50,), (4, 1), (3, 2)):
        for purposes in ([available_, held], [held, available_], [owed, held, available_]):
            assert await walked(core.operator, changed(ask, purposes=purposes), *sizes) == of[available_] + of[held]
    balances = await core.operator.ask(accounts_pb2.ListBalancesRequest(name=owner))
    (wallet,) = balances.balances
    assert (wallet.available.amount_minor, wallet.held.amount_minor, wallet.owed.amount_minor) == (877, 123, 0)


async def test_a_statement_is_its_owners_and_of_a_wallet(core: Core) -> None:
    owner, other = await an_account(core, funds_minor=5), await an_account(core, funds_minor=5)
    mine: Caller = await core.caller("accounts.read", account=owner)
    assert len(await walked(mine, ListEntries(account=owner, currency_code="CNY"))) == 1
    refused = await mine.refused(ListEntries(account=other, currency_code="CNY"))
    assert (refused.code, refused.reason) == (NOT_FOUND, "ACCOUNT_NOT_FOUND")
    refused = await mine.refused(ListEntries(account=owner, currency_code="JPY"))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "WALLET_MISSING")
    assert refused.metadata == {"account": owner, "currency": "JPY"}
