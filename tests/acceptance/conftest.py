"""The sandbox that acceptance tests share."""

from collections.abc import AsyncIterator

import pytest

from tests.acceptance.sandbox import Sandbox, a_sandbox
from tests.integration.sandboxes import a_folder


@pytest.fixture(scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    """A running sandbox. Tests that use it leave it running, and bring their own accounts."""
    with a_folder() as folder:
        async with a_sandbox(folder) as running:
            yield running
