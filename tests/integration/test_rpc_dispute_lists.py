"""Lists of disputes over the wire: each filter, both orders, whose they are, and page by page."""

from typing import Any, NamedTuple

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from danbao.v1 import disputes_pb2
from danbao_core.disputes import lists as dispute_lists
from danbao_core.rpc import paging
from tests import rpc_client
from tests.disputing import SCOPES, Dispute, a_quarrel
from tests.rpc_client import Caller, Core, a_merchant, an_account, walked
from tests.rpc_requests import a_payment, accept_dispute, advance_clock, changed, escalate, money, open_dispute, reject_dispute

core = rpc_client.core

Listing = disputes_pb2.ListDisputesRequest
INVALID = grpc.StatusCode.INVALID_ARGUMENT
BY_DEADLINE = Listing.ORDER_RESPOND_BY


class World(NamedTuple):
    """Six disputes of one buyer with two shops, an hour apart, in different states."""

    buyer: str
    shops: list[str]
    as_buyer: Caller
    as_shop: Caller
    """With a key of the first shop."""
    disputes: list[disputes_pb2.Dispute]
    """As they are now, in the order in which they were opened; every other one with the first shop."""


@pytest.fixture(scope="module")
async def world(core: Core) -> World:
    buyer = await an_account(core, funds_minor=10_000)
    shops = [await a_merchant(core), await a_merchant(core)]
    as_buyer = await core.caller(*SCOPES, account=buyer, service="app")
    as_shop = await core.caller(*SCOPES, account=shops[0], service="shop")
    names = []
    for number in range(6):
        payment = await core.operator.ask(a_payment(buyer, shops[number % 2], 100 * (number + 1)))
        reason = Dispute.Reason.ValueType(1 + number % 5)
        names.append((await as_buyer.ask(open_dispute(payment.name, reason=reason))).name)
        await core.operator.ask(advance_clock(3_600))
    await core.operator.ask(accept_dispute(names[0]))
    await core.operator.ask(reject_dispute(names[1]))
    await core.operator.ask(reject_dispute(names[2]))
    await core.operator.ask(escalate(names[2]))
    found = [await core.operator.ask(disputes_pb2.GetDisputeRequest(name=name)) for name in names]
    return World(buyer, shops, as_buyer, as_shop, found)


async def listed(world: World, caller: Caller, *sizes: int, **fields: Any) -> list[int]:
    """Which of them are listed, in the order of the list."""
    found = await walked(caller, Listing(**fields), *(sizes or (2, 1, 3)))
    assert all(each in world.disputes for each in found)
    return [world.disputes.index(each) for each in found]


async def test_newest_first_to_whom_it_concerns(core: Core, world: World) -> None:
    assert await listed(world, world.as_buyer) == [5, 4, 3, 2, 1, 0]
    assert await listed(world, world.as_shop) == [4, 2, 0]
    assert await listed(world, core.operator, account=world.shops[1]) == [5, 3, 1]
    assert await listed(world, world.as_buyer, side=Listing.SIDE_BUYER) == [5, 4, 3, 2, 1, 0]
    assert await listed(world, world.as_buyer, side=Listing.SIDE_SELLER) == []
    assert await listed(world, world.as_shop, side=Listing.SIDE_SELLER) == [4, 2, 0]
    assert await listed(world, world.as_shop, side=Listing.SIDE_BUYER) == []
    assert await listed(world, world.as_shop, payment=world.disputes[2].payment) == [2]


async def test_by_state_reason_deadline_and_amount(core: Core, world: World) -> None:
    caller = world.as_buyer
    assert await listed(world, caller, states=[Dispute.STATE_AWAITING_SELLER]) == [5, 4, 3]
    assert await listed(world, caller, states=[Dispute.STATE_SETTLED, Dispute.STATE_UNDER_REVIEW]) == [2, 0]
    assert await listed(world, caller, reasons=[Dispute.REASON_NOT_RECEIVED]) == [5, 0]
    assert await listed(world, caller, respond_before=world.disputes[5].respond_by) == [4, 3]
    assert await listed(world, caller, min_amount=money(300), max_amount=money(500)) == [4, 3, 2]
    assert await listed(world, caller, min_amount=money(0, "USD")) == []
    assert await listed(world, caller, awaiting_compensation=True) == []
    everything = {
        "account": world.shops[0],
        "states": [Dispute.STATE_AWAITING_SELLER, Dispute.STATE_UNDER_REVIEW],
        "max_amount": money(400),
        "side": Listing.SIDE_SELLER,
    }
    assert await listed(world, core.operator, **everything) == [2]


