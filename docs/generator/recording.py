"""Records the first story of `danbao demo` as a terminal shows it: `python -m docs.generator.recording docs/demo.svg`."""

import argparse
import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

_COLUMNS: Final = 92
_NEXT_STORY: Final = "And now as a person with a phone"


def recorded(told: str) -> str:
    """What a terminal shows, colours included, as an SVG that loads nothing: rich names fonts of a CDN, which are left out.

    Of the stories only the first is told, and how the audit ends.
    """
    first, _, rest = told.partition(_NEXT_STORY)
    audit = rest[rest.rindex("The audit") :] if "The audit" in rest else ""
    console = Console(record=True, width=_COLUMNS, file=StringIO())
    console.print(Text.from_ansi("$ danbao demo\n" + first.rstrip() + "\n…\n" + audit.rstrip()))
    drawn = console.export_svg(title="danbao demo", unique_id="demo")
    return re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description="Records `danbao demo` as an SVG.")
    parser.add_argument("file", type=Path, help="where the picture goes")
    target: Path = parser.parse_args().file
    terminal = {"FORCE_COLOR": "1", "COLUMNS": str(_COLUMNS), "TERM": "xterm-256color"}
    demo = [sys.executable, "-m", "danbao_core", "demo"]
    told = subprocess.run(demo, env=os.environ | terminal, check=True, stdout=subprocess.PIPE, text=True)
    target.write_text(recorded(told.stdout), encoding="utf-8")


if __name__ == "__main__":
    main()
