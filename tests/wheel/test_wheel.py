"""What is published: the wheel and the sdist as `make dist` builds them, installed where nothing else is.

Slow, because packages are installed: `make check-wheel` runs these, `pytest -m soak tests/wheel` the one with the whole core.
"""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest

from danbao_core.bootstrap import SAMPLE_BUYER, SAMPLE_SHOP
from tests.acceptance.sandbox import a_sandbox, environment_of
from tests.integration.sandboxes import a_folder

pytestmark = pytest.mark.wheel

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = {"danbao", "danbao_client", "danbao_core", "danbao_workers"}
OF_THE_CLIENT: Final = {"googleapis-common-protos", "grpcio", "protobuf"}

IMPORT_ALL: Final = """
import importlib, pkgutil, sys
import danbao.v1, danbao_client
for package in (danbao.v1, danbao_client):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
known = [name for name in sys.modules if name.startswith("danbao_core")]
assert not known, known
"""

PAY: Final = f"""
import asyncio, sys
from danbao.v1 import common_pb2, payments_pb2
from danbao_client import Danbao

async def pay(address, key):
    async with Danbao.connect(address, key=key) as danbao:
        payment = await danbao.payments.CreatePayment(payments_pb2.CreatePaymentRequest(
            payer="accounts/{SAMPLE_BUYER}", payee="accounts/{SAMPLE_SHOP}", order_no=sys.argv[3], pay=True,
            amount=common_pb2.Money(amount_minor=1250, currency_code="USD")))
    print(payments_pb2.Payment.State.Name(payment.state))

asyncio.run(pay(*sys.argv[1:3]))
"""


def ran(*command: str | Path, **environment: str) -> str:
    """What a program prints that sees nothing of this checkout; it has to succeed."""
    known = {name: value for name, value in environment_of({}).items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, env=known | environment, cwd="/", timeout=600
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def an_environment(folder: Path, *packages: str) -> Path:
    """The Python of a new virtual environment that has these packages and what they need."""
    ran(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    ran(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)
    return python


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both files, built with what is installed here: no network is needed."""
    folder = tmp_path_factory.mktemp("dist")
    ran(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def client_alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel, no extra, and so the newest versions that it allows."""
    return an_environment(tmp_path_factory.mktemp("client") / "venv", str(wheel))


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as files:
        (name,) = (name for name in files.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(files.read(name).decode())


# --- What is in it ----------------------------------------------------------------------------------------------------------


def test_an_index_would_take_both_files(dist: Path) -> None:
    ran(sys.executable, "-m", "twine", "check", "--strict", *sorted(dist.iterdir()))
    assert len(list(dist.iterdir())) == 2


def test_the_wheel_holds_the_four_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        names = set(files.namelist())
    info = f"danbao-{version('danbao')}.dist-info"
    assert {name.partition("/")[0] for name in names} == {*PACKAGES, info}
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert f"{info}/licenses/LICENSE" in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".proto.orig")]
    for package in PACKAGES:
        folder = next(ROOT.glob(f"*/{package}"))
        committed = {str(path.relative_to(folder.parent)) for path in folder.rglob("*") if path.is_file()}
        assert {name for name in committed if "__pycache__" not in name} <= names


def test_the_sdist_holds_what_the_tests_need(dist: Path) -> None:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert {
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "Makefile",
        "protos/danbao/v1/payments.proto",
        "tests/conftest.py",
    } <= names
    assert not [name for name in names if name.startswith((".venv", ".danbao", "dist/"))]


def test_what_the_index_shows(wheel: Path) -> None:
    told = metadata(wheel)
    assert (told["Name"], told["License-Expression"], told["License-File"]) == ("danbao", "Apache-2.0", "LICENSE")
    assert told["Description-Content-Type"] == "text/markdown"
    assert str(told.get_payload()).startswith("# Danbao")
    always = [each for each in told.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert {each.split("<")[0].split(">")[0].strip() for each in always} == OF_THE_CLIENT


# --- The client alone -------------------------------------------------------------------------------------------------------


def test_the_client_brings_no_package_of_the_core(client_alone: Path) -> None:
    listed = json.loads(ran(client_alone, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"))
    of_python = {"pip", "setuptools", "typing_extensions"}
    assert {each["name"] for each in listed} - of_python == {"danbao", *OF_THE_CLIENT}


def test_the_client_imports_with_the_newest_versions(client_alone: Path) -> None:
    ran(client_alone, "-W", "error", "-c", IMPORT_ALL)


def test_the_client_imports_with_the_oldest_versions(wheel: Path, tmp_path: Path) -> None:
    """Those of the environment that generates the code; `make check-wheel` makes it."""
    oldest = ROOT / os.environ.get("OLDEST_PYTHON", ".venv-protos/bin/python")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(tmp_path)
    ran(oldest, "-W", "error", "-c", IMPORT_ALL, PYTHONPATH=str(tmp_path))


# --- With a core ------------------------------------------------------------------------------------------------------------


async def test_the_client_alone_pays_at_a_core_that_runs_elsewhere(client_alone: Path) -> None:
    with a_folder() as folder:
        async with a_sandbox(folder) as sandbox:
            endpoint = sandbox.endpoint
            assert ran(client_alone, "-c", PAY, endpoint.address, endpoint.operator_key, "wheel-1") == "STATE_PAID\n"


@pytest.fixture
def whole_core(wheel: Path) -> Iterator[Path]:
    """The Python of an environment with everything that runs a core, and where Postgres' user can walk."""
    with a_folder("venv") as folder:
        yield an_environment(folder, f"{wheel}[server,embedded]")


@pytest.mark.soak
def test_the_wheel_with_its_extras_runs_a_core(whole_core: Path) -> None:
    with a_folder() as folder:
        command = [whole_core.with_name("danbao"), "up", "--data", folder, "--listen", "127.0.0.1:0", "--json"]
        known = {name: value for name, value in environment_of({}).items() if name != "PYTHONPATH"}
        with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, env=known, cwd="/") as core:
            try:
                assert core.stdout is not None
                endpoint = json.loads(core.stdout.readline())
                paid = ran(whole_core, "-c", PAY, endpoint["address"], endpoint["operator_key"], "wheel-1")
                assert paid == "STATE_PAID\n"
                assert json.loads(ran(whole_core.with_name("danbao"), "audit", "--data", folder, "--json"))["holds"]
            finally:
                core.terminate()
        assert core.returncode == 0
