"""How the bank of a sandbox behaves: for all that it is asked, and by the number of the card.

Cards, as in Stripe's test mode; every other number that checks is a card on which all goes well:

| number | what the bank does with it |
|---|---|
| 4000 0000 0000 0002 | declines (OTHER) |
| 4000 0000 0000 9995 | declines (INSUFFICIENT_FUNDS) |
| 4000 0000 0000 9979 | declines (CARD_BLOCKED) |
| 4000 0000 0000 0069 | declines (CARD_EXPIRED) |
| 4000 0000 0000 6975 | declines (LIMIT_EXCEEDED) |
| 4000 0000 0000 0119 | moves the money, and does not answer when it is asked to |
| 4000 0000 0000 7726 | takes three seconds to decide, then moves the money |
| 4000 0000 0000 5126 | takes three seconds to decide, then declines (OTHER) |
| 4000 0000 0000 0259 | takes a debit back two days later |
| 4100 0000 0000 0019 | gives no token |
"""

from typing import Annotated, Final, NamedTuple

import msgspec

from danbao_core.bank.port import DeclineReason

Bps = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=3_600_000)]


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """What the bank does; shares are in basis points of all that it is asked, by chance."""

    answer_delay_ms: Milliseconds = 0
    """How long it waits before each answer."""
    refused_bps: Bps = 0
    """Transfers that it declines."""
    hanging_bps: Bps = 0
    """Calls that it neither carries out nor answers: the caller's time runs out."""
    lost_bps: Bps = 0
    """Calls that it carries out, and does not answer."""
    settlement_delay_ms: Milliseconds = 0
    """For how long a transfer is PENDING."""
    reversed_bps: Bps = 0
    """Debits that it takes back."""
    reversed_after_days: Annotated[int, msgspec.Meta(ge=1, le=400)] = 2
    """How many days after a debit it takes it back."""


class Trick(NamedTuple):
    """What a card makes the bank do."""

    reason: DeclineReason = DeclineReason.NONE
    loses_answer: bool = False
    settlement_delay_ms: int = 0
    reversed_after_days: int = 0


PLAIN: Final = "4242"
TRICKS: Final = {
    "0002": Trick(DeclineReason.OTHER),
    "9995": Trick(DeclineReason.INSUFFICIENT_FUNDS),
    "9979": Trick(DeclineReason.CARD_BLOCKED),
    "0069": Trick(DeclineReason.CARD_EXPIRED),
    "6975": Trick(DeclineReason.LIMIT_EXCEEDED),
    "0119": Trick(loses_answer=True),
    "7726": Trick(settlement_delay_ms=3_000),
    "5126": Trick(DeclineReason.OTHER, settlement_delay_ms=3_000),
    "0259": Trick(reversed_after_days=2),
}
"""By the last four digits of 4000 0000 0000 ...."""

_TRICK_PREFIX: Final = "400000000000"
REFUSED_CARD: Final = "4100000000000019"


def trick_of(card_number: str) -> str:
    """The name of what a card makes the bank do: all that the bank keeps of the number."""
    last_four = card_number[-4:]
    is_trick = card_number.startswith(_TRICK_PREFIX) and len(card_number) == 16 and last_four in TRICKS
    return last_four if is_trick else PLAIN
