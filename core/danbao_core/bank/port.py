"""What the core asks of a bank, whichever it is.

A bank moves money between its customers' cards and the account that it keeps for us. Every transfer has an id of ours, under
which it happens at most once: asking again under the same id is safe at any time, and what is not known is asked again, never
guessed. Amounts are in minor units of their currency, days are those of Asia/Shanghai (`clock.shanghai_day`).
"""

from datetime import datetime
from enum import IntEnum
from typing import Final, Protocol
from uuid import UUID

import msgspec


class Answer(IntEnum):
    """What is known of a transfer after the bank was asked."""

    ACCEPTED = 1
    """The money has moved. This is final, but for a debit that the bank takes back days later (`LineKind.REVERSAL`)."""
    DECLINED = 2
    """The money has not moved and will not, under this id. This is final."""
    PENDING = 3
    """The bank has it and has not decided."""
    NOT_KNOWN = 4
    """The bank has no such transfer. One that was sent may still be on its way to it: send it again under the same id."""
    NO_ANSWER = 5
    """Nothing that can be understood came back; the money may have moved."""
    NOT_SENT = 6
    """The bank could not be reached at all, so this time nothing was asked."""


class DeclineReason(IntEnum):
    """Why a bank declined; what is not in this list is OTHER."""

    NONE = 0
    OTHER = 1
    INSUFFICIENT_FUNDS = 2
    CARD_BLOCKED = 3
    CARD_EXPIRED = 4
    LIMIT_EXCEEDED = 5


class Outcome(msgspec.Struct, frozen=True):
    """The answer, and of DECLINED the reason."""

    answer: Answer
    reason: DeclineReason = DeclineReason.NONE

    @property
    def known(self) -> bool:
        """Whether it is final. If not: query, with growing pauses, until it is."""
        return self.answer in (Answer.ACCEPTED, Answer.DECLINED)


class Transfer(msgspec.Struct, frozen=True):
    """Money that the bank is asked to move. `asked_at` is business time: a sandbox's bank keeps its days by it."""

    id: UUID
    token: str
    amount_minor: int
    currency: str
    asked_at: datetime


class LineKind(IntEnum):
    """What a line of a statement tells of."""

    DEBIT = 1
    """From a card to us."""
    CREDIT = 2
    """From us to a card."""
    REVERSAL = 3
    """A debit that the bank has taken back from us; the line has the debit's id."""


class StatementLine(msgspec.Struct, frozen=True):
    """One movement on the account that the bank keeps for us. `amount_minor` is above 0, whichever way the money went."""

    transfer_id: UUID
    kind: LineKind
    amount_minor: int
    currency: str
    booked_at: datetime

    @property
    def received_minor(self) -> int:
        """What it brought us; below 0 where it took from us."""
        return self.amount_minor if self.kind is LineKind.DEBIT else -self.amount_minor


class BankNotAnswering(Exception):
    """The bank cannot be reached, or its answer makes no sense. Asking again later is safe."""


class CardRefused(Exception):
    """The bank does not take this card."""


class Bank(Protocol):
    """A bank that can be asked. Nothing is retried inside: pauses and repeats are the callers'."""

    async def tokenize(self, card_number: str) -> str:
        """By what the bank knows the card from then on; it may be asked for the same card again.

        Raises BankNotAnswering and CardRefused.
        """
        ...

    async def debit(self, transfer: Transfer) -> Outcome:
        """Takes money from a card. Raises nothing: what is not known is an outcome."""
        ...

    async def credit(self, transfer: Transfer) -> Outcome:
        """Gives money to a card. Raises nothing: what is not known is an outcome."""
        ...

    async def query(self, transfer_id: UUID) -> Outcome:
        """What has become of a transfer. Raises nothing: what is not known is an outcome."""
        ...

    async def statement(self, day: int) -> list[StatementLine]:
        """All movements of a day that is over. The same day has the same lines at every call. Raises BankNotAnswering."""
        ...


TOKEN_LENGTH_MAX: Final = 200
"""What we can keep of a bank's token."""
