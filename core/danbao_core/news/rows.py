"""What people were told, by which ways they want to be told, and up to which event they were."""

from datetime import datetime
from enum import IntEnum
from typing import Final
from uuid import UUID

from danbao_core.engine import Row, table


class Category(IntEnum):
    """What is told; the numbers are those of the contract."""

    PAYMENTS = 1
    REFUNDS = 2
    FUNDINGS = 3
    SECURITY = 4
    DISPUTES = 5


_WORTH_A_SHORT_MESSAGE: Final = frozenset({Category.SECURITY, Category.DISPUTES})
"""Short messages cost money: who misses what protects the account, or a deadline of a dispute, loses more."""


@table("preference", rank=34, key=("account_id", "category"))
class Preference(Row, frozen=True):
    """By which ways the person behind an account is told of a category."""

    account_id: UUID
    category: Category
    sms: bool
    email: bool
    inbox: bool
    version: int


def by_default(account_id: UUID, category: Category) -> Preference:
    """How a category is told where nothing was set."""
    return Preference(account_id, category, sms=category in _WORTH_A_SHORT_MESSAGE, email=True, inbox=True, version=0)


@table("news_cursor", rank=36, key=("id",))
class NewsCursor(Row, frozen=True):
    """The one row (id 1) that says up to which event people have been told."""

    id: int
    position: int
    version: int


CURSOR: Final = 1


@table("inbox_message", rank=86, key=("account_id", "id"))
class InboxMessage(Row, frozen=True):
    """What somebody was told in the app."""

    account_id: UUID
    id: UUID
    """That of the event."""
    position: int
    """That of the event, by which messages are listed."""
    category: Category
    template: str
    subject: str
    """What it is about, as a resource name."""
    parameters: str
    """JSON; nothing that the resource's answer would not show."""
    created_at: datetime
    read_at: datetime | None
    version: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"accounts/{self.account_id}/inboxMessages/{self.id}"
