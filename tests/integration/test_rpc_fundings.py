"""Withdrawals, the sandbox's bank and frozen accounts as callers of the wire see them."""

from collections.abc import AsyncIterator, Callable

import grpc
import pytest
from google.protobuf.message import Message

from danbao.v1 import accounts_pb2, payments_pb2, sandbox_pb2
from tests import rpc_client
from tests.rpc_client import Core, a_merchant, an_account, audit_holds, id_of, nothing_changes, refused_status, walked
from tests.rpc_requests import (
    UNKNOWN,
    a_batch,
    a_message,
    a_payment,
    a_top_up,
    a_transfer,
    a_withdrawal,
    advance_clock,
    an_authorization,
    answer_funding,
    capture,
    close,
    confirm,
    freeze,
    money,
    open_wallet,
    pay,
    ship,
    the_bank,
    unfreeze,
)

core = rpc_client.core

Account, Bank, Entry, Funding = accounts_pb2.Account, sandbox_pb2.Bank, accounts_pb2.Entry, accounts_pb2.Funding

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


@pytest.fixture(autouse=True)
async def accepting(core: Core) -> AsyncIterator[None]:
    """A bank that accepts again when the test is over."""
    yield
    await core.operator.ask(the_bank(Bank.BEHAVIOUR_ACCEPT))


async def wallet(core: Core, account: str) -> tuple[int, int]:
    """What an account can spend, and what it holds."""
    (balance,) = (await core.operator.ask(accounts_pb2.ListBalancesRequest(name=account))).balances
    return balance.available.amount_minor, balance.held.amount_minor


async def statement(core: Core, account: str) -> list[tuple[int, str]]:
    """What moved an account's money, oldest first."""
    purposes = (Entry.PURPOSE_AVAILABLE, Entry.PURPOSE_HELD)
    request = accounts_pb2.ListEntriesRequest(account=account, currency_code="CNY", purposes=purposes)
    return [(each.amount.amount_minor, each.kind) for each in (await core.operator.ask(request)).entries[::-1]]


async def a_frozen_account(core: Core, funds_minor: int = 0) -> str:
    account = await an_account(core, funds_minor=funds_minor)
    await core.operator.ask(freeze(account))
    return account


# --- Fundings ---------------------------------------------------------------------------------------------------------------


async def test_an_owner_withdraws_what_a_wallet_holds(core: Core) -> None:
    account = await an_account(core, funds_minor=1_000)
    owner = await core.caller("fundings.write", "accounts.read", account=account)
    funding = await owner.ask(a_withdrawal(account, 400))
    assert (funding.kind, funding.state) == (Funding.KIND_WITHDRAWAL, Funding.STATE_SUCCEEDED)
    assert (funding.account, funding.amount) == (account, money(400))
    assert await owner.ask(accounts_pb2.GetFundingRequest(name=funding.name)) == funding
    assert (await walked(owner, accounts_pb2.ListFundingsRequest()))[0] == funding
    assert await wallet(core, account) == (600, 0)
    assert await statement(core, account) == [
        (400, "funding.withdraw"),
        (-400, "funding.settle"),
        (1_000, "funding.top_up"),
        (-400, "funding.withdraw"),
    ]
    assert await audit_holds(core)


