"""What the documents promise is there."""

import re
from pathlib import Path

from danbao_core.settings import Settings

ROOT = Path(__file__).parents[2]


def test_every_setting_is_explained_and_no_other() -> None:
    page = ROOT / "docs" / "operations" / "configuration.md"
    rows = re.findall(r"^\| `(DANBAO_\w+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(f"DANBAO_{name.upper()}" for name in Settings.model_fields)


def test_links_between_documents_lead_somewhere() -> None:
    for document in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / document).read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{document} links to {target}"
