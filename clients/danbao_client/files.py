"""Files that the core makes, read as they come."""

from collections.abc import AsyncGenerator
from typing import Any

import grpc

from danbao.v1 import statements_pb2
from danbao_client.errors import DanbaoError


async def chunks_of(
    call: "grpc.aio.UnaryStreamCall[Any, statements_pb2.FileChunk]",
) -> AsyncGenerator[statements_pb2.FileChunk, None]:
    """The chunks of a file, in order; the call ends with the generator. Raises DanbaoError, between chunks, too."""
    try:
        async for chunk in call:
            yield chunk
    except grpc.aio.AioRpcError as error:
        raise DanbaoError.of(error, "") from error
    finally:
        call.cancel()
