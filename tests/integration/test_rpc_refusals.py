"""What the core refuses although the request is well formed: each with its reason, and without a trace in the database."""

from collections.abc import Callable
from typing import Any, NamedTuple

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from danbao.v1 import accounts_pb2, payments_pb2
from danbao_core.accounts import PLATFORM_ID
from tests import rpc_client
from tests.rpc_client import Caller, Core, a_core, a_merchant, an_account, an_operator_token, available, nothing_changes
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
    create_key,
    money,
    open_wallet,
    pay,
    revoke,
    rotate,
    ship,
)

core = rpc_client.core

MOST = 2**63 - 1
PLATFORM = f"accounts/{PLATFORM_ID}"

INVALID = grpc.StatusCode.INVALID_ARGUMENT
DENIED = grpc.StatusCode.PERMISSION_DENIED
NOT_FOUND = grpc.StatusCode.NOT_FOUND
EXISTS = grpc.StatusCode.ALREADY_EXISTS
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


class World(NamedTuple):
    """What there is when the requests come."""

    core: Core
    buyer: str
    """Has 10,000 CNY fen, and an empty wallet in JPY."""
    shop: str
    dollars: str
    """Has a wallet in USD only."""
    closed: str
    awaiting: str
    paid: str
    """Its order number at the shop is "taken"."""
    shipped: str
    succeeded: str
    cancelled: str
    funding: str
    expecting: str
    """A shop without money, to which a payment is under way."""
    as_buyer: Caller
    """With a key that is bound to the buyer."""
    as_shop: Caller
    as_stranger: Caller
    """With a key that is bound to `dollars`."""

    def payment(self, payee: str | None = None, **fields: Any) -> payments_pb2.CreatePaymentRequest:
        return a_payment(self.buyer, payee or self.shop, **fields)


@pytest.fixture(scope="module")
async def world(core: Core) -> World:
    buyer = await an_account(core, "CNY", "JPY")
    funding = await core.operator.ask(a_top_up(buyer, 10_000))
    shop, dollars, closed = await a_merchant(core), await an_account(core, "USD", funds_minor=50), await an_account(core)
    await core.operator.ask(close(closed))

    async def made(*steps: Callable[[str], Message], **fields: Any) -> str:
        payment = await core.operator.ask(a_payment(buyer, shop, **fields))
        for step in steps:
            await core.operator.ask(step(payment.name))
        return str(payment.name)

    expecting = await a_merchant(core)
    await core.operator.ask(a_payment(buyer, expecting, mode=payments_pb2.Payment.MODE_ESCROW))
    scopes = ("accounts.read", "accounts.write", "fundings.write", "payments.pay", "payments.read", "payments.write")
    return World(
        core=core,
        buyer=buyer,
        shop=shop,
        dollars=dollars,
        closed=closed,
        awaiting=await made(pay=False),
        paid=await made(order_no="taken"),
        shipped=await made(ship),
        succeeded=await made(ship, confirm),
        cancelled=await made(cancel),
        funding=str(funding.name),
        expecting=expecting,
        as_buyer=await core.caller(*scopes, account=buyer, service="app"),
        as_shop=await core.caller(*scopes, account=shop, service="shop"),
        as_stranger=await core.caller(*scopes, account=dollars, service="stranger"),
    )


Asking = Callable[[World], Message]