async def test_a_withdrawal_that_the_bank_leaves_open_is_held_until_it_answers(core: Core) -> None:
    account = await an_account(core, funds_minor=1_000)
    assert (await core.operator.ask(the_bank(Bank.BEHAVIOUR_NO_ANSWER))).behaviour == Bank.BEHAVIOUR_NO_ANSWER
    going, staying = [await core.operator.ask(a_withdrawal(account, amount_minor)) for amount_minor in (400, 500)]
    assert (going.state, going.failure_reason) == (Funding.STATE_PENDING, Funding.FAILURE_REASON_UNSPECIFIED)
    assert await wallet(core, account) == (100, 900)
    refused = await core.operator.refused(a_withdrawal(account, 101))
    assert (refused.code, refused.reason) == (PRECONDITION, "INSUFFICIENT_FUNDS")
    refused = await core.operator.refused(close(account))
    assert (refused.code, refused.reason) == (PRECONDITION, "BALANCE_NOT_ZERO")
    last = await core.operator.ask(a_withdrawal(account, 100))
    refused = await core.operator.refused(close(account))
    assert (refused.code, refused.reason) == (PRECONDITION, "FUNDINGS_OPEN")
    await core.operator.ask(answer_funding(last.name, accepted=False))
    assert refused.metadata["funding"] in (going.name, staying.name)

    settled = await core.operator.ask(answer_funding(going.name, accepted=True))
    assert (settled.name, settled.state) == (going.name, Funding.STATE_SUCCEEDED)
    answer = answer_funding(staying.name, accepted=False)
    failed = await core.operator.ask(answer)
    assert (failed.state, failed.failure_reason) == (Funding.STATE_FAILED, Funding.FAILURE_REASON_BANK_DECLINED)
    assert await wallet(core, account) == (600, 0)
    async with nothing_changes(core):
        assert await core.operator.answer(answer) == (failed, True)
        for accepted in (True, False):
            refused = await core.operator.refused(answer_funding(staying.name, accepted))
            assert (refused.code, refused.reason) == (PRECONDITION, "FUNDING_NOT_PENDING")
            assert refused.metadata == {"funding": staying.name, "state": "FAILED"}
    assert await audit_holds(core)


async def test_a_bank_that_declines_is_an_answer_and_no_error(core: Core) -> None:
    account = await an_account(core, funds_minor=1_000)
    await core.operator.ask(the_bank(Bank.BEHAVIOUR_DECLINE))
    for request in (a_top_up(account, 7), a_withdrawal(account, 7)):
        funding = await core.operator.ask(request)
        assert (funding.state, funding.failure_reason) == (Funding.STATE_FAILED, Funding.FAILURE_REASON_BANK_DECLINED)
        assert await core.operator.answer(request) == (funding, True)
    assert await wallet(core, account) == (1_000, 0)
    await core.operator.ask(the_bank(Bank.BEHAVIOUR_ACCEPT))
    assert (await core.operator.ask(a_top_up(account, 7))).state == Funding.STATE_SUCCEEDED
    assert await audit_holds(core)


async def test_a_pending_top_up_is_not_booked(core: Core) -> None:
    account = await an_account(core)
    await core.operator.ask(the_bank(Bank.BEHAVIOUR_NO_ANSWER))
    request = a_top_up(account, 7)
    funding = await core.operator.ask(request)
    assert (funding.state, await wallet(core, account)) == (Funding.STATE_PENDING, (0, 0))
    assert (await core.operator.refused(close(account))).reason == "FUNDINGS_OPEN"
    settled = await core.operator.ask(answer_funding(funding.name, accepted=True))
    assert (settled.state, await wallet(core, account)) == (Funding.STATE_SUCCEEDED, (7, 0))
    assert await core.operator.answer(request) == (funding, True), "a repeat tells what was true the first time"


async def test_fundings_are_remembered_for_ever(core: Core) -> None:
    account = await an_account(core, funds_minor=1_000)
    await core.operator.ask(the_bank(Bank.BEHAVIOUR_NO_ANSWER))
    withdrawing = a_withdrawal(account, 7)
    answering = answer_funding((await core.operator.ask(withdrawing)).name, accepted=True)
    await core.operator.ask(answering)
    for request in (withdrawing, answering):
        found = await core.connection.fetch("SELECT expires_at FROM request WHERE request_id = $1", request.request_id)
        assert [row["expires_at"] for row in found] == [None]


