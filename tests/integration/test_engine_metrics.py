"""What an engine counts, while it really happens; deadlocks, lock time-outs and lost connections are in `faults`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from danbao_core.accounts import Account, Balance, OpenWallet, Purpose, balance_id
from danbao_core.engine import Answer, Book, Command, Decision, Engine, Key
from danbao_core.engine.metrics import COMMANDS, PHASES, Histogram
from danbao_core.errors import OrderNoTaken
from danbao_core.money import Money
from danbao_core.payments import CreatePayment, Mode, PayPayment
from danbao_core.policy import PolicySchedule
from tests.builders import a_merchant, an_account, origin
from tests.engines import between_transactions, together, transfer
from tests.integration.test_engine import Poison
from tests.rpc_client import a_core
from tests.rpc_client import an_account as an_account_over_the_wire


class Meanwhile:
    """An engine's connection, but for one moment: before the first statement with `words` in it something else happens."""

    def __init__(self, engine: Engine, words: str, happens: Callable[[], Awaitable[object]]) -> None:
        self._real: Any = engine._main.connection
        self._words = words
        self._happens: Callable[[], Awaitable[object]] | None = happens
        engine._main.connection = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def fetch(self, text: str, *arguments: Any) -> Any:
        await self._pause_at(text)
        return await self._real.fetch(text, *arguments)

    async def fetchval(self, text: str, *arguments: Any) -> Any:
        await self._pause_at(text)
        return await self._real.fetchval(text, *arguments)

    async def _pause_at(self, text: str) -> None:
        if self._words in text and self._happens is not None:
            happens, self._happens = self._happens, None
            await happens()


