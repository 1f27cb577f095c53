"""Files as streams of chunks, and how many of them, or of other things that last, a caller may have under way."""

from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Final

from danbao.v1 import statements_pb2
from danbao_core.errors import Refusal
from danbao_core.payout_errors import ExportsBusy
from danbao_core.statements.exporting import File

CHUNK_BYTES: Final = 64 * 1024
MOST_OF_A_CALLER: Final = 4


class UnderWay:
    """What a server is at, such as files that it makes, by who has asked for it."""

    def __init__(self, most: int = MOST_OF_A_CALLER, busy: type[Refusal] = ExportsBusy) -> None:
        self._most = most
        self._busy = busy
        self._of_callers: Counter[str] = Counter()

    @contextmanager
    def one_of(self, caller: str) -> Iterator[None]:
        """Counts one while the block lasts. Raises `busy` where the caller has as many as it may."""
        if self._of_callers[caller] >= self._most:
            raise self._busy(most=self._most)
        self._of_callers[caller] += 1
        try:
            yield
        finally:
            self._of_callers[caller] -= 1
            if not self._of_callers[caller]:
                del self._of_callers[caller]


async def chunks_of(file: File) -> AsyncGenerator[statements_pb2.FileChunk, None]:
    """A file in chunks; the first one tells what it is called and how long it is."""
    chunk = statements_pb2.FileChunk(file_name=file.name, line_count=file.line_count)
    waiting = bytearray()
    async with aclosing(file.parts) as parts:
        async for part in parts:
            waiting += part
            while len(waiting) > CHUNK_BYTES:
                chunk.data = bytes(waiting[:CHUNK_BYTES])
                yield chunk
                del waiting[:CHUNK_BYTES]
                chunk = statements_pb2.FileChunk()
    chunk.data = bytes(waiting)
    yield chunk
