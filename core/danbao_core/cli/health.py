"""`danbao health`: does the core serve?"""

from typing import Any, Final

import typer

from danbao_core.cli.locate import DataOption, find_address, transport_in_words
from danbao_core.cli.output import HINTS, CommandFailed, JsonOption, Output, run

_ANSWER_SECONDS: Final = 5.0


def health(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Ask the core's standard health service; no key is needed. Exit code 0: it serves. 1: it does not, or does not answer."""

    async def command(output: Output) -> None:
        status = await health_status(*find_address(data))
        output.result({"status": status}, status)
        if status != "SERVING":
            raise typer.Exit(1)

    run(command, as_json=as_json)


async def health_status(address: str, transport: dict[str, Any]) -> str:
    """What the core says of itself, such as SERVING. Raises CommandFailed where it does not answer."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    from danbao_client.channels import open_channels

    with transport_in_words():
        (channel,) = open_channels(address, **transport)
    async with channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_ANSWER_SECONDS)
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            raise CommandFailed(code, f"{address} does not answer: {error.details()} ({code}).{HINTS.get(code, '')}") from None
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
