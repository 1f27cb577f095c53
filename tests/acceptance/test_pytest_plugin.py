"""The pytest plugin: what its fixtures give, and that a run of somebody's tests leaves nothing behind, however it ends."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from danbao.v1.accounts_pb2 import Account, Funding, ListBalancesRequest
from danbao.v1.payments_pb2 import GetPaymentRequest, Payment
from danbao.v1.sandbox_pb2 import Bank
from danbao_client import Danbao
from danbao_core.testing import plugin
from danbao_core.testing.clock import Clock
from danbao_core.testing.core import RunningCore
from danbao_core.testing.messages import Messages
from danbao_core.testing.temporary import a_temporary_folder
from tests.integration.sandboxes import eventually, gone
from tests.people import a_phone
from tests.rpc_client import until
from tests.rpc_requests import a_payment, a_top_up, register, the_bank

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text().partition("## In your tests")[2].partition("```python\n")[2].partition("```")[0]

# What somebody's tests look like who use strict mode. Each leaves word of the core that it had.
STRICT = """
import json, os
from pathlib import Path
import pytest
from danbao.v1.accounts_pb2 import GetAccountRequest

@pytest.fixture(autouse=True)
def word(danbao_core, worker_id):
    word = {"address": danbao_core.address, "pids": danbao_core.endpoint.pids, "folder": str(danbao_core.folder)}
    Path(f"{worker_id}.json").write_text(json.dumps(word))

@pytest.mark.asyncio
@pytest.mark.parametrize("number", range(2))
async def test_on_a_loop_of_its_own(danbao, danbao_buyer, number):
    assert await danbao.accounts.GetAccount(GetAccountRequest(name=danbao_buyer.name)) == danbao_buyer

@pytest.mark.asyncio(loop_scope="module")
async def test_on_the_modules_loop(danbao, danbao_merchant):
    assert await danbao.accounts.GetAccount(GetAccountRequest(name=danbao_merchant.name)) == danbao_merchant

def test_of_a_program_elsewhere(danbao_core):
    assert danbao_core.environment == {"DANBAO_ADDRESS": danbao_core.address, "DANBAO_KEY": danbao_core.key}
"""

# One that never ends by itself, in auto mode.
ENDLESS = """
import asyncio, json
from pathlib import Path

async def test_for_ever(danbao, danbao_core):
    word = {"pids": danbao_core.endpoint.pids, "folder": str(danbao_core.folder)}
    Path("word.json.partial").write_text(json.dumps(word))
    Path("word.json.partial").rename("word.json")
    await asyncio.Event().wait()
"""


class Project:
    """Somebody's project with one file of tests, and a temporary folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "t"
        self.temporary.mkdir(mode=0o711)

    def pytest(self, code: str, *options: str) -> "subprocess.Popen[str]":
        """Runs these tests."""
        (self.folder / "test_shop.py").write_text(code)
        # Where danbao is installed its plugin is there by itself, here it may be only on the path.
        installed = entry_points(group="pytest11", name="danbao")
        named = () if installed else ("-p", "danbao_core.testing.plugin")
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *named, *options],
            cwd=self.folder,
            env=os.environ | {"TMPDIR": str(self.temporary), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def words(self) -> list[dict[str, Any]]:
        """What its tests left word of."""
        return [json.loads(file.read_text()) for file in self.folder.glob("*.json")]

    def has_left_nothing(self) -> bool:
        """Whether all processes and files of the cores that it had are gone."""
        pids = [pid for word in self.words() for each in word["pids"].values() for pid in each]
        folders = [Path(word["folder"]).parent for word in self.words()]  # with what belongs to the whole run
        return all(map(gone, pids)) and not any(map(Path.exists, folders)) and not any(self.temporary.glob("danbao-*"))


@pytest.fixture
def project() -> Iterator[Project]:
    folder = a_temporary_folder("p-")  # a short path: sockets lie in it
    yield Project(folder)
    shutil.rmtree(folder)


# --- What it gives ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loop_scope", [pytest.param(scope, marks=pytest.mark.asyncio(loop_scope=scope)) for scope in ("function", "session")]
)
async def test_a_buyer_pays_a_merchant_on_whichever_loop(
    loop_scope: str, danbao: Danbao, danbao_buyer: Account, danbao_merchant: Account
) -> None:
    payment = await danbao.payments.CreatePayment(
        a_payment(danbao_buyer.name, danbao_merchant.name, 1_000, mode=Payment.MODE_INSTANT, pay=True)
    )
    assert payment.state == Payment.STATE_SUCCEEDED
    for account, available_minor in ((danbao_buyer, 10_000_00 - 1_000), (danbao_merchant, 1_000 - 15)):
        balances = (await danbao.accounts.ListBalances(ListBalancesRequest(name=account.name))).balances
        assert {each.available.currency_code for each in balances} == {"CNY", "EUR", "USD"}
        assert balances[0].available.amount_minor == available_minor, "and nothing of another test"


