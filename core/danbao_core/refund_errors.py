"""Why something is refused because of refunds; see `errors.py`."""

from danbao_core.errors import Kind, Refusal


class RefundNotFound(Refusal):
    """There is no such refund for this caller."""

    kind = Kind.NOT_FOUND


class RefundExceedsRemaining(Refusal):
    """No more can be given back than was paid and no other refund gives back."""

    kind = Kind.PRECONDITION


class RefundWindowClosed(Refusal):
    """The time in which refunds are possible is over."""

    kind = Kind.PRECONDITION


class TooManyRefunds(Refusal):
    """The payment has as many refunds as a payment can have."""

    kind = Kind.PRECONDITION


class RefundInProgress(Refusal):
    """Everything that is held goes back by refunds, so there is nothing left to ship or to confirm."""

    kind = Kind.PRECONDITION


class RefundsWaiting(Refusal):
    """The wallet lacks money for refunds that it owes; it pays nothing, to nobody, until they are made."""

    kind = Kind.PRECONDITION


class RefundsOpen(Refusal):
    """The account still has refunds under way."""

    kind = Kind.PRECONDITION
