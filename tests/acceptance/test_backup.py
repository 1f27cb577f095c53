"""A whole sandbox that is brought back from its backup, as `danbao up` runs it; what matters of it is in integration, too."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from danbao.v1 import common_pb2, payments_pb2
from danbao_client import Danbao
from danbao_core.bootstrap import SAMPLE_BUYER
from danbao_core.embedded import StartError
from danbao_core.supervisor.backup import restore
from tests.acceptance.sandbox import a_sandbox, danbao
from tests.acceptance.test_bank import SHOP, a_card, a_day_later, a_top_up, settled, wallet_minor
from tests.integration.sandboxes import a_folder

BUYER = f"accounts/{SAMPLE_BUYER}"


async def a_payment(client: Danbao, amount_minor: int) -> str:
    request = payments_pb2.CreatePaymentRequest(
        request_id=str(uuid4()),
        payer=BUYER,
        payee=SHOP,
        amount=common_pb2.Money(amount_minor=amount_minor, currency_code="USD"),
        mode=payments_pb2.Payment.MODE_ESCROW,
        pay=True,
    )
    return (await client.payments.CreatePayment(request)).name


@pytest.mark.soak
async def test_a_sandbox_comes_back_as_it_was_at_a_moment() -> None:
    with a_folder() as lost_folder, a_folder("backup") as backup, a_folder("restored") as folder:
        async with a_sandbox(lost_folder) as sandbox:
            assert (await sandbox.danbao("backup", backup)).code == 0
            async with sandbox.client() as client:
                card = await a_card(client)
                await settled(client, [await client.accounts.TopUp(a_top_up(card, 1_000))])
                kept, funds = await a_payment(client, 700), await wallet_minor(client)
                moment = datetime.now(UTC)
                (forgotten,) = await settled(client, [await client.accounts.TopUp(a_top_up(card, 55))])
                lost = await a_payment(client, 300)
            brought_up = await sandbox.danbao("backup", backup)
            assert datetime.fromisoformat(brought_up.answer["up_to"]) > moment
        with pytest.raises(StartError, match="recovery ended before configured recovery target was reached"):
            await restore(backup, folder, moment + timedelta(days=1), lambda _: None)
        assert not folder.exists()

        restored = await danbao("restore", backup, "--data", folder, "--to", moment.isoformat(), "--json")
        assert restored.code == 0, restored.err
        assert datetime.fromisoformat(restored.answer["last_commit_time"]) <= moment
        async with a_sandbox(folder) as again:
            async with again.client() as client:
                names = [payment.name async for payment in client.payments.list(account=BUYER)]
                assert kept in names
                assert lost not in names
                assert await wallet_minor(client) == funds
                day = await a_day_later(client)
            (difference,) = (await again.danbao("reconcile", "--day", day)).answer["differences"]
            assert difference["kind"] == "KIND_MISSING_HERE"
            assert difference["transfer_id"] == forgotten.name.partition("/")[2]
            assert (await again.danbao("audit")).answer["holds"]
