"""The examples run as they stand, against a sandbox as their readers have one."""

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.acceptance.sandbox import Sandbox

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


@node
async def test_node_tells_why_it_was_refused(sandbox: Sandbox) -> None:
    code, said = await ran(sandbox, "node", EXAMPLES / "node" / "index.js", key="dbk_of_nobody")
    assert (code, said.partition(":")[0]) == (1, "TOKEN_INVALID")
