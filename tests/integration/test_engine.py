"""The commit engine on a real Postgres: batches, retries, races, and what callers do to it."""

import asyncio
import random
from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from danbao_core.accounts import Account, Balance, CloseAccount, CreateAccount, OpenWallet, Purpose, balance_id
from danbao_core.accounts.rows import AccountKind
from danbao_core.engine import Answer, Book, Command, Decision, Engine, Key
from danbao_core.errors import (
    AccountClosed,
    DeadlinePassed,
    InsufficientFunds,
    InternalFault,
    OrderNoTaken,
    QueueFull,
    RequestIdReused,
    ShuttingDown,
)
from danbao_core.fundings import TopUp
from danbao_core.ids import uuid7
from danbao_core.money import Money
from danbao_core.payments import CreatePayment, Mode, PayPayment
from danbao_core.policy import PolicySchedule
from danbao_core.trail import AuditEvent, Outbox, audit_event
from tests.builders import a_merchant, a_payment, an_account, origin
from tests.engines import available, breaches, together, transfer

Connection = Any


# --- Repeats ----------------------------------------------------------------------------------------------------------------


async def test_a_repeat_is_answered_as_the_first_time(engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    command = transfer(payer, payee, 100)
    first = await engine.submit(command)
    again = await engine.submit(command.__class__(**(fields(command) | {"id": uuid7()})))
    assert (first.replayed, again.replayed) == (False, True)
    assert again.result == first.result
    assert await available(engine, payer) == 0


def fields(command: Command[Any]) -> dict[str, Any]:
    return {name: getattr(command, name) for name in command.__struct_fields__}


async def test_thirty_two_callers_with_one_request_id_have_one_effect(engine: Engine, second_engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=1_000), await a_merchant(engine)
    same = origin()
    commands = [
        CreatePayment(
            origin=same,
            payer_id=payer.id,
            payee_id=payee.id,
            amount=Money(100, "CNY"),
            mode=Mode.INSTANT,
            order_no="A-1",
            pay=True,
        )
        for _ in range(32)
    ]
    engines = (engine, second_engine)
    answers = await asyncio.gather(*(engines[place % 2].submit(command) for place, command in enumerate(commands)))
    assert {answer.result.id for answer in answers} == {answers[0].result.id}
    assert sum(not answer.replayed for answer in answers) == 1
    assert await available(engine, payer) == 900


async def test_a_repeat_through_another_engine_never_meets_its_own_order_number(
    engine: Engine, second_engine: Engine, connection: Connection
) -> None:
    payer, payee = await an_account(engine), await a_merchant(engine)
    for number in range(60):
        same = origin()
        commands = [
            CreatePayment(
                origin=same,
                payer_id=payer.id,
                payee_id=payee.id,
                amount=Money(1, "CNY"),
                mode=Mode.ESCROW,
                order_no=f"{number}",
            )
            for _ in range(4)
        ]
        engines = (engine, second_engine)
        outcomes = await asyncio.gather(
            *(engines[place % 2].submit(command) for place, command in enumerate(commands)), return_exceptions=True
        )
        assert all(isinstance(outcome, Answer) for outcome in outcomes), outcomes
    assert await connection.fetchval("SELECT count(*) FROM payment") == 60


async def test_another_request_under_the_same_id_is_refused(engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    same: dict[str, Any] = {"request_id": "once", "caller": "service:shop"}
    await engine.submit(transfer(payer, payee, 1, **same))
    with pytest.raises(RequestIdReused):
        await engine.submit(transfer(payer, payee, 1, content=b"something else", **same))
    assert not (await engine.submit(transfer(payer, payee, 1, request_id="once", caller="service:other"))).replayed


async def test_a_refused_request_does_not_burn_its_id(engine: Engine) -> None:
    payer, payee = await an_account(engine), await a_merchant(engine)
    command = transfer(payer, payee, 10)
    with pytest.raises(InsufficientFunds):
        await engine.submit(command)
    await engine.submit(TopUp(origin=origin(), account_id=payer.id, amount=Money(10, "CNY")))
    assert not (await engine.submit(command)).replayed


async def test_the_same_order_number_from_two_engines_makes_one_payment(
    engine: Engine, second_engine: Engine, connection: Connection
) -> None:
    payer, payee = await an_account(engine, funds_minor=1_000), await a_merchant(engine)

    def order() -> CreatePayment:
        return CreatePayment(
            origin=origin(),
            payer_id=payer.id,
            payee_id=payee.id,
            amount=Money(1, "CNY"),
            mode=Mode.ESCROW,
            order_no="A-1",
        )

    for _ in range(10):
        outcomes = await asyncio.gather(engine.submit(order()), second_engine.submit(order()), return_exceptions=True)
        assert all(isinstance(outcome, (Answer, OrderNoTaken)) for outcome in outcomes), outcomes
    assert await connection.fetchval("SELECT count(*) FROM payment") == 1


async def test_repeats_and_refusals_write_nothing_at_all(engine: Engine, connection: Connection) -> None:
    payer, payee = await an_account(engine, funds_minor=5), await a_merchant(engine)
    command = transfer(payer, payee, 5)
    await engine.submit(command)
    batches = await connection.fetchval("SELECT batch_no FROM engine WHERE id = $1", engine.id)
    await engine.submit(command)
    with pytest.raises(InsufficientFunds):
        await engine.submit(transfer(payer, payee, 5))
    assert await connection.fetchval("SELECT batch_no FROM engine WHERE id = $1", engine.id) == batches


# --- One command does not hurt another --------------------------------------------------------------------------------------


class Poison(Command[AuditEvent], frozen=True):
    """A command that fails in one of the ways in which commands can."""

    result_type = AuditEvent
    way: str
    account_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        if self.way == "keys":
            raise RuntimeError("no keys today")
        if self.way != "unnamed":
            yield Account.key(self.account_id) if self.way != "unlocked" else Account.read_key(self.account_id)

    def decide(self, book: Book) -> Decision[AuditEvent]:
        trace = audit_event(self.ids(), self.origin, Account, self.account_id, book.now)
        match self.way:
            case "decide":
                raise RuntimeError("no decision today")
            case "NUL in text":
                return Decision(trace, [trace.replace(peer="a\0b")])
            case "not encodable":
                return Decision(trace, [trace.replace(peer=5)])
            case "breaks a CHECK":
                account: Account = book[Account, self.account_id]
                return Decision(trace, [account.replace(kind=7, version=account.version + 1)])
            case "NUL in an event":
                return Decision(trace, [Outbox(self.ids().take(), "a\0b", self.account_id, 1, b"", book.now, self.account_id)])
            case "exists":
                return Decision(trace, [trace.replace(id=self.account_id), trace.replace(id=self.account_id)])
            case "version not raised":
                return Decision(trace, [book[Account, self.account_id]])
            case _:
                account = book[Account, self.account_id]
                return Decision(trace, [account.replace(version=account.version + 1)])


WAYS = (
    "keys",
    "decide",
    "unnamed",
    "unlocked",
    "NUL in text",
    "not encodable",
    "breaks a CHECK",
    "version not raised",
)


@pytest.mark.parametrize("way", WAYS)
async def test_a_poisonous_command_fails_alone(engine: Engine, database_url: str, way: str) -> None:
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    good = [transfer(payer, payee) for _ in range(40)]
    poison = Poison(origin=origin(), way=way, account_id=payer.id)
    outcomes = await together(engine, [*good[:17], poison, *good[17:]])
    assert isinstance(outcomes.pop(17), InternalFault)
    assert all(isinstance(outcome, Answer) for outcome in outcomes), outcomes
    assert await available(engine, payer) == 60
    assert await breaches(database_url) == []


@pytest.mark.parametrize(("way", "place"), [("NUL in an event", 17), ("breaks a CHECK", 190)])
async def test_a_poisonous_command_takes_nothing_along_of_a_large_batch(
    engine: Engine, connection: Connection, database_url: str, way: str, place: int
) -> None:
    payer, payee = await an_account(engine, funds_minor=300), await a_merchant(engine)
    good = [transfer(payer, payee) for _ in range(200)]
    poison = Poison(origin=origin(), way=way, account_id=payer.id)
    events = await connection.fetchval("SELECT count(*) FROM outbox")
    outcomes = await together(engine, [*good[:place], poison, *good[place:]])
    assert isinstance(outcomes.pop(place), InternalFault)
    assert all(isinstance(outcome, Answer) for outcome in outcomes), outcomes
    assert await available(engine, payer) == 100
    assert await connection.fetchval("SELECT count(*) FROM outbox") == events + 200
    assert await breaches(database_url) == []


async def test_a_row_that_exists_already_is_a_fault_of_its_command_alone(engine: Engine) -> None:
    account = await an_account(engine)
    first = CreateAccount(origin=origin(), kind=AccountKind.PERSONAL, display_name="x", currencies=("CNY",))
    await engine.submit(first)
    again = CreateAccount(origin=origin(), id=first.id, kind=AccountKind.PERSONAL, display_name="y", currencies=("CNY",))
    outcomes = await together(engine, [TopUp(origin=origin(), account_id=account.id, amount=Money(1, "CNY")), again])
    assert isinstance(outcomes[0], Answer)
    assert isinstance(outcomes[1], InternalFault)


async def test_a_refused_command_leaves_nothing_for_the_next_one_of_its_batch(engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=10), await a_merchant(engine)
    outcomes = await together(engine, [transfer(payer, payee, 11), transfer(payer, payee, 10), transfer(payer, payee, 1)])
    assert [type(outcome).__name__ for outcome in outcomes] == ["InsufficientFunds", "Answer", "InsufficientFunds"]


class Follow(Command[Account], frozen=True):
    """Reads an account, and where there is one the account's first balance: its keys depend on a row."""

    result_type = Account
    account_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.read_key(self.account_id)
        if book.get(Account, self.account_id):
            yield Balance.read_key(balance_id(self.account_id, "CNY", Purpose.AVAILABLE))

    def decide(self, book: Book) -> Decision[Account]:
        account: Account = book[Account, self.account_id]
        assert book[Balance, balance_id(self.account_id, "CNY", Purpose.AVAILABLE)]
        return Decision(account)


async def test_a_command_may_follow_a_row_that_its_own_batch_makes(engine: Engine) -> None:
    creating = CreateAccount(origin=origin(), kind=AccountKind.PERSONAL, display_name="x", currencies=("CNY",))
    outcomes = await together(engine, [creating, Follow(origin=origin(), account_id=creating.id)])
    assert [outcome.result.id for outcome in outcomes] == [creating.id, creating.id]


# --- Callers come and go ----------------------------------------------------------------------------------------------------


async def test_the_command_of_a_caller_that_went_away_is_carried_out(engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    callers = [asyncio.create_task(engine.submit(transfer(payer, payee))) for _ in range(20)]
    await asyncio.sleep(0)
    for caller in callers[::2]:
        caller.cancel()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) == 10
    await engine.submit(transfer(payer, payee))  # the engine goes on
    assert await available(engine, payer) == 79


async def test_a_command_whose_deadline_passed_is_dropped_before_its_batch(engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    with pytest.raises(DeadlinePassed):
        await engine.submit(transfer(payer, payee), timeout_seconds=0)
    assert await available(engine, payer) == 100


async def test_the_queue_is_bounded(database_url: str) -> None:
    engine = Engine(database_url, policies=PolicySchedule.load(), queue_max=10)
    await engine.start()
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    outcomes = await together(engine, [transfer(payer, payee) for _ in range(25)])
    assert [isinstance(outcome, Answer) for outcome in outcomes] == [True] * 10 + [False] * 15
    assert all(isinstance(outcome, QueueFull) and outcome.retry_after_seconds for outcome in outcomes[10:])
    await engine.stop()


async def test_more_commands_than_a_batch_holds_are_all_carried_out(database_url: str, connection: Connection) -> None:
    engine = Engine(database_url, policies=PolicySchedule.load(), batch_max=7)
    await engine.start()
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    before = await connection.fetchval("SELECT batch_no FROM engine WHERE id = $1", engine.id)
    assert all(isinstance(outcome, Answer) for outcome in await together(engine, [transfer(payer, payee) for _ in range(50)]))
    assert await connection.fetchval("SELECT batch_no FROM engine WHERE id = $1", engine.id) == before + 8
    await engine.stop()


async def test_stopping_carries_out_what_waits_and_takes_nothing_new(database_url: str) -> None:
    engine = Engine(database_url, policies=PolicySchedule.load(), batch_max=8)
    await engine.start()
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    callers = [asyncio.create_task(engine.submit(transfer(payer, payee))) for _ in range(30)]
    await asyncio.sleep(0)
    await engine.stop()
    assert all(isinstance(caller.result(), Answer) for caller in callers)
    with pytest.raises(ShuttingDown):
        await engine.submit(transfer(payer, payee))


# --- Several engines --------------------------------------------------------------------------------------------------------


async def test_two_engines_over_the_same_accounts_in_opposite_order(
    engine: Engine, second_engine: Engine, connection: Connection, database_url: str
) -> None:
    accounts = [await an_account(engine, funds_minor=10_000) for _ in range(12)]
    forth = [transfer(payer, payee) for payer, payee in pairwise(accounts)] * 20
    back = [transfer(payee, payer) for payer, payee in pairwise(accounts)][::-1] * 20
    fresh = [command.__class__(**(fields(command) | {"id": uuid7(), "origin": origin()})) for command in (*forth, *back)]
    outcomes = await asyncio.gather(together(engine, fresh[: len(forth)]), together(second_engine, fresh[len(forth) :]))
    assert all(isinstance(outcome, Answer) for side in outcomes for outcome in side)
    assert sum([await available(engine, account) for account in accounts]) == 12 * 10_000
    for each in (engine, second_engine):
        assert each._main.connection is not None
        await each._main.connection.execute("SELECT pg_stat_force_next_flush()")
        await each._main.connection.execute("SELECT 1")
    assert await connection.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    assert await breaches(database_url) == []


async def test_money_is_conserved_under_random_transfers_with_one_hot_account(
    engine: Engine, second_engine: Engine, database_url: str
) -> None:
    dice = random.Random(7)
    hot, *others = [await an_account(engine, funds_minor=300) for _ in range(9)]

    def roll() -> CreatePayment:
        other, amount_minor = dice.choice(others), dice.randint(1, 120)
        return transfer(hot, other, amount_minor) if dice.random() < 0.4 else transfer(other, hot, amount_minor)

    outcomes = await asyncio.gather(*(together(each, [roll() for _ in range(400)]) for each in (engine, second_engine)))
    kinds = {type(outcome).__name__ for side in outcomes for outcome in side}
    assert kinds == {"Answer", "InsufficientFunds"}
    assert sum([await available(engine, account) for account in (hot, *others)]) == 9 * 300
    assert await breaches(database_url) == []


async def test_a_payment_against_a_closing_account(engine: Engine, second_engine: Engine, database_url: str) -> None:
    payer = await an_account(engine, funds_minor=1_000)
    for _ in range(10):
        payee = await an_account(engine)
        closing = CloseAccount(origin=origin(), account_id=payee.id)
        paying = [transfer(payer, payee) for _ in range(5)]
        outcomes = await asyncio.gather(together(second_engine, [closing]), together(engine, paying))
        (closed,), paid = outcomes
        arrived = sum(isinstance(outcome, Answer) for outcome in paid)
        assert all(isinstance(outcome, (Answer, AccountClosed)) for outcome in paid)
        # Either the account closed before any payment, or the payments came first and it cannot close.
        assert isinstance(closed, Answer) == (arrived == 0)
        assert await available(engine, payee) == arrived
    assert await breaches(database_url) == []


@pytest.mark.parametrize("mode", [Mode.ESCROW, Mode.AUTHORIZATION], ids=lambda mode: mode.name)
async def test_money_that_is_set_aside_against_a_closing_payee(
    engine: Engine, second_engine: Engine, connection: Connection, database_url: str, mode: Mode
) -> None:
    payer = await an_account(engine, funds_minor=10_000)
    for closer in (engine, second_engine) * 6:
        payee = await a_merchant(engine)
        unpaid = await a_payment(engine, payer=payer, payee=await a_merchant(engine), amount_minor=1, mode=mode)
        closing = [CloseAccount(origin=origin(), account_id=account) for account in (payee.id, unpaid.payee_id)]
        paying = [
            CreatePayment(
                origin=origin(),
                payer_id=payer.id,
                payee_id=payee.id,
                amount=Money(1, "CNY"),
                mode=mode,
                pay=True,
            ),
            PayPayment(origin=origin(), payment_id=unpaid.id),
        ]
        closed, paid = await asyncio.gather(together(closer, closing), together(engine, paying))
        assert [type(outcome).__name__ for outcome in closed if not isinstance(outcome, Answer)] in (
            ["PaymentsOpen"],
            ["PaymentsOpen", "PaymentsOpen"],
        ), closed
        # Never both: money set aside for an account that is closed.
        assert not (isinstance(closed[0], Answer) and isinstance(paid[0], Answer))
        assert not (isinstance(closed[1], Answer) and isinstance(paid[1], Answer))
    stranded = """
        SELECT count(*) FROM payment JOIN account ON account.id = payee_id WHERE payment.held_minor > 0 AND account.state = 2
    """
    assert await connection.fetchval(stranded) == 0
    assert await breaches(database_url) == []


async def test_a_wallet_that_is_opened_while_a_top_up_looks_for_it(engine: Engine, second_engine: Engine) -> None:
    account = await an_account(engine)
    real, opened = second_engine._main.connection, False

    class Interposed:
        """The connection, but for one moment: between the locks and the reading of the account a wallet is opened."""

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        async def fetch(self, text: str, *arguments: Any) -> Any:
            nonlocal opened
            if "JOIN account " in text and not opened:
                opened = True
                await engine.submit(OpenWallet(origin=origin(), account_id=account.id, currency="JPY"))
            return await real.fetch(text, *arguments)  # type: ignore[union-attr]

    second_engine._main.connection = Interposed()  # type: ignore[assignment]
    top_up = TopUp(origin=origin(), account_id=account.id, amount=Money(5, "JPY"))
    assert (await second_engine.submit(top_up)).result.amount_minor == 5
    assert opened
    second_engine._main.connection = real


async def test_engines_lease_stripes_of_their_own(engine: Engine, second_engine: Engine, connection: Connection) -> None:
    for each in (engine, second_engine):
        await an_account(each, funds_minor=5)
    rows = await connection.fetch("SELECT stripe, amount_minor FROM balance WHERE purpose = 13 ORDER BY stripe")
    assert [tuple(row) for row in rows] == [(engine._main.stripe, -5), (second_engine._main.stripe, -5)]


async def test_a_stripe_is_free_again_when_its_engine_is_gone(database_url: str) -> None:
    for _ in range(3):
        engine = Engine(database_url, policies=PolicySchedule.load())
        await engine.start()
        assert engine._main.stripe == 0
        await engine.stop()


# --- The clock --------------------------------------------------------------------------------------------------------------


async def test_business_time_is_the_databases_clock_plus_the_offset(engine: Engine, connection: Connection) -> None:
    await connection.execute("UPDATE installation SET clock_offset_seconds = 86400")
    before = await connection.fetchval("SELECT now()")
    account = await an_account(engine)
    assert timedelta(0) <= account.created_at - before - timedelta(days=1) < timedelta(minutes=1)
