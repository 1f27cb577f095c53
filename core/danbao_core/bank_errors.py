"""Why a request that has to do with the bank is refused; as `errors.py`, which has the rules of these classes."""

from danbao_core.errors import Kind, Refusal


class DifferenceNotFound(Refusal):
    """There is no such difference."""

    kind = Kind.NOT_FOUND


class FundingAtBank(Refusal):
    """The card's own bank is asked for this funding; nobody answers in its place."""

    kind = Kind.PRECONDITION


class DifferenceExplained(Refusal):
    """The difference is explained already."""

    kind = Kind.PRECONDITION


class DayNotOver(Refusal):
    """The day is not over, so the bank has no statement of it yet."""

    kind = Kind.PRECONDITION


class BankUnavailable(Refusal):
    """The bank does not answer; send it again with the same request_id after a pause."""

    kind = Kind.UNAVAILABLE
    retry_after_seconds = 5.0
