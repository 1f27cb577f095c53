"""The sandbox's bank as `danbao up` runs it, and alone. That it dies and comes back is shown in tests/faults."""

import signal
import sqlite3
from datetime import UTC, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import aiohttp

from danbao.v1 import accounts_pb2, common_pb2, identity_pb2, sandbox_pb2
from danbao_client import Danbao
from danbao_core.bootstrap import SAMPLE_SHOP
from danbao_core.ids import uuid7
from tests.acceptance.sandbox import Sandbox, danbao, started
from tests.banks import a_free_port
from tests.rpc_client import until

SHOP = f"accounts/{SAMPLE_SHOP}"
CARD = "4242424242424242"
Funding = accounts_pb2.Funding
OPEN = (Funding.STATE_PENDING, Funding.STATE_UNKNOWN)
SHANGHAI = timezone(timedelta(hours=8))


async def a_day_later(client: Danbao) -> str:
    """Lets the day end; answers its name."""
    clock = await client.sandbox.GetClock(sandbox_pb2.GetClockRequest())
    by = sandbox_pb2.AdvanceClockRequest(request_id=str(uuid4()))
    by.by.FromSeconds(86_400)
    await client.sandbox.AdvanceClock(by)
    return clock.time.ToDatetime(UTC).astimezone(SHANGHAI).strftime("%Y-%m-%d")


async def a_card(client: Danbao, number: str = CARD) -> str:
    request = identity_pb2.BindInstrumentRequest(request_id=str(uuid4()), account=SHOP, card_number=number)
    return (await client.accounts.BindInstrument(request)).name


def a_top_up(card: str, amount_minor: int) -> accounts_pb2.TopUpRequest:
    amount = common_pb2.Money(amount_minor=amount_minor, currency_code="USD")
    return accounts_pb2.TopUpRequest(request_id=str(uuid4()), account=SHOP, amount=amount, instrument=card)


async def settled(client: Danbao, fundings: list[accounts_pb2.Funding]) -> list[accounts_pb2.Funding]:
    """Fundings as they are when the bank's answer to each is known."""
    now: list[accounts_pb2.Funding] = []

    async def next_is_known() -> bool:
        funding = await client.accounts.GetFunding(accounts_pb2.GetFundingRequest(name=fundings[len(now)].name))
        if funding.state in OPEN:
            return False
        now.append(funding)
        return True

    while len(now) < len(fundings):
        await until(next_is_known, 120)
    return now


async def wallet_minor(client: Danbao) -> int:
    """What the shop can spend, in US cents."""
    answer = await client.accounts.ListBalances(accounts_pb2.ListBalancesRequest(name=SHOP))
    return next(each.available.amount_minor for each in answer.balances if each.available.currency_code == "USD")


async def test_a_planted_difference_is_found_named_and_explained(sandbox: Sandbox) -> None:
    async with sandbox.client() as client:
        card = await a_card(client, "5555555555554444")
        (funding,) = await settled(client, [await client.accounts.TopUp(a_top_up(card, 700))])
        with sqlite3.connect(sandbox.folder / "bank" / "bank.sqlite", timeout=10) as database:
            planted = str(uuid7())
            database.execute(
                "INSERT INTO transfer SELECT ?, direction, token, 55, currency, reason, settles_at, booked_at, NULL "
                "FROM transfer WHERE id = ?",
                (planted, funding.name.partition("/")[2]),
            )
        database.close()
        day = await a_day_later(client)
    found = await sandbox.danbao("reconcile", "--day", day)
    (difference,) = found.answer["differences"]
    assert (found.code, difference["kind"], difference["transfer_id"]) == (1, "KIND_MISSING_HERE", planted)
    assert difference["there"] == {"amount_minor": "55", "currency_code": "USD"}
    assert (await sandbox.danbao("reconcile", "--settle", difference["name"])).answer["error"]["reason"] == "NOTE_MISSING"
    settled_now = await sandbox.danbao("reconcile", "--settle", difference["name"], "--note", "planted by a test")
    assert (settled_now.code, settled_now.answer["differences"]) == (0, [])
    shown = await danbao("reconcile", "--data", sandbox.folder)
    assert "No open difference." in shown.out
    statement = sandbox.folder / "bank" / "statements" / f"{day}.csv"
    assert planted in statement.read_text()
    assert (await sandbox.danbao("audit")).answer["holds"]


async def test_a_day_that_is_not_over_is_refused_in_words(sandbox: Sandbox) -> None:
    refused = await sandbox.danbao("reconcile", "--day", "2999-01-01")
    assert (refused.code, refused.answer["error"]["reason"]) == (1, "DAY_NOT_OVER")


async def test_the_bank_runs_alone(tmp_path: Path) -> None:
    address = f"127.0.0.1:{a_free_port()}"
    arguments = ("sandbox-bank", "--data", tmp_path / "bank", "--listen", address)
    without = await danbao(*arguments, env={"DANBAO_BANK_KEY": ""})
    assert (without.code, "DANBAO_BANK_KEY is not set" in without.err) == (1, True)
    open_to_all = await danbao("sandbox-bank", "--data", tmp_path, "--listen", "0.0.0.0:1", env={"DANBAO_BANK_KEY": "k"})
    assert (open_to_all.code, "can be reached from other machines" in open_to_all.err) == (1, True)
    running = await started(*arguments, env={"DANBAO_BANK_KEY": "k"})
    try:
        assert await running.line() == f"ready: http://{address}\n"
        async with aiohttp.ClientSession() as session, session.get(f"http://{address}/v1/transfers/{uuid7()}") as answer:
            assert answer.status == 401
    finally:
        running.send(signal.SIGTERM)
    assert (await running.result()).code == 0
