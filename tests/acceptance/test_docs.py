"""The quick start and the guides do what they print, block by block."""

import signal
from pathlib import Path

import pytest

from tests.acceptance.sandbox import Sandbox, started
from tests.integration.sandboxes import a_folder, give_sandbox_data
from tests.snippets import Page

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = sorted((DOCS / "guides").glob("*.md"))


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

        async def installed() -> str:
            return ""  # it is what runs this test

        instead = {'pip install ".[server,embedded]"': installed, "danbao up": up}
        try:
            assert await Page(DOCS / "quickstart.md", parent, replaced, {}, instead).run() > 5
        finally:
            running.send(signal.SIGINT)
            await running.result()


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
async def test_the_snippets_of_a_guide_work_as_printed(path: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    endpoint = sandbox.endpoint
    replaced = {"127.0.0.1:50051": endpoint.address, "dbk_...": endpoint.operator_key}
    environment = {"DANBAO_ADDRESS": endpoint.address, "DANBAO_KEY": endpoint.operator_key}
    assert await Page(path, tmp_path, replaced, environment).run() > 2
