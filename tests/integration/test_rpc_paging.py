"""Page sizes and page tokens: what is good for whom, for what, and for how long; and walks beside others who write."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from danbao.v1 import accounts_pb2, disputes_pb2, operations_pb2, payments_pb2
from danbao_client import Danbao
from danbao_core.accounts import Account
from danbao_core.engine import Engine, reads
from danbao_core.ids import uuid7
from danbao_core.money import Money
from danbao_core.payments import CreatePayment, Mode
from danbao_core.policy import PolicySchedule
from tests import builders, rpc_client
from tests.banks import a_difference
from tests.builders import origin
from tests.rpc_client import Caller, Core, a_core, a_merchant, an_account, an_operator_token, id_of, walked
from tests.rpc_requests import (
    METHODS,
    a_payment,
    a_top_up,
    an_adjustment,
    cancel,
    changed,
    named,
    open_dispute,
    refund,
    reject,
    rotate,
    submit_evidence,
)
from tests.valid_requests import valid_requests

core = rpc_client.core

LISTS: list[Any] = [each for each in valid_requests() if "page_token" in each.DESCRIPTOR.fields_by_name]
ListPayments = payments_pb2.ListPaymentsRequest
ListServiceKeys = operations_pb2.ListServiceKeysRequest
Proposal, OpenItem = operations_pb2.Proposal, operations_pb2.OpenItem
ListProposals = operations_pb2.ListProposalsRequest
ListOpenItems = operations_pb2.ListOpenItemsRequest

INVALID = grpc.StatusCode.INVALID_ARGUMENT


class Clock:
    """Wall time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


async def a_world(core: Core) -> tuple[str, str]:
    """A buyer and a shop with five payments between them; two or more of everything else that is listed."""
    buyer, shop = await an_account(core, funds_minor=1_000), await a_merchant(core)
    for _ in range(3):
        await core.operator.ask(a_payment(buyer, shop))
    await core.operator.ask(a_top_up(buyer, 5))
    for _ in range(2):
        await some_news(core, buyer)
        await core.caller("payments.read")
        await core.operator.ask(an_adjustment("FEES", "COMPENSATION"))
        await an_open_item(core, shop)
        await a_difference(core)
    for account in (buyer, shop):
        await two_deliveries(core, account)
        await two_payouts(core, account)
    for account in (buyer, shop):
        escrow = await core.operator.ask(a_payment(buyer, shop, 10, mode=payments_pb2.Payment.MODE_ESCROW))
        await core.operator.ask(refund(escrow.name, 5))
        DISPUTES[account] = await a_dispute(core, escrow.name)
    return buyer, shop


DISPUTES: dict[str, str] = {}
"""By an account of a world, one of its disputes, whose lists are taken for the account's."""


async def a_dispute(core: Core, payment: str) -> str:
    """The name of a payment's dispute with two pieces of evidence."""
    dispute = (await core.operator.ask(open_dispute(payment))).name
    for side in (disputes_pb2.Dispute.PARTY_BUYER, disputes_pb2.Dispute.PARTY_SELLER):
        await core.operator.ask(submit_evidence(dispute, party=side))
    return str(dispute)


async def two_payouts(core: Core, account: str) -> None:
    """Two payouts of an account."""
    for _ in range(2):
        await core.connection.execute(
            "INSERT INTO payout VALUES ($1, $2, $3, 'CNY', 2, 1, 0, 0, 1, $4, now(), now(), now(), 1)",
            *(uuid7(), uuid7(), id_of(account), uuid7()),
        )


async def some_news(core: Core, account: str) -> None:
    """Something in an inbox."""
    await core.connection.execute(
        "INSERT INTO inbox_message "
        "SELECT $1, $2, coalesce(max(position), 0) + 1, 4, 'account_frozen', '', '{}', now(), NULL, 1 FROM inbox_message",
        id_of(account),
        uuid7(),
    )


async def two_deliveries(core: Core, account: str) -> None:
    """Two endpoints of an account, the first under the account's own id, and two deliveries to that."""
    own = id_of(account)
    for endpoint in (own, uuid7()):
        await core.connection.execute(
            "INSERT INTO webhook_endpoint "
            "VALUES ($1, $2, 'http://x', '*', '', false, 1, 0, '', NULL, NULL, now(), now(), now(), 1)",
            endpoint,
            own,
        )
    for _ in range(2):
        await core.connection.execute(
            "INSERT INTO delivery VALUES ($1, $2, $1, 1, 'payment.paid', $1, 2, 0, 1, NULL, now(), now(), 1)", uuid7(), own
        )


