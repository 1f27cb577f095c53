"""Reads the contract with its comments: `buf build` has them in its descriptors, the generated Python code does not."""

import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.api import field_behavior_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pb2 import FileDescriptorSet as _FileDescriptorSet

from danbao.v1 import common_pb2

_PROTOS: Final = Path(__file__).parents[2] / "protos"
_PACKAGE: Final = "danbao.v1"
# The numbers by which descriptors name their parts, as descriptor.proto has them.
_FILE_PACKAGE, _FILE_MESSAGE, _FILE_ENUM, _FILE_SERVICE = 2, 4, 5, 6
_SERVICE_METHOD, _MESSAGE_FIELD, _MESSAGE_NESTED, _MESSAGE_ENUM, _ENUM_VALUE = 2, 2, 3, 4, 2

Place = tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """A value of an enum."""

    name: str
    number: int
    comment: str


@dataclass(frozen=True)
class Field:
    """A field of a message. `type_name` is the message or enum where it has one of ours or of others, else empty."""

    name: str
    kind: str
    type_name: str
    comment: str
    marks: Sequence[str]
    one_of: str


@dataclass(frozen=True)
class Type:
    """A message with its fields, or an enum with its values; `name` without the package, as in `Payment.State`."""

    name: str
    comment: str
    fields: Sequence[Field] = ()
    values: Sequence[Value] = ()


@dataclass(frozen=True)
class Rpc:
    """A method of a service. `scope` is empty where it is public."""

    service: str
    name: str
    request: str
    response: str
    takes_stream: bool
    answers_stream: bool
    scope: str
    comment: str


@dataclass(frozen=True)
class Service:
    name: str
    comment: str
    rpcs: Sequence[Rpc]


@dataclass(frozen=True)
class File:
    """One file of the contract: `payments` is payments.proto. `comment` is what stands before its package."""

    name: str
    comment: str
    services: Sequence[Service]
    types: Sequence[Type]


@cache
def files() -> tuple[File, ...]:
    """The contract, in the order of its files' names. Raises CalledProcessError where the protos do not compile."""
    buf = Path(sys.executable).with_name("buf")
    built = subprocess.run(
        [buf if buf.exists() else "buf", "build", "--path", "danbao", "-o", "-#format=binpb"],
        cwd=_PROTOS,
        check=True,
        stdout=subprocess.PIPE,
    )
    descriptors = _FileDescriptorSet.FromString(built.stdout)
    ours = sorted((file for file in descriptors.file if file.package == _PACKAGE), key=lambda file: file.name)
    return tuple(_file(file) for file in ours)


def _file(file: FileDescriptorProto) -> File:
    comments = {
        tuple(location.path): _plain(location.leading_comments)
        for location in file.source_code_info.location
        if location.leading_comments
    }
    types = [
        *(each for number, enum in enumerate(file.enum_type) for each in [_enum(enum, "", (_FILE_ENUM, number), comments)]),
        *(
            each
            for number, message in enumerate(file.message_type)
            for each in _types(message, "", (_FILE_MESSAGE, number), comments)
        ),
    ]
    return File(Path(file.name).stem, comments.get((_FILE_PACKAGE,), ""), tuple(_services(file, comments)), tuple(types))


def _services(file: FileDescriptorProto, comments: dict[Place, str]) -> Iterable[Service]:
    for at, service in enumerate(file.service):
        rpcs = []
        for number, method in enumerate(service.method):
            needed = method.options.Extensions[common_pb2.authentication]
            rpcs.append(
                Rpc(
                    service=service.name,
                    name=method.name,
                    request=_short(method.input_type),
                    response=_short(method.output_type),
                    takes_stream=method.client_streaming,
                    answers_stream=method.server_streaming,
                    scope="" if needed.public else needed.scope,
                    comment=comments.get((_FILE_SERVICE, at, _SERVICE_METHOD, number), ""),
                )
            )
        yield Service(service.name, comments.get((_FILE_SERVICE, at), ""), tuple(rpcs))


def _types(message: DescriptorProto, within: str, place: Place, comments: dict[Place, str]) -> Iterable[Type]:
    """A message, and what is declared in it."""
    name = f"{within}{message.name}"
    maps = {nested.name: nested for nested in message.nested_type if nested.options.map_entry}
    fields = [
        _field(message, field, maps, comments.get((*place, _MESSAGE_FIELD, number), ""))
        for number, field in enumerate(message.field)
    ]
    yield Type(name, comments.get(place, ""), fields=tuple(fields))
    for number, enum in enumerate(message.enum_type):
        yield _enum(enum, f"{name}.", (*place, _MESSAGE_ENUM, number), comments)
    for number, nested in enumerate(message.nested_type):
        if nested.name not in maps:
            yield from _types(nested, f"{name}.", (*place, _MESSAGE_NESTED, number), comments)


def _enum(enum: EnumDescriptorProto, within: str, place: Place, comments: dict[Place, str]) -> Type:
    values = [
        Value(value.name, value.number, comments.get((*place, _ENUM_VALUE, number), ""))
        for number, value in enumerate(enum.value)
    ]
    return Type(f"{within}{enum.name}", comments.get(place, ""), values=tuple(values))


def _field(message: DescriptorProto, field: FieldDescriptorProto, maps: dict[str, DescriptorProto], comment: str) -> Field:
    entry = maps.get(field.type_name.rpartition(".")[2])
    repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    if entry is not None:
        key, value = (_scalar(each) for each in entry.field)
        kind, type_name = f"map<{key}, {value}>", ""
    else:
        kind, type_name = ("repeated " if repeated else "") + _scalar(field), _short(field.type_name)
    extensions = field.options.Extensions
    behaviour: Any = extensions[field_behavior_pb2.field_behavior]  # type: ignore[index]  # its stubs are of another kind
    marks = [
        word
        for word, marked in (
            ("secret", extensions[common_pb2.secret]),
            ("personal", extensions[common_pb2.personal]),
            ("free text", extensions[common_pb2.free_text]),
            ("set by the server", field_behavior_pb2.OUTPUT_ONLY in behaviour),
        )
        if marked
    ]
    in_one_of = field.HasField("oneof_index") and not field.proto3_optional
    return Field(field.name, kind, type_name, comment, marks, message.oneof_decl[field.oneof_index].name if in_one_of else "")


def _scalar(field: FieldDescriptorProto) -> str:
    return _short(field.type_name) or FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _short(type_name: str) -> str:
    """The name of a type without our package; those of others keep theirs."""
    return type_name.removeprefix(".").removeprefix(f"{_PACKAGE}.")


def _plain(comment: str) -> str:
    """A comment without the space that stands behind `//`."""
    return re.sub(r"^ ", "", comment, flags=re.MULTILINE).strip("\n")