BY_ANYBODY: dict[str, tuple[Asking, grpc.StatusCode, str]] = {
    # Accounts that are not there, or not there any more.
    "unknown account": (lambda w: accounts_pb2.GetAccountRequest(name=f"accounts/{UNKNOWN}"), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "the platform's account": (lambda w: accounts_pb2.GetAccountRequest(name=PLATFORM), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "balances of nobody": (
        lambda w: accounts_pb2.ListBalancesRequest(name=f"accounts/{UNKNOWN}"),
        NOT_FOUND,
        "ACCOUNT_NOT_FOUND",
    ),
    "balances of the platform": (lambda w: accounts_pb2.ListBalancesRequest(name=PLATFORM), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "wallet for nobody": (lambda w: open_wallet(f"accounts/{UNKNOWN}", "CNY"), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "wallet for the platform": (lambda w: open_wallet(PLATFORM, "CNY"), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "close nobody": (lambda w: close(f"accounts/{UNKNOWN}"), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "close the platform": (lambda w: close(PLATFORM), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "top up nobody": (lambda w: a_top_up(f"accounts/{UNKNOWN}", 1), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "top up the platform": (lambda w: a_top_up(PLATFORM, 1), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "unknown payer": (lambda w: a_payment(f"accounts/{UNKNOWN}", w.shop), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "unknown payee": (lambda w: w.payment(f"accounts/{UNKNOWN}"), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "the platform pays": (lambda w: a_payment(PLATFORM, w.shop), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "pay the platform": (lambda w: w.payment(PLATFORM), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "key for nobody": (lambda w: create_key("payments.read", account=f"accounts/{UNKNOWN}"), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "key for the platform": (lambda w: create_key("payments.read", account=PLATFORM), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "closed payer": (lambda w: a_payment(w.closed, w.shop), PRECONDITION, "ACCOUNT_CLOSED"),
    "closed payee": (lambda w: w.payment(w.closed), PRECONDITION, "ACCOUNT_CLOSED"),
    "closed payee, to be paid later": (lambda w: w.payment(w.closed, pay=False), PRECONDITION, "ACCOUNT_CLOSED"),
    "top up a closed account": (lambda w: a_top_up(w.closed, 1), PRECONDITION, "ACCOUNT_CLOSED"),
    "wallet for a closed account": (lambda w: open_wallet(w.closed, "USD"), PRECONDITION, "ACCOUNT_CLOSED"),
    "close with money": (lambda w: close(w.dollars), PRECONDITION, "BALANCE_NOT_ZERO"),
    "close with open payments": (lambda w: close(w.expecting), PRECONDITION, "PAYMENTS_OPEN"),
    # Amounts and currencies.
    "payer is payee": (lambda w: w.payment(w.buyer), INVALID, "PAYER_IS_PAYEE"),
    "amount of zero": (lambda w: w.payment(amount=money(0)), INVALID, "AMOUNT_NOT_POSITIVE"),
    "negative amount": (lambda w: w.payment(amount=money(-1)), INVALID, "AMOUNT_NOT_POSITIVE"),
    "most negative amount": (lambda w: w.payment(amount=money(-MOST - 1)), INVALID, "AMOUNT_NOT_POSITIVE"),
    "top up zero": (lambda w: a_top_up(w.buyer, 0), INVALID, "AMOUNT_NOT_POSITIVE"),
    "top up less than zero": (lambda w: a_top_up(w.buyer, -1), INVALID, "AMOUNT_NOT_POSITIVE"),
    "more than the wallet holds": (lambda w: w.payment(amount_minor=10_001), PRECONDITION, "INSUFFICIENT_FUNDS"),
    "all the money there can be": (lambda w: w.payment(amount_minor=MOST), PRECONDITION, "INSUFFICIENT_FUNDS"),
    "all the money there can be, at once": (
        lambda w: w.payment(amount_minor=MOST, mode=payments_pb2.Payment.MODE_INSTANT),
        PRECONDITION,
        "INSUFFICIENT_FUNDS",
    ),
    "past a balance's end": (lambda w: a_top_up(w.buyer, MOST), INVALID, "AMOUNT_OVERFLOW"),
    "unknown currency": (lambda w: w.payment(amount=money(1, "ZZZ")), INVALID, "CURRENCY_UNKNOWN"),
    "gold": (lambda w: w.payment(amount=money(1, "XAU")), INVALID, "CURRENCY_UNKNOWN"),
    "top up an unknown currency": (lambda w: a_top_up(w.buyer, 1, "ZZZ"), INVALID, "CURRENCY_UNKNOWN"),
    "wallet in an unknown currency": (lambda w: open_wallet(w.buyer, "ZZZ"), INVALID, "CURRENCY_UNKNOWN"),
    "account in an unknown currency": (lambda w: create_account("CNY", "ZZZ"), INVALID, "CURRENCY_UNKNOWN"),
    "payer lacks the wallet": (lambda w: w.payment(amount=money(1, "USD")), PRECONDITION, "WALLET_MISSING"),
    "payee lacks the wallet": (lambda w: w.payment(w.dollars), PRECONDITION, "WALLET_MISSING"),
    "top up a wallet that is missing": (lambda w: a_top_up(w.buyer, 1, "USD"), PRECONDITION, "WALLET_MISSING"),
    # Payments.
    "unknown payment": (lambda w: payments_pb2.GetPaymentRequest(name=f"payments/{UNKNOWN}"), NOT_FOUND, "PAYMENT_NOT_FOUND"),
    "pay nothing": (lambda w: pay(f"payments/{UNKNOWN}"), NOT_FOUND, "PAYMENT_NOT_FOUND"),
    "ship nothing": (lambda w: ship(f"payments/{UNKNOWN}"), NOT_FOUND, "PAYMENT_NOT_FOUND"),
    "confirm nothing": (lambda w: confirm(f"payments/{UNKNOWN}"), NOT_FOUND, "PAYMENT_NOT_FOUND"),
    "cancel nothing": (lambda w: cancel(f"payments/{UNKNOWN}"), NOT_FOUND, "PAYMENT_NOT_FOUND"),
    "an account's id for a payment": (lambda w: pay(w.buyer.replace("accounts", "payments")), NOT_FOUND, "PAYMENT_NOT_FOUND"),
    "ship before payment": (lambda w: ship(w.awaiting), PRECONDITION, "INVALID_TRANSITION"),
    "confirm before payment": (lambda w: confirm(w.awaiting), PRECONDITION, "INVALID_TRANSITION"),
    "pay twice": (lambda w: pay(w.paid), PRECONDITION, "INVALID_TRANSITION"),
    "confirm before shipment": (lambda w: confirm(w.paid), PRECONDITION, "INVALID_TRANSITION"),
    "ship twice": (lambda w: ship(w.shipped), PRECONDITION, "INVALID_TRANSITION"),
    "cancel after shipment": (lambda w: cancel(w.shipped), PRECONDITION, "INVALID_TRANSITION"),
    "confirm twice": (lambda w: confirm(w.succeeded), PRECONDITION, "INVALID_TRANSITION"),
    "cancel after success": (lambda w: cancel(w.succeeded), PRECONDITION, "INVALID_TRANSITION"),
    "pay after cancellation": (lambda w: pay(w.cancelled), PRECONDITION, "INVALID_TRANSITION"),
    "cancel twice": (lambda w: cancel(w.cancelled), PRECONDITION, "INVALID_TRANSITION"),
    "order number taken": (lambda w: w.payment(order_no="taken"), EXISTS, "ORDER_NO_TAKEN"),
    # Operations.
    "unknown funding": (lambda w: accounts_pb2.GetFundingRequest(name=f"fundings/{UNKNOWN}"), NOT_FOUND, "FUNDING_NOT_FOUND"),
    "unknown scope": (lambda w: create_key("payments.read", "payments.steal"), INVALID, "SCOPE_UNKNOWN"),
    "rotate an unknown key": (lambda w: rotate(f"serviceKeys/{UNKNOWN}"), NOT_FOUND, "SERVICE_KEY_NOT_FOUND"),
    "revoke an unknown key": (lambda w: revoke(f"serviceKeys/{UNKNOWN}"), NOT_FOUND, "SERVICE_KEY_NOT_FOUND"),
}


@pytest.mark.parametrize("name", BY_ANYBODY)
async def test_a_request_that_cannot_be_granted(world: World, name: str) -> None:
    asking, code, reason = BY_ANYBODY[name]
    async with nothing_changes(world.core):
        refused = await world.core.operator.refused(asking(world))
    assert (refused.code, refused.reason) == (code, reason), refused


BOUND: dict[str, tuple[Callable[[World], Caller], Asking, grpc.StatusCode, str]] = {
    "see another account": (
        lambda w: w.as_stranger,
        lambda w: accounts_pb2.GetAccountRequest(name=w.buyer),
        NOT_FOUND,
        "ACCOUNT_NOT_FOUND",
    ),
    "see another's balances": (
        lambda w: w.as_stranger,
        lambda w: accounts_pb2.ListBalancesRequest(name=w.buyer),
        NOT_FOUND,
        "ACCOUNT_NOT_FOUND",
    ),
    "see another's funding": (
        lambda w: w.as_stranger,
        lambda w: accounts_pb2.GetFundingRequest(name=w.funding),
        NOT_FOUND,
        "FUNDING_NOT_FOUND",
    ),
    "open an account": (lambda w: w.as_stranger, lambda w: create_account("CNY"), DENIED, "NOT_YOUR_ACCOUNT"),
    "open a wallet for another": (
        lambda w: w.as_stranger,
        lambda w: open_wallet(w.buyer, "USD"),
        NOT_FOUND,
        "ACCOUNT_NOT_FOUND",
    ),
    "close another's account": (lambda w: w.as_stranger, lambda w: close(w.closed), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "top up another": (lambda w: w.as_stranger, lambda w: a_top_up(w.buyer, 1), NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    "a payment between others": (lambda w: w.as_stranger, lambda w: w.payment(), DENIED, "NOT_YOUR_ACCOUNT"),
    "a payment between others, unpaid": (lambda w: w.as_stranger, lambda w: w.payment(pay=False), DENIED, "NOT_YOUR_ACCOUNT"),
    "a payment of another to oneself": (lambda w: w.as_shop, lambda w: w.payment(), DENIED, "ACTOR_NOT_ALLOWED"),
    "see others' payment": (
        lambda w: w.as_stranger,
        lambda w: payments_pb2.GetPaymentRequest(name=w.paid),
        NOT_FOUND,
        "PAYMENT_NOT_FOUND",
    ),
    "pay others' payment": (lambda w: w.as_stranger, lambda w: pay(w.awaiting), NOT_FOUND, "PAYMENT_NOT_FOUND"),
    "ship others' payment": (lambda w: w.as_stranger, lambda w: ship(w.paid), NOT_FOUND, "PAYMENT_NOT_FOUND"),
    "confirm others' payment": (lambda w: w.as_stranger, lambda w: confirm(w.shipped), NOT_FOUND, "PAYMENT_NOT_FOUND"),
    "cancel others' payment": (lambda w: w.as_stranger, lambda w: cancel(w.paid), NOT_FOUND, "PAYMENT_NOT_FOUND"),
    "payee pays": (lambda w: w.as_shop, lambda w: pay(w.awaiting), DENIED, "ACTOR_NOT_ALLOWED"),
    "payee confirms": (lambda w: w.as_shop, lambda w: confirm(w.shipped), DENIED, "ACTOR_NOT_ALLOWED"),
    "payer ships": (lambda w: w.as_buyer, lambda w: ship(w.paid), DENIED, "ACTOR_NOT_ALLOWED"),
}


@pytest.mark.parametrize("name", BOUND)
async def test_a_key_that_is_bound_to_another_account(world: World, name: str) -> None:
    who, asking, code, reason = BOUND[name]
    async with nothing_changes(world.core):
        refused = await who(world).refused(asking(world))
    assert (refused.code, refused.reason) == (code, reason), refused


async def test_a_key_without_the_scope_to_pay_creates_but_does_not_pay(world: World) -> None:
    bound = await world.core.caller("payments.write", account=world.buyer)
    unbound = await world.core.caller("payments.write", "payments.pay")
    for caller, scope in ((bound, "payments.pay"), (unbound, "payments.pay_any")):
        async with nothing_changes(world.core):
            for request in (world.payment(), pay(world.awaiting)):
                refused = await caller.refused(request)
                assert (refused.code, refused.reason, refused.metadata) == (DENIED, "SCOPE_MISSING", {"scope": scope})
        assert (await caller.ask(world.payment(pay=False))).state == payments_pb2.Payment.STATE_AWAITING_PAYMENT


async def test_a_taken_order_number_names_its_payment(world: World) -> None:
    refused = await world.core.operator.refused(world.payment(order_no="taken", pay=False, amount=money(7)))
    assert (refused.resource, refused.metadata) == (world.paid, {"order_no": "taken"})


async def test_an_undeclared_transition_names_state_and_event(world: World) -> None:
    refused = await world.core.operator.refused(cancel(world.shipped))
    assert refused.metadata == {"state": "SHIPPED", "event": "CANCEL"}


async def test_a_refused_request_does_not_burn_its_id(world: World) -> None:
    core = world.core
    buyer = await an_account(core)
    request = a_payment(buyer, world.shop, 5)
    assert (await core.operator.refused(request)).reason == "INSUFFICIENT_FUNDS"
    await core.operator.ask(a_top_up(buyer, 5))
    answer = await core.operator.answer(request)
    assert (answer.replayed, answer.message.amount.amount_minor) == (False, 5)


async def test_a_request_id_with_other_content_is_refused(world: World) -> None:
    core = world.core
    request = world.payment(metadata={"a": "1"})
    await core.operator.ask(request)
    others = [
        changed(request, amount=money(101)),
        changed(request, payee=world.dollars),
        changed(request, pay=False),
        changed(request, subject="x"),
        changed(request, metadata={"a": "2"}),
        changed(request, expire_after=Duration(seconds=60)),
        a_top_up(world.buyer, 1),
        create_account("CNY"),
        pay(world.awaiting),
        create_key("payments.read"),
        advance_clock(),
    ]
    async with nothing_changes(core):
        for other in others:
            refused = await core.operator.refused(changed(other, request_id=request.request_id))
            assert (refused.code, refused.reason) == (EXISTS, "REQUEST_ID_REUSED"), other
            assert refused.metadata == {"request_id": request.request_id}


async def test_request_ids_belong_to_the_calling_service(world: World) -> None:
    scopes = ("payments.read", "payments.write", "payments.pay_any")
    first, second, other = [await world.core.caller(*scopes, service=service) for service in ("one", "one", "two")]
    request = world.payment()
    paid = await first.ask(request)
    again, apart = await second.answer(request), await other.answer(request)
    assert (again.replayed, again.message) == (True, paid)
    assert not apart.replayed
    assert apart.message.name != paid.name


async def test_a_seventeenth_wallet_is_refused(world: World) -> None:
    sixteen = ["AED", "AUD", "BRL", "CAD", "CHF", "CNY", "EUR", "GBP", "HKD", "INR", "JPY", "KRW", "KWD", "MXN", "NOK", "USD"]
    account = await an_account(world.core, *sixteen)
    async with nothing_changes(world.core):
        refused = await world.core.operator.refused(open_wallet(account, "SEK"))
    assert (refused.code, refused.reason) == (PRECONDITION, "TOO_MANY_WALLETS")


# --- At the end of what 64 bits hold ----------------------------------------------------------------------------------------


@pytest.fixture
async def rich(database_url: str) -> Any:
    """A core of its own, for amounts that fill it."""
    async with a_core(database_url) as running:
        yield running


async def test_the_platforms_stripe_overflows_before_it_wraps(rich: Core) -> None:
    first, second = await an_account(rich, funds_minor=MOST), await an_account(rich)
    await rich.operator.ask(a_top_up(second, 1))  # the clearing balance is at the smallest bigint now
    async with nothing_changes(rich):
        for account in (first, second):
            refused = await rich.operator.refused(a_top_up(account, 1))
            assert (refused.code, refused.reason) == (INVALID, "AMOUNT_OVERFLOW")
    assert (await available(rich, first), await available(rich, second)) == (MOST, 1)
    assert await rpc_client.audit_holds(rich)


async def test_all_the_money_there_can_be_goes_through_escrow(rich: Core) -> None:
    buyer, shop = await an_account(rich, funds_minor=MOST), await a_merchant(rich)
    payment = await rich.operator.ask(a_payment(buyer, shop, MOST))
    await rich.operator.ask(ship(payment.name))
    done = await rich.operator.ask(confirm(payment.name))
    assert done.released.amount_minor == MOST
    assert await available(rich, shop) == MOST - done.fee.amount_minor
    assert await rpc_client.audit_holds(rich)


async def test_a_payee_whose_wallet_is_full_is_not_paid(database_url: str) -> None:
    token = await an_operator_token(database_url)
    async with a_core(database_url, token=token) as one, a_core(database_url, token=token) as two:
        # Two servers have a stripe each, so together they let in more than one wallet can hold.
        full, other = await an_account(one, funds_minor=MOST), await an_account(two, funds_minor=MOST)
        async with nothing_changes(one):
            refused = await one.operator.refused(a_transfer(other, full, 1))
        assert (refused.code, refused.reason) == (INVALID, "AMOUNT_OVERFLOW")
        assert await rpc_client.audit_holds(two)


async def test_the_clock_stops_at_the_year_9000(rich: Core) -> None:
    await rich.connection.execute(
        "UPDATE installation SET clock_offset_seconds = extract(epoch FROM timestamptz '8999-12-31' - now())::bigint"
    )
    payment = await rich.operator.ask(a_payment(await an_account(rich, funds_minor=10), await a_merchant(rich), 10))
    await rich.operator.ask(ship(payment.name))
    assert (await rich.operator.ask(confirm(payment.name))).due_time.ToDatetime().year == 9000
    async with nothing_changes(rich):
        refused = await rich.operator.refused(advance_clock(86_500))
    assert (refused.code, refused.reason) == (PRECONDITION, "CLOCK_OUT_OF_RANGE")