async def an_open_item(core: Core, shop: str) -> None:
    """Money that returns to somebody whose account was closed by force."""
    leaver = await an_account(core, funds_minor=10)
    payment = await core.operator.ask(a_payment(leaver, shop, 10, mode=payments_pb2.Payment.MODE_ESCROW))
    await core.connection.execute("UPDATE account SET state = 2, version = version + 1 WHERE id = $1", id_of(leaver))
    await core.operator.ask(cancel(payment.name))


def of(account: str, request: Any) -> Any:
    """The same list of another account, where it is one of an account's."""
    fields = request.DESCRIPTOR.fields_by_name
    if "webhook_endpoint" in fields:
        return changed(request, webhook_endpoint=account.replace("accounts/", "webhookEndpoints/"))
    if "dispute" in fields:
        return changed(request, dispute=DISPUTES[account])
    return changed(request, account=account) if "account" in fields else request


async def token_of(caller: Caller, request: Any) -> str:
    """The token that leads to the second page."""
    token: str = (await caller.ask(changed(request, page_size=1))).next_page_token
    assert token
    return token


async def must_be_refused(caller: Caller, request: Any, token: str) -> None:
    refused = await caller.refused(changed(request, page_token=token))
    assert (refused.code, refused.reason) == (INVALID, "PAGE_TOKEN_INVALID"), token


# --- Sizes ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", LISTS, ids=named)
async def test_a_negative_page_size_is_refused(core: Core, request_: Message) -> None:
    for size in (-1, -(2**31)):
        refused = await core.operator.refused(changed(request_, page_size=size))
        assert (refused.code, refused.reason, set(refused.violations)) == (INVALID, "FIELD_INVALID", {"page_size"})


async def test_a_page_has_fifty_items_and_never_more_than_five_hundred(core: Core, database_url: str) -> None:
    async with a_core(database_url) as fresh:
        for count, size, shown in ((501, 0, 50), (0, 500, 500), (0, 501, 500), (0, 2**31 - 1, 500), (0, 499, 499)):
            await asyncio.gather(*(an_account(fresh) for _ in range(count)))
            page = await fresh.operator.ask(accounts_pb2.ListAccountsRequest(page_size=size))
            assert (len(page.accounts), bool(page.next_page_token)) == (shown, True), size


async def test_the_last_page_says_so(core: Core) -> None:
    buyer, _ = await a_world(core)
    for size, token in ((4, True), (5, False), (6, False)):
        page = await core.operator.ask(ListPayments(account=buyer, page_size=size))
        assert bool(page.next_page_token) == token, size


async def test_a_page_of_large_payments_fits_into_a_message(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=1_000), await a_merchant(core)
    metadata = {f"{number}": "買" * 500 for number in range(20)}
    made = [(await core.operator.ask(a_payment(buyer, shop, 1, metadata=metadata))).name for _ in range(150)]
    page = await core.operator.ask(ListPayments(account=shop, page_size=500))
    assert page.ByteSize() < 4 * 1024 * 1024
    assert 50 < len(page.payments) < 150
    listed = await walked(core.operator, ListPayments(account=shop), 500)
    assert sorted(each.name for each in listed) == sorted(made)


def names_of(resources: list[Any]) -> list[str]:
    return [each.name for each in resources]


