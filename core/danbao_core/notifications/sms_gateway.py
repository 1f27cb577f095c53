"""Short messages by an HTTP gateway.

Each is a POST to the gateway's URL with a JSON object, `{"id": "0198…", "to": "+8613800138000", "text": "…"}`, `Authorization:
Bearer <key>` where there is a key, and `Idempotency-Key: <id>`. The answer's status says what became of it:

- 2xx: taken. A message with an id that was taken before should be answered so, too, and not be delivered twice.
- 400, 413, 422: this message is refused, and is not sent again.
- all others, no answer within 15 seconds, or no connection: it is offered again later; after `Retry-After` seconds where that
  is said. Redirects are not followed.
"""

from typing import Final
from uuid import UUID

import aiohttp

from danbao_core.notifications.port import NotTaken, RefusedForGood
from danbao_core.notifications.templates import Worded

TIMEOUT_SECONDS: Final = 15.0

_REFUSED_FOR_GOOD: Final = frozenset({400, 413, 422})


class SmsGateway:
    """Posts each message. Its session is the caller's, who closes it."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._session = session
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def send(self, message_id: UUID, address: str, worded: Worded) -> None:
        """See `Outlet.send`."""
        body = {"id": str(message_id), "to": address, "text": worded.text}
        headers = {**self._headers, "Idempotency-Key": str(message_id)}
        try:
            posting = self._session.post(self._url, json=body, headers=headers, timeout=self._timeout, allow_redirects=False)
            async with posting as answer:
                status, retry_after = answer.status, answer.headers.get("Retry-After", "")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise NotTaken(type(error).__name__) from None  # its text may hold the URL
        if 200 <= status < 300:
            return
        if status in _REFUSED_FOR_GOOD:
            raise RefusedForGood(f"HTTP {status}")
        raise NotTaken(f"HTTP {status}", _seconds(retry_after))


def _seconds(retry_after: str) -> float:
    """What `Retry-After` asks for; zero for a date, which no gateway is known to send, and for nonsense."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
