"""The sandbox that acceptance tests share: the one that danbao's pytest plugin gives to everybody."""

import pytest

from danbao_core.testing.core import RunningCore
from tests.acceptance.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox(danbao_core: RunningCore) -> Sandbox:
    """A running sandbox. Tests that use it leave it running, and bring their own accounts. Its Postgres is not its own."""
    return Sandbox(danbao_core.folder)
