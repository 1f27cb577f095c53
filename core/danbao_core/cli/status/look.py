"""One look at a core: its pages for Prometheus, its health, and the stores of a sandbox."""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from danbao_core.cli.health import health_status
from danbao_core.cli.locate import find_address, sandbox_endpoint
from danbao_core.cli.output import CommandFailed
from danbao_core.cli.status.figures import Look, Store
from danbao_core.cli.status.samples import Samples

if TYPE_CHECKING:
    import aiohttp

_ANSWER_SECONDS: Final = 3.0
_POSTGRES: Final = """
SELECT current_setting('server_version') AS version,
       current_setting('max_connections') AS most,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) AS taken,
       pg_database_size(current_database()) / 1048576 AS mebibytes
"""
_NO_METRICS: Final = (
    "A core that is not a sandbox of this machine is looked at by its pages for Prometheus: name each server's and worker's "
    "with --metrics URL, as DANBAO_METRICS_LISTEN of each says."
)


@dataclass(frozen=True)
class Place:
    """What is looked at."""

    metrics: tuple[str, ...]
    address: str = ""
    """Empty where the core itself is not known."""
    transport: dict[str, Any] = field(default_factory=dict)
    database_url: str = ""
    """Known for a sandbox only, as is Valkey."""
    valkey_url: str = ""


def find_place(data: Path | None, metrics: Sequence[str]) -> Place:
    """The pages that are named, with the core of DANBAO_ADDRESS where that is set; else the sandbox that `--data` names or that
    is here, as it is at this moment: a process that was started again has another page. Raises CommandFailed."""
    from_environment = data is None and bool(os.environ.get("DANBAO_ADDRESS"))
    if metrics:
        address, transport = find_address(None) if from_environment else ("", {})
        return Place(tuple(map(_page_url, metrics)), address, transport)
    if from_environment:
        raise CommandFailed("NOT_CONFIGURED", _NO_METRICS)
    endpoint = sandbox_endpoint(data)
    return Place(tuple(endpoint.metrics), endpoint.address, {}, endpoint.database_url, endpoint.valkey_url)


def _page_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_page = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        has_path = bool(parts.path.strip("/"))
    except ValueError:  # brackets without an end, or a port that is none
        is_page = has_path = False
    if not is_page:
        raise CommandFailed(
            "METRICS_INVALID", f"{text!r} is not a page for Prometheus, as http://127.0.0.1:9100/metrics is one."
        )
    return text if has_path else f"{text.rstrip('/')}/metrics"


async def look_at(place: Place) -> Look:
    """What is found now. Who does not answer in three seconds is said not to."""
    import aiohttp

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS)) as session:
        pages, health, postgres, valkey = await asyncio.gather(
            asyncio.gather(*(_page(session, url) for url in place.metrics)),
            _health(place),
            _postgres(place.database_url),
            _valkey(place.valkey_url),
        )
    found = dict(zip(place.metrics, pages, strict=True))
    stores = {"Postgres": postgres, "Valkey": valkey}
    return Look(
        at_seconds=time.monotonic(),
        address=place.address,
        health=health,
        pages={url: page for url, page in found.items() if page is not None},
        silent=tuple(url for url, page in found.items() if page is None),
        stores={name: store for name, store in stores.items() if store is not None},
    )


async def _page(session: "aiohttp.ClientSession", url: str) -> Samples | None:
    """None where nobody answers, or it is no page for Prometheus."""
    import aiohttp

    try:
        async with session.get(url) as response:
            return Samples.parse(await response.text()) if response.ok else None
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None


async def _health(place: Place) -> str:
    if not place.address:
        return ""
    try:
        return await health_status(place.address, place.transport)
    except CommandFailed as failure:
        return failure.reason


async def _postgres(url: str) -> Store | None:
    if not url:
        return None
    import asyncpg

    from danbao_core.database_errors import DATABASE_ERRORS

    try:
        connection = await asyncpg.connect(url, timeout=_ANSWER_SECONDS, command_timeout=_ANSWER_SECONDS)
        try:
            (row,) = await connection.fetch(_POSTGRES)
        finally:
            connection.terminate()
    except DATABASE_ERRORS as error:
        return Store(answers=False, words=str(error) or "no answer in time")
    return Store(
        answers=True,
        words=f"{row['version'].partition(' ')[0]}, {row['taken']} of {row['most']} connections, {row['mebibytes']:,} MiB",
    )


async def _valkey(url: str) -> Store | None:
    if not url:
        return None
    from redis.asyncio import Redis
    from redis.exceptions import RedisError

    valkey = Redis.from_url(url, socket_timeout=_ANSWER_SECONDS, socket_connect_timeout=_ANSWER_SECONDS)
    try:
        found = await valkey.info()
    except (OSError, RedisError) as error:
        return Store(answers=False, words=str(error))
    finally:
        await valkey.aclose()
    version = found.get("valkey_version", found["redis_version"])
    return Store(answers=True, words=f"{version}, {found['connected_clients']} connections, {found['used_memory_human']}")
