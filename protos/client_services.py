"""Writes the client's services: of each RPC a method that has a parameter for each field of the request.

`generate.py` beside it runs it. One module per service is written, formatted as `ruff format` would: what callers find when
they ask their editor where a method comes from, with the comments of the protos as its docstrings.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor, FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

WIDTH = 128
RULES = "buf.validate.field"
RULES_OF_MESSAGES = "buf.validate.message"
WELL_KNOWN = {
    "danbao.v1.Money": ("AnyMoney", "danbao_client.money"),
    "google.protobuf.Timestamp": ("AnyTime", "danbao_client.values"),
    "google.protobuf.Duration": ("AnyDuration", "danbao_client.values"),
    "google.protobuf.FieldMask": ("AnyMask", "danbao_client.values"),
}
SCALARS = {
    FieldDescriptor.TYPE_BOOL: ("bool", "False"),
    FieldDescriptor.TYPE_BYTES: ("bytes", 'b""'),
    FieldDescriptor.TYPE_INT32: ("int", "0"),
    FieldDescriptor.TYPE_INT64: ("int", "0"),
    FieldDescriptor.TYPE_STRING: ("str", '""'),
}
OWN_WORDS = {
    "AccountService": ("Account", "Accounts"),
    "DisputeService": ("Dispute", "Disputes"),
    "PaymentService": ("Payment", "Payments"),
    "PayoutService": ("Payout", "Payouts"),
    "SessionService": ("Session", "Sessions"),
}
"""What goes without saying in the methods of a service: `danbao.payments.create`, not `create_payment`."""
PLURALS = {"OperationsService": "Operations", "SandboxService": "Sandbox", "VerificationService": "Verification"}
WRITTEN_BY_HAND = {"PaymentService": ("danbao_client.bulk", "PaymentsInBulk")}
"""The base of a service that has methods of its own for RPCs that stream both ways."""
DEADLINE = "float | None = None"


class Parameter(NamedTuple):
    """A field of a request, as a parameter."""

    name: str
    kind: str
    default: str
    """Empty where the contract requires the field."""
    comment: str


class Contract:
    """The protos with their comments and rules."""

    def __init__(self, files: FileDescriptorSet) -> None:
        self.pool = DescriptorPool()
        self.comments: dict[str, str] = {}
        for file in files.file:
            self.pool.Add(file)
        ours = [file for file in files.file if file.package.startswith("danbao.")]
        for file in ours:
            self.comments.update(_comments(file))
        self.files = [self.pool.FindFileByName(file.name) for file in ours]

    def rules(self, described: Any) -> Any:
        """What the contract asks of a field, or of a message as a whole."""
        options = described.GetOptions()
        kind = GetMessageClass(self.pool.FindMessageTypeByName(options.DESCRIPTOR.full_name))
        name = RULES if isinstance(described, FieldDescriptor) else RULES_OF_MESSAGES
        extension: Any = self.pool.FindExtensionByName(name)
        return kind.FromString(options.SerializeToString()).Extensions[extension]

    def named_rules(self) -> Iterator[tuple[str, str]]:
        """The contract's own rules: what they are called, and what they say."""
        waiting = [kind for file in self.files for kind in file.message_types_by_name.values()]
        while waiting:
            kind = waiting.pop(0)
            waiting += kind.nested_types
            for described in (kind, *kind.fields):
                yield from ((rule.id, rule.message) for rule in self.rules(described).cel)

    def is_required(self, field: FieldDescriptor) -> bool:
        """Whether the contract refuses a request in which the field is left out."""
        rules = self.rules(field)
        text = rules.string
        return bool(
            rules.required
            or text.min_len
            or (text.pattern and not re.search(text.pattern, ""))
            or 0 in rules.enum.not_in
            or rules.repeated.min_items
        )


def _comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """The comment over each service, RPC and field of a file, by full name."""
    names: dict[tuple[int, ...], str] = {}
    for number, service in enumerate(file.service):
        names[6, number] = f"{file.package}.{service.name}"
        for place, method in enumerate(service.method):
            names[6, number, 2, place] = f"{file.package}.{service.name}.{method.name}"
    for number, message in enumerate(file.message_type):
        for place, field in enumerate(message.field):
            names[4, number, 2, place] = f"{file.package}.{message.name}.{field.name}"
    for location in file.source_code_info.location:
        name = names.get(tuple(location.path))
        if name:
            yield name, textwrap.dedent(location.leading_comments).strip("\n")


def modules(contract: Contract) -> dict[str, str]:
    """The source of each module of services, by its file's name."""
    services = [service for file in contract.files for service in file.services_by_name.values()]
    services.sort(key=class_name)
    written = {f"{attribute_name(service)}.py": _Module(contract, service).source() for service in services}
    return written | {"__init__.py": _package(services)}


