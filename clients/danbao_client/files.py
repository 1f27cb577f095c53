"""Files that the core makes, read as they come."""

from collections.abc import AsyncGenerator
from typing import Any

import grpc

from danbao.v1 import statements_pb2
from danbao_client.errors import DanbaoError
from danbao_client.rpc import WatchRpc, closing_in_words


async def chunks_of(
    rpc: WatchRpc[Any, statements_pb2.FileChunk], request: Any, deadline_seconds: float | None = None
) -> AsyncGenerator[statements_pb2.FileChunk, None]:
    """The chunks of a file, in order; the first one tells what to call it. The call ends with the generator.

    Nothing is sent again: where it raises DanbaoError, also between chunks, throw away what has come. It takes as long as it
    takes, unless a deadline is given.
    """
    call = rpc(request, deadline_seconds=deadline_seconds)
    try:
        with closing_in_words():
            async for chunk in call:
                yield chunk
    except grpc.aio.AioRpcError as error:
        raise DanbaoError.of(error) from error
    finally:
        call.cancel()
