"""Lists that are longer than a page."""

from typing import Any, Final

PAGE_SIZE: Final = 500


async def all_items(ask: Any, request: Any, field: str) -> list[Any]:
    """Every item of a list, in its order: `ask` is the client's RPC, `field` what its answers call the items.

    Raises DanbaoError. The request is changed.
    """
    items: list[Any] = []
    request.page_size = PAGE_SIZE
    while True:
        answer = await ask(request)
        items += getattr(answer, field)
        if not answer.next_page_token:
            return items
        request.page_token = answer.next_page_token
