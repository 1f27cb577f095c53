"""What a statement consists of, whatever its format."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from danbao_core.statements.words import Words


class Head(NamedTuple):
    """What stands above the lines."""

    title: str
    account: str
    """Whose it is, by display name and resource name."""
    currency: str
    period: str
    """In words."""
    made_at: datetime
    """Business time."""
    opening_minor: int
    line_count: int
    words: Words


class Line(NamedTuple):
    """One movement, as every format shows it. Amounts are minor units."""

    version: int
    """Its number among the entries of its balance."""
    amount_minor: int
    balance_after_minor: int
    kind: str
    reference: str
    """The resource that it moved for."""
    created_at: datetime
    order_no: str
    subject: str
    counterparty: str
    """The other side, as this account may see it; empty where there is none."""
    fee_minor: int
    """What the platform kept, as a negative amount; the amount is what was left. 0 where it kept nothing."""


class Writer(Protocol):
    """Writes a file, from its beginning to its end; what it answers are the parts, of which some may be empty."""

    def begin(self) -> bytes:
        """What comes before the lines."""

    def add(self, lines: Sequence[Line]) -> bytes:
        """The next lines."""

    def end(self, sums: Sequence[tuple[str, int]]) -> bytes:
        """What comes after them: named sums, in minor units."""
