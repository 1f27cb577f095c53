"""The examples run as they stand, against a sandbox as their readers have one."""

import asyncio
import json
import os
import re
import runpy
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port
from standardwebhooks import Webhook

from danbao.v1.accounts_pb2 import Account
from danbao_client import Danbao, Money
from tests.acceptance.sandbox import Sandbox
from tests.rpc_client import until

EXAMPLES = Path(__file__).parents[2] / "clients" / "examples"
NODE_MODULES = EXAMPLES / "node" / "node_modules"
BIN = Path(sys.executable).parent
SECONDS = 60


async def ran(sandbox: Sandbox, *command: str | Path, key: str = "") -> tuple[int, str]:
    """Runs an example on a sandbox, with the operator's key unless given another: its exit code, and all that it said."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ
        | {
            "DANBAO_ADDRESS": sandbox.endpoint.address,
            "DANBAO_KEY": key or sandbox.endpoint.operator_key,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        },
    )
    async with asyncio.timeout(SECONDS):
        out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


# --- The shop ---------------------------------------------------------------------------------------------------------------


class Shop(NamedTuple):
    """The running shop, somebody who buys there, and the operator, who pays and confirms for them."""

    url: str
    database: Path
    buyer: str
    operator: Danbao
    browser: aiohttp.ClientSession

    async def order(self, **fields: str) -> tuple[int, Any]:
        async with self.browser.post(f"{self.url}/orders", data={"item": "tea", "buyer": self.buyer} | fields) as response:
            return response.status, await response.json()

    async def until_state(self, order: str, state: str) -> None:
        """Waits until the shop's page shows an order so."""

        async def shown() -> bool:
            async with self.browser.get(self.url) as response:
                return f"<td>{order}<td>tea<td>{state}<td>" in await response.text()

        await until(shown)

    async def told(self, event_id: str, payment: dict[str, str], prefix: str = "v1,") -> int:
        """What the shop answers who tells it that a payment was paid; signed as the core does unless the prefix differs."""
        now = datetime.now(UTC)
        body = json.dumps({"id": event_id, "type": "payment.paid", "timestamp": now.isoformat(), "data": payment})
        signature = Webhook(self.found("SELECT secret FROM webhook")[0]).sign(event_id, now, body)
        headers = {
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature.replace("v1,", prefix),
        }
        async with self.browser.post(f"{self.url}/webhooks", data=body, headers=headers) as response:
            return response.status

    def found(self, query: str) -> Any:
        """The first row of a query over the shop's own database."""
        with closing(sqlite3.connect(self.database)) as db:
            return db.execute(query).fetchone()


@pytest.fixture
async def shop(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """The shop with a key of its own that does no more than it needs."""
    module = runpy.run_path(str(EXAMPLES / "shop" / "shop.py"))
    url, database = f"http://127.0.0.1:{unused_port()}", tmp_path / "shop.db"
    async with sandbox.client() as operator, aiohttp.ClientSession() as browser:
        accounts = operator.accounts
        merchant = await accounts.create(kind=Account.KIND_MERCHANT, display_name="Corner Shop", currency_codes=["USD"])
        buyer = await accounts.create(kind=Account.KIND_PERSONAL, display_name="Ada", currency_codes=["USD"])
        await accounts.top_up(account=buyer.name, amount=Money("100.00", "USD"))
        key = await operator.operations.create_service_key(
            service="shop", account=merchant.name, scopes=["payments.write", "notifications.write"]
        )
        for name, value in (
            ("DANBAO_ADDRESS", sandbox.endpoint.address),
            ("DANBAO_KEY", key.token),
            ("SHOP_ACCOUNT", merchant.name),
            ("SHOP_URL", url),
            ("SHOP_DATABASE", str(database)),
        ):
            monkeypatch.setenv(name, value)
        runner = web.AppRunner(await module["main"](), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", int(url.rpartition(":")[2])).start()
        yield Shop(url, database, buyer.name, operator, browser)
        await runner.cleanup()


async def test_the_shop_sells_ships_and_gives_back(shop: Shop) -> None:
    status, order = await shop.order()
    assert status == 201
    await shop.until_state(order["order"], "AWAITING_PAYMENT")
    await shop.operator.payments.pay(order["payment"])
    await shop.until_state(order["order"], "SHIPPED")
    paid_event = shop.found("SELECT id FROM events ORDER BY rowid LIMIT 1 OFFSET 1")[0]
    await shop.operator.payments.confirm(order["payment"])
    await shop.until_state(order["order"], "SUCCEEDED")

    content = {"state": "STATE_PAID", "orderNo": order["order"]}
    assert await shop.told(paid_event, content, "v1,A") == 400
    assert await shop.told(paid_event, content) == 204
    await shop.until_state(order["order"], "SUCCEEDED")

    for _ in range(2):
        async with shop.browser.post(f"{shop.url}/orders/{order['order']}/refund") as response:
            assert response.status == 202
    await shop.until_state(order["order"], "CLOSED")
    payment = await shop.operator.payments.get(order["payment"])
    assert payment.refunded == Money("12.50", "USD")


async def test_the_shop_goes_on_where_a_payment_was_called_off_before_it_heard_of_it(shop: Shop) -> None:
    _, order = await shop.order()
    await shop.operator.payments.cancel(order["payment"])
    paid = {"name": order["payment"], "state": "STATE_PAID", "orderNo": order["order"]}
    assert await shop.told("of-before", paid) == 204


async def test_the_shop_tells_what_the_core_refuses(shop: Shop) -> None:
    status, told = await shop.order(buyer="accounts/00000000-0000-7000-8000-0000000000ff")
    assert (status, told["reason"]) == (409, "ACCOUNT_NOT_FOUND")
    for path, expected in (("/orders", 400), ("/orders/1/refund", 404)):
        async with shop.browser.post(f"{shop.url}{path}", data={"item": "coffee"}) as response:
            assert response.status == expected


# --- The shell --------------------------------------------------------------------------------------------------------------

buf = pytest.mark.skipif(shutil.which("buf", path=BIN) is None, reason="there is no buf here")


@buf
async def test_the_shell_sees_a_payment_through(sandbox: Sandbox) -> None:
    code, said = await ran(sandbox, EXAMPLES / "shell" / "first-payment.sh")
    assert code == 0, said
    assert re.findall(r'"state": "(\w+)"', said) == ["STATE_PAID", "STATE_SHIPPED", "STATE_SUCCEEDED"]
    balances = json.loads(said.rpartition("less the fee:")[2])["balances"]
    assert [each["available"] for each in balances] == [{"amountMinor": "1231", "currencyCode": "USD"}]


@buf
async def test_the_shell_stops_where_a_call_is_refused(sandbox: Sandbox) -> None:
    code, said = await ran(sandbox, EXAMPLES / "shell" / "first-payment.sh", key="dbk_of_nobody")
    assert code != 0
    assert '"unauthenticated"' in said
    assert "escrow" not in said


# --- Node -------------------------------------------------------------------------------------------------------------------

node = pytest.mark.skipif(
    shutil.which("node") is None or not NODE_MODULES.is_dir(),
    reason="there is no Node here, or its packages are not: npm ci --prefix clients/examples/node",
)


@node
async def test_node_sees_a_person_from_a_phone_number_to_an_approved_payment(sandbox: Sandbox) -> None:
    code, said = await ran(sandbox, "node", EXAMPLES / "node" / "index.js")
    assert code == 0, said
    found = re.search(r"She has paid 3000 yuan .*: (payments/[0-9a-f-]{36})$", said.strip())
    assert found is not None, said
    explained = (await sandbox.danbao("explain", found[1])).answer
    assert explained["payment"]["state"] == "STATE_PAID"
