"""What the load generator is told and what it answers: one JSON object a line."""

import msgspec


class Prepare(msgspec.Struct, frozen=True, tag=True):
    """Make `accounts` accounts: half of them buyers with money, half of them merchants. Answered by Measured."""

    address: str
    key: str
    accounts: int


class Unary(msgspec.Struct, frozen=True, tag=True):
    """Call CreatePayment for so many seconds, `in_flight` calls at once over `channels` connections. Answered by Measured."""

    address: str
    channels: int
    in_flight: int
    seconds: float


class Bulk(msgspec.Struct, frozen=True, tag=True):
    """Stream payments for so many seconds, or where there is a `count` so many payments, `streams` to each address; all of them
    to one merchant with `hot`. Answered by Measured."""

    addresses: list[str]
    streams: int
    seconds: float = 0.0
    hot: bool = False
    count: int = 0


class First(msgspec.Struct, frozen=True, tag=True):
    """Make one payment between the sample accounts of a sandbox. Answered by Measured."""

    address: str
    key: str


class Budget(msgspec.Struct, frozen=True, tag=True):
    """Time each step of a unary call alone, nine turns of so many calls. Answered by Timed."""

    database_url: str
    key: str
    times: int


Job = Prepare | Unary | Bulk | First | Budget


class Measured(msgspec.Struct, frozen=True, tag=True):
    """What a job came to."""

    count: int
    """Payments, or echoes."""
    seconds: float
    """From the first request to the last answer."""
    cpu_seconds: float
    """What the load generator itself took of the processor in that time."""
    p50_seconds: float = 0.0
    """The median time of one call, of unary jobs."""


class Timed(msgspec.Struct, frozen=True, tag=True):
    """Microseconds by step."""

    microseconds: dict[str, float]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Why a job could not be done."""

    message: str


JobAnswer = Measured | Timed | Failed
