"""Payments in bulk over the wire: batches that are one thing, and streams on which every item stands alone."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import grpc
import pytest

from danbao.v1 import accounts_pb2, payments_pb2
from danbao_core.accounts import Purpose, balance_id
from danbao_core.rpc.payment_stream import MOST_UNANSWERED
from tests import rpc_client
from tests.rpc_client import (
    Caller,
    Core,
    Refused,
    a_core,
    a_locked_row,
    a_merchant,
    an_account,
    an_operator_token,
    audit_holds,
    available,
    engines_waiting,
    id_of,
    must_keep_the_rules,
    nothing_changes,
    refused,
    refused_status,
    until,
)
from tests.rpc_requests import a_batch, a_message, a_payment, a_top_up, a_transfer, changed, create_account, money, revoke

core = rpc_client.core

INVALID = grpc.StatusCode.INVALID_ARGUMENT
MESSAGES = 1_000
TEXT = {f"{number:02}": "x" * 500 for number in range(20)}
"""10,000 bytes for an item, and for its answer."""


@pytest.fixture
async def pair(database_url: str) -> AsyncIterator[tuple[Core, Core]]:
    """Two servers on one database."""
    token = await an_operator_token(database_url)
    async with a_core(database_url, token=token) as one, a_core(database_url, token=token) as two:
        yield one, two


async def answers(caller: Caller, *messages: Any) -> list[Any]:
    """The answers to messages that are sent one after the other, without waiting."""
    call = caller.stream(seconds=60)

    async def send() -> None:
        for message in messages:
            await call.write(message)
        await call.done_writing()

    sending = asyncio.create_task(send())
    found = [answer async for answer in call]
    await sending
    return found


async def ended(call: Any) -> Refused:
    """How a stream ends that must not end well; answers before that are read over."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await all_read(call)
    refusal = refused(caught.value)
    must_keep_the_rules(refusal)
    return refusal