async def test_proposals_and_open_items_are_looked_at_so_many_a_page(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_world(core)
    (rejected, *pending) = await walked(core.operator, ListProposals(), 500)
    await core.operator.ask(reject(rejected.name))
    items = await walked(core.operator, ListOpenItems(), 500)
    for most in (1, 2, 3):
        monkeypatch.setattr(reads, "MOST_LOOKED_AT", most)
        for state, names in ((Proposal.STATE_PENDING, names_of(pending)), (Proposal.STATE_REJECTED, [rejected.name])):
            found = await walked(core.operator, ListProposals(states=[state]), 2)
            assert names_of(found) == names
        assert await walked(core.operator, ListOpenItems(states=[OpenItem.STATE_OPEN]), 2) == items
        assert await walked(core.operator, ListOpenItems(states=[OpenItem.STATE_SETTLED]), 2) == []
        first = await core.operator.ask(ListOpenItems(states=[OpenItem.STATE_SETTLED]))
        assert bool(first.next_page_token) == (most <= len(items))


async def test_the_keys_are_listed_by_the_page_and_walked_by_the_client(core: Core) -> None:
    for _ in range(3):
        await core.caller("payments.read")
    stored = await core.connection.fetch("SELECT id FROM service_key ORDER BY id DESC")
    newest_first = [f"serviceKeys/{row['id']}" for row in stored]
    page = await core.operator.ask(ListServiceKeys(page_size=2))
    assert [key.name for key in page.service_keys] == newest_first[:2]
    async with Danbao.connect(core.server.address, key=str(core.operator.token)) as danbao:
        found = [key async for key in danbao.operations.list_service_keys(page_size=2)]
    assert [key.name for key in found] == newest_first


# --- Tokens -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", LISTS, ids=named)
async def test_a_token_leads_on_whatever_the_size_of_the_next_page(core: Core, request_: Message) -> None:
    buyer, _ = await a_world(core)
    request = of(buyer, request_)
    everything = await walked(core.operator, request, 500)
    token = await token_of(core.operator, request)
    for size in (0, 1, 2, 500):
        page = await core.operator.ask(changed(request, page_size=size, page_token=token))
        items = list(getattr(page, page.DESCRIPTOR.fields[0].name))
        assert items == everything[1 : 1 + (size or 50)]


@pytest.mark.parametrize("request_", LISTS, ids=named)
async def test_a_tampered_token_is_refused(core: Core, request_: Message) -> None:
    buyer, _ = await a_world(core)
    request = of(buyer, request_)
    token = await token_of(core.operator, request)
    data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    flipped = [data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] for place in range(len(data))]
    wrong = [base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in (*flipped, data[:-1], data[32:], data[:32])]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    wrong += [token[:-1] + letter for letter in alphabet if letter != token[-1]]  # also bits that decoding drops
    wrong += ["x", "A", "====", f"{token}=", f"{token}A", f" {token}", f"{token} ", token[:-4], "買", "-" * 512, token + token]
    for each in wrong:
        await must_be_refused(core.operator, request, each)


async def test_a_token_that_is_too_long_breaks_a_rule(core: Core) -> None:
    refused = await core.operator.refused(ListPayments(page_token="A" * 513))
    assert (refused.code, set(refused.violations)) == (INVALID, {"page_token"})


async def test_a_token_is_good_for_its_filter_alone(core: Core) -> None:
    buyer, shop = await a_world(core)
    request = changed(ListPayments(account=buyer), states=[2])
    token = await token_of(core.operator, request)
    for others in (
        {"account": shop},
        {"account": None},
        {"side": ListPayments.SIDE_PAYER},
        {"states": None},
        {"states": [2, 3]},
        {"modes": [1]},
        {"created_from": Timestamp(seconds=1)},
        {"created_before": Timestamp(seconds=221_845_392_000)},
    ):
        await must_be_refused(core.operator, changed(request, **others), token)
    statement = accounts_pb2.ListEntriesRequest(account=buyer, currency_code="CNY")
    token = await token_of(core.operator, statement)
    await must_be_refused(core.operator, changed(statement, purposes=[1]), token)


async def test_a_token_is_good_for_its_method_alone(core: Core) -> None:
    # Both requests are the same bytes: an empty filter.
    await a_world(core)
    payments, accounts = ListPayments(), accounts_pb2.ListAccountsRequest()
    await must_be_refused(core.operator, accounts, await token_of(core.operator, payments))
    await must_be_refused(core.operator, payments, await token_of(core.operator, accounts))


async def test_a_token_is_good_for_its_caller_alone(core: Core) -> None:
    buyer, shop = await a_world(core)
    first, second = [await core.caller("payments.read", service=service) for service in ("one", "two")]
    of_buyer, of_shop = [await core.caller("payments.read", account=each, service="one") for each in (buyer, shop)]
    token = await token_of(first, ListPayments())
    for other in (second, of_buyer, of_shop, core.operator):
        await must_be_refused(other, ListPayments(), token)
    token = await token_of(of_buyer, ListPayments())
    for other in (first, of_shop):
        await must_be_refused(other, ListPayments(), token)


