"""Builds the site: `python -m docs.generator FOLDER`. The pages by hand and what is made of the code come together in
FOLDER-source, of which Sphinx makes FOLDER. Any warning (a link that leads nowhere, a page that no other names) is an error.
"""

import argparse
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from docs.generator import figures, flow, lives, reasons, reference, svg
from docs.generator.prose import Prose

_PAGES: Final = Path(__file__).parents[1]
_OURS: Final = ("generator", "__pycache__", "bench.json")
"""What stands under docs/ and is no part of the site."""


def made() -> dict[str, str]:
    """What is made of the code, by its path beside the pages that are written by hand."""
    known = reasons.anchors()
    prose = Prose(reference.anchors() | known)
    files = reference.pages(prose, known)
    files["errors.md"] = reasons.page(prose)
    files["_made/figures.md"] = figures.tables()
    for name, life in lives.all_lives().items():
        files[f"_made/{name}.svg"] = svg.drawn(life)
    for name, story in flow.all_stories().items():
        files[f"_made/{name}.svg"] = flow.drawn(story)
    return files


def assemble(source: Path, files: Mapping[str, str]) -> None:
    """Puts everything that Sphinx reads into a folder, anew."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(_PAGES, source, ignore=shutil.ignore_patterns(*_OURS))
    for path, content in files.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(content, encoding="utf-8")


def build(target: Path) -> int:
    """Builds the site into a folder. Answers Sphinx's exit code, 0 where all is well."""
    from sphinx.cmd.build import build_main  # noqa: PLC0415  # slow to import; who only draws does without

    source = target.with_name(f"{target.name}-source")
    assemble(source, made())
    shutil.rmtree(target, ignore_errors=True)
    options = ("--quiet", "--fail-on-warning", "--keep-going", "--nitpicky", "--doctree-dir", f"{target}-doctrees")
    return int(build_main([*options, str(source), str(target)]))


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds the documentation site.")
    parser.add_argument("folder", type=Path, help="where the site goes")
    target: Path = parser.parse_args().folder.resolve()
    code = build(target)
    if code == 0:
        print(f"built: {target}/index.html")
    sys.exit(code)


if __name__ == "__main__":
    main()
