"""A receiver of webhooks that says yes. `python -m danbao_core.cli.bench.receiver` says on stdout where it listens.

It reads what comes and looks at nothing. It ends with its stdin.
"""

import asyncio
import sys

import uvloop
from aiohttp import web


async def _take(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


async def main() -> None:
    """Answers until stdin ends."""
    app = web.Application()
    app.router.add_post("/", _take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}/\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(main())
