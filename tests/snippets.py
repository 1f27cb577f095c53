"""Runs the snippets of a page of the documentation, in order and as printed.

A block of Python runs with `await` at the top level, as in `python -m asyncio`; all blocks of a page share their names. A block
with a caption is a file of that name beside the shell. A console block is run by bash, command by command. What is printed must
be what the page shows: in an `output` block behind Python, below the command in a console block, where … stands for anything.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import os
import re
import sys
import types
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from danbao_client import Danbao

_FENCE: Final = re.compile(
    r"^```(?:\{code-block\} )?(?P<language>\w+)\n(?::caption: (?P<file>\S+)\n\n?)?(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_SECONDS: Final = 30.0
_RUN: Final = ("python", "console", "output")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `line` is that of its first line of text, `file` the name of the file that it shows, if any."""

    line: int
    language: str
    text: str
    file: str


class Page:
    """A page with its snippets, run in a folder. `replaced` says what stands for what the page prints (addresses, keys, ports),
    `instead` what is done in the place of a command, and answers what that prints."""

    def __init__(
        self,
        path: Path,
        folder: Path,
        replaced: dict[str, str],
        environment: Mapping[str, str],
        instead: Mapping[str, Callable[[], Awaitable[str]]] | None = None,
    ) -> None:
        self._path = path
        self._folder = folder
        self._replaced = replaced
        self._environment = dict(environment)
        self._instead = dict(instead or {})
        self._names: dict[str, Any] = {"__name__": "__main__"}

    async def run(self) -> int:
        """Runs all of it, and answers how many blocks ran. Raises AssertionError where something else is printed than the page
        shows, and whatever a snippet raises."""
        text = self._path.read_text(encoding="utf-8")
        blocks = [block for block in blocks_of(text) if block.file or block.language in _RUN]
        try:
            for number, block in enumerate(blocks):
                following = blocks[number + 1] if number + 1 < len(blocks) else None
                shown = following.text if following is not None and following.language == "output" else ""
                await self._run(block, shown)
        finally:
            for client in {id(each): each for each in self._names.values() if isinstance(each, Danbao)}.values():
                await client.close()
        return len(blocks)

    async def _run(self, block: Block, shown: str) -> None:
        if block.file:
            (self._folder / block.file).write_text(self._with_ours(block.text), encoding="utf-8")
        elif block.language == "python":
            self._must_be(shown, await self._python(block), block)
        elif block.language == "console":
            for command, expected in commands_of(block.text):
                self._must_be(expected, await self._shell(command), block)

    async def _python(self, block: Block) -> str:
        """What a block prints."""
        padded = "\n" * (block.line - 1) + self._with_ours(block.text)  # tracebacks name the page's lines
        code = compile(padded, str(self._path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            under_way = types.FunctionType(code, self._names)()
            if inspect.isawaitable(under_way):
                async with asyncio.timeout(_SECONDS):
                    await under_way
        return printed.getvalue()

    async def _shell(self, command: str) -> str:
        """What a command prints, on both ways. Raises AssertionError where it fails."""
        if command.startswith("pip install "):
            return ""  # what it installs runs this test
        if command.strip() in self._instead:
            return await self._instead[command.strip()]()
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", self._with_ours(command)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self._folder,
            env=environment_of_commands() | self._environment,
        )
        async with asyncio.timeout(_SECONDS):
            printed, _ = await process.communicate()
        assert process.returncode == 0, f"{self._path}: {command}\n{printed.decode()}"
        return printed.decode()

    def _must_be(self, expected: str, printed: str, block: Block) -> None:
        parts = map(re.escape, re.split("…", self._with_ours(expected).strip()))
        fits = re.fullmatch(".*".join(parts), printed.strip(), re.DOTALL)
        assert fits, f"{self._path}:{block.line} prints\n{printed}\nand the page shows\n{expected}"

    def _with_ours(self, text: str) -> str:
        for theirs, ours in self._replaced.items():
            text = text.replace(theirs, ours)
        return text


def environment_of_commands() -> dict[str, str]:
    """The environment of a shell in which our commands and packages are found, and no core is named."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("DANBAO_", "PYTEST_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), mine.get("PATH", os.defpath)])
    packages = os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))
    return mine | {"PATH": path, "PYTHONPATH": packages, "NO_COLOR": "1"}


def blocks_of(text: str) -> Sequence[Block]:
    """The fenced blocks of a page."""
    return [
        Block(text.count("\n", 0, found.start("text")) + 1, found["language"], found["text"], found["file"] or "")
        for found in _FENCE.finditer(text)
    ]


def commands_of(text: str) -> Iterable[tuple[str, str]]:
    """The commands of a console block, each with what is shown below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        length = 1 + next((number for number, line in enumerate(lines) if not line.endswith("\\\n")), 0)
        yield "".join(lines[:length]), "".join(lines[length:])
