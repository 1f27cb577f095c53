"""Pages of lists: how many items, from where on, and the token that leads to the next page.

A token holds the place of the last item shown and when the token ends, under an HMAC over both, the caller, the method and the
filter: it says nothing that its caller does not know, and opens nothing to anybody else. The server remembers nothing.
"""

import base64
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from google.protobuf.message import Message

from danbao_core.engine.reads import Found
from danbao_core.errors import PageTokenInvalid
from danbao_core.ids import uuid_of
from danbao_core.rpc.call import Call

T = TypeVar("T")
M = TypeVar("M", bound=Message)

TOKENS_LAST: Final = timedelta(days=3)
DEFAULT_SIZE: Final = 50
MOST_ITEMS: Final = 500
MOST_BYTES: Final = 3 * 1024 * 1024
"""Of a page's items; gRPC clients take messages of 4 MiB, and five hundred payments with all their metadata are more."""

_MAC_BYTES: Final = 32


class Pages:
    """Opens the pages that requests ask for. `hash_key` is the server's; tokens are made under a key derived from it."""

    def __init__(self, hash_key: bytes) -> None:
        self._key = hmac.digest(hash_key, b"danbao page tokens", "sha256")

    def page(self, call: Call, request: Any) -> "Page":
        """The page that a list request asks for. Raises PageTokenInvalid."""
        scope = _scope(call, request)
        place = self._place(request.page_token, scope, call.received_at) if request.page_token else None
        size = min(request.page_size or DEFAULT_SIZE, MOST_ITEMS)
        ends_at = (call.received_at + TOKENS_LAST).timestamp()
        return Page(size, place, lambda last: self._token(last, ends_at, scope))

    def _token(self, place: str, ends_at: float, scope: bytes) -> str:
        content = msgspec.msgpack.encode((place, ends_at))
        return _text(self._mac(content, scope) + content)

    def _place(self, token: str, scope: bytes, at: datetime) -> str:
        try:
            data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            raise PageTokenInvalid from None
        mac, content = data[:_MAC_BYTES], data[_MAC_BYTES:]
        if _text(data) != token or not hmac.compare_digest(mac, self._mac(content, scope)):
            raise PageTokenInvalid
        place, ends_at = msgspec.msgpack.decode(content, type=tuple[str, float])
        if at.timestamp() >= ends_at:
            raise PageTokenInvalid
        return place

    def _mac(self, content: bytes, scope: bytes) -> bytes:
        return hmac.digest(self._key, msgspec.msgpack.encode((content, scope)), "sha256")


class Page(NamedTuple):
    """What of a list is asked for."""

    size: int
    """How many items at most."""
    place: str | None
    """That of the last item of the page before; None on the first page."""
    token_after: Callable[[str], str]
    """The token of the page that begins after a place."""

    @property
    def reach(self) -> int:
        """How many rows to read: one more than are shown tells whether there are more."""
        return self.size + 1

    @property
    def before_id(self) -> UUID | None:
        """The id that is this page's place, in a list whose places are ids."""
        return None if self.place is None else uuid_of(self.place)

    def show(
        self, rows: Sequence[T], message: Callable[[T], M], place: Callable[[T], str], stopped_at: str | None = None
    ) -> tuple[list[M], str]:
        """The items for the first of `rows`, as many as the page takes, and the token of the page after them.

        `stopped_at` is the place where the reading of rows was given up although there may be more.
        """
        items: list[M] = []
        room = MOST_BYTES
        for row in rows[: self.size]:
            item = message(row)
            room -= item.ByteSize()
            if items and room < 0:
                break
            items.append(item)
        last = place(rows[len(items) - 1]) if len(items) < len(rows) else stopped_at
        return items, "" if last is None else self.token_after(last)

    def show_found(self, found: Found[T], message: Callable[[T], M]) -> tuple[list[M], str]:
        """The same for rows that are ordered by ids, of which not all were looked at."""
        return self.show(found.rows, message, place_of, None if found.stopped_at is None else str(found.stopped_at))


def place_of(row: Any) -> str:
    """The place of a row in a list that is ordered by ids."""
    return str(row.id)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _scope(call: Call, request: Any) -> bytes:
    """Within what a token is good: caller, method and filter."""
    wanted = type(request)()
    wanted.CopyFrom(request)
    wanted.ClearField("page_size")
    wanted.ClearField("page_token")
    filtered = wanted.SerializeToString(deterministic=True)
    return msgspec.msgpack.encode((call.caller.id, call.method, filtered))
