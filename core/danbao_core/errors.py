"""Why a request is refused: one exception class per reason.

The class name gives the stable reason (InsufficientFunds is INSUFFICIENT_FUNDS), the first line of its docstring the message.
Keyword arguments become the metadata that callers see, so they hold nothing private. `rpc/status.py` maps kinds to gRPC codes.
"""

import re
from enum import Enum
from typing import ClassVar, Self


class Kind(Enum):
    """What a caller can do about a refusal; each stands for one gRPC code."""

    INVALID = "the request itself is wrong"
    UNAUTHENTICATED = "the caller did not prove who it is"
    DENIED = "the caller may not do this"
    NOT_FOUND = "there is no such resource for this caller"
    EXISTS = "something else already has that identity"
    PRECONDITION = "the state of the system does not allow it now"
    EXHAUSTED = "too much at once: wait and send it again"
    UNAVAILABLE = "the core cannot serve now: wait and send it again"
    ABORTED = "others were in the way: send it again"
    EXPIRED = "the caller's deadline passed before the work began"
    PAST = "what is asked for is no longer kept"
    INTERNAL = "a fault of ours"


class Refusal(Exception):
    """A request that is answered with a reason instead of a result."""

    kind: ClassVar[Kind]
    reason: ClassVar[str] = ""
    message: ClassVar[str] = ""
    retry_after_seconds: float | None = None
    resource: str | None = None

    def __init_subclass__(cls) -> None:
        cls.reason = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).upper()
        cls.message = (cls.__doc__ or "").strip().split("\n")[0]

    def __init__(self, **metadata: object) -> None:
        self.metadata = {key: str(value) for key, value in metadata.items()}
        super().__init__(self.message, self.metadata)

    def of_item(self, item: int) -> Self:
        """Itself as the refusal of one of many: it names the item in its metadata, counted from 0."""
        self.metadata["item"] = str(item)
        return self

    def __str__(self) -> str:
        facts = ", ".join(f"{key}={value}" for key, value in self.metadata.items())
        return f"{self.message} ({facts})" if facts else self.message


# --- The request is wrong ---------------------------------------------------------------------------------------------------


class FieldInvalid(Refusal):
    """A field breaks a rule of the contract; the violations name it."""

    kind = Kind.INVALID

    def __init__(self, violations: list["Violation"], reason: str | None = None) -> None:
        super().__init__()
        self.violations = violations
        if reason:
            self.reason = reason  # type: ignore[misc]  # a rule with a reason of its own, such as AMOUNT_NOT_POSITIVE

    def of_item(self, item: int) -> Self:
        """As `Refusal.of_item`; the paths of the violations begin with `requests[item]`."""
        for violation in self.violations:
            violation.field = f"requests[{item}].{violation.field}"
        return super().of_item(item)

    def __str__(self) -> str:
        return "; ".join(f"{violation.field}: {violation.description}" for violation in self.violations)


class Violation:
    """One field that breaks a rule: its path, what is wrong with it, and the rule's own reason where it has one."""

    def __init__(self, field: str, description: str, reason: str = FieldInvalid.reason) -> None:
        self.field, self.description, self.reason = field, description, reason


class MessageMalformed(Refusal):
    """The bytes of the request are no message of this method; is the caller's contract another version?"""

    kind = Kind.INVALID


class AmountNotPositive(Refusal):
    """An amount must be more than zero."""

    kind = Kind.INVALID


class AmountOverflow(Refusal):
    """The amount would take a balance past what 64 bits hold."""

    kind = Kind.INVALID


class CurrencyUnknown(Refusal):
    """The currency is not an ISO 4217 code with minor units."""

    kind = Kind.INVALID


class PayerIsPayee(Refusal):
    """The payer and the payee must be two accounts."""

    kind = Kind.INVALID


class CurrencyMismatch(Refusal):
    """The amount must be in the payment's own currency."""

    kind = Kind.INVALID


class ScopeUnknown(Refusal):
    """There is no such scope; ask for scopes that RPCs declare."""

    kind = Kind.INVALID


class SidesAreOne(Refusal):
    """The money would go where it comes from; name two sides."""

    kind = Kind.INVALID


class ScopeNotGranted(Refusal):
    """This scope is not granted by a proposal: whoever makes a key gives it."""

    kind = Kind.INVALID


class ScopeNotBindable(Refusal):
    """This scope reaches over all accounts, so no key that is bound to one can hold it."""

    kind = Kind.INVALID


class PageTokenInvalid(Refusal):
    """The page token is not one of ours, of another caller, method or filter, or older than 3 days; begin at the first page."""

    kind = Kind.INVALID


# --- Who calls --------------------------------------------------------------------------------------------------------------


class TokenMissing(Refusal):
    """Send the metadata `authorization: Bearer ...` with a service key (dbk_...) or a session's access token."""

    kind = Kind.UNAUTHENTICATED


class TokenInvalid(Refusal):
    """This is no key or token of ours, or its secret is wrong or no longer in use."""

    kind = Kind.UNAUTHENTICATED


class KeyRevoked(Refusal):
    """The service key was revoked; ask an operator for another."""

    kind = Kind.UNAUTHENTICATED


class ScopeMissing(Refusal):
    """The service key or session lacks the scope that this needs."""

    kind = Kind.DENIED


class NotYourAccount(Refusal):
    """The service key or session is for another account."""

    kind = Kind.DENIED


class ScopeNeedsGrant(Refusal):
    """This scope takes two operators: make the key without it, then propose to grant it."""

    kind = Kind.DENIED


class SecondOperatorNeeded(Refusal):
    """This takes another operator than the one who proposed it, with a key that does not descend from the same first key."""

    kind = Kind.DENIED


