"""Payments that a bench stores without the engine: they are what the engine would have written, and it goes on from them."""

from typing import Any

import asyncpg
import msgspec
import pytest

from danbao_core.cli.bench.filling import NothingToCopy, fill
from danbao_core.engine import Engine
from danbao_core.payments import Payment
from danbao_core.rpc.convert.events import parties_of, subject_of
from tests.builders import a_merchant, an_account, carried_out
from tests.engines import breaches, transfer

COUNT = 300
SIDES = 3
"""Accounts of each kind."""


async def test_they_are_what_the_engine_would_have_written(
    engine: Engine, database_url: str, connection: "asyncpg.Connection[Any]"
) -> None:
    payers = [await an_account(engine, funds_minor=10_000_000) for _ in range(SIDES)]
    payees = [await a_merchant(engine) for _ in range(SIDES)]
    for payer, payee in zip(payers, payees, strict=True):
        await carried_out(engine, transfer(payer, payee, 1_000))

    told: list[int] = []
    await fill(database_url, COUNT, told.append)
    assert told == [COUNT]

    await carried_out(engine, transfer(payers[0], payees[0], 1_000))
    assert await breaches(database_url) == []
    assert await connection.fetchval("SELECT count(*) FROM payment") == SIDES + COUNT + 1
    pairs = await connection.fetch("SELECT DISTINCT payer_id, payee_id FROM payment")
    assert len(pairs) == SIDES**2, "each payer pays each payee"

    events = await connection.fetch("SELECT topic, payload, subject_id, account_id, other_account_id FROM event")
    assert len(events) == COUNT
    for event in events:
        assert subject_of(event["topic"], event["payload"]).id == event["subject_id"]
        assert parties_of(event["topic"], event["payload"]) == (event["account_id"], event["other_account_id"])
    answers = await connection.fetch(
        "SELECT answer FROM request JOIN journal USING (caller, request_id) WHERE kind = 'payment.pay'"
    )
    answered = {msgspec.msgpack.decode(answer["answer"], type=Payment).id for answer in answers}
    assert answered == {record["id"] for record in await connection.fetch("SELECT id FROM payment")}


async def test_without_a_payment_there_is_nothing_to_copy(database_url: str) -> None:
    with pytest.raises(NothingToCopy, match="no payment"):
        await fill(database_url, 1, lambda _: None)


async def test_nobody_is_made_to_pay_more_than_they_have(engine: Engine, database_url: str) -> None:
    payer, payee = await an_account(engine, funds_minor=10_000), await a_merchant(engine)
    await carried_out(engine, transfer(payer, payee, 1_000))
    with pytest.raises(NothingToCopy, match="no account has 11000"):
        await fill(database_url, 10, lambda _: None)
    assert await breaches(database_url) == []
