"""Sending webhooks: Standard Webhooks 1.0 over aiohttp, to addresses that were checked."""

import asyncio
import ipaddress
import math
import socket
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from types import TracebackType
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks import Webhook
from yarl import URL

from danbao_core.notifications.targets import is_public

TIMEOUT_SECONDS: float = 15.0
"""For a webhook, from the look-up of its name to the end of the answer."""

MOST_READ_BYTES: Final = 64 * 1024
"""Of an answer; the connection of a longer one is closed."""

KEPT_BYTES: Final = 1024
"""Of an answer's body, for the log of deliveries."""

LONGEST_RETRY_AFTER_SECONDS: Final = 86_400.0

_KEEP_ALIVE_SECONDS: Final = 2.0
"""Less than servers keep a connection that nobody uses: a POST on one that is being closed is lost."""

_NAMES_SECONDS: Final = 10
"""How long an address that was found and checked is used for its name."""

_NEW_NAMES: Final = 32
"""Names at once that are looked up for the first time, or were not found lately; one that hangs takes a thread with it."""

_KNOWN_NAMES: Final = 256
"""Names at once that were found quickly the last time; none of them waits for one that hangs."""

_MOST_KNOWN: Final = 10_000
"""Names that are remembered as such."""

_QUICKLY_SECONDS: float = 2.0
"""A look-up that takes longer may be one of a name server that hangs."""


class Sent(NamedTuple):
    """What became of an attempt."""

    status: int
    """Of HTTP; 0 where there was no answer."""
    failure: str
    """Why it failed; empty where it did not."""
    body: str
    """How the answer began."""
    retry_after_seconds: float
    """How long the target asks to be left alone; 0 where it does not."""
    milliseconds: int


class AddressRefused(OSError):
    """A name leads to an address to which nothing is sent."""


class CheckedResolver(AbstractResolver):
    """Looks names up in threads of its own and, where it must, answers public addresses only.

    A look-up cannot be stopped, and a name server that hangs keeps its threads for long. So names that were found quickly the
    last time have threads apart from all others: whoever subscribes with names that hang holds up names like these alone.
    """

    def __init__(self, *, public_only: bool) -> None:
        self._public_only = public_only
        self._for_new = ThreadPoolExecutor(_NEW_NAMES, thread_name_prefix="danbao-new-names")
        self._for_known = ThreadPoolExecutor(_KNOWN_NAMES, thread_name_prefix="danbao-names")
        self._known: OrderedDict[str, None] = OrderedDict()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """The addresses of a name. Raises AddressRefused where one of them is not public, OSError where there are none."""
        found = await self._look_up(host, port, family)
        if self._public_only and not all(is_public(ipaddress.ip_address(address[0])) for *_, address in found):
            raise AddressRefused(f"{host} does not lead to public addresses alone")
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=of_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for of_family, _, protocol, _, address in found
        ]

    async def _look_up(self, host: str, port: int, family: socket.AddressFamily) -> Any:
        def in_a_thread() -> tuple[Any, float]:
            began_at = monotonic()
            return look_up(host, port, family=family, type=socket.SOCK_STREAM), monotonic() - began_at

        threads = self._for_known if host in self._known else self._for_new
        seconds = math.inf
        try:
            found, seconds = await asyncio.get_running_loop().run_in_executor(threads, in_a_thread)
        finally:
            self._known.pop(host, None)
            if seconds < _QUICKLY_SECONDS:
                self._known[host] = None
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return found

    async def close(self) -> None:
        for threads in (self._for_new, self._for_known):
            threads.shutdown(wait=False, cancel_futures=True)


look_up: Any = socket.getaddrinfo
"""How names are looked up: once for each connection, and never again for it."""


class WebhookSender:
    """Sends webhooks over connections that are kept for a moment. `async with` it."""

    def __init__(self, *, sandbox: bool) -> None:
        """Only a sandbox sends to addresses that are not public, and without TLS."""
        self._sandbox = sandbox
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "WebhookSender":
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(public_only=not self._sandbox),
            limit=0,
            ttl_dns_cache=_NAMES_SECONDS,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"user-agent": "Danbao-Webhooks/1.0", "content-type": "application/json", "accept-encoding": "identity"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Sent:
        """Makes one attempt; whatever becomes of it is an answer, no error."""
        began_at = monotonic()
        status, failure, text, retry_after_seconds = 0, "", "", 0.0
        try:
            self._must_be_called(URL(url))
            assert self._session is not None, "the sender is used within `async with`"
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                status = response.status
                retry_after_seconds = _retry_after(response.headers.get("retry-after", ""))
                text = _as_text(await _beginning(response))
        except TimeoutError:
            failure = "timeout"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = _in_a_word(error)
        if not failure and not 200 <= status < 300:
            failure = "status"
        return Sent(status, failure, text, retry_after_seconds, int((monotonic() - began_at) * 1000))

    def _must_be_called(self, url: URL) -> None:
        """Raises AddressRefused for an address that stands in the URL itself: it is not looked up. Read as aiohttp reads it."""
        if self._sandbox:
            return
        if url.scheme != "https":
            raise AddressRefused("no TLS")
        try:
            address = ipaddress.ip_address(url.host or "")
        except ValueError:
            return
        if not is_public(address):
            raise AddressRefused("not public")


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """The first of an answer's body. One that is longer than is read takes its connection with it."""
    read = bytearray()
    async for chunk in response.content.iter_any():
        read += chunk
        if len(read) >= MOST_READ_BYTES:
            response.close()
            break
    return bytes(read[:KEPT_BYTES])


def _as_text(body: bytes) -> str:
    return body.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _retry_after(header: str) -> float:
    """Seconds until the time that a Retry-After names; 0 for none, and for what cannot be read."""
    try:
        seconds = (
            float(header) if header.strip().isdigit() else (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        )
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def _in_a_word(error: Exception) -> str:
    if isinstance(error, AddressRefused | aiohttp.InvalidURL) or isinstance(getattr(error, "os_error", None), AddressRefused):
        return "address"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "name"
    if isinstance(error, aiohttp.ClientSSLError):
        return "tls"
    return "connection"


def signed_headers(event_id: str, at: datetime, body: bytes, secrets: Sequence[str], traceparent: str = "") -> dict[str, str]:
    """The headers of Standard Webhooks 1.0, with a signature for each secret (`whsec_...`)."""
    signatures = [Webhook(secret).sign(event_id, at, body.decode()) for secret in secrets]
    headers = {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    return headers | ({"traceparent": traceparent} if traceparent else {})
