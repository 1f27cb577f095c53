"""Calls that wait: for a locked row, for a deadline, in a queue that is full, for a server that stops."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from danbao.v1 import accounts_pb2, payments_pb2
from danbao_core.accounts import Purpose, balance_id
from danbao_core.errors import DeadlinePassed
from danbao_core.rpc.call import Call
from tests import rpc_client
from tests.rpc_client import (
    Core,
    Refused,
    a_core,
    a_locked_row,
    a_merchant,
    an_account,
    an_operator_token,
    audit_holds,
    available,
    digest,
    engines_waiting,
    id_of,
    outcome,
    until,
)
from tests.rpc_requests import a_payment, a_transfer, create_account

core = rpc_client.core

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVING = health_pb2.HealthCheckResponse.SERVING


def locked_wallet(core: Core, account: str) -> AbstractAsyncContextManager[None]:
    """Keeps every engine from what the account can spend until the block ends."""
    return a_locked_row(core, "balance", id=balance_id(id_of(account), "CNY", Purpose.AVAILABLE))


# --- Deadlines and queues ---------------------------------------------------------------------------------------------------


async def test_a_call_whose_deadline_passes_in_the_queue_changes_nothing(core: Core) -> None:
    buyer, shop, other = await an_account(core, funds_minor=100), await a_merchant(core), await an_account(core, funds_minor=9)
    before = await digest(core.connection)
    async with locked_wallet(core, buyer):
        held_up = asyncio.create_task(core.operator.ask(a_payment(buyer, shop)))
        await until(lambda: engines_waiting(core))
        late = await core.operator.refused(a_transfer(other, shop, 9), seconds=0.2)
        assert late.code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert await digest(core.connection) == before
    assert (await held_up).state == payments_pb2.Payment.STATE_PAID
    await core.operator.ask(create_account("CNY"))  # a batch after the one that held it up
    assert (await available(core, other), await available(core, shop)) == (9, 0)


async def test_a_deadline_that_has_passed_already_is_told_and_leaves_a_repeat_safe(core: Core) -> None:
    """gRPC sends such a call with a moment left, so it may begin in time; its repeat is then answered, and opens no second."""
    for number, seconds in enumerate((0.0, -1.0)):
        request = create_account("CNY", external_id=f"late-{number}")
        refused = await core.operator.refused(request, seconds=seconds)
        assert refused.code is grpc.StatusCode.DEADLINE_EXCEEDED
        account = await core.operator.ask(request)
        assert await core.operator.answer(request) == (account, True)


def test_a_call_without_time_left_is_not_submitted() -> None:
    class Late:
        """A call's context as gRPC hands it over."""

        def time_remaining(self) -> float:
            return 0.0

    late: Any = Late()
    call = Call._make([None] * len(Call._fields))._replace(context=late)
    with pytest.raises(DeadlinePassed):
        _ = call.remaining_seconds


async def test_a_caller_that_hangs_up_is_carried_out_once(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=100), await a_merchant(core)
    request = a_transfer(buyer, shop, 40)
    async with locked_wallet(core, buyer):
        calling = asyncio.create_task(core.operator.ask(request))
        await until(lambda: engines_waiting(core))
        calling.cancel()
        await asyncio.wait([calling])
    answer = await core.operator.answer(request)
    assert answer.replayed
    assert await available(core, buyer) == 60


async def test_a_full_queue_asks_for_a_pause(database_url: str) -> None:
    async with a_core(database_url, queue_max=2) as core:
        buyer, shop = await an_account(core, funds_minor=100), await a_merchant(core)
        async with locked_wallet(core, buyer):
            first = asyncio.create_task(core.operator.ask(a_transfer(buyer, shop, 1)))
            await until(lambda: engines_waiting(core))
            calls = [asyncio.create_task(outcome(core.operator.ask(a_transfer(buyer, shop, 1)))) for _ in range(6)]
            done, waiting = set[asyncio.Task[object]](), set(calls)
            while len(waiting) > 2:
                finished, waiting = await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
                done |= finished
        refused = [task.result() for task in done]
        assert all(isinstance(each, Refused) for each in refused)
        assert {each.reason for each in refused if isinstance(each, Refused)} == {"QUEUE_FULL"}
        assert {each.code for each in refused if isinstance(each, Refused)} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        await asyncio.gather(first, *waiting)
        assert await available(core, buyer) == 97


