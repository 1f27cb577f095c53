"""Writes the client's errors: a class for each reason of the core, with what the reason says as its docstring.

`generate.py` beside it runs it. The reasons are the classes of `core/danbao_core/*errors.py`, which are read and not imported,
so that the packages of the core need not be there, and the contract's own rules that have a name.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from client_services import Contract

ROOT_CLASS = "Refusal"
OF_FIELDS = "FieldInvalid"
"""The class of what breaks a rule of the contract."""
WIDTH = 128


class Reason(NamedTuple):
    """A reason of the core, as a class of the client."""

    name: str
    base: str
    text: str

    @property
    def reason(self) -> str:
        """InsufficientFunds is INSUFFICIENT_FUNDS, as the core names it."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", self.name).upper()


def module(core: Path, contract: Contract) -> str:
    """The source of the client's module of errors."""
    reasons = {each.name: each for each in _refusals(core)}
    for rule, text in _rules(contract):
        name = "".join(word.capitalize() for word in rule.split("_"))
        reasons[name] = Reason(name, OF_FIELDS, reasons[name].text if name in reasons else _sentence(text))
    general = reasons.pop(OF_FIELDS)
    ordered = [general, *(reasons[name] for name in sorted(reasons))]
    lines = [
        '"""Errors by reason. Written by `make protos` from the core\'s own table: not to be changed here."""',
        "",
        "from danbao_client.errors.base import DanbaoError",
        "",
        "__all__ = [",
        *(f'    "{name}",' for name in sorted((OF_FIELDS, *reasons))),
        "]",
    ]
    for each in ordered:
        lines += ["", "", f'class {each.name}({each.base}, reason="{each.reason}"):', *_docstring(each.text)]
    return "\n".join([*lines, ""])


def _refusals(core: Path) -> Iterator[Reason]:
    """Every class of the core's tables of errors that stands for a reason."""
    bases = {ROOT_CLASS: "DanbaoError"}
    for path in sorted(core.glob("*errors.py"), key=lambda path: (path.name != "errors.py", path.name)):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.ClassDef) or node.name == ROOT_CLASS:
                continue
            of_refusal = [base.id for base in node.bases if isinstance(base, ast.Name) and base.id in bases]
            if of_refusal:
                bases[node.name] = node.name
                yield Reason(node.name, bases[of_refusal[0]], (ast.get_docstring(node) or "").split("\n\n")[0])


def _rules(contract: Contract) -> Iterator[tuple[str, str]]:
    """The contract's own rules whose name is a reason, with what they say: those without a dot in it."""
    for rule, text in contract.named_rules():
        if "." not in rule:
            yield rule, text


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _docstring(text: str) -> list[str]:
    line = f'    """{" ".join(text.split())}"""'
    if len(line) <= WIDTH:
        return [line]
    return [*textwrap.wrap(line[:-3].strip(), WIDTH - 4, initial_indent="    ", subsequent_indent="    "), '    """']