async def test_withdrawals_that_are_refused(core: Core) -> None:
    account, closed = await an_account(core, "CNY", "JPY", funds_minor=100), await an_account(core)
    await core.operator.ask(close(closed))
    stranger = await core.caller("fundings.write", account=closed)
    asked = {
        "ACCOUNT_NOT_FOUND": (NOT_FOUND, a_withdrawal(f"accounts/{UNKNOWN}", 1)),
        "ACCOUNT_CLOSED": (PRECONDITION, a_withdrawal(closed, 1)),
        "AMOUNT_NOT_POSITIVE": (INVALID, a_withdrawal(account, 0)),
        "CURRENCY_UNKNOWN": (INVALID, a_withdrawal(account, 1, "ZZZ")),
        "WALLET_MISSING": (PRECONDITION, a_withdrawal(account, 1, "USD")),
        "INSUFFICIENT_FUNDS": (PRECONDITION, a_withdrawal(account, 101)),
        "FUNDING_NOT_FOUND": (NOT_FOUND, answer_funding(f"fundings/{UNKNOWN}", accepted=True)),
    }
    async with nothing_changes(core):
        for reason, (code, request) in asked.items():
            refused = await core.operator.refused(request)
            assert (refused.code, refused.reason) == (code, reason)
        refused = await stranger.refused(a_withdrawal(account, 1))
        assert (refused.code, refused.reason) == (NOT_FOUND, "ACCOUNT_NOT_FOUND")


# --- Frozen accounts --------------------------------------------------------------------------------------------------------


async def test_an_operator_freezes_an_account_and_says_why(core: Core) -> None:
    account = await an_account(core)
    frozen = await core.operator.ask(freeze(account, "a court order: 法院"))
    assert (frozen.name, frozen.state) == (account, Account.STATE_FROZEN)
    again = await core.operator.answer(freeze(account))
    assert (again.message, again.replayed) == (frozen, False)
    listed = await walked(core.operator, accounts_pb2.ListAccountsRequest(states=[Account.STATE_FROZEN]))
    assert frozen in listed
    assert all(each.state == Account.STATE_FROZEN for each in listed)
    active = await core.operator.ask(unfreeze(account, "it was lifted"))
    assert active.state == Account.STATE_ACTIVE
    assert await core.operator.ask(unfreeze(account)) == active
    facts = await core.connection.fetch(
        "SELECT method, caller, memo FROM audit_event WHERE subject_id = $1 ORDER BY id", id_of(account)
    )
    assert [tuple(row) for row in facts][1:] == [
        ("OperationsService/FreezeAccount", "service:operator", "a court order: 法院"),
        ("OperationsService/UnfreezeAccount", "service:operator", "it was lifted"),
    ]


async def test_what_cannot_be_frozen(core: Core) -> None:
    closed = await an_account(core)
    await core.operator.ask(close(closed))
    async with nothing_changes(core):
        for ask in (freeze, unfreeze):
            refused = await core.operator.refused(ask(closed))
            assert (refused.code, refused.reason) == (PRECONDITION, "ACCOUNT_CLOSED")
            refused = await core.operator.refused(ask(f"accounts/{UNKNOWN}"))
            assert (refused.code, refused.reason) == (NOT_FOUND, "ACCOUNT_NOT_FOUND")


REFUSED: dict[str, Callable[[str, str, str], Message]] = {
    "pay": lambda account, shop, waiting: pay(waiting),
    "pay at creation": lambda account, shop, waiting: a_payment(account, shop),
    "transfer": lambda account, shop, waiting: a_transfer(account, shop),
    "authorize": lambda account, shop, waiting: an_authorization(account, shop),
    "create with its own key": lambda account, shop, waiting: a_payment(account, shop, pay=False),
    "batch": lambda account, shop, waiting: a_batch(a_payment(account, shop)),
    "top up": lambda account, shop, waiting: a_top_up(account, 1),
    "withdraw": lambda account, shop, waiting: a_withdrawal(account, 1),
    "open a wallet": lambda account, shop, waiting: open_wallet(account, "USD"),
    "close": lambda account, shop, waiting: close(account),
}


@pytest.mark.parametrize("ask", REFUSED.values(), ids=REFUSED.keys())
async def test_what_the_owner_of_a_frozen_account_starts_is_refused(
    core: Core, ask: Callable[[str, str, str], Message]
) -> None:
    account, shop = await an_account(core, funds_minor=1_000), await a_merchant(core)
    waiting = await core.operator.ask(a_payment(account, shop, pay=False))
    owner = await core.caller("accounts.write", "fundings.write", "payments.pay", "payments.write", account=account)
    await core.operator.ask(freeze(account))
    async with nothing_changes(core):
        refused = await owner.refused(ask(account, shop, waiting.name))
        assert (refused.code, refused.reason) == (PRECONDITION, "ACCOUNT_FROZEN")
        assert refused.metadata["account"] == account


