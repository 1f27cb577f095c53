"""The contract as callers get it: light to import, its rules enforced, no RPC left open."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType

import protovalidate
import pytest
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import danbao.v1
from danbao.v1 import common_pb2, operations_pb2, payments_pb2

ACCOUNT = "accounts/00000000-0000-7000-8000-00000000000a"
OTHER_ACCOUNT = "accounts/00000000-0000-7000-8000-00000000000b"
VALIDATOR = protovalidate.Validator()
MODULE_NAMES = [module.name for module in pkgutil.iter_modules(danbao.v1.__path__, prefix="danbao.v1.")]


def contract_modules() -> list[ModuleType]:
    return [importlib.import_module(name) for name in MODULE_NAMES if name.endswith("_pb2")]


def methods() -> list[MethodDescriptor]:
    return [
        method
        for module in contract_modules()
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]


def messages() -> list[Descriptor]:
    return [message for module in contract_modules() for message in module.DESCRIPTOR.message_types_by_name.values()]


def a_create_payment_request() -> payments_pb2.CreatePaymentRequest:
    return payments_pb2.CreatePaymentRequest(
        request_id="a-request",
        payer=ACCOUNT,
        payee=OTHER_ACCOUNT,
        amount=common_pb2.Money(amount_minor=1050, currency_code="CNY"),
        metadata={"basket": "7"},
    )


def refused_fields(message: Message) -> set[str]:
    """The fields that break a rule, as dotted paths."""
    paths = [violation.proto.field for violation in VALIDATOR.collect_violations(message)]
    return {".".join(element.field_name for element in path.elements) for path in paths if path}


def test_importing_the_contract_needs_no_validation_library() -> None:
    imports = "; ".join(f"import {name}" for name in MODULE_NAMES)
    program = f"import sys; {imports}; print(*(name.split('.')[0] for name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert "danbao" in ran.stdout.split()
    assert not {"buf", "protovalidate"} & set(ran.stdout.split())


def test_a_message_within_the_rules_is_accepted() -> None:
    assert refused_fields(a_create_payment_request()) == set()


def test_missing_fields_are_named() -> None:
    assert refused_fields(payments_pb2.CreatePaymentRequest()) == {
        "request_id",
        "payer",
        "payee",
        "amount",
    }


def test_a_rule_written_in_cel_is_enforced() -> None:
    request = a_create_payment_request()
    request.amount.amount_minor = 0
    assert refused_fields(request) == {"amount"}


def test_the_rules_of_a_nested_message_are_enforced() -> None:
    request = a_create_payment_request()
    request.amount.currency_code = "yuan"
    assert refused_fields(request) == {"amount.currency_code"}


def test_the_rules_of_a_map_are_enforced() -> None:
    request = a_create_payment_request()
    request.metadata["note"] = "a\0b"
    assert refused_fields(request) == {"metadata"}


def test_the_rules_of_a_repeated_field_are_enforced() -> None:
    request = operations_pb2.CreateServiceKeyRequest(
        request_id="a-request", service="shop", scopes=["payments.read", "payments.read"]
    )
    assert refused_fields(request) == {"scopes"}


@pytest.mark.parametrize("descriptor", messages(), ids=lambda message: message.name)
def test_every_rule_compiles(descriptor: Descriptor) -> None:
    VALIDATOR.collect_violations(GetMessageClass(descriptor)())


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name)
def test_every_rpc_states_what_its_caller_needs(method: MethodDescriptor) -> None:
    options = method.GetOptions()
    assert options.HasExtension(common_pb2.authentication)
    authentication = options.Extensions[common_pb2.authentication]
    assert bool(authentication.scope) != authentication.public
