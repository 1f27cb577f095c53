"""The sandbox that acceptance tests share."""

from collections.abc import AsyncIterator

import pytest

from tests.acceptance.sandbox import Sandbox, a_sandbox
from tests.integration.sandboxes import a_folder


@pytest.fixture(scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    """A running sandbox. Tests that use it leave it running, and bring their own accounts.

    It is started in a shell that is set up for another core, with TLS.
    """
    with a_folder() as folder, pytest.MonkeyPatch.context() as shell:
        for name in ("CERT", "KEY", "CLIENT_CA", "CA"):
            shell.setenv(f"DANBAO_TLS_{name}", "/of/another/core")
        async with a_sandbox(folder) as running:
            shell.undo()
            yield running