async def test_a_batch_that_others_keep_upsetting_is_given_up(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=100), await a_merchant(core)
    await core.connection.execute(
        """
        CREATE FUNCTION upset() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = 'serialization_failure'; END $$;
        CREATE TRIGGER upset BEFORE INSERT ON payment FOR EACH ROW EXECUTE FUNCTION upset();
        """
    )
    before = await digest(core.connection)
    request = a_payment(buyer, shop)
    refused = await core.operator.refused(request)
    assert (refused.code, refused.reason) == (grpc.StatusCode.ABORTED, "RETRIES_EXHAUSTED")
    assert await digest(core.connection) == before
    await core.connection.execute("DROP FUNCTION upset CASCADE")
    assert not (await core.operator.answer(request)).replayed


# --- The end of a connection ------------------------------------------------------------------------------------------------


async def interrupt(core: Core, application: str, how: str = "pg_terminate_backend") -> None:
    """As an administrator does, or a fail-over."""
    await core.connection.execute(
        f"SELECT {how}(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE $1 || '%'",
        application,
    )


@pytest.mark.parametrize("how", ["pg_cancel_backend", "pg_terminate_backend"])
async def test_a_read_that_is_interrupted_may_be_sent_again(core: Core, how: str) -> None:
    request = accounts_pb2.GetAccountRequest(name=await an_account(core))
    async with core.connection.transaction():
        await core.connection.execute("LOCK TABLE account")
        reading = asyncio.create_task(core.operator.refused(request))
        await until(lambda: engines_waiting(core))
        await interrupt(core, "danbao-reads", how)
        refused = await reading
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    assert (await core.operator.ask(request)).name == request.name


async def test_a_commit_whose_connection_is_ended_may_be_sent_again(core: Core) -> None:
    buyer, shop = await an_account(core, funds_minor=100), await a_merchant(core)
    request = a_transfer(buyer, shop, 40)
    async with locked_wallet(core, buyer):
        paying = asyncio.create_task(core.operator.refused(request))
        await until(lambda: engines_waiting(core))
        await interrupt(core, "danbao-engine")
        refused = await paying
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    assert not (await core.operator.answer(request)).replayed
    assert await available(core, buyer) == 60


# --- The end of a server ----------------------------------------------------------------------------------------------------


async def test_a_server_that_stops_answers_what_it_has_taken(database_url: str) -> None:
    token = await an_operator_token(database_url)
    async with a_core(database_url, token=token) as observer:
        buyer, shop = await an_account(observer, funds_minor=1_000), await a_merchant(observer)
        async with asyncio.timeout(30), a_core(database_url, token=token, drain_seconds=600) as core:
            health: Any = health_pb2_grpc.HealthStub(core.channel)
            watched = health.Watch(health_pb2.HealthCheckRequest(service="danbao.v1.PaymentService"))
            assert (await watched.read()).status == SERVING
            async with locked_wallet(core, buyer):
                calls = [asyncio.create_task(outcome(core.operator.answer(a_transfer(buyer, shop, 1)))) for _ in range(100)]
                await until(lambda: engines_waiting(observer))
                stop = asyncio.create_task(core.server.__aexit__(None, None, None))
                assert (await watched.read()).status == NOT_SERVING
                late = await core.operator.refused(create_account("CNY"), seconds=5)
                assert (late.code, late.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
            outcomes = await asyncio.gather(*calls)
            await stop  # it does not wait for those who only watch, not for all the time that it has to drain
        refused = [each for each in outcomes if isinstance(each, Refused)]
        assert len(refused) < 100
        assert {each.reason for each in refused} <= {"SHUTTING_DOWN"}  # those that had not been read from the wire
        assert await available(observer, buyer) == 900 + len(refused)
        assert await audit_holds(observer)


async def test_nothing_is_lost_when_a_server_stops_under_load(database_url: str) -> None:
    token = await an_operator_token(database_url)
    async with a_core(database_url, token=token) as observer:
        buyer, shop = await an_account(observer, funds_minor=1_000), await a_merchant(observer)
        requests = [a_transfer(buyer, shop, 1) for _ in range(300)]
        async with a_core(database_url, token=token) as core:
            calls = [asyncio.create_task(outcome(core.operator.answer(request))) for request in requests]
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            await core.server.__aexit__(None, None, None)
            outcomes = await asyncio.gather(*calls)
        refused = [each for each in outcomes if isinstance(each, Refused)]
        # CANCELLED is gRPC's own word to calls that a starved machine had not handed over when the gate had long been quiet.
        assert {each.code for each in refused} <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}, refused[:1]
        assert await available(observer, buyer) == 1_000 - (300 - len(refused))
        repeats = await asyncio.gather(*(observer.operator.answer(request) for request in requests))
        assert sum(repeat.replayed for repeat in repeats) == 300 - len(refused)
        assert await available(observer, buyer) == 700
