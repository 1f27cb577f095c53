"""The pytest plugin `danbao`: fixtures for tests against a running sandbox. A run that asks for none of them pays nothing.

Each process of a run (each worker of pytest-xdist) has a core of its own, with a database, a clock and a port of its own, which
all of its tests share one after the other; what keeps them apart is that each brings its own accounts. The fixtures are set up
without an event loop, so they serve synchronous tests, and asynchronous ones on whichever loop they run.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from danbao.v1.accounts_pb2 import Account
    from danbao_client import Danbao
    from danbao_core.testing.clock import Clock
    from danbao_core.testing.core import RunningCore
    from danbao_core.testing.messages import Messages

_RUN = pytest.StashKey[str]()


def run_of(config: pytest.Config) -> str:
    """A name of the test run that all its processes know and no other run has."""
    worker_input: dict[str, str] | None = getattr(config, "workerinput", None)
    if worker_input is not None:
        return worker_input["testrunuid"]
    return config.stash.setdefault(_RUN, uuid4().hex)


@pytest.fixture(scope="session")
def danbao_core(pytestconfig: pytest.Config) -> "Iterator[RunningCore]":
    """The core that all tests of this process share: where it is, and the keys to call it with, as strings.

    It is gone at the end, with all its files, also where the run is interrupted or killed.
    """
    try:
        from danbao_core.testing.core import a_running_core
    except ModuleNotFoundError as error:
        pytest.fail(f"{error.name} is not installed, and tests need a core: pip install 'danbao[embedded]'", pytrace=False)
    with a_running_core(run_of(pytestconfig)) as core:
        yield core


@pytest.fixture
def danbao(danbao_core: "RunningCore") -> "Iterator[Danbao]":
    """A client with the operator's key, which may do everything; for others see `danbao.with_token`."""
    with danbao_core.client() as client:
        yield client


@pytest.fixture
def danbao_buyer(danbao_core: "RunningCore") -> "Account":
    """A new personal account with 10,000.00 in each of its wallets: CNY, EUR and USD."""
    return danbao_core.new_buyer()


@pytest.fixture
def danbao_merchant(danbao_core: "RunningCore") -> "Account":
    """A new merchant's account with empty wallets in CNY, EUR and USD, so that what is in them is what it took."""
    return danbao_core.new_merchant()


@pytest.fixture
def danbao_clock(danbao_core: "RunningCore") -> "Clock":
    """Business time, and how to move it on. It never goes back, so later tests of this process begin at a later time.

    It is the time of this process's core alone: tests that run at the same moment in other processes do not see it move.
    """
    return danbao_core.clock


@pytest.fixture
def danbao_messages(danbao_core: "RunningCore") -> "Messages":
    """What the core would have sent to people by SMS and e-mail."""
    return danbao_core.messages