async def test_a_streamed_payment_of_a_frozen_account_is_refused_alone(core: Core) -> None:
    frozen, payer = await a_frozen_account(core, funds_minor=100), await an_account(core, funds_minor=100)
    shop = await a_merchant(core)
    call = core.operator.stream()
    await call.write(a_message(a_payment(frozen, shop), a_payment(payer, shop), a_payment(payer, frozen, 0)))
    await call.done_writing()
    first, second, _ = (await call.read()).results
    refused = refused_status(first.status)
    assert (refused.code, refused.reason, refused.metadata) == (PRECONDITION, "ACCOUNT_FROZEN", {"account": frozen})
    assert second.payment.state == payments_pb2.Payment.STATE_PAID


async def test_a_payment_of_a_frozen_payer_is_confirmed_by_an_operator_or_by_time(core: Core) -> None:
    payer, shop = await an_account(core, funds_minor=200), await a_merchant(core)
    first, second = [(await core.operator.ask(a_payment(payer, shop))).name for _ in range(2)]
    scopes = ("payments.read", "payments.write")
    callers = [await core.caller(*scopes, account=payer), await core.caller(*scopes, service="checkout")]
    for payment in (first, second):
        await core.operator.ask(ship(payment))
    await core.operator.ask(freeze(payer))
    async with nothing_changes(core):
        for caller in callers:
            refused = await caller.refused(confirm(first))
            assert (refused.code, refused.reason, refused.metadata) == (PRECONDITION, "ACCOUNT_FROZEN", {"account": payer})
    assert (await core.operator.ask(confirm(first))).state == payments_pb2.Payment.STATE_SUCCEEDED
    await core.operator.ask(advance_clock(10 * 86_400))
    assert (await callers[0].refused(confirm(second))).reason == "ACCOUNT_FROZEN"
    now = await core.operator.ask(payments_pb2.GetPaymentRequest(name=second))
    assert now.state == payments_pb2.Payment.STATE_SUCCEEDED, "time confirms a frozen payer's payment, too"
    assert await audit_holds(core)


# --- Closing ----------------------------------------------------------------------------------------------------------------


async def test_a_merchant_closes_sixty_days_after_its_last_takings(core: Core) -> None:
    payer, shop = await an_account(core, funds_minor=1_000), await a_merchant(core, "CNY", "USD")
    earlier = await core.operator.ask(a_payment(payer, shop, 100))
    await core.operator.ask(ship(earlier.name))
    await core.operator.ask(confirm(earlier.name))
    await core.operator.ask(advance_clock(86_400))
    last = await core.operator.ask(a_transfer(payer, shop, 100))
    await core.operator.ask(a_withdrawal(shop, 198 - 2))
    await core.operator.ask(a_top_up(shop, 5))
    await core.operator.ask(a_withdrawal(shop, 5))
    async with nothing_changes(core):
        refused = await core.operator.refused(close(shop))
    assert (refused.code, refused.reason) == (PRECONDITION, "TAKINGS_TOO_RECENT"), refused
    taken_at = last.success_time.ToDatetime().isoformat()
    possible_from = refused.metadata["possible_from"]
    await core.operator.ask(advance_clock(59 * 86_400))
    assert (await core.operator.refused(close(shop))).metadata == {"possible_from": possible_from}
    assert possible_from > taken_at
    await core.operator.ask(advance_clock(86_400))
    assert (await core.operator.ask(close(shop))).state == Account.STATE_CLOSED


async def test_a_merchant_that_only_pays_and_a_person_that_is_paid_do_not_wait(core: Core) -> None:
    buying, shop, friend = await a_merchant(core), await a_merchant(core), await an_account(core)
    await core.operator.ask(a_top_up(buying, 200))
    authorized = await core.operator.ask(an_authorization(buying, shop, 100))
    await core.operator.ask(capture(authorized.name, money(60)))
    await core.operator.ask(a_transfer(buying, friend, 140))
    await core.operator.ask(a_withdrawal(friend, 140))
    for account in (buying, friend):
        assert (await core.operator.ask(close(account))).state == Account.STATE_CLOSED
