"""What proxies of tests have in common: the connections that they accept, and their end."""

import asyncio


class Proxy:
    """Serves each connection to its listener in a task of its own, until it is left."""

    _listener: asyncio.Server

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, from_caller: asyncio.StreamReader, to_caller: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await self._serve(from_caller, to_caller)

    async def _serve(self, from_caller: asyncio.StreamReader, to_caller: asyncio.StreamWriter) -> None:
        """Passes on what both sides say, until one of them ends."""
        raise NotImplementedError
