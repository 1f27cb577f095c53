"""Comments of the contract and docstrings as Markdown: what they name is linked, what they draw is left as it is."""

import re
from collections.abc import Callable, Mapping
from typing import Final

_CODE: Final = re.compile(r"(`[^`]*`)")
_WORD: Final = re.compile(r"\b[A-Z][A-Za-z_]*[a-zA-Z]\b(?:\.[A-Z][A-Za-z]+)?")


class Prose:
    """Turns texts into Markdown, with links to what is known: reasons, RPCs and messages, each to its anchor."""

    def __init__(self, anchors: Mapping[str, str]) -> None:
        self._anchors = anchors

    def markdown(self, text: str) -> str:
        """A text of several paragraphs; lines that are set in are drawings or tables, and stay as they are."""
        return self._paragraphs(text, self._linked)

    def one_line(self, text: str) -> str:
        """A text for a cell of a table."""
        return " ".join(self._linked(" ".join(text.split())).split()).replace("|", "\\|")

    def names(self, text: str) -> list[str]:
        """What the text names that is known, in order."""
        return list(dict.fromkeys(word for word in _WORD.findall(text) if word in self._anchors))

    def _paragraphs(self, text: str, words: Callable[[str], str]) -> str:
        lines, drawn = list[str](), False
        for line in text.splitlines():
            is_drawing = line.startswith("  ") and bool(lines) and (drawn or lines[-1] == "")
            if is_drawing != drawn:
                lines.append("```text" if is_drawing else "```")
                drawn = is_drawing
            if line.startswith("- ") and lines and lines[-1] and not lines[-1].startswith(("- ", "  ")):
                lines.append("")
            lines.append(line if drawn else words(line))
        return "\n".join([*lines, "```"] if drawn else lines)

    def _linked(self, text: str) -> str:
        parts = _CODE.split(text)
        parts[::2] = [_WORD.sub(self._link, _escaped(part)) for part in parts[::2]]
        return "".join(parts)

    def _link(self, found: re.Match[str]) -> str:
        word = found[0].replace("\\", "")
        anchor = self._anchors.get(word)
        return f"[`{word}`](#{anchor})" if anchor else found[0]


def _escaped(text: str) -> str:
    return re.sub(r"([<>*\[\]{}$])", r"\\\1", text)
