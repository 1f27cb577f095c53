"""Payments in bulk from two server processes to one hot merchant, half of them from payers that both processes share."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import chain
from typing import Any, NamedTuple

import pytest

from danbao.v1 import accounts_pb2, payments_pb2
from danbao_client import Danbao
from danbao_core.audit import audit
from tests.acceptance.sandbox import a_server
from tests.rpc_client import an_operator_token, id_of
from tests.rpc_requests import a_payment, a_top_up, create_account

Connection = Any

PROCESSES = 2
CONNECTIONS = 2
"""Of each process."""
PAYERS = 100
"""Of each process alone, and as many of both."""
MODES = (
    payments_pb2.Payment.MODE_INSTANT,
    payments_pb2.Payment.MODE_INSTANT,
    payments_pb2.Payment.MODE_ESCROW,
    payments_pb2.Payment.MODE_INSTANT,
    payments_pb2.Payment.MODE_AUTHORIZATION,
)
FUNDS_MINOR = 10**9


class Books(NamedTuple):
    """Who pays whom."""

    merchant: str
    shared: list[str]
    own: list[list[str]]
    """Of each process."""


async def an_account(danbao: Danbao, *, funds_minor: int = 0, merchant: bool = False) -> str:
    account = await danbao.accounts.CreateAccount(create_account("CNY", merchant=merchant))
    if funds_minor:
        await danbao.accounts.TopUp(a_top_up(account.name, funds_minor))
    return account.name


async def the_books(danbao: Danbao) -> Books:
    payers = await asyncio.gather(*(an_account(danbao, funds_minor=FUNDS_MINOR) for _ in range((1 + PROCESSES) * PAYERS)))
    shared, *own = (payers[first : first + PAYERS] for first in range(0, len(payers), PAYERS))
    return Books(await an_account(danbao, merchant=True), shared, own)


def the_requests(books: Books, process: int, count: int) -> list[payments_pb2.CreatePaymentRequest]:
    """Payments from payers of one process alone and from those of both, turn by turn."""
    return [
        a_payment(
            (books.shared, books.own[process])[number % 2][number // 2 % PAYERS],
            books.merchant,
            1 + number % 97,
            mode=MODES[number % len(MODES)],
            pay=True,
        )
        for number in range(count)
    ]


async def each(requests: list[payments_pb2.CreatePaymentRequest]) -> AsyncIterator[payments_pb2.CreatePaymentRequest]:
    for request in requests:
        yield request


async def streamed(danbao: Danbao, requests: list[payments_pb2.CreatePaymentRequest]) -> list[payments_pb2.PaymentResult]:
    return [result async for result in danbao.payments.stream(each(requests))]


async def seen_waiting(connection: Connection, streaming: "asyncio.Future[Any]") -> int:
    """How often, while payments were streaming, one process was seen to wait for a row that the other had locked."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    seen = 0
    while not streaming.done():
        seen += await connection.fetchval(waiting)
        await asyncio.sleep(0.02)
    return seen


def fee(amount_minor: int) -> int:
    """1.5 %, half up."""
    return (amount_minor * 15 + 500) // 1000


async def in_bulk(database_url: str, connection: Connection, count: int) -> Counter[str]:
    """Makes so many payments and looks at the books; answers how many batches both processes committed, and their retries."""
    token = await an_operator_token(database_url)
    stopped: list[dict[str, Any]] = []
    async with AsyncExitStack() as stack:
        addresses = [await stack.enter_async_context(a_server(database_url, stopped)) for _ in range(PROCESSES)]
        clients = [
            (process, await stack.enter_async_context(Danbao.connect(address, key=token)))
            for process, address in enumerate(addresses)
            for _ in range(CONNECTIONS)
        ]
        books = await the_books(clients[0][1])
        share = count // len(clients)
        plans = [(danbao, the_requests(books, process, share)) for process, danbao in clients]
        began = time.monotonic()
        streaming = asyncio.gather(*(streamed(danbao, requests) for danbao, requests in plans))
        waits = await seen_waiting(connection, streaming)
        answers = await streaming
        seconds = time.monotonic() - began
        balances = await clients[0][1].accounts.ListBalances(accounts_pb2.ListBalancesRequest(name=books.merchant))

    results = [result for answer in answers for result in answer]
    requests = [request for _, requests in plans for request in requests]
    assert [result.request_id for result in results] == [request.request_id for request in requests]
    assert not [result for result in results if result.HasField("status") or result.replayed]
    assert len({result.payment.name for result in results}) == share * len(clients)
    assert await connection.fetchval("SELECT count(*) FROM payment") == share * len(clients)
    taken = [request.amount.amount_minor for request in requests if request.mode == payments_pb2.Payment.MODE_INSTANT]
    assert balances.balances[0].available.amount_minor == sum(taken) - sum(map(fee, taken))
    spent = sum(request.amount.amount_minor for request in requests)
    payers = [id_of(name) for name in (*books.shared, *chain(*books.own))]
    left = "SELECT sum(amount_minor)::bigint FROM balance WHERE purpose = 1 AND account_id = ANY($1)"
    assert await connection.fetchval(left, payers) == FUNDS_MINOR * len(payers) - spent
    assert [check.invariant for check in await audit(database_url) if check.breach] == []

    assert waits > 0, "else their locks never met"
    figures = figures_of(stopped)
    made = f"{len(results)} payments in {seconds:.1f} s ({len(results) / seconds:.0f}/s)"
    rate = f"deadlock retries: {1000 * figures['deadlock'] / figures['batches']:.2f} in 1,000 batches"
    print(f"\n{made}; {dict(figures)}; seen waiting {waits} times; {rate}")  # noqa: T201 - the figures are what it is for
    return figures


def figures_of(stopped: list[dict[str, Any]]) -> Counter[str]:
    """The batches of all processes, and their retries by cause."""
    assert len(stopped) == PROCESSES
    figures = Counter[str]()
    for line in stopped:
        assert line["batches"]["committed"] > 1
        figures["batches"] += line["batches"]["committed"]
        figures.update(line["retries"])
    return figures


async def test_bulk_from_two_processes_to_one_merchant(database_url: str, connection: Connection) -> None:
    figures = await in_bulk(database_url, connection, 5_000)
    assert figures["deadlock"] <= 1


@pytest.mark.soak
async def test_a_hundred_thousand_payments_from_two_processes_to_one_merchant(
    database_url: str, connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        figures = await in_bulk(database_url, connection, 100_000)
    assert figures["deadlock"] * 1000 <= figures["batches"]