async def test_by_deadline(core: Core, world: World) -> None:
    """Those that are settled have none."""
    expected = sorted(range(1, 6), key=lambda number: world.disputes[number].respond_by.seconds)
    assert expected != [1, 2, 3, 4, 5]
    for sizes in ((1,), (2,), (500,)):
        assert await listed(world, world.as_buyer, *sizes, order=BY_DEADLINE) == expected
        assert await listed(world, core.operator, *sizes, order=BY_DEADLINE) == expected
    of_shop = [number for number in expected if number % 2 == 0]
    assert await listed(world, world.as_shop, order=BY_DEADLINE) == of_shop
    assert await listed(world, world.as_shop, order=BY_DEADLINE, side=Listing.SIDE_SELLER) == of_shop
    assert await listed(world, world.as_buyer, order=BY_DEADLINE, side=Listing.SIDE_BUYER) == expected
    assert await listed(world, core.operator, order=BY_DEADLINE, states=[Dispute.STATE_AWAITING_SELLER]) == [3, 4, 5]
    before = {"order": BY_DEADLINE, "respond_before": world.disputes[5].respond_by}
    assert await listed(world, core.operator, **before) == [3, 4]


async def test_deadlines_that_are_the_same_are_each_listed_once(core: Core) -> None:
    first, second = await a_quarrel(core), await a_quarrel(core)
    names = [(await quarrel.opened()).name for quarrel in (first, second)]
    same = "UPDATE dispute SET respond_by = (SELECT min(respond_by) FROM dispute) WHERE id = ANY($1::uuid[])"
    await core.connection.execute(same, [rpc_client.id_of(name) for name in names])
    found = await walked(core.operator, Listing(order=BY_DEADLINE), 1)
    assert [each.name for each in found if each.name in names] == names
    assert len({each.name for each in found}) == len(found)


async def test_a_page_ends_where_enough_was_looked_at(core: Core, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispute_lists, "MOST_LOOKED_AT", 2)
    request = Listing(order=BY_DEADLINE, states=[Dispute.STATE_UNDER_REVIEW])
    first = await world.as_buyer.ask(request)
    assert (len(first.disputes), bool(first.next_page_token)) == (0, True)
    assert await listed(world, world.as_buyer, order=BY_DEADLINE, states=[Dispute.STATE_UNDER_REVIEW]) == [2]


async def test_filters_that_do_not_go_together_are_refused(core: Core, world: World) -> None:
    both = Listing(payment=world.disputes[0].payment, account=world.buyer, side=Listing.SIDE_BUYER, order=BY_DEADLINE)
    assert set((await core.operator.refused(both)).violations) == {"account", "side", "order"}
    assert set((await core.operator.refused(Listing(side=Listing.SIDE_BUYER))).violations) == {"side"}
    amounts = Listing(min_amount=money(1), max_amount=money(1, "USD"))
    assert set((await core.operator.refused(amounts)).violations) == {"max_amount.currency_code"}
    late = Listing(respond_before=Timestamp(seconds=1, nanos=-1))
    assert (await core.operator.refused(late)).code is INVALID


async def test_a_token_is_good_for_its_order_alone(core: Core, world: World) -> None:
    page = await world.as_buyer.ask(Listing(page_size=1))
    other = Listing(page_size=1, order=BY_DEADLINE, page_token=page.next_page_token)
    refused = await world.as_buyer.refused(other)
    assert (refused.code, refused.reason) == (INVALID, "PAGE_TOKEN_INVALID")
    steps = disputes_pb2.ListDisputeStepsRequest(dispute=world.disputes[2].name, page_size=1)
    token = (await world.as_buyer.ask(steps)).next_page_token
    another = changed(steps, dispute=world.disputes[1].name, page_token=token)
    assert (await world.as_buyer.refused(another)).reason == "PAGE_TOKEN_INVALID"


async def test_pages_of_long_texts_end_early(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MOST_BYTES", 6_000)
    quarrel = await a_quarrel(core)
    name = (await quarrel.opened(text="長" * 1_500)).name
    await quarrel.as_seller.ask(reject_dispute(name, "短" * 1_500))
    request = disputes_pb2.ListDisputeStepsRequest(dispute=name)
    assert len((await quarrel.as_buyer.ask(request)).steps) == 1
    assert [step.number for step in await walked(quarrel.as_buyer, request)] == [2, 1]
