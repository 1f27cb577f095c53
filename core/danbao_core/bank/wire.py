"""The HTTP contract between the core and a bank: JSON over HTTPS, and the messages on it.

Every call has `Authorization: Bearer KEY`. Amounts are whole minor units of an ISO 4217 currency, times RFC 3339, days
YYYY-MM-DD in Asia/Shanghai, ids the core's UUIDs. What a bank answers beyond these fields is ignored.

| call | body | answer |
|---|---|---|
| `POST /v1/tokens` | `TokenRequest` | 200 `TokenAnswer`; 422 where the bank does not take the card |
| `PUT /v1/transfers/{id}` | `TransferRequest` | 200 `TransferAnswer` |
| `GET /v1/transfers/{id}` | | 200 `TransferAnswer`; 404 `{"error": "TRANSFER_UNKNOWN"}` where the bank has none with this id |
| `GET /v1/statements/{day}` | | 200 `StatementAnswer`: all movements of the day, the same at every call once it is over |

A PUT happens once for each id, however often it is sent: a repeat is answered with what has become of the first one, and 409
says that the id was used for another transfer. The answer to a transfer that is decided never changes. Everything else that
may come back (another status, a body that is not as it says here, a connection that ends) leaves open what became of the call.
"""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec

from danbao_core.bank.port import TOKEN_LENGTH_MAX

AmountMinor = Annotated[int, msgspec.Meta(gt=0, le=2**63 - 1)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
Token = Annotated[str, msgspec.Meta(pattern=rf"^[ -~]{{1,{TOKEN_LENGTH_MAX}}}$")]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Direction = Literal["DEBIT", "CREDIT"]

TRANSFER_UNKNOWN: Final = "TRANSFER_UNKNOWN"


class TokenRequest(msgspec.Struct, frozen=True):
    """Asks for a token for a card."""

    card_number: Annotated[str, msgspec.Meta(pattern="^[0-9]{12,19}$")]


class TokenAnswer(msgspec.Struct, frozen=True):
    """By what the bank knows the card from now on."""

    token: Token


class TransferRequest(msgspec.Struct, frozen=True):
    """Asks to move money: DEBIT from the card to the core, CREDIT from the core to the card."""

    direction: Direction
    token: Token
    amount_minor: AmountMinor
    currency: Currency
    asked_at: Moment
    """The core's business time; a repeat may have another."""


class TransferAnswer(msgspec.Struct, frozen=True):
    """What has become of a transfer. Of DECLINED the reason is a name of `DeclineReason`; others count as OTHER."""

    id: UUID
    direction: Direction
    amount_minor: AmountMinor
    currency: Currency
    state: Literal["ACCEPTED", "DECLINED", "PENDING"]
    reason: str = ""


class LineAnswer(msgspec.Struct, frozen=True):
    """A movement; a REVERSAL has the id and the amount of the debit that the bank has taken back."""

    transfer_id: UUID
    kind: Literal["DEBIT", "CREDIT", "REVERSAL"]
    amount_minor: AmountMinor
    currency: Currency
    booked_at: Moment


class StatementAnswer(msgspec.Struct, frozen=True):
    """All movements of a day."""

    day: Annotated[str, msgspec.Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    lines: list[LineAnswer]


class ErrorAnswer(msgspec.Struct, frozen=True):
    """Why there is no other answer."""

    error: str


def day_name(day: int) -> str:
    """A day, counted from 1970-01-01, as the contract writes it."""
    return datetime.fromordinal(day + _EPOCH).strftime("%Y-%m-%d")


def day_of(name: str) -> int:
    """The other way round. Raises ValueError."""
    return datetime.strptime(name, "%Y-%m-%d").toordinal() - _EPOCH  # noqa: DTZ007  # a day, no moment


_EPOCH: Final = datetime(1970, 1, 1).toordinal()  # noqa: DTZ001  # a day, no moment
