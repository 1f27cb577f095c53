"""The quick start and the guides do what they print, block by block."""

import signal
import socket
from pathlib import Path

import pytest

from tests.acceptance.sandbox import Sandbox, started
from tests.integration.sandboxes import a_folder, give_sandbox_data
from tests.snippets import Page

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = sorted(path for path in (DOCS / "guides").glob("*.md") if path.stem != "index")


async def test_the_quick_start_works_as_printed() -> None:
    with a_folder() as parent:
        parent.mkdir(mode=0o711)
        await give_sandbox_data(parent / ".danbao")
        replaced = dict[str, str]()
        running = await started("up", "--listen", "127.0.0.1:0", cwd=parent)

        async def up() -> str:
            printed = [await running.line() for _ in range(3)]
            replaced["127.0.0.1:50051"] = printed[0].split()[1].rstrip(",")
            replaced["dbk_..."] = next(word for word in printed[2].replace("'", " ").split() if word.startswith("dbk_"))
            return "".join(printed)

        try:
            assert await Page(DOCS / "quickstart.md", parent, replaced, {}, {"danbao up": up}).run() > 5
        finally:
            running.send(signal.SIGINT)
            await running.result()


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
async def test_the_snippets_of_a_guide_work_as_printed(path: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    endpoint, port = sandbox.endpoint, free_port()
    replaced = {
        "127.0.0.1:50051": endpoint.address,
        "dbk_...": endpoint.operator_key,
        "127.0.0.1:8000": f"127.0.0.1:{port}",
        '"127.0.0.1", 8000': f'"127.0.0.1", {port}',
    }
    environment = {"DANBAO_ADDRESS": endpoint.address, "DANBAO_KEY": endpoint.operator_key}
    assert await Page(path, tmp_path, replaced, environment).run() > 2