def exported(engine: Engine) -> dict[str, float]:
    """The samples that Prometheus reads, by their names and labels."""
    samples: dict[str, float] = {}
    for family in text_string_to_metric_families(generate_latest(engine.metrics.registry).decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples


async def changes_of(engine: Engine, doing: Awaitable[object]) -> dict[str, float]:
    """What became more while something was done."""
    before = exported(engine)
    await doing
    return {name: value - before[name] for name, value in exported(engine).items() if value != before[name]}


def no_seconds(changes: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in changes.items() if "_seconds" not in name}


def an_order(payer: Account, payee: Account) -> CreatePayment:
    amount = Money(1, "CNY")
    return CreatePayment(origin=origin(), payer_id=payer.id, payee_id=payee.id, amount=amount, mode=Mode.ESCROW, order_no="A-1")


# --- What becomes of commands and batches ------------------------------------------------------------------------------------


async def test_a_batch_that_is_committed(engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=5), await a_merchant(engine)
    changes = await changes_of(engine, together(engine, [transfer(payer, payee, amount) for amount in (2, 9, 3)]))
    assert no_seconds(changes) == {
        "danbao_engine_batches_total{outcome=committed}": 1,
        "danbao_engine_commands_total{outcome=answered}": 2,
        "danbao_engine_commands_total{outcome=refused}": 1,
        **{f"danbao_engine_batch_commands_bucket{{le={le}}}": 1 for le in ("4.0", "8.0", "16.0", "32.0", "64.0", "128.0")},
        "danbao_engine_batch_commands_bucket{le=256.0}": 1,
        "danbao_engine_batch_commands_bucket{le=+Inf}": 1,
        "danbao_engine_batch_commands_count": 1,
        "danbao_engine_batch_commands_sum": 3,
    }
    for phase in PHASES:
        assert changes[f"danbao_engine_phase_seconds_count{{phase={phase}}}"] == 1
        assert 0 < changes[f"danbao_engine_phase_seconds_sum{{phase={phase}}}"] < 10
    assert changes["danbao_engine_wait_seconds_count"] == 1  # of the first one of the batch
    assert 0 < changes["danbao_engine_wait_seconds_sum"] < 10


async def test_a_batch_that_changes_nothing(engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=5), await a_merchant(engine)
    command = transfer(payer, payee, 5)
    await engine.submit(command)
    changes = await changes_of(engine, together(engine, [command, transfer(payer, payee)]))
    assert {name: value for name, value in changes.items() if "_total" in name} == {
        "danbao_engine_batches_total{outcome=unchanged}": 1,
        "danbao_engine_commands_total{outcome=replayed}": 1,
        "danbao_engine_commands_total{outcome=refused}": 1,
    }
    assert "danbao_engine_phase_seconds_count{phase=decide}" in changes
    assert "danbao_engine_phase_seconds_count{phase=commit}" not in changes


async def test_commands_that_no_batch_takes(database_url: str) -> None:
    engine = Engine(database_url, policies=PolicySchedule.load(), queue_max=10)
    await engine.start()
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    dropped = engine.submit(transfer(payer, payee), timeout_seconds=0)
    await asyncio.gather(dropped, *(engine.submit(transfer(payer, payee)) for _ in range(12)), return_exceptions=True)
    await engine.stop()
    assert {name: engine.metrics.commands[name] for name in COMMANDS} == {
        "answered": 3 + 9,
        "replayed": 0,
        "refused": 0,
        "failed": 0,
        "dropped": 1,
        "turned_away": 3,
    }


async def test_commands_that_wait(engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    futures = await engine.submit_many([transfer(payer, payee) for _ in range(7)])
    assert exported(engine)["danbao_engine_queue_commands"] == 7
    await asyncio.gather(*futures)
    assert exported(engine)["danbao_engine_queue_commands"] == 0


async def test_a_command_that_cannot_be_written_is_found_by_splitting(engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=100), await a_merchant(engine)
    poison = Poison(origin=origin(), way="NUL in text", account_id=payer.id)
    good = [transfer(payer, payee) for _ in range(3)]
    changes = await changes_of(engine, together(engine, [*good[:2], poison, good[2]]))
    assert {name: value for name, value in changes.items() if "_total" in name} == {
        "danbao_engine_splits_total": 2,  # four, then the half with the command in it
        "danbao_engine_batches_total{outcome=committed}": 2,
        "danbao_engine_batches_total{outcome=failed}": 1,
        "danbao_engine_commands_total{outcome=answered}": 3,
        "danbao_engine_commands_total{outcome=failed}": 1,
    }


async def test_a_command_that_is_put_off_to_the_next_batch(engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=10), await a_merchant(engine)
    creating = an_order(payer, payee)
    changes = await changes_of(engine, together(engine, [creating, PayPayment(origin=origin(), payment_id=creating.id)]))
    assert {name: value for name, value in changes.items() if "_total" in name} == {
        "danbao_engine_postponed_total": 1,
        "danbao_engine_batches_total{outcome=committed}": 2,
        "danbao_engine_commands_total{outcome=answered}": 2,
    }


# --- Others in the way ------------------------------------------------------------------------------------------------------


def retries(engine: Engine) -> dict[str, int]:
    return {cause: count for cause, count in engine.metrics.retries.items() if count}


async def test_a_row_that_another_engine_made_first(engine: Engine, second_engine: Engine) -> None:
    payer, payee = await an_account(engine), await a_merchant(engine)
    Meanwhile(engine, "INSERT INTO", lambda: second_engine.submit(an_order(payer, payee)))
    with pytest.raises(OrderNoTaken):
        await engine.submit(an_order(payer, payee))
    assert retries(engine) == {"unique_violation": 1}
    assert exported(engine)["danbao_engine_retries_total{cause=unique_violation}"] == 1


async def test_who_was_answered_and_asks_again_shares_the_next_batch(engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=10), await a_merchant(engine)
    waiting = []

    async def somebody_else_asks() -> None:
        waiting.append(asyncio.create_task(engine.submit(transfer(payer, payee))))
        await asyncio.sleep(0)

    async def asking_twice() -> None:
        await engine.submit(transfer(payer, payee))
        await engine.submit(transfer(payer, payee))

    Meanwhile(engine, "FOR NO KEY UPDATE", somebody_else_asks)
    changes = await changes_of(engine, asking_twice())
    await asyncio.gather(*waiting)
    assert changes["danbao_engine_batch_commands_count"] == 2
    assert changes["danbao_engine_batch_commands_sum"] == 3


async def test_a_snapshot_that_is_too_old(engine: Engine, second_engine: Engine) -> None:
    payer, payee = await an_account(engine, funds_minor=10), await a_merchant(engine)
    payment = (await engine.submit(an_order(payer, payee))).result
    await (await between_transactions(engine)).execute("SET default_transaction_isolation = 'repeatable read'")
    Meanwhile(engine, "FOR NO KEY UPDATE", lambda: second_engine.submit(transfer(payer, payee)))
    paying = PayPayment(origin=origin(), payment_id=payment.id)  # which reads the payment before it locks anything
    assert isinstance(await engine.submit(paying), Answer)
    assert retries(engine) == {"serialization": 1}


class Wallets(Command[Account], frozen=True):
    """Locks an account and those of its wallets that it then has."""

    result_type = Account
    account_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.key(self.account_id)
        account = book.get(Account, self.account_id)
        for currency in account.currencies.split() if account else ():
            yield Balance.key(balance_id(self.account_id, currency, Purpose.AVAILABLE))

    def decide(self, book: Book) -> Decision[Account]:
        account: Account = book[Account, self.account_id]
        return Decision(account)


async def test_rows_that_name_others_than_before(engine: Engine, second_engine: Engine) -> None:
    account = await an_account(engine)
    opening = OpenWallet(origin=origin(), account_id=account.id, currency="JPY")
    Meanwhile(engine, "FOR NO KEY UPDATE", lambda: second_engine.submit(opening))
    answer = await engine.submit(Wallets(origin=origin(), account_id=account.id))
    assert answer.result.currencies == "CNY JPY"
    assert retries(engine) == {"restart": 1}


# --- Who reads it -----------------------------------------------------------------------------------------------------------


def test_values_on_a_bound_belong_below_it() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 2.5):
        histogram.observe(value)
    assert histogram.buckets() == [("1.0", 2), ("2.0", 4), ("+Inf", 5)]
    assert histogram.total == 7.5


async def test_engines_of_one_process_are_told_apart(engine: Engine, second_engine: Engine) -> None:
    await an_account(engine)
    assert exported(engine)["danbao_engine_commands_total{outcome=answered}"] == 1
    assert exported(second_engine)["danbao_engine_commands_total{outcome=answered}"] == 0


async def test_every_metric_has_a_type_and_says_what_it_is(engine: Engine) -> None:
    families = {f.name: f for f in text_string_to_metric_families(generate_latest(engine.metrics.registry).decode())}
    assert {name.removeprefix("danbao_engine_"): family.type for name, family in families.items()} == {
        "batches": "counter",
        "commands": "counter",
        "retries": "counter",
        "commits_in_doubt": "counter",
        "splits": "counter",
        "postponed": "counter",
        "beside": "counter",
        "reconnects": "counter",
        "queue_commands": "gauge",
        "batch_commands": "histogram",
        "wait_seconds": "histogram",
        "phase_seconds": "histogram",
    }
    assert all(family.documentation for family in families.values())


async def test_a_server_that_stops_says_what_its_engine_did(database_url: str) -> None:
    with capture_logs() as lines:
        async with a_core(database_url) as core:
            await an_account_over_the_wire(core, funds_minor=5)
    (line,) = [line for line in lines if line["event"] == "engine stopped"]
    assert line["log_level"] == "info"
    assert {name: line[name] for name in ("batches", "commands", "retries", "reconnects")} == {
        "batches": {"committed": 2},
        "commands": {"answered": 2},
        "retries": {},
        "reconnects": 0,
    }
    assert set(line["phase_seconds"]) == set(PHASES)
    assert all(seconds > 0 for seconds in line["phase_seconds"].values())
