"""The reference: a page for each file of the contract, and one that lists every RPC with the scope that it needs."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import FunctionType
from typing import Final

import danbao_client
from danbao_client.service import Service
from docs.generator import contract
from docs.generator.contract import File, Rpc, Type
from docs.generator.prose import Prose

_TITLES: Final = {"common": "Common messages", "identity": "Identity and cards", "statements": "Files"}
_SHARED: Final = "Shared conventions are on [one page](common.md); what callers are refused with, on [another](../errors.md)."


def anchors() -> dict[str, str]:
    """The anchor of every RPC and message of the contract, by its name."""
    found = dict[str, str]()
    for file in contract.files():
        found |= {each.name: type_anchor(each.name) for each in file.types}
        found |= {rpc.name: rpc_anchor(rpc.name) for service in file.services for rpc in service.rpcs}
    return found


def rpc_anchor(name: str) -> str:
    """The anchor of an RPC."""
    return f"rpc-{name.lower()}"


def type_anchor(name: str) -> str:
    """The anchor of a message or an enum."""
    return f"type-{name.lower().replace('.', '-')}"


@cache
def python_methods() -> dict[str, str]:
    """The client's method for each RPC, as in `danbao.payments.create`; that which uses the RPC is the one."""
    found = dict[str, str]()
    for service in vars(danbao_client).values():
        if isinstance(service, type) and issubclass(service, Service):
            for name, method in _public_methods(service):
                used = [each.name for each in service.descriptor.methods if each.name in method.__code__.co_names]
                found |= dict.fromkeys(used, f"danbao.{service.__name__.lower()}.{name}")
    return found


def _public_methods(service: type[Service]) -> Iterable[tuple[str, FunctionType]]:
    for base in service.__mro__:
        for name, method in vars(base).items():
            if isinstance(method, FunctionType) and not name.startswith("_"):
                yield name, method


def pages(prose: Prose, reasons: Mapping[str, str]) -> dict[str, str]:
    """The pages by their paths under the site; `reasons` is the anchor of each reason by its name."""
    made = {f"reference/{file.name}.md": _page(file, prose, reasons) for file in contract.files()}
    return made | {"reference/index.md": _index(prose)}


def _index(prose: Prose) -> str:
    listed = [rpc for file in contract.files() for service in file.services for rpc in service.rpcs]
    names = [file.name for file in contract.files()]
    return "\n".join(
        [
            "# Reference",
            "",
            f"The contract has {len(listed)} RPCs. Each needs the scope beside it, on a service key or in a person's session; "
            "*none* can be called without a token. This part is made from the `.proto` files.",
            "",
            *_table(
                ("RPC", "needs", "what it does"),
                (
                    (f"[{rpc.name}](#{rpc_anchor(rpc.name)})", _scope(rpc), prose.one_line(_first(rpc.comment)))
                    for rpc in listed
                ),
            ),
            "",
            "```{toctree}",
            ":hidden:",
            "",
            *(["common", *(name for name in names if name != "common")]),
            "```",
        ]
    )


def _page(file: File, prose: Prose, reasons: Mapping[str, str]) -> str:
    title = _TITLES.get(file.name, file.name.capitalize())
    lines = [f"# {title}", "", f"`danbao/v1/{file.name}.proto`", ""]
    if file.comment:
        lines += [prose.markdown(file.comment), ""]
    for service in file.services:
        lines += [f"## {service.name}", "", prose.markdown(service.comment), "", _SHARED, ""]
        for rpc in service.rpcs:
            lines += _rpc(rpc, prose, reasons)
    if file.types:
        lines += ["## Messages", ""]
        for each in file.types:
            lines += _type(each, prose)
    return "\n".join(lines)


def _rpc(rpc: Rpc, prose: Prose, reasons: Mapping[str, str]) -> Iterable[str]:
    takes, answers = ("stream of " if rpc.takes_stream else ""), ("stream of " if rpc.answers_stream else "")
    yield f"({rpc_anchor(rpc.name)})="
    yield f"### {rpc.name}"
    yield ""
    yield f"{takes}{_type_link(rpc.request)} → {answers}{_type_link(rpc.response)}; needs {_scope(rpc)}"
    yield ""
    if method := python_methods().get(rpc.name):
        yield f"Python: `{method}(…)`"
        yield ""
    yield prose.markdown(rpc.comment)
    yield ""
    request = next((each for file in contract.files() for each in file.types if each.name == rpc.request), None)
    told = rpc.comment + "".join(field.comment for field in (request.fields if request else ()))
    named = [name for name in prose.names(told) if name in reasons]
    if named:
        yield "Reasons named: " + ", ".join(f"[`{name}`](#{reasons[name]})" for name in named) + "."
        yield ""


def _type(each: Type, prose: Prose) -> Iterable[str]:
    yield f"({type_anchor(each.name)})="
    yield f"### {each.name}"
    yield ""
    yield prose.markdown(each.comment)
    yield ""
    if each.values:
        rows = ((f"`{value.name}`", str(value.number), prose.one_line(value.comment)) for value in each.values)
        yield from _table(("value", "number", "meaning"), rows)
    elif each.fields:
        yield from _table(("field", "type", "meaning"), (_field(field, prose) for field in each.fields))
    else:
        yield "It has no fields."
    yield ""


def _field(field: contract.Field, prose: Prose) -> Sequence[str]:
    marks = [*field.marks, *([f"one of `{field.one_of}`"] if field.one_of else [])]
    marked = f" *({', '.join(marks)})*" if marks else ""
    before = "repeated " if field.kind.startswith("repeated ") else ""
    kind = before + _type_link(field.type_name) if field.type_name else f"`{field.kind}`"
    return f"`{field.name}`", kind, prose.one_line(field.comment) + marked


def _type_link(name: str) -> str:
    ours = any(each.name == name for file in contract.files() for each in file.types)
    return f"[`{name}`](#{type_anchor(name)})" if ours else f"`{name}`"


def _scope(rpc: Rpc) -> str:
    return f"`{rpc.scope}`" if rpc.scope else "*none*"


def _first(comment: str) -> str:
    """The first sentence."""
    paragraph = " ".join(comment.partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".") + "."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
