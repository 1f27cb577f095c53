"""The Python client while servers die under it: nobody who calls sees it, and nothing is done twice or left out."""

import asyncio
from collections import Counter

from danbao.v1 import accounts_pb2, payments_pb2
from danbao_client import Danbao, Money
from tests.acceptance.sandbox import Sandbox
from tests.integration.sandboxes import eventually

CALLERS, EACH = 4, 25
PRICE = Money("0.10", "USD")


async def an_account(danbao: Danbao, kind: accounts_pb2.Account.Kind.ValueType) -> str:
    account = await danbao.accounts.create(kind=kind, display_name="Somebody", currency_codes=["USD"])
    return account.name


async def test_payments_outlast_servers_that_are_killed_and_each_is_made_once(sandbox: Sandbox) -> None:
    made: list[payments_pb2.Payment] = []
    async with sandbox.client(patience_seconds=120) as danbao:
        buyer = await an_account(danbao, accounts_pb2.Account.KIND_PERSONAL)
        shop = await an_account(danbao, accounts_pb2.Account.KIND_PERSONAL)  # who is paid without a fee
        await danbao.accounts.top_up(account=buyer, amount=PRICE * CALLERS * EACH)

        async def buy() -> None:
            for _ in range(EACH):
                mode = payments_pb2.Payment.MODE_INSTANT
                payment = await danbao.payments.create(payer=buyer, payee=shop, amount=PRICE, mode=mode, pay=True)
                made.append(payment)

        async def told() -> list[str]:
            """Every payment that succeeds, as who watches is told of it, from before the first on."""
            found = []
            async for event in danbao.payments.watch(account=shop, cursor="beginning"):
                if event.topic == "payment.succeeded":
                    found.append(event.payment.name)
                    if len(found) == CALLERS * EACH:
                        break
            return found

        watching = asyncio.create_task(told())
        callers = [asyncio.create_task(buy()) for _ in range(CALLERS)]
        await eventually(lambda: len(made) >= CALLERS * EACH // 2)
        assert len(made) < CALLERS * EACH
        sandbox.kill("server")  # the supervisor starts another one
        await asyncio.gather(*callers)

        names = Counter(payment.name for payment in made)
        assert len(names) == CALLERS * EACH
        assert Counter([payment.name async for payment in danbao.payments.list(account=shop, page_size=50)]) == names
        assert Counter(await watching) == names
        [balance] = [balance async for balance in danbao.accounts.list_balances(shop)]
        assert balance.available == PRICE * CALLERS * EACH
        [balance] = [balance async for balance in danbao.accounts.list_balances(buyer)]
        assert balance.available.amount_minor == 0
        assert (await danbao.operations.audit_ledger(deadline_seconds=60)).holds
