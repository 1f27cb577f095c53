"""Lists, page by page as they are asked for."""

from collections.abc import AsyncGenerator
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from danbao_client.rpc import Rpc

Response = TypeVar("Response", bound=Message)
Item = TypeVar("Item", bound=Message)


class Pages(Generic[Response, Item]):
    """A list of the core: `async for payment in danbao.payments.list(account=...)` goes over all its pages.

    A page is asked for when it is come to, and raises DanbaoError as any call does. Going over it again begins anew.
    """

    def __init__(self, rpc: Rpc[Any, Response], request: Any, items: str, deadline_seconds: float | None) -> None:
        self._rpc = rpc
        self._request = request
        self._items = items
        """The field of the answer that holds them."""
        self._deadline_seconds = deadline_seconds
        """For each page."""

    async def pages(self) -> AsyncGenerator[Response, None]:
        """The answers themselves, for who wants to show a page, or keep its `next_page_token`."""
        request = type(self._request)()
        request.CopyFrom(self._request)
        while True:
            page = await self._rpc(request, deadline_seconds=self._deadline_seconds)
            yield page
            token = getattr(page, "next_page_token", "")  # short lists have none: they are one page
            if not token:
                return
            request.page_token = token

    async def __aiter__(self) -> AsyncGenerator[Item, None]:
        async for page in self.pages():
            for item in getattr(page, self._items):
                yield item