def class_name(service: ServiceDescriptor) -> str:
    """PaymentService is Payments."""
    return PLURALS.get(service.name) or f"{service.name.removesuffix('Service')}s"


def attribute_name(service: ServiceDescriptor) -> str:
    """PaymentService is `danbao.payments`."""
    return class_name(service).lower()


def method_name(method: MethodDescriptor) -> str:
    """ListDisputeSteps of the DisputeService is `list_steps`."""
    words = re.findall("[A-Z][a-z]*", method.name)
    own = OWN_WORDS.get(method.containing_service.name, ())
    return "_".join(word for word in words if word not in own).lower()


def _package(services: Iterable[ServiceDescriptor]) -> str:
    names = [class_name(service) for service in services]
    return "\n".join(
        [
            '"""The services of the contract. Written by `make protos`: change the protos, not these files."""',
            "",
            *(f"from danbao_client.services.{name.lower()} import {name}" for name in names),
            "",
            "__all__ = [",
            *(f'    "{name}",' for name in names),
            "]",
            "",
        ]
    )


class _Module:
    """The module of one service, and what it has to import."""

    def __init__(self, contract: Contract, service: ServiceDescriptor) -> None:
        self._contract = contract
        self._service = service
        self._imports: dict[str, set[str]] = {}

    def source(self) -> str:
        service = self._service
        base = self._imported(*WRITTEN_BY_HAND.get(service.name, ("danbao_client.service", "Service")))
        descriptor = f'{self._file(service.file)}.DESCRIPTOR.services_by_name["{service.name}"]'
        body = [
            f"class {class_name(service)}({base}):",
            *_docstring(self._comment(service.full_name), "    "),
            "",
            f"    descriptor = {descriptor}",
            "",
            *(line for method in service.methods for line in self._attribute(method)),
        ]
        for method in service.methods:
            if not method.client_streaming:
                body += ["", *self._method(method)]
        head = [f'"""`danbao.{attribute_name(service)}`. Written by `make protos`: change the protos, not this file."""', ""]
        return "\n".join([*head, "from __future__ import annotations", "", *self._import_lines(), "", "", *body, ""])

    def _attribute(self, method: MethodDescriptor) -> Iterator[str]:
        kind = "StreamRpc" if method.client_streaming else "WatchRpc" if method.server_streaming else "Rpc"
        types = f"{self._type(method.input_type)}, {self._type(method.output_type)}"
        line = f"    {method.name}: {self._imported('danbao_client.rpc', kind)}[{types}]"
        yield from [line] if len(line) <= WIDTH else [f"    {method.name}: {kind}[", f"        {types}", "    ]"]

    def _method(self, method: MethodDescriptor) -> Iterator[str]:
        parameters = self._parameters(method)
        names = [parameter.name for parameter in parameters]
        result, head, tail = self._shape(method)
        positional = ["name"] if names and names[0] == "name" else []
        yield f"    {head} {method_name(method)}("
        yield "        self,"
        for parameter in parameters[: len(positional)]:
            yield f"        {parameter.name}: {parameter.kind},"
        yield "        *,"
        for parameter in parameters[len(positional) :]:
            default = f" = {parameter.default}" if parameter.default else ""
            yield f"        {parameter.name}: {parameter.kind}{default},"
        if "{deadline}" in tail:
            yield f"        deadline_seconds: {DEADLINE},"
        yield f"    ) -> {result}:"
        yield from _docstring(self._comment(method.full_name), "        ", parameters)
        request_of = self._imported("danbao_client.values", "request_of")
        if names:
            yield f"        request = {request_of}("
            yield f"            {self._type(method.input_type)},"
            yield from (f"            {name}={name}," for name in names)
            yield "        )"
        else:
            yield f"        request = {request_of}({self._type(method.input_type)})"
        yield f"        {tail.replace('{deadline}', 'deadline_seconds')}"

    def _shape(self, method: MethodDescriptor) -> tuple[str, str, str]:
        """What it answers, how its definition begins, and its last line."""
        answer = self._type(method.output_type)
        call = f"self.{method.name}"
        if method.server_streaming and "cursor" in method.input_type.fields_by_name:
            watch = self._imported("danbao_client.watching", "Watch")
            return f"{watch}[{answer}]", "def", f"return {watch}({call}, request, self._settings)"
        if method.server_streaming:
            generator = self._imported("collections.abc", "AsyncGenerator")
            chunks = self._imported("danbao_client.files", "chunks_of")
            return f"{generator}[{answer}, None]", "def", f"return {chunks}({call}, request, {{deadline}})"
        if method.name.startswith("List"):
            [items] = [field for field in method.output_type.fields if field.is_repeated]
            pages = self._imported("danbao_client.pages", "Pages")
            kind = f"{pages}[{answer}, {self._type(items.message_type)}]"
            return kind, "def", f'return {pages}({call}, request, "{items.name}", {{deadline}})'
        return answer, "async def", f"return await {call}(request, deadline_seconds={{deadline}})"

    def _parameters(self, method: MethodDescriptor) -> list[Parameter]:
        """Of the fields: the name first, what is required before the rest, and the request id last."""
        fields = method.input_type.fields
        masked = "update_mask" in method.input_type.fields_by_name
        parameters = [self._parameter(field, masked) for field in fields]
        return sorted(parameters, key=lambda each: (each.name != "name", bool(each.default), each.name == "request_id"))

    def _parameter(self, field: FieldDescriptor, is_masked: bool) -> Parameter:
        kind, default = self._kind(field)
        comment = self._comment(field.full_name)
        if field.name == "request_id":
            comment += " Left out, the client makes one, and keeps it when it sends the request again."
        elif field.name == "update_mask":
            comment += " Left out, the fields that are given."
        elif self._contract.is_required(field):
            return Parameter(field.name, kind, "", comment)
        elif is_masked:
            default = "None"
        return Parameter(field.name, f"{kind} | None" if default == "None" else kind, default, comment)

    def _kind(self, field: FieldDescriptor) -> tuple[str, str]:
        """The type of a field's parameter, and what it is where it is left out."""
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            key, value = (SCALARS[part.type][0] for part in field.message_type.fields)
            return f"{self._imported('collections.abc', 'Mapping')}[{key}, {value}]", "None"
        if field.message_type is not None and field.message_type.full_name in WELL_KNOWN:
            name, module = WELL_KNOWN[field.message_type.full_name]
            kind, default = self._imported(module, name), "None"
        elif field.message_type is not None:
            kind, default = self._type(field.message_type), "None"
        elif field.enum_type is not None:
            kind, default = f"{self._type(field.enum_type)}.ValueType", "None"
        else:
            kind, default = SCALARS[field.type]
        if field.is_repeated:
            return f"{self._imported('collections.abc', 'Sequence')}[{kind}]", "()"
        return kind, "None" if field.has_presence else default

    def _type(self, descriptor: Any) -> str:
        name = descriptor.full_name.removeprefix(f"{descriptor.file.package}.")
        return f"{self._file(descriptor.file)}.{name}"

    def _file(self, file: FileDescriptor) -> str:
        folder, _, name = file.name.removesuffix(".proto").rpartition("/")
        return self._imported(folder.replace("/", "."), f"{name}_pb2")

    def _imported(self, module: str, name: str) -> str:
        self._imports.setdefault(module, set()).add(name)
        return name

    def _comment(self, full_name: str) -> str:
        return self._contract.comments[full_name]

    def _import_lines(self) -> Iterator[str]:
        standard = sorted(module for module in self._imports if "." in module and module.startswith("collections"))
        ours = sorted(self._imports.keys() - set(standard))
        for module in standard:
            yield f"from {module} import {', '.join(sorted(self._imports[module]))}"
        if standard:
            yield ""
        for module in ours:
            yield f"from {module} import {', '.join(sorted(self._imports[module]))}"


def _docstring(comment: str, indent: str, parameters: Iterable[Parameter] = ()) -> Iterator[str]:
    """A comment as a docstring, its paragraphs filled anew; drawings, which are set in, stay as they are."""
    blocks = [_filled(block, indent) for block in comment.split("\n\n")]
    notes = [line for each in parameters for line in _filled(f"- `{each.name}`: {each.comment}", indent)]
    if notes:
        blocks.append(notes)
    lines = [line for block in blocks for line in ("", *block)][1:]
    mark = 'r"""' if any("\\" in line for line in lines) else '"""'
    lines[0] = f"{indent}{mark}{lines[0].strip()}"
    if len(lines) == 1 and len(lines[0]) + 3 <= WIDTH:
        yield f'{lines[0]}"""'
    else:
        yield from lines
        yield f'{indent}"""'


def _filled(block: str, indent: str) -> list[str]:
    lines = block.split("\n")
    if any(line.startswith(" ") for line in lines):
        return [f"{indent}{line}" for line in textwrap.dedent(block).split("\n")]
    further = f"{indent}  " if block.startswith("- ") else indent
    return textwrap.wrap(
        " ".join(lines),
        WIDTH - 4,
        initial_indent=indent,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )
