"""The page of reasons: every refusal of the core, as its class says it."""

import importlib
import pkgutil
from collections.abc import Iterable
from typing import Final

import danbao_core
from danbao_core.errors import Kind, Refusal
from danbao_core.rpc.status import CODES
from docs.generator import contract
from docs.generator.prose import Prose
from docs.generator.reference import rpc_anchor

_WHAT_TO_DO: Final = {
    Kind.INVALID: "Correct the request. Sent again as it is, it is refused again.",
    Kind.UNAUTHENTICATED: "Send a key or token that is good; a person logs in again or refreshes the session.",
    Kind.DENIED: "Call with a key that may do this, or leave it to whom it belongs.",
    Kind.NOT_FOUND: "Look at the name, and at whose key you call with: what belongs to others is not found, either.",
    Kind.EXISTS: "Read what is there (the answer names it where it may) instead of making it anew.",
    Kind.PRECONDITION: "Read the state, do what is missing, and call again; the same request id may succeed then.",
    Kind.EXHAUSTED: "Wait as long as RetryInfo says, then send the same request again, with the same request id.",
    Kind.UNAVAILABLE: "Wait as long as RetryInfo says, then send the same request again, with the same request id.",
    Kind.ABORTED: "Send the same request again, with the same request id.",
    Kind.EXPIRED: "Send it again with the same request id, and more time.",
    Kind.PAST: "Begin anew from what is there now.",
    Kind.INTERNAL: "Tell the operators the id that came with it, which is in the server's log. Repeating it with the same "
    "request id is safe.",
}


def anchor(reason: str) -> str:
    """The anchor of a reason."""
    return f"reason-{reason.lower().replace('_', '-')}"


def refusals() -> list[type[Refusal]]:
    """Every refusal that there is, by reason."""
    for module in pkgutil.walk_packages(danbao_core.__path__, "danbao_core."):
        if module.name.endswith("_errors") or module.name == "danbao_core.errors":
            importlib.import_module(module.name)
    return sorted(set(_below(Refusal)), key=lambda each: each.reason)


def anchors() -> dict[str, str]:
    """The anchor of every reason by its name."""
    return {each.reason: anchor(each.reason) for each in refusals()}


def page(prose: Prose) -> str:
    """The page, by kind and reason."""
    lines = [
        "# Errors",
        "",
        "A refused call has a gRPC code, and in its details a `google.rpc.ErrorInfo` with the domain `danbao` and one of these "
        "reasons. A reason keeps its name and its code for good; the words may change. In Python each is a class: "
        "`except InsufficientFunds:`, below `DanbaoError`. See [handling them](guides/errors.md).",
        "",
        "**A refused call changes nothing**, but for what time had brought about before it. *Send again* marks reasons that "
        "come with `RetryInfo`: the same request with the same id may be sent again after that pause, which the Python client "
        "does by itself.",
        "",
    ]
    named = _named_by(prose)
    for kind in Kind:
        of_kind = [each for each in refusals() if each.kind is kind]
        lines += [f"## {CODES[kind].name}", "", f"{kind.value.capitalize()}. {_WHAT_TO_DO[kind]}", ""]
        for each in of_kind:
            lines += [f"({anchor(each.reason)})=", f"### {each.reason}", "", prose.markdown(each.message), ""]
            if each.retry_after_seconds is not None:
                lines += [f"*Send again* after {each.retry_after_seconds:g} s.", ""]
            if rpcs := named.get(each.reason):
                lines += ["Named by " + ", ".join(f"[{rpc}](#{rpc_anchor(rpc)})" for rpc in rpcs) + ".", ""]
    return "\n".join(lines)


def _named_by(prose: Prose) -> dict[str, list[str]]:
    """The RPCs whose comment, or whose request's, names each reason."""
    types = {each.name: each for file in contract.files() for each in file.types}
    named = dict[str, list[str]]()
    for rpc in (rpc for file in contract.files() for service in file.services for rpc in service.rpcs):
        request = types.get(rpc.request)
        told = "\n".join([rpc.comment, *(field.comment for field in (request.fields if request else ()))])
        for name in prose.names(told):
            named.setdefault(name, []).append(rpc.name)
    return named


def _below(refusal: type[Refusal]) -> Iterable[type[Refusal]]:
    for each in refusal.__subclasses__():
        yield each
        yield from _below(each)
