"""`danbao up` as a newcomer meets it: one command, a first payment, and everything still there the next day."""

import asyncio
import json
import os
import shlex
import shutil
import stat
import sys
from pathlib import Path
from uuid import UUID

import pytest

from danbao.v1 import accounts_pb2, common_pb2, payments_pb2
from danbao_client import Danbao
from danbao_core.bootstrap import SAMPLE_BUYER, SAMPLE_SHOP
from danbao_core.cli.first_call import first_call
from tests.acceptance.sandbox import Sandbox, a_sandbox, danbao, killed_with_all_its_children
from tests.integration.sandboxes import a_folder, eventually
from tests.integration.test_metrics_page import samples

BUYER, SHOP = f"accounts/{SAMPLE_BUYER}", f"accounts/{SAMPLE_SHOP}"


async def printed(command: str) -> tuple[int, str]:
    """Runs a line as it was printed, in a shell that finds `buf`."""
    buf = shutil.which("buf", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert buf, "buf is not installed"
    process = await asyncio.create_subprocess_shell(
        f"{shlex.quote(buf)} {command.removeprefix('buf ')}", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def available_minor(client: Danbao, account: str) -> int:
    answer = await client.accounts.ListBalances(accounts_pb2.ListBalancesRequest(name=account))
    return answer.balances[0].available.amount_minor


def a_payment(order_no: str, amount_minor: int = 100) -> payments_pb2.CreatePaymentRequest:
    return payments_pb2.CreatePaymentRequest(
        payer=BUYER,
        payee=SHOP,
        amount=common_pb2.Money(amount_minor=amount_minor, currency_code="USD"),
        mode=payments_pb2.Payment.MODE_INSTANT,
        order_no=order_no,
        pay=True,
    )


async def test_the_first_call_as_printed_makes_a_payment_once(sandbox: Sandbox) -> None:
    endpoint = sandbox.endpoint
    async with sandbox.client() as client:
        before = await available_minor(client, BUYER)
        answers = [await printed(first_call(endpoint.address, endpoint.operator_key)) for _ in range(2)]
        assert [code for code, _ in answers] == [0, 0], answers
        first, again = (json.loads(out) for _, out in answers)
        assert (first["state"], first["held"]["amountMinor"]) == ("STATE_PAID", "1250")
        assert again == first
        assert await available_minor(client, BUYER) == before - 1250


async def test_what_is_there_to_call_with_is_for_its_owner_only(sandbox: Sandbox) -> None:
    for name in ("endpoint.json", "operator.key", "hash.key", "bank.key"):
        assert stat.S_IMODE((sandbox.folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(sandbox.folder.stat().st_mode) & 0o007 == 0
    endpoint = json.loads((sandbox.folder / "endpoint.json").read_text())
    facts = {"address", "operator_key", "second_operator_key", "database_url", "valkey_url", "pids", "metrics", "bank_url"}
    assert set(endpoint) == facts


async def test_a_second_one_on_the_same_folder_says_that_one_runs(sandbox: Sandbox) -> None:
    second = await danbao("up", "--data", sandbox.folder, "--listen", "127.0.0.1:0")
    assert second.code == 1
    assert str(sandbox.endpoint.pids["supervisor"][0]) in second.err
    assert sandbox.endpoint.address in second.err


async def test_a_port_that_is_taken_is_said_before_anything_starts(sandbox: Sandbox, tmp_path: Path) -> None:
    second = await danbao("up", "--data", tmp_path / "other", "--listen", sandbox.endpoint.address)
    assert second.code == 1
    assert f"{sandbox.endpoint.address} is in use" in second.err
    assert not (tmp_path / "other" / "postgres").exists()


async def test_a_clean_stop_and_a_crash_keep_the_data_and_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CERT", "KEY", "CLIENT_CA", "CA"):  # a shell that is set up for another core
        monkeypatch.setenv(f"DANBAO_TLS_{name}", "/of/another/core")
    with a_folder() as folder:
        async with a_sandbox(folder) as sandbox:
            first = f"serviceKeys/{UUID(sandbox.endpoint.operator_key.split('_')[1])}"
            key = (await sandbox.danbao("keys", "rotate", first, "--grace", "0")).answer["token"]
            roles = ("supervisor", "postgres", "valkey", "server", "worker", "bank")
            assert {role: len(pids) for role, pids in sandbox.endpoint.pids.items()} == dict.fromkeys(roles, 1)
            async with sandbox.client() as client:
                await client.payments.CreatePayment(a_payment("1"))
        assert not (folder / "endpoint.json").exists()

        async with a_sandbox(folder) as sandbox:
            assert sandbox.endpoint.operator_key == key
            async with sandbox.client() as client:
                assert await available_minor(client, SHOP) == 98
                await client.payments.CreatePayment(a_payment("2"))
            await killed_with_all_its_children(sandbox)

        async with a_sandbox(folder) as sandbox:
            async with sandbox.client() as client:
                assert await available_minor(client, SHOP) == 2 * 98
            assert (await sandbox.danbao("audit")).answer["holds"]


async def test_two_servers_share_the_port_and_are_as_right_as_one() -> None:
    with a_folder() as folder:
        async with a_sandbox(folder, "--processes", "2") as sandbox:
            assert len(sandbox.endpoint.pids["server"]) == 2
            async with sandbox.client(channels=8) as client:
                orders = [a_payment(f"{number}", amount_minor=10) for number in range(100)]
                # Each order is sent twice under one request id, most likely to different servers.
                for order in orders:
                    order.request_id = f"order-{order.order_no}"
                payments = await asyncio.gather(*(client.payments.CreatePayment(order) for order in (*orders, *orders)))
                assert len({payment.name for payment in payments}) == 100
                assert await available_minor(client, SHOP) == 100 * 10
            # Both tell what they did, each on its own port; so does the worker.
            pages = [await samples(url) for url in sandbox.endpoint.metrics]
            assert len(pages) == 3
            calls = "danbao_rpc_requests_total{code=OK,method=PaymentService/CreatePayment,reason=}"
            assert sum(page.get(calls, 0) for page in pages) == 200
            lines = map(json.loads, (sandbox.folder / "logs" / "server.log").read_text().splitlines())
            assert sum(line.get("method") == "PaymentService/CreatePayment" for line in lines) == 200
            assert (await sandbox.danbao("audit")).answer["holds"]

            killed, before = sandbox.endpoint.pids["server"][0], set(sandbox.endpoint.metrics)
            os.kill(killed, 9)
            await eventually(
                lambda: killed not in sandbox.endpoint.pids["server"] and len(sandbox.endpoint.pids["server"]) == 2
            )
            async with sandbox.client() as client:
                await client.payments.CreatePayment(a_payment("after"))
            now = sandbox.endpoint.metrics
            assert len(now) == 3
            assert len(before.intersection(now)) == 2  # the new one has a port of its own
            assert all([await samples(url) for url in now])


async def test_a_sandbox_goes_without_the_tls_of_another_core(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CERT", "KEY", "CLIENT_CA", "CA"):
        monkeypatch.setenv(f"DANBAO_TLS_{name}", "/of/another/core")
    assert (await sandbox.danbao("health")).answer == {"status": "SERVING"}
