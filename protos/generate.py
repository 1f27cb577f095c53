"""Generates the Python code of the contract from `danbao/v*/*.proto`, beside the proto files, and the client's services of it.

`make protos` runs it. `make check` runs it with `--check`, which writes nothing, names each file
that is not what the protos say, and exits 1. It needs the packages of requirements.txt beside it,
in an environment of their own (that file says why).

It also writes `contract.binpb`: the contract, all that it imports and the details of its errors as
one descriptor set, for what speaks gRPC without generated code (Envoy, `grpcurl -protoset`).

The generated code must not import the package `buf`: callers do not validate, and need not install
protovalidate. So the protos are first compiled to a descriptor set, the import of
`buf/validate/validate.proto` is taken out of it, and the code is generated from that. The rules
themselves stay, as options that the Python runtime keeps without knowing them; protovalidate finds
them there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

try:
    import grpc_tools
    from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
    from grpc_tools import protoc

    import client_errors
    import client_services
except ImportError as missing:
    sys.exit(f"{missing}: run `make protos`, which installs protos/requirements.txt")

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
CLIENT = ROOT / "clients" / "danbao_client"
SERVICES = CLIENT / "services"
REASONS = CLIENT / "errors" / "reasons.py"
NOT_AT_RUN_TIME = "buf/validate/validate.proto"
ERROR_DETAILS = "google/rpc/error_details.proto"
DESCRIPTORS = "contract.binpb"
GENERATED = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


def proto_names() -> list[str]:
    """The contract's files, relative to this folder, as protoc names them."""
    return sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.glob("danbao/v*/*.proto"))


def run_protoc(*arguments: str) -> None:
    """Runs protoc, which prints its own complaints; exits with its code where it fails."""
    code = protoc.main(["protoc", *arguments])
    if code:
        sys.exit(code)


def compile_to_descriptors(names: Iterable[str], target: Path) -> None:
    """Writes one descriptor set with everything that the named files import, and their comments."""
    run_protoc(
        f"--proto_path={PROTOS}",
        f"--proto_path={PROTOS / 'third_party'}",
        f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}",
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={target}",
        *names,
    )


def drop_import(file: FileDescriptorProto, name: str) -> None:
    """Takes one import out of a file.

    `public_dependency` and `weak_dependency` are indices into the imports, so they shift.
    """
    if name not in file.dependency:
        return
    gone = list(file.dependency).index(name)
    del file.dependency[gone]
    for indices in (file.public_dependency, file.weak_dependency):
        indices[:] = [index - (index > gone) for index in indices if index != gone]


def generate(target: Path) -> None:
    """Writes the generated code under `target`, where it stands under the root of the project."""
    names = proto_names()
    python = target / PROTOS.relative_to(ROOT)
    python.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        descriptors = Path(scratch) / "contract.binpb"
        compile_to_descriptors([*names, ERROR_DETAILS], descriptors)
        files = FileDescriptorSet.FromString(descriptors.read_bytes())
        write_descriptors(files, python)
        generate_client(files, target)
        for file in files.file:
            drop_import(file, NOT_AT_RUN_TIME)
        descriptors.write_bytes(files.SerializeToString(deterministic=True))
        plugins = Path(sys.prefix) / "bin"
        run_protoc(
            f"--descriptor_set_in={descriptors}",
            f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
            f"--python_out={python}",
            f"--grpc_python_out={python}",
            f"--mypy_out=quiet:{python}",
            f"--mypy_grpc_out=quiet:{python}",
            *names,
        )


def write_descriptors(files: FileDescriptorSet, target: Path) -> None:
    """Writes the descriptor set for callers without generated code, without comments."""
    bare = FileDescriptorSet()
    bare.CopyFrom(files)
    for file in bare.file:
        file.ClearField("source_code_info")
    (target / DESCRIPTORS).write_bytes(bare.SerializeToString(deterministic=True))


def generate_client(files: FileDescriptorSet, target: Path) -> None:
    """Writes what the client says of the contract: its services, and the reasons of the core."""
    contract = client_services.Contract(files)
    sources = {SERVICES / name: source for name, source in client_services.modules(contract).items()}
    sources[REASONS] = client_errors.module(ROOT / "core" / "danbao_core", contract)
    for path, source in sources.items():
        place = target / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(source)


def contents(root: Path) -> dict[str, bytes]:
    """Every generated file, by its path under the root of the project."""
    stubs = (path for path in root.glob("protos/danbao/v*/*") if path.name.endswith(GENERATED))
    services = (root / SERVICES.relative_to(ROOT)).glob("*.py")
    single = (root / path.relative_to(ROOT) for path in (REASONS, PROTOS / DESCRIPTORS))
    files = (*stubs, *services, *(path for path in single if path.exists()))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def differences() -> dict[str, bytes | None]:
    """The files that are not as they should be: each with its wanted content, None to remove it."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        wanted = contents(Path(scratch))
    present = contents(ROOT)
    return {name: wanted.get(name) for name in sorted(wanted.keys() | present.keys()) if wanted.get(name) != present.get(name)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Generates the Python code of the contract.")
    parser.add_argument("--check", action="store_true", help="only compare; name what is out of date and exit 1")
    only_check = parser.parse_args().check
    stale = differences()
    if only_check and stale:
        sys.exit("\n".join(f"out of date, run `make protos`: {name}" for name in stale))
    for name, content in stale.items():
        if content is None:
            (ROOT / name).unlink()
            print(f"removed {name}")
        else:
            (ROOT / name).write_bytes(content)
            print(f"wrote {name}")


if __name__ == "__main__":
    main()