async def test_time_passes_when_it_is_told_to(
    danbao: Danbao, danbao_clock: Clock, danbao_buyer: Account, danbao_merchant: Account
) -> None:
    payment = await danbao.payments.CreatePayment(a_payment(danbao_buyer.name, danbao_merchant.name, 1_000, pay=True))
    before = danbao_clock.now()
    assert abs(payment.create_time.ToDatetime(UTC) - before) < timedelta(minutes=5), "it is the core's time"
    assert danbao_clock.advance(timedelta(days=16)) >= before + timedelta(days=16)

    async def closed() -> bool:
        now = await danbao.payments.GetPayment(GetPaymentRequest(name=payment.name))
        return now.state == Payment.STATE_CLOSED

    await until(closed)  # nobody shipped in fifteen days
    for wrong in (timedelta(0), timedelta(seconds=-5), timedelta(seconds=1.5)):
        with pytest.raises(ValueError, match="whole seconds"):
            danbao_clock.advance(wrong)


async def test_codes_can_be_read(danbao: Danbao, danbao_messages: Messages) -> None:
    phone = a_phone()
    with pytest.raises(LookupError, match="no code"):
        danbao_messages.code(phone)
    await danbao.with_token("").sessions.RegisterPerson(register(phone))
    (message,) = danbao_messages.to(phone)
    assert danbao_messages.code(phone) == message.parameters["code"]
    assert message.parameters["code"] in message.text


async def test_a_bank_that_was_told_to_say_no_says_yes_to_the_next_test(danbao_core: RunningCore) -> None:
    account = danbao_core.new_buyer()

    with danbao_core.client() as client:
        await client.sandbox.SetBankBehaviour(the_bank(Bank.BEHAVIOUR_DECLINE))
        assert (await client.accounts.TopUp(a_top_up(account.name, 1))).state == Funding.STATE_FAILED
    with danbao_core.client() as client:
        assert (await client.accounts.TopUp(a_top_up(account.name, 1))).state == Funding.STATE_SUCCEEDED


def test_who_lacks_the_server_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    monkeypatch.setitem(sys.modules, "danbao_core.testing.core", None)
    with pytest.raises(pytest.fail.Exception, match=r"pip install 'danbao\[embedded\]'"):
        next(plugin.danbao_core._get_wrapped_function()(pytestconfig))


def test_pytest_finds_it_and_it_imports_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"danbao": plugin.__name__}
    look = f"import sys, pytest; had = set(sys.modules); import {plugin.__name__}; print(*sorted(set(sys.modules) - had))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    imported = subprocess.run([sys.executable, "-c", look], env=environment, check=True, capture_output=True, text=True).stdout
    assert [name for name in imported.split() if name != "uuid" and not name.startswith("_")] == [
        *("danbao_core", "danbao_core.testing", plugin.__name__)
    ]


# --- What it leaves ---------------------------------------------------------------------------------------------------------


async def test_each_process_of_a_run_has_a_core_and_nothing_is_left_of_them(project: Project) -> None:
    options = ("-n", "2", "--dist", "each", "-o", "asyncio_mode=strict", "-o", "asyncio_default_fixture_loop_scope=function")
    (project.folder / "test_readme.py").write_text(README)
    run = project.pytest(STRICT, *options)
    out, _ = await asyncio.to_thread(run.communicate)
    assert run.returncode == 0, out
    assert "10 passed" in out, "in each process the test of the README, too"
    first, second = project.words()
    assert first["address"] != second["address"]
    assert first["pids"]["supervisor"] == second["pids"]["supervisor"], "one host for both"
    assert project.has_left_nothing()


async def test_nothing_is_left_of_a_run_that_was_killed(project: Project) -> None:
    run = project.pytest(ENDLESS, "-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=session")
    await eventually(lambda: bool(project.words()) or run.poll() is not None)
    run.kill()
    out, _ = await asyncio.to_thread(run.communicate)
    assert len(project.words()) == 1, out
    await eventually(project.has_left_nothing)