async def all_read(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


def reason(result: payments_pb2.PaymentResult) -> str:
    """Why there is no payment; empty where there is one."""
    if result.WhichOneof("outcome") == "payment":
        return ""
    refusal = refused_status(result.status)
    must_keep_the_rules(refusal)
    return refusal.reason


async def count_of_payments(core: Core, payer: str) -> int:
    count: int = await core.connection.fetchval("SELECT count(*) FROM payment WHERE payer_id = $1", id_of(payer))
    return count


# --- Batches ----------------------------------------------------------------------------------------------------------------


async def test_a_batch_is_answered_in_order(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=256 * 257), await a_merchant(core)
    batch = await core.operator.ask(a_batch(*(a_payment(buyer, shop, number) for number in range(1, 257))))
    assert [payment.amount.amount_minor for payment in batch.payments] == [*range(1, 257)]
    stored = await core.operator.ask(payments_pb2.GetPaymentRequest(name=batch.payments[255].name))
    assert stored == batch.payments[255]
    assert await available(core, buyer) == 256 * 257 // 2


async def test_a_batch_of_which_one_item_is_refused_does_nothing(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=25), await a_merchant(core)
    request = a_batch(*(a_transfer(buyer, shop, 10) for _ in range(4)))
    async with nothing_changes(core):
        refusal = await core.operator.refused(request)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INSUFFICIENT_FUNDS")
    assert refusal.metadata == {"currency": "CNY", "item": "2"}
    await core.operator.ask(a_top_up(buyer, 15))
    assert not (await core.operator.answer(request)).replayed  # a refused batch has not burnt its id
    assert (await core.operator.answer(request)).replayed
    assert await available(core, buyer) == 0


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "a rule": ({"payer": "x"}, "FIELD_INVALID", "requests[1].payer"),
    "a rule of a part": ({"amount": money(1, "yuan")}, "FIELD_INVALID", "requests[1].amount.currency_code"),
    "an amount": ({"amount": money(0)}, "AMOUNT_NOT_POSITIVE", "requests[1].amount"),
    "an id of its own": ({"request_id": "mine"}, "FIELD_INVALID", "requests[1].request_id"),
    "a fraction": ({"expire_after": {"seconds": 60, "nanos": 1}}, "FIELD_INVALID", "requests[1].expire_after"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_an_item_that_breaks_a_rule_is_found_by_its_path(core: Core, name: str) -> None:
    fields, why, path = WRONG[name]
    buyer, shop = await an_account(core, funds_minor=25), await a_merchant(core)
    request = a_batch(*(a_transfer(buyer, shop, 1) for _ in range(3)))
    request.requests[1].CopyFrom(changed(request.requests[1], **fields))
    async with nothing_changes(core):
        refusal = await core.operator.refused(request)
    assert (refusal.code, refusal.reason, refusal.metadata) == (INVALID, why, {"item": "1"})
    assert set(refusal.violations) == {path}


@pytest.mark.parametrize("count", [0, 257, 50_000])
async def test_a_batch_has_1_to_256_items(core: Core, count: int) -> None:
    request = payments_pb2.BatchCreatePaymentsRequest(request_id="x", requests=[payments_pb2.CreatePaymentRequest()] * count)
    async with nothing_changes(core):
        refusal = await core.operator.refused(request)
    assert (refusal.reason, set(refusal.violations)) == ("FIELD_INVALID", {"requests"})


def large(message: Any) -> Any:
    """The message, whose items make it larger than the 2 MiB that a message may have."""
    item = message.requests[0]
    item.metadata.update({f"{number:039}": "長" * 500 for number in range(20)})
    message.requests.extend([item] * 70)
    return message


async def test_a_batch_of_too_many_bytes_is_refused(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=1_000), await a_merchant(core)
    request = large(a_batch(a_transfer(buyer, shop, 1)))
    async with nothing_changes(core):
        refusal = await core.operator.refused(request)
    assert (refusal.code, set(refusal.violations)) == (INVALID, {"requests"})
    del request.requests[60:]
    assert len((await core.operator.ask(request)).payments) == 60


# --- Streams: item by item --------------------------------------------------------------------------------------------------


async def test_a_message_is_answered_by_one_message_in_order(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=1_000), await a_merchant(core)
    messages = [a_message(*(a_transfer(buyer, shop, number) for number in range(1, size))) for size in (2, 4, 257, 3)]
    messages[2] = a_message(*itertools.islice(itertools.repeat(messages[0].requests[0]), 256))
    found = await answers(core.operator, *messages)
    assert [[result.request_id for result in answer.results] for answer in found] == [
        [item.request_id for item in message.requests] for message in messages
    ]
    assert {result.replayed for result in found[2].results} == {True}
    assert {result.payment.name for result in found[2].results} == {found[0].results[0].payment.name}
    assert await available(core, buyer) == 1_000 - 1 - (1 + 2 + 3) - (1 + 2)


async def test_a_bad_item_is_refused_alone(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=30), await a_merchant(core)
    good, other = a_transfer(buyer, shop, 10), a_transfer(buyer, shop, 20)
    bad = {
        "": good,
        "FIELD_INVALID": payments_pb2.CreatePaymentRequest(),
        "AMOUNT_NOT_POSITIVE": changed(good, request_id="zero", amount=money(0)),
        "PAYER_IS_PAYEE": a_transfer(buyer, buyer),
        "INSUFFICIENT_FUNDS": a_transfer(buyer, shop, 21),
        "ACCOUNT_NOT_FOUND": a_transfer(buyer, f"accounts/{UUID(int=7)}"),
        "CURRENCY_UNKNOWN": changed(good, request_id="currency", amount=money(1, "ZZZ")),
        "REQUEST_ID_REUSED": changed(good, amount=money(11)),
    }
    (answer,) = await answers(core.operator, a_message(*bad.values(), other))
    assert [reason(result) for result in answer.results] == [*bad, ""]
    assert await available(core, buyer) == 0


async def test_one_bad_item_in_each_of_a_thousand_messages(core: Core) -> None:
    buyer, poor, shop = await an_account(core, funds_minor=7_000), await an_account(core), await a_merchant(core)
    first = a_payment(buyer, shop, 1, order_no="taken", pay=False)
    await core.operator.ask(first)
    bad: dict[str, Callable[[], payments_pb2.CreatePaymentRequest]] = {
        "FIELD_INVALID": lambda: payments_pb2.CreatePaymentRequest(request_id="\0"),
        "INSUFFICIENT_FUNDS": lambda: a_transfer(poor, shop, 1),
        "ACCOUNT_NOT_FOUND": lambda: a_transfer(buyer, f"accounts/{UUID(int=7)}", 1),
        "ORDER_NO_TAKEN": lambda: a_payment(buyer, shop, 1, order_no="taken"),
        "REQUEST_ID_REUSED": lambda: changed(first, amount=money(2)),
    }
    messages, expected = [], []
    for number, why in zip(range(MESSAGES), itertools.cycle(bad), strict=False):
        items = [a_transfer(buyer, shop, 1) for _ in range(7)]
        items.insert(number % 8, bad[why]())
        messages.append(a_message(*items))
        expected.append(["" if place != number % 8 else why for place in range(8)])
    found = await answers(core.operator, *messages)
    assert [[reason(result) for result in answer.results] for answer in found] == expected
    assert [[result.request_id for result in answer.results] for answer in found] == [
        [item.request_id.replace("\0", "") for item in message.requests] for message in messages
    ]
    assert len({result.payment.name for answer in found for result in answer.results} - {""}) == 7 * MESSAGES
    assert await count_of_payments(core, buyer) == 7 * MESSAGES + 1
    assert await available(core, buyer) == 7_000 - 7 * MESSAGES == 0
    assert await audit_holds(core)


async def test_a_message_full_of_violations_does_not_keep_the_server_busy(core: Core) -> None:
    buyer, shop = await an_account(core), await a_merchant(core)
    item = changed(a_transfer(buyer, shop), metadata={f"{number}\0": "\0" for number in range(64)}, payer="x")
    (answer,) = await answers(core.operator, a_message(*[item] * 256))
    for result in answer.results:
        refusal = refused_status(result.status)
        assert (refusal.reason, refusal.violations) == ("FIELD_INVALID", {"payer": "FIELD_INVALID"})


async def test_an_item_and_a_single_call_are_the_same_request(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=100), await a_merchant(core)
    first, second = (a_payment(buyer, shop, 10, metadata={"b": "2", "a": "1"}, subject="x") for _ in range(2))
    paid = await core.operator.ask(first)
    (answer,) = await answers(core.operator, a_message(first, second))
    assert [(result.replayed, reason(result)) for result in answer.results] == [(True, ""), (False, "")]
    assert answer.results[0].payment == paid
    assert await core.operator.answer(second) == (answer.results[1].payment, True)
    assert await available(core, buyer) == 80


async def test_who_asked_is_written_down(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=10), await a_merchant(core)
    request = a_transfer(buyer, shop, 10)
    (answer,) = await answers(core.operator, a_message(request))
    row = await core.connection.fetchrow(
        "SELECT method, request_id, caller, peer FROM journal WHERE subject_id = $1", id_of(answer.results[0].payment.name)
    )
    assert row is not None
    assert tuple(row)[:3] == ("PaymentService/StreamPayments", request.request_id, "service:operator")
    assert row["peer"].startswith("ipv4:127.0.0.1:")


# --- Streams: how they end --------------------------------------------------------------------------------------------------


MALFORMED: dict[str, Any] = {
    "no message at all": b"\xff",
    "no items": a_message(),
    "257 items": a_message(*[payments_pb2.CreatePaymentRequest()] * 257),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_message_ends_the_stream_after_what_came_before(core: Core, name: str) -> None:
    buyer, shop = await an_account(core, funds_minor=10), await a_merchant(core)
    call = core.operator.stream()
    await call.write(a_message(a_transfer(buyer, shop, 4)))
    await call.write(MALFORMED[name])
    assert reason((await call.read()).results[0]) == ""
    assert (await ended(call)).code is INVALID
    assert await available(core, buyer) == 6


async def test_a_message_of_too_many_bytes_ends_the_stream(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=1_000), await a_merchant(core)
    call = core.operator.stream()
    await call.write(large(a_message(a_transfer(buyer, shop, 1))))
    refusal = await ended(call)
    assert (refusal.code, set(refusal.violations)) == (INVALID, {"requests"})
    assert await available(core, buyer) == 1_000


async def test_a_key_that_is_revoked_in_the_middle_changes_nothing_from_then_on(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=100), await a_merchant(core)
    caller = await core.caller("payments.write", "payments.pay_any")
    assert caller.token is not None
    call = caller.stream()
    await call.write(a_message(a_transfer(buyer, shop, 1)))
    assert reason((await call.read()).results[0]) == ""
    await core.operator.ask(revoke(f"serviceKeys/{UUID(caller.token.split('_')[1])}"))
    async with nothing_changes(core):
        await call.write(a_message(a_transfer(buyer, shop, 1), a_transfer(buyer, shop, 2)))
        assert [reason(result) for result in (await call.read()).results] == ["KEY_REVOKED"] * 2
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_a_stream_without_a_message_is_closed(database_url: str) -> None:
    async with a_core(database_url, stream_idle_seconds=0.2) as core:
        buyer, shop = await an_account(core, funds_minor=100), await a_merchant(core)
        call = core.operator.stream()
        await call.write(a_message(a_transfer(buyer, shop, 1)))
        refusal = await ended(call)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STREAM_IDLE")


async def test_a_server_that_stops_does_not_wait_for_ever_for_a_caller_that_never_reads(database_url: str) -> None:
    async with a_core(database_url, drain_seconds=0.5) as core:
        buyer, shop = await an_account(core, funds_minor=100_000), await a_merchant(core)
        call = core.operator.stream(seconds=None)
        sending = asyncio.create_task(_send_for_ever(call, buyer, shop))
        await until(lambda: _has_paid(core, buyer, 64))
        async with asyncio.timeout(10):
            await core.server.__aexit__(None, None, None)
        await asyncio.wait([sending], timeout=10)
        assert isinstance(sending.exception(), grpc.aio.AioRpcError)


async def _has_paid(core: Core, buyer: str, count: int) -> bool:
    return await count_of_payments(core, buyer) >= count


async def _send_for_ever(call: Any, buyer: str, shop: str) -> None:
    """Messages whose answers are too large for what the transport takes on its way."""
    while True:
        await call.write(a_message(*(changed(a_transfer(buyer, shop, 1), metadata=TEXT) for _ in range(64))))


async def test_a_deadline_ends_a_stream_and_what_waits_is_dropped(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=100), await a_merchant(core)
    async with locked_wallet(core, buyer):
        held_up = asyncio.create_task(core.operator.ask(a_transfer(buyer, shop, 1)))
        await until(lambda: engines_waiting(core))
        call = core.operator.stream(seconds=0.3)
        await call.write(a_message(a_transfer(buyer, shop, 10)))
        assert (await ended(call)).code is grpc.StatusCode.DEADLINE_EXCEEDED
    await held_up
    await core.operator.ask(create_account("CNY"))  # a batch after the one that was held up
    assert await available(core, buyer) == 99


def locked_wallet(core: Core, account: str) -> Any:
    """Keeps every engine from what the account can spend until the block ends."""
    return a_locked_row(core, "balance", id=balance_id(id_of(account), "CNY", Purpose.AVAILABLE))


async def test_a_server_that_stops_answers_what_it_has_read_and_says_so(database_url: str) -> None:
    token = await an_operator_token(database_url)
    async with a_core(database_url, token=token) as observer:
        buyer, shop = await an_account(observer, funds_minor=1_000), await a_merchant(observer)
        async with asyncio.timeout(20), a_core(database_url, token=token) as core:
            busy, idle = core.operator.stream(), core.operator.stream()
            for call in (busy, idle):  # so that the server has taken both
                await call.write(a_message(a_transfer(buyer, shop, 1)))
                assert reason((await call.read()).results[0]) == ""
            async with locked_wallet(core, buyer):
                await busy.write(a_message(a_transfer(buyer, shop, 10), a_transfer(buyer, shop, 20)))
                await until(lambda: engines_waiting(core))
                stop = asyncio.create_task(core.server.__aexit__(None, None, None))
                refusal = await ended(idle)
                assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
            assert [reason(result) for result in (await busy.read()).results] == ["", ""]
            assert (await ended(busy)).reason == "SHUTTING_DOWN"
            await stop
        assert await available(observer, buyer) == 1_000 - 2 - 30


# --- Streams: bounds, cuts and two servers ----------------------------------------------------------------------------------


async def count_when_nothing_is_read(core: Core, buyer: str) -> int:
    """How many payments were made when the server answers a hundred other calls and reads nothing from a stream meanwhile."""
    settled = -1
    while settled != (settled := await count_of_payments(core, buyer)):
        for _ in range(100):
            await core.operator.ask(accounts_pb2.GetAccountRequest(name=buyer))
    return settled


async def test_a_caller_that_does_not_read_is_not_read_from(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=100_000), await a_merchant(core)
    call = core.operator.stream(seconds=60)
    sending = asyncio.create_task(_send_for_ever(call, buyer, shop))
    settled = await count_when_nothing_is_read(core, buyer)
    assert not sending.done()
    read = 0
    while read < 256:
        read += len((await call.read()).results)
    on_their_way = 4 * 1024 * 1024 // 10_000  # what the transport may have taken although nobody reads it
    assert settled <= MOST_UNANSWERED + on_their_way
    sending.cancel()
    call.cancel()


async def test_a_stream_that_is_cut_and_sent_again_has_each_payment_once(
    core: Core, capsys: pytest.CaptureFixture[str]
) -> None:
    buyer, shop = await an_account(core, funds_minor=10_000), await a_merchant(core)
    messages = [a_message(*(a_transfer(buyer, shop, 1) for _ in range(100))) for _ in range(20)]
    call = core.operator.stream()
    sending = asyncio.create_task(_send_all(call, messages))
    for _ in range(3):
        assert len((await call.read()).results) == 100
    call.cancel()
    await asyncio.wait([sending])
    before = await count_of_payments(core, buyer)
    found = await answers(core.operator, *messages)
    results = [result for answer in found for result in answer.results]
    assert not any(map(reason, results))
    assert 300 <= before <= sum(result.replayed for result in results)
    assert len({result.payment.name for result in results}) == 2_000
    assert await count_of_payments(core, buyer) == 2_000
    assert await available(core, buyer) == 8_000
    assert "[error" not in capsys.readouterr().out  # a caller that hangs up is no fault of ours


async def _send_all(call: Any, messages: list[payments_pb2.StreamPaymentsRequest]) -> None:
    for message in messages:
        await call.write(message)


async def test_the_same_items_over_two_servers_at_once_are_made_once(pair: tuple[Core, Core]) -> None:
    one, two = pair
    buyer, shop = await an_account(one, funds_minor=2_000), await a_merchant(one)
    messages = [a_message(*(a_transfer(buyer, shop, 1) for _ in range(50))) for _ in range(10)]
    found = await asyncio.gather(answers(one.operator, *messages), answers(two.operator, *messages[::-1]))
    first, second = ({r.request_id: r for answer in side for r in answer.results} for side in found)
    assert not any(map(reason, (*first.values(), *second.values())))
    for request_id, result in first.items():
        assert result.payment == second[request_id].payment
        assert result.replayed != second[request_id].replayed
    assert await available(one, buyer) == 1_500
    assert await audit_holds(one)


async def test_single_calls_get_through_beside_streams(database_url: str) -> None:
    async with a_core(database_url, queue_max=1024) as core:
        buyer, shop = await an_account(core, funds_minor=20_000), await a_merchant(core)
        messages = [a_message(*(a_transfer(buyer, shop, 1) for _ in range(256))) for _ in range(8)]
        streams = [asyncio.create_task(answers(core.operator, *messages[place::4])) for place in range(4)]
        singles = await asyncio.gather(*(core.operator.ask(a_transfer(buyer, shop, 1)) for _ in range(20)))
        found = await asyncio.gather(*streams)
        assert len(singles) == 20
        assert not any(reason(result) for side in found for answer in side for result in answer.results)
        assert await available(core, buyer) == 20_000 - 20 - 8 * 256