async def test_a_token_is_good_under_every_key_of_its_caller(core: Core) -> None:
    await a_world(core)
    one = await core.caller("payments.read", "operations", service="reports")
    token = await token_of(one, ListPayments())
    sibling = await core.caller("payments.read", service="reports")
    key_id = UUID(str(one.token).split("_")[1])
    rotated = one.with_token((await one.ask(rotate(f"serviceKeys/{key_id}"))).token)
    for caller in (sibling, rotated):
        assert (await caller.ask(ListPayments(page_token=token))).payments


@pytest.fixture
async def pair(database_url: str) -> AsyncIterator[tuple[Core, Core, Clock]]:
    """Two servers on one database and one clock of the tests' own."""
    clock, token = Clock(), await an_operator_token(database_url)
    async with (
        a_core(database_url, token=token, wall_clock=clock) as one,
        a_core(database_url, token=token, wall_clock=clock) as two,
    ):
        yield one, two, clock


async def test_a_token_is_good_for_three_days_and_at_every_server(pair: tuple[Core, Core, Clock]) -> None:
    one, two, clock = pair
    buyer, _ = await a_world(one)
    start = clock.now
    for each in LISTS:
        clock.now = start
        request = of(buyer, each)
        token = await token_of(one.operator, request)
        for elsewhere in (one, two):
            for age in (timedelta(), timedelta(days=3, microseconds=-1)):
                clock.now = start + age
                await elsewhere.operator.ask(changed(request, page_token=token))
            clock.now = start + timedelta(days=3)
            await must_be_refused(elsewhere.operator, request, token)


async def test_a_token_of_a_server_with_another_key_is_refused(core: Core) -> None:
    await a_world(core)
    token = await token_of(core.operator, ListPayments())
    async with a_core(core.settings.database_url, token=core.operator.token, hash_key="a5" * 32) as other:
        await must_be_refused(other.operator, ListPayments(), token)


def test_there_are_lists_to_speak_of() -> None:
    assert {named(each) for each in LISTS} == {
        method.name for method in METHODS.values() if "next_page_token" in method.output_type.fields_by_name
    }
    assert len(LISTS) >= 4


# --- Walks ------------------------------------------------------------------------------------------------------------------


async def payments_made(engine: Engine, count: int, payer: Account, payee: Account) -> set[str]:
    """The names of so many new payments."""
    commands = [
        CreatePayment(
            origin=origin(), payer_id=payer.id, payee_id=payee.id, amount=Money(1, "CNY"), mode=Mode.INSTANT, pay=True
        )
        for _ in range(count)
    ]
    made: set[str] = set()
    for first in range(0, count, 2_000):
        answers = await asyncio.gather(*(engine.submit(each) for each in commands[first : first + 2_000]))
        made |= {answer.result.name for answer in answers}
    return made


async def a_walk_beside_writers(database_url: str, count: int) -> None:
    """Pages through `count` payments while two engines make others: of those that stood at the start each is met once."""
    policies = PolicySchedule.load()
    engines = [Engine(database_url, policies=policies) for _ in range(2)]
    for each in engines:
        await each.start()
    payer, payee = await builders.an_account(engines[0], funds_minor=10**9), await builders.a_merchant(engines[0])
    standing = await payments_made(engines[0], count, payer, payee)
    stopping = asyncio.Event()

    async def makes_others(engine: Engine) -> int:
        made = 0
        while not stopping.is_set():
            made += len(await payments_made(engine, 20, payer, payee))
        return made

    async with a_core(database_url) as core:
        shop = await core.caller("payments.read", account=payee.name)
        writers = [asyncio.create_task(makes_others(each)) for each in engines]
        try:
            for caller, request in (
                (core.operator, ListPayments()),
                (core.operator, ListPayments(account=payer.name, side=ListPayments.SIDE_PAYER)),
                (shop, ListPayments()),
            ):
                names = [payment.name for payment in await walked(caller, request, 500, 0, 499, 7)]
                assert len(set(names)) == len(names), "none twice"
                assert not standing - set(names), "none missing"
                assert names == sorted(names, reverse=True), "newest first"
        finally:
            stopping.set()
            others = await asyncio.gather(*writers)
    for each in engines:
        await each.stop()
    assert min(others) > 0, "others were made meanwhile"


async def test_paging_while_others_are_made_misses_none_and_shows_none_twice(database_url: str) -> None:
    await a_walk_beside_writers(database_url, 3_000)


@pytest.mark.soak
async def test_paging_through_a_hundred_thousand_payments_while_others_are_made(database_url: str) -> None:
    await a_walk_beside_writers(database_url, 100_000)
