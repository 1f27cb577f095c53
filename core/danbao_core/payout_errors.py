"""Why a request that has to do with statements and payouts is refused; as `errors.py`, which has the rules of these classes."""

from danbao_core.errors import Kind, Refusal

# --- Statements -------------------------------------------------------------------------------------------------------------


class StatementTooLong(Refusal):
    """A PDF would have too many lines: ask for CSV, or for fewer days."""

    kind = Kind.PRECONDITION


class ExportsBusy(Refusal):
    """The caller has as many files under way as it may have at once; read those first, or send it again after a pause."""

    kind = Kind.EXHAUSTED
    retry_after_seconds = 1.0


# --- Payouts ----------------------------------------------------------------------------------------------------------------


class PayoutsForMerchants(Refusal):
    """Only merchants' accounts are paid out so; a person withdraws, and shows a payment password for it."""

    kind = Kind.PRECONDITION


class PayoutScheduleNotFound(Refusal):
    """There is no such payout schedule."""

    kind = Kind.NOT_FOUND


class PayoutNotFound(Refusal):
    """There is no such payout."""

    kind = Kind.NOT_FOUND


class FeesExceeded(Refusal):
    """That is more than the platform has of fees, less what refunds under way give back of them."""

    kind = Kind.PRECONDITION