class KeyOfAnotherOperator(Refusal):
    """Only an operator of the key's own first key gets a new token for it; you can revoke it, and make another."""

    kind = Kind.DENIED


class ActorNotAllowed(Refusal):
    """This step belongs to the other side of the payment."""

    kind = Kind.DENIED


# --- What is asked for ------------------------------------------------------------------------------------------------------


class AccountNotFound(Refusal):
    """There is no such account for this caller."""

    kind = Kind.NOT_FOUND


class PaymentNotFound(Refusal):
    """There is no such payment for this caller."""

    kind = Kind.NOT_FOUND


class FundingNotFound(Refusal):
    """There is no such funding for this caller."""

    kind = Kind.NOT_FOUND


class ProposalNotFound(Refusal):
    """There is no such proposal."""

    kind = Kind.NOT_FOUND


class OpenItemNotFound(Refusal):
    """There is no such open item."""

    kind = Kind.NOT_FOUND


class ServiceKeyNotFound(Refusal):
    """There is no such service key."""

    kind = Kind.NOT_FOUND


class OrderNoTaken(Refusal):
    """The payee has a payment with this order number."""

    kind = Kind.EXISTS

    def __init__(self, payment: str, order_no: str) -> None:
        super().__init__(order_no=order_no)
        self.resource = payment


class ExternalIdTaken(Refusal):
    """There is an account with this external id."""

    kind = Kind.EXISTS

    def __init__(self, account: str, external_id: str) -> None:
        super().__init__(external_id=external_id)
        self.resource = account


class RequestIdReused(Refusal):
    """The request_id was used for a request with other content; a new request needs a new one."""

    kind = Kind.EXISTS


class SecretAlreadyShown(Refusal):
    """The request was carried out before and its secret is shown once only; ask for another with a new request."""

    kind = Kind.EXISTS


# --- What the state allows --------------------------------------------------------------------------------------------------


class InsufficientFunds(Refusal):
    """The wallet does not hold enough."""

    kind = Kind.PRECONDITION


class InvalidTransition(Refusal):
    """The payment's state does not allow this step."""

    kind = Kind.PRECONDITION


class CaptureExceedsAuthorization(Refusal):
    """No more can be captured than was authorized."""

    kind = Kind.PRECONDITION


class AlreadyCorrected(Refusal):
    """The shipment was corrected before, which is possible once."""

    kind = Kind.PRECONDITION


class AlreadyExtended(Refusal):
    """The time to confirm was extended before, which is possible once."""

    kind = Kind.PRECONDITION


class ProposalNotPending(Refusal):
    """The proposal was approved or rejected before, or has expired; make another."""

    kind = Kind.PRECONDITION


class ProposalWaits(Refusal):
    """Whom the proposal is about has time to object first; approve it later."""

    kind = Kind.PRECONDITION


class OpenItemSettled(Refusal):
    """The open item was settled before."""

    kind = Kind.PRECONDITION


class WalletMissing(Refusal):
    """The account has no wallet in this currency; open one first."""

    kind = Kind.PRECONDITION


class AccountClosed(Refusal):
    """The account is closed."""

    kind = Kind.PRECONDITION


class AccountFrozen(Refusal):
    """The account is frozen: what its owner starts is refused until an operator unfreezes it."""

    kind = Kind.PRECONDITION


class BalanceNotZero(Refusal):
    """The account still holds or owes money."""

    kind = Kind.PRECONDITION


class PaymentsOpen(Refusal):
    """The account still has payments under way."""

    kind = Kind.PRECONDITION


class FundingsOpen(Refusal):
    """The account still has fundings that no bank has answered."""

    kind = Kind.PRECONDITION


class TakingsTooRecent(Refusal):
    """Money of payments reached the account so lately that claims may follow; it can close later."""

    kind = Kind.PRECONDITION


class FundingNotPending(Refusal):
    """The funding is settled; no bank can answer it any more."""

    kind = Kind.PRECONDITION


class TooManyWallets(Refusal):
    """An account has at most 16 wallets."""

    kind = Kind.PRECONDITION


class ClockOutOfRange(Refusal):
    """The sandbox clock does not go past the year 9000."""

    kind = Kind.PRECONDITION


class NotAMerchant(Refusal):
    """Only merchants have a plan; a person is paid free of fees."""

    kind = Kind.PRECONDITION


class EffectiveTimePast(Refusal):
    """The time lies in the past; a plan begins now or later."""

    kind = Kind.PRECONDITION


class BankMissing(Refusal):
    """No bank channel is set up: in live mode money comes in and goes out through a bank only."""

    kind = Kind.PRECONDITION


# --- Not now ----------------------------------------------------------------------------------------------------------------


class QueueFull(Refusal):
    """More requests are waiting than the core takes on; send it again after a pause."""

    kind = Kind.EXHAUSTED
    retry_after_seconds = 0.1


class DatabaseUnavailable(Refusal):
    """The database does not answer; send it again with the same request_id after a pause."""

    kind = Kind.UNAVAILABLE
    retry_after_seconds = 0.5


class ShuttingDown(Refusal):
    """This server is stopping; send it again, another one will take it."""

    kind = Kind.UNAVAILABLE
    retry_after_seconds = 0.1


class StreamIdle(Refusal):
    """Nothing came for too long, or no answer was read, so the stream was closed; open another."""

    kind = Kind.UNAVAILABLE
    retry_after_seconds = 0.1


class RetriesExhausted(Refusal):
    """Other requests kept getting in the way; send it again."""

    kind = Kind.ABORTED
    retry_after_seconds = 0.1


class DeadlinePassed(Refusal):
    """The deadline passed while the request waited; nothing was done."""

    kind = Kind.EXPIRED


class InternalFault(Refusal):
    """Something went wrong on our side; tell the operators this id."""

    kind = Kind.INTERNAL
