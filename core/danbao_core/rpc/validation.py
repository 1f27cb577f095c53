"""Requests against the rules that stand in the contract (protovalidate)."""

import re
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar

import protovalidate
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from danbao_core.errors import FieldInvalid, MessageMalformed, Violation
from danbao_core.rpc.free_text import must_hold_no_card_number
from danbao_core.rpc.plain_payments import is_plain_payment

_validator: Final = protovalidate.Validator()

CROWD: Final = 100
"""More items than any field may hold but that of bulk requests, whose items are validated one by one. Each item that breaks a
rule costs a tenth of a millisecond, and a rule that compares items with each other takes seconds for some thousands of them."""

_BULK: Final = "requests"
"""The field of bulk requests: no rule looks at its items."""

BULK_BYTES: Final = 2 * 1024 * 1024
"""Most bytes of a bulk request, so that its answer, which tells more of each item, is under the 4 MiB that callers take."""

_REQUEST_ID: Final = re.compile("[ -~]{1,64}")
"""The contract's rule for all of them."""

_ACCOUNT: Final = "^accounts/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

# A pattern says everything to a machine and little to a person.
_IN_WORDS: Final = {
    "^[ -~]{1,64}$": "must be 1 to 64 printable ASCII characters",
    "^[ -~]{0,64}$": "must be at most 64 printable ASCII characters",
    "^[A-Z]{3}$": "must be an ISO 4217 code such as CNY",
    "^[^\\x00-\\x1f\\x7f]*$": "must be without control characters",
    "^[^\\x00]*$": "must be without NUL characters",
    _ACCOUNT: "must be accounts/ and a UUID in lower case",
    f"^({_ACCOUNT[1:-1]})?$": "must be empty, or accounts/ and a UUID in lower case",
    _ACCOUNT.replace("accounts", "payments"): "must be payments/ and a UUID in lower case",
    "^[^\\x00-\\x08\\x0b-\\x1f\\x7f]*$": "must be without control characters but tabs and line feeds",
    _ACCOUNT.replace("accounts", "disputes"): "must be disputes/ and a UUID in lower case",
    _ACCOUNT.replace("accounts", "fundings"): "must be fundings/ and a UUID in lower case",
    _ACCOUNT.replace("accounts", "serviceKeys"): "must be serviceKeys/ and a UUID in lower case",
    f"^({_ACCOUNT[1:-1].replace('accounts', '[A-Za-z]+')})?$": "must be empty, or such as payments/ and a UUID in lower case",
    "^[ -~]{0,128}$": "must be at most 128 printable ASCII characters",
    "^[a-z0-9._-]{1,64}$": "must be 1 to 64 of a-z, 0-9, dot, dash and underscore",
    "^[a-z_.]{1,64}$": "must be a scope such as payments.write",
}


_M = TypeVar("_M", bound=Message)


def parse(message_type: type[_M], data: bytes) -> _M:
    """The message that the bytes stand for. Raises MessageMalformed."""
    try:
        return message_type.FromString(data)
    except DecodeError:
        raise MessageMalformed from None


def validate(request: Message) -> None:
    """Raises FieldInvalid with every field that breaks a rule; its reason is that of the first one. Where none does, raises
    CardNumberInText with every free text in which a card number stands.

    A request with a crowd of items in a field, at whatever depth, is looked at no further: of a message of 4 MiB, the rules
    would keep the server busy for minutes, or give up.
    """
    if not is_plain_payment(request):
        if crowded := _crowded(request):
            raise FieldInvalid([Violation(crowded, f"must have at most {CROWD} items, if not less")])
        _must_be_none(_validator.collect_violations(request, fail_fast=False))
    must_hold_no_card_number(request)


def validate_item(item: Message) -> None:
    """As `validate`, but tells only the first field that breaks a rule: for one of many, of which all may break many."""
    if not is_plain_payment(item):
        _must_be_none(_validator.collect_violations(item, fail_fast=True))
    must_hold_no_card_number(item)


def request_id_of(item: Any) -> str:
    """The request id of an item, valid or not; empty where what stands there cannot be one."""
    return item.request_id if _REQUEST_ID.fullmatch(item.request_id) else ""


def _must_be_none(found: list[Any]) -> None:
    violations = [_violation(each.proto, each.rule_value) for each in found]
    if violations:
        raise FieldInvalid(violations, reason=violations[0].reason)


def must_be_of_bounded_size(bulk: Message) -> None:
    """Raises FieldInvalid for a bulk request of too many bytes."""
    if bulk.ByteSize() > BULK_BYTES:
        raise FieldInvalid([Violation("requests", "must be at most 2 MiB together")])


def _crowded(message: Message) -> str:
    """Which field of the message, or of those that are set in it, holds a crowd; empty where none does."""
    places = _places_of_items(message.DESCRIPTOR)
    for name in places.repeated:
        if len(getattr(message, name)) > CROWD:
            return name
    for name, many in places.inside:
        value = getattr(message, name)
        for each in value if many else [value] if message.HasField(name) else ():
            if found := _crowded(each):
                return f"{name}.{found}"
    return ""


class _Places(NamedTuple):
    """Where items can be: in which fields of a message, and inside which other messages of it."""

    repeated: tuple[str, ...]
    inside: tuple[tuple[str, bool], ...]
    """And whether there are several."""


@cache
def _places_of_items(descriptor: Descriptor) -> _Places:
    fields = [field for field in descriptor.fields if field.name != _BULK]
    holders = [field for field in fields if field.message_type is not None and not field.message_type.GetOptions().map_entry]
    return _Places(
        tuple(field.name for field in fields if field.is_repeated),
        tuple((field.name, field.is_repeated) for field in holders if any(_places_of_items(field.message_type))),
    )


def _violation(proto: Any, rule_value: Any) -> Violation:
    path = ".".join(element.field_name for element in proto.field.elements) if proto.field else ""
    # A rule of our own (CEL) has an id of its own, such as amount_not_positive; the standard ones are "type.rule".
    reason = FieldInvalid.reason if "." in proto.rule_id or proto.rule_id == "required" else proto.rule_id.upper()
    description = _IN_WORDS.get(rule_value, proto.message) if isinstance(rule_value, str) else proto.message
    return Violation(path, description, reason)
