"""Keys made and renewed on the machine: with no core running and no key to ask with. Whoever may write to the database may."""

from typing import TYPE_CHECKING
from uuid import UUID

from danbao_core.cli.output import CommandFailed

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from danbao.v1.operations_pb2 import (
        CreateServiceKeyRequest,
        CreateServiceKeyResponse,
        RotateServiceKeyRequest,
        RotateServiceKeyResponse,
    )
    from danbao_core.engine import Command, Origin
    from danbao_core.service_keys import ServiceKey


async def create_key(database_url: str, request: "CreateServiceKeyRequest") -> "CreateServiceKeyResponse":
    """Makes a key that descends from no other. Raises CommandFailed."""
    from danbao.v1.operations_pb2 import CreateServiceKeyResponse
    from danbao_core.ids import uuid7
    from danbao_core.rpc import convert
    from danbao_core.service_keys import Token

    _must_be_valid(request)
    token = Token.new(uuid7())
    key = await _carried_out(database_url, convert.create_service_key(request, _origin("keys create"), token))
    return CreateServiceKeyResponse(service_key=convert.service_key(key), token=str(token))


async def rotate_key(database_url: str, request: "RotateServiceKeyRequest") -> "RotateServiceKeyResponse":
    """Gives any key a new secret. Raises CommandFailed."""
    from danbao.v1.operations_pb2 import RotateServiceKeyResponse
    from danbao_core.rpc import convert
    from danbao_core.service_keys import Token

    _must_be_valid(request)
    token = Token.new(UUID(request.name.partition("/")[2]))
    key = await _carried_out(database_url, convert.rotate_service_key(request, _origin("keys rotate"), token))
    return RotateServiceKeyResponse(service_key=convert.service_key(key), token=str(token))


def _must_be_valid(request: "Message") -> None:
    from danbao_core.errors import Refusal
    from danbao_core.rpc.validation import validate

    try:
        validate(request)
    except Refusal as refusal:
        raise CommandFailed(refusal.reason, str(refusal)) from None


def _origin(method: str) -> "Origin":
    from danbao_core.clock import system_wall_clock
    from danbao_core.engine import Origin

    return Origin(caller="core", method=method, received_at=system_wall_clock())


async def _carried_out(database_url: str, command: "Command[ServiceKey]") -> "ServiceKey":
    from danbao_core import logs
    from danbao_core.cli.databases import does_not_answer, must_be_usable
    from danbao_core.database_errors import DATABASE_ERRORS
    from danbao_core.engine import Engine
    from danbao_core.errors import Refusal
    from danbao_core.policy import PolicySchedule

    await must_be_usable(database_url)
    logs.configure("warning")
    engine = Engine(database_url, policies=PolicySchedule.load())
    try:
        await engine.start()
        try:
            return (await engine.submit(command)).result
        finally:
            await engine.stop()
    except Refusal as refusal:
        raise CommandFailed(refusal.reason, str(refusal)) from None
    except (*DATABASE_ERRORS, ValueError) as error:
        raise CommandFailed("DATABASE_UNUSABLE", does_not_answer(error)) from None
