"""Repeats: every RPC that changes something does so once for one request_id, through whichever server it comes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count

import grpc
import pytest
from google.protobuf.message import Message

from danbao.v1 import disputes_pb2, operations_pb2, payments_pb2, sandbox_pb2
from danbao_core.bank.wire import day_name
from danbao_core.ids import uuid7
from tests import rpc_client
from tests.banks import a_difference
from tests.integration import test_people_repeats
from tests.rpc_client import (
    Core,
    Refused,
    a_core,
    a_merchant,
    an_account,
    an_operator_token,
    audit_holds,
    available,
    id_of,
    nothing_changes,
    outcome,
)
from tests.rpc_requests import (
    a_batch,
    a_file,
    a_payment,
    a_test_event,
    a_top_up,
    a_transfer,
    a_withdrawal,
    accept_dispute,
    accept_offer,
    advance_clock,
    an_adjustment,
    an_authorization,
    an_endpoint,
    answer_funding,
    appeal,
    approve,
    cancel,
    capture,
    close,
    confirm,
    correct,
    create_account,
    create_key,
    decide,
    delete_endpoint,
    enable_endpoint,
    escalate,
    extend,
    freeze,
    is_mutating,
    money,
    named,
    offer,
    open_dispute,
    open_wallet,
    pay,
    redeliver,
    refund,
    reject,
    reject_dispute,
    revoke,
    rotate,
    rotate_secret,
    set_payouts,
    set_plan,
    settle_difference,
    ship,
    start_reconciliation,
    submit_evidence,
    the_bank,
    unfreeze,
    update_account,
    update_endpoint,
    void,
    waive,
    withdraw_dispute,
)
from tests.valid_requests import valid_requests

core = rpc_client.core


@pytest.fixture
async def pair(database_url: str) -> AsyncIterator[tuple[Core, Core]]:
    """Two servers on one database."""
    token = await an_operator_token(database_url)
    async with a_core(database_url, token=token) as one, a_core(database_url, token=token) as two:
        yield one, two


async def a_made_payment(core: Core, *steps: Callable[[str], Message], pay: bool = True) -> str:
    """The name of a payment after some steps."""
    request = a_payment(await an_account(core, funds_minor=100), await a_merchant(core), pay=pay)
    payment = await core.operator.ask(request)
    for step in steps:
        await core.operator.ask(step(payment.name))
    return str(payment.name)


async def an_authorized_payment(core: Core) -> str:
    """The name of an authorization whose money is held."""
    request = an_authorization(await an_account(core, funds_minor=100), await a_merchant(core))
    return str((await core.operator.ask(request)).name)


async def a_dispute(core: Core, *steps: Callable[[str], Message]) -> str:
    """The name of a dispute after some steps."""
    dispute = await core.operator.ask(open_dispute(await a_made_payment(core)))
    for step in steps:
        await core.operator.ask(step(dispute.name))
    return str(dispute.name)


def decided(dispute: str) -> Message:
    return decide(dispute, 40)


IN_REVIEW = (reject_dispute, escalate)


async def a_pending_funding(core: Core) -> str:
    """The name of a withdrawal that the bank has left open; it answers others as before."""
    account = await an_account(core, funds_minor=100)
    await core.operator.ask(the_bank(sandbox_pb2.Bank.BEHAVIOUR_NO_ANSWER))
    funding = await core.operator.ask(a_withdrawal(account, 60))
    await core.operator.ask(the_bank(sandbox_pb2.Bank.BEHAVIOUR_ACCEPT))
    return str(funding.name)


async def a_frozen_account(core: Core) -> str:
    account = await an_account(core)
    await core.operator.ask(freeze(account))
    return account


async def a_key(core: Core) -> str:
    made = await core.operator.ask(create_key("payments.read"))
    return str(made.service_key.name)


async def a_proposal(core: Core) -> str:
    """The name of what another operator has proposed."""
    other = core.operator.with_token(await an_operator_token(core.settings.database_url))
    return str((await other.ask(an_adjustment("FEES", "BANK_CLEARING", 5))).name)


async def an_endpoint_of_the_platform(core: Core, *, disabled: bool = False) -> str:
    """The name of a webhook endpoint."""
    made = await core.operator.ask(an_endpoint())
    name = str(made.webhook_endpoint.name)
    if disabled:
        changes = "state = 2, disable_reason = 1, version = version + 1"
        await core.connection.execute(f"UPDATE webhook_endpoint SET {changes} WHERE id = $1", id_of(name))
    return name


async def a_delivery(core: Core) -> str:
    """The name of what was delivered to a webhook endpoint."""
    delivery, endpoint = uuid7(), id_of(await an_endpoint_of_the_platform(core))
    await core.connection.execute(
        "INSERT INTO delivery VALUES ($1, $2, $1, 1, 'payment.paid', $1, 2, 0, 1, NULL, now(), now(), 1)", delivery, endpoint
    )
    return f"deliveries/{delivery}"


async def a_create_payment(core: Core) -> Message:
    return a_payment(
        await an_account(core, funds_minor=100),
        await a_merchant(core),
        order_no="A-1",
        metadata={"b": "2", "a": "1"},
        subject="x",
    )


async def a_batch_of_two(core: Core) -> Message:
    buyer, shop = await an_account(core, funds_minor=100), await a_merchant(core)
    return a_batch(a_payment(buyer, shop, 60, order_no="A-1"), a_transfer(buyer, shop, 40))


BUYER = disputes_pb2.Dispute.PARTY_BUYER

DAYS = count(1)
"""Days that nobody has asked for yet, since 1970."""

MUTATIONS: dict[str, Callable[[Core], Awaitable[Message]]] = {
    "CreateAccount": lambda core: done(create_account("CNY", "USD")),
    "OpenWallet": lambda core: then(an_account(core), lambda account: open_wallet(account, "USD")),
    "UpdateAccount": lambda core: then(an_account(core), lambda account: update_account(account, "fr")),
    "CloseAccount": lambda core: then(an_account(core), close),
    "TopUp": lambda core: then(an_account(core), lambda account: a_top_up(account, 7)),
    "Withdraw": lambda core: then(an_account(core, funds_minor=7), lambda account: a_withdrawal(account, 7)),
    "CreatePayment": a_create_payment,
    "BatchCreatePayments": a_batch_of_two,
    "PayPayment": lambda core: then(a_made_payment(core, pay=False), pay),
    "ShipPayment": lambda core: then(a_made_payment(core), ship),
    "CorrectShipment": lambda core: then(a_made_payment(core, ship), correct),
    "ExtendConfirmation": lambda core: then(a_made_payment(core, ship), extend),
    "CapturePayment": lambda core: then(an_authorized_payment(core), lambda payment: capture(payment, money(60))),
    "VoidPayment": lambda core: then(an_authorized_payment(core), void),
    "CreateRefund": lambda core: then(a_made_payment(core), lambda payment: refund(payment, 40)),
    "ConfirmPayment": lambda core: then(a_made_payment(core, ship), confirm),
    "CancelPayment": lambda core: then(a_made_payment(core), cancel),
    "OpenDispute": lambda core: then(a_made_payment(core), open_dispute),
    "RespondDispute": lambda core: then(a_dispute(core), accept_dispute),
    "AcceptOffer": lambda core: then(a_dispute(core, lambda name: offer(name, 40)), accept_offer),
    "EscalateDispute": lambda core: then(a_dispute(core, reject_dispute), escalate),
    "WithdrawDispute": lambda core: then(a_dispute(core), withdraw_dispute),
    "SubmitEvidence": lambda core: then(a_dispute(core), lambda name: submit_evidence(name, party=BUYER, file=a_file())),
    "DecideDispute": lambda core: then(a_dispute(core, *IN_REVIEW), decided),
    "AppealDispute": lambda core: then(a_dispute(core, *IN_REVIEW, decided), lambda name: appeal(name, party=BUYER)),
    "WaiveAppeal": lambda core: then(a_dispute(core, *IN_REVIEW, decided), lambda name: waive(name, party=BUYER)),
    "CreateServiceKey": lambda core: done(create_key("payments.read")),
    "RotateServiceKey": lambda core: then(a_key(core), rotate),
    "RevokeServiceKey": lambda core: then(a_key(core), revoke),
    "FreezeAccount": lambda core: then(an_account(core), freeze),
    "UnfreezeAccount": lambda core: then(a_frozen_account(core), unfreeze),
    "SetMerchantPlan": lambda core: then(a_merchant(core), lambda account: set_plan(account, 100)),
    "CreateProposal": lambda core: done(an_adjustment("BANK_CLEARING", "COMPENSATION", 5)),
    "ApproveProposal": lambda core: then(a_proposal(core), approve),
    "RejectProposal": lambda core: then(a_proposal(core), reject),
    "SetPayoutSchedule": lambda core: then(a_merchant(core), set_payouts),
    "CreateWebhookEndpoint": lambda core: done(an_endpoint()),
    "UpdateWebhookEndpoint": lambda core: then(
        an_endpoint_of_the_platform(core), lambda name: update_endpoint(name, description="x")
    ),
    "DeleteWebhookEndpoint": lambda core: then(an_endpoint_of_the_platform(core), delete_endpoint),
    "RotateWebhookSecret": lambda core: then(an_endpoint_of_the_platform(core), rotate_secret),
    "EnableWebhookEndpoint": lambda core: then(an_endpoint_of_the_platform(core, disabled=True), enable_endpoint),
    "SendTestEvent": lambda core: then(an_endpoint_of_the_platform(core), a_test_event),
    "Redeliver": lambda core: then(a_delivery(core), redeliver),
    "StartReconciliation": lambda core: done(start_reconciliation(day_name(next(DAYS)))),
    "SettleDifference": lambda core: then(a_difference(core), settle_difference),
    "AdvanceClock": lambda core: done(advance_clock(3600)),
    "SetBankBehaviour": lambda core: done(the_bank(sandbox_pb2.Bank.BEHAVIOUR_ACCEPT)),
    "AnswerFunding": lambda core: then(a_pending_funding(core), lambda funding: answer_funding(funding, accepted=True)),
}
"""A request that is granted, for every RPC that changes something."""

SECRETS = {
    "CreateServiceKey": "token",
    "RotateServiceKey": "token",
    "CreateWebhookEndpoint": "secret",
    "RotateWebhookSecret": "secret",
}
"""Those whose answer holds a secret, which no repeat shows again, and in which field."""


async def done(request: Message) -> Message:
    return request


async def then(made: Awaitable[str], ask: Callable[[str], Message]) -> Message:
    return ask(await made)


def test_every_rpc_that_changes_something_is_here() -> None:
    elsewhere = {*test_people_repeats.MUTATIONS, *test_people_repeats.ELSEWHERE}
    assert {*MUTATIONS, *elsewhere} == {named(each) for each in valid_requests() if is_mutating(each)}


@pytest.mark.parametrize("name", MUTATIONS)
async def test_a_repeat_is_answered_like_the_first_call_and_changes_nothing(core: Core, name: str) -> None:
    request = await MUTATIONS[name](core)
    before = await rpc_client.digest(core.connection)
    first = await core.operator.answer(request)
    assert not first.replayed
    assert await rpc_client.digest(core.connection) != before
    async with nothing_changes(core):
        if name in SECRETS:
            refused = await core.operator.refused(request)
            assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "SECRET_ALREADY_SHOWN")
            assert getattr(first.message, SECRETS[name]) not in str(refused)
        else:
            again = await core.operator.answer(request)
            assert again == (first.message, True)


@pytest.mark.parametrize("name", MUTATIONS)
async def test_the_same_request_through_two_servers_at_once_has_one_effect(core: Core, name: str) -> None:
    request = await MUTATIONS[name](core)
    async with a_core(core.settings.database_url, token=core.operator.token) as other:
        callers = (core.operator, other.operator) * 4
        outcomes = await asyncio.gather(*(outcome(caller.answer(request)) for caller in callers))
    answers = [each for each in outcomes if not isinstance(each, Refused)]
    refusals = {each.reason for each in outcomes if isinstance(each, Refused)}
    assert sum(not answer.replayed for answer in answers) == 1, outcomes
    assert all(answer.message == answers[0].message for answer in answers)
    assert refusals == ({"SECRET_ALREADY_SHOWN"} if name in SECRETS else set())
    assert await core.connection.fetchval("SELECT count(*) FROM request WHERE request_id = $1", request_id_of(request)) == 1


def request_id_of(request: Message) -> str:
    return str(request.request_id)  # type: ignore[attr-defined]


async def test_a_repeat_is_answered_as_the_first_time_although_the_world_moved_on(core: Core) -> None:
    request = a_payment(await an_account(core, funds_minor=100), await a_merchant(core))
    paid = await core.operator.ask(request)
    await core.operator.ask(ship(paid.name))
    await core.operator.ask(confirm(paid.name))
    async with nothing_changes(core):
        assert await core.operator.answer(request) == (paid, True)
        assert paid.state == payments_pb2.Payment.STATE_PAID
    now = await core.operator.ask(payments_pb2.GetPaymentRequest(name=paid.name))
    assert now.state == payments_pb2.Payment.STATE_SUCCEEDED


async def test_a_repeat_survives_the_server(database_url: str) -> None:
    token = await an_operator_token(database_url)
    async with a_core(database_url, token=token) as core:
        request = a_payment(await an_account(core, funds_minor=100), await a_merchant(core))
        paid = await core.operator.ask(request)
    async with a_core(database_url, token=token) as core:
        assert await core.operator.answer(request) == (paid, True)


async def test_an_order_number_through_two_servers_at_once_makes_one_payment(pair: tuple[Core, Core]) -> None:
    one, two = pair
    buyer, shop = await an_account(one, funds_minor=1_000), await a_merchant(one)
    for number in range(10):
        requests = [a_payment(buyer, shop, 1, order_no=f"{number}") for _ in range(6)]
        callers = (one.operator, two.operator) * 3
        outcomes = await asyncio.gather(
            *(outcome(caller.ask(request)) for caller, request in zip(callers, requests, strict=True))
        )
        refused = [each for each in outcomes if isinstance(each, Refused)]
        (paid,) = (each for each in outcomes if not isinstance(each, Refused))
        assert {(each.reason, each.resource) for each in refused} == {("ORDER_NO_TAKEN", paid.name)}
    assert await available(two, buyer) == 990


async def test_two_servers_share_the_books(pair: tuple[Core, Core]) -> None:
    one, two = pair
    first, second = await an_account(one, funds_minor=1_000), await an_account(two, funds_minor=1_000)
    transfers = [(first, second), (second, first)] * 100
    outcomes = await asyncio.gather(
        *(
            outcome((one if number % 3 else two).operator.ask(a_transfer(payer, payee, 10)))
            for number, (payer, payee) in enumerate(transfers)
        )
    )
    assert not [each for each in outcomes if isinstance(each, Refused)]
    assert await available(one, first) + await available(two, second) == 2_000
    shop = await a_merchant(one)
    payment = await one.operator.ask(a_payment(first, shop, 100))
    await two.operator.ask(ship(payment.name))
    assert (await two.operator.ask(confirm(payment.name))).state == payments_pb2.Payment.STATE_SUCCEEDED
    assert await audit_holds(one)
    holds = await two.operator.ask(operations_pb2.AuditLedgerRequest())
    assert all(check.holds and not check.breach for check in holds.checks)
