"""Errors by reason. Written by `make protos` from the core's own table: not to be changed here."""

from danbao_client.errors.base import DanbaoError

__all__ = [
    "AccountClosed",
    "AccountFrozen",
    "AccountNotClosed",
    "AccountNotFound",
    "ActorNotAllowed",
    "AlreadyCorrected",
    "AlreadyDecidedByYou",
    "AlreadyDisputed",
    "AlreadyExtended",
    "AmountNegative",
    "AmountNotPositive",
    "AmountOverflow",
    "AppealWaived",
    "ApprovalExpired",
    "ApprovalMismatch",
    "ApprovalNotFound",
    "ApprovalRequired",
    "ApprovalUsed",
    "AwardExceedsDisputed",
    "BalanceNotZero",
    "BankMissing",
    "BankUnavailable",
    "CallsTooFrequent",
    "CaptureExceedsAuthorization",
    "CardDeclined",
    "CardNumberInText",
    "CardNumberInvalid",
    "ChallengeNotFound",
    "ChangedTooRecently",
    "ChannelRequired",
    "ChannelUnavailable",
    "ClockOutOfRange",
    "CodeExpired",
    "CodeWrong",
    "CompensationNotPossible",
    "ConfirmedByOthers",
    "CurrencyMismatch",
    "CurrencyUnknown",
    "CursorExpired",
    "CursorInvalid",
    "DatabaseUnavailable",
    "DayNotOver",
    "DeadlinePassed",
    "DeliveryNotFound",
    "DifferenceExplained",
    "DifferenceNotFound",
    "DisputeExceedsRemaining",
    "DisputeNotFound",
    "DisputeOpen",
    "DisputeWindowClosed",
    "DisputesOpen",
    "EffectiveTimePast",
    "EndpointChanged",
    "EndpointDisabled",
    "EvidenceClosed",
    "EvidenceHashMismatch",
    "EvidenceMissing",
    "EvidenceNotFound",
    "EvidenceTooLarge",
    "EvidenceTypeUnknown",
    "ExportsBusy",
    "ExternalIdTaken",
    "FactorLocked",
    "FactorMissing",
    "FactorNotFound",
    "FactorNotPending",
    "FeesExceeded",
    "FieldInvalid",
    "FundingAtBank",
    "FundingNotFound",
    "FundingNotPending",
    "FundingsOpen",
    "IdentityMismatch",
    "IdentityNotConfirmed",
    "IdentityNumberInvalid",
    "IdentityProviderMissing",
    "InboxMessageNotFound",
    "InstrumentBound",
    "InstrumentNotFound",
    "InsufficientFunds",
    "InternalFault",
    "InvalidTransition",
    "KeyOfAnotherOperator",
    "KeyRevoked",
    "LimitExceeded",
    "MessageMalformed",
    "MessagesMissing",
    "NotAMerchant",
    "NotYourAccount",
    "OpenItemNotFound",
    "OpenItemSettled",
    "OrderNoOfPayee",
    "OrderNoTaken",
    "PageTokenInvalid",
    "PartyMissing",
    "PasswordAlreadySet",
    "PasswordLocked",
    "PasswordMissing",
    "PasswordTooCommon",
    "PasswordWrong",
    "PasswordsBusy",
    "PayerIsPayee",
    "PaymentNotFound",
    "PaymentsOpen",
    "PayoutNotFound",
    "PayoutScheduleNotFound",
    "PayoutsForMerchants",
    "PersonNeeded",
    "PersonNotFound",
    "PhoneInvalid",
    "PhoneTaken",
    "ProposalNotFound",
    "ProposalNotPending",
    "ProposalWaits",
    "QueueFull",
    "RefreshTokenReused",
    "RefundExceedsRemaining",
    "RefundInProgress",
    "RefundNotFound",
    "RefundWindowClosed",
    "RefundsOpen",
    "RefundsWaiting",
    "RequestIdReused",
    "RetriesExhausted",
    "ScopeMissing",
    "ScopeNeedsGrant",
    "ScopeNotBindable",
    "ScopeNotGranted",
    "ScopeUnknown",
    "SecondOperatorNeeded",
    "SecretAlreadyShown",
    "ServiceKeyNotFound",
    "ServiceNeeded",
    "SessionEnded",
    "SessionNotFound",
    "ShuttingDown",
    "SidesAreOne",
    "StatementTooLong",
    "StreamIdle",
    "TakingsTooRecent",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "TooManyAccounts",
    "TooManyCodes",
    "TooManyEndpoints",
    "TooManyRefunds",
    "TooManyWallets",
    "TooMuchEvidence",
    "TopicUnknown",
    "UpdateIncomplete",
    "UpdateMaskInvalid",
    "WalletMissing",
    "WatchTooSlow",
    "WatchesBusy",
    "WebhookEndpointNotFound",
    "WebhookUrlRefused",
]


class FieldInvalid(DanbaoError, reason="FIELD_INVALID"):
    """A field breaks a rule of the contract; the violations name it."""


class AccountClosed(DanbaoError, reason="ACCOUNT_CLOSED"):
    """The account is closed."""


class AccountFrozen(DanbaoError, reason="ACCOUNT_FROZEN"):
    """The account is frozen: what its owner starts is refused until an operator unfreezes it."""


class AccountNotClosed(DanbaoError, reason="ACCOUNT_NOT_CLOSED"):
    """The account is not closed; close it first."""


class AccountNotFound(DanbaoError, reason="ACCOUNT_NOT_FOUND"):
    """There is no such account for this caller."""


class ActorNotAllowed(DanbaoError, reason="ACTOR_NOT_ALLOWED"):
    """This step belongs to the other side of the payment."""


class AlreadyCorrected(DanbaoError, reason="ALREADY_CORRECTED"):
    """The shipment was corrected before, which is possible once."""


class AlreadyDecidedByYou(DanbaoError, reason="ALREADY_DECIDED_BY_YOU"):
    """Somebody else has to decide after the appeal than decided before it."""


class AlreadyDisputed(DanbaoError, reason="ALREADY_DISPUTED"):
    """The payment was disputed before; it can be once, and once more because nobody authorized it."""


class AlreadyExtended(DanbaoError, reason="ALREADY_EXTENDED"):
    """The time to confirm was extended before, which is possible once."""


class AmountNegative(FieldInvalid, reason="AMOUNT_NEGATIVE"):
    """An amount must not be less than zero."""


class AmountNotPositive(FieldInvalid, reason="AMOUNT_NOT_POSITIVE"):
    """An amount must be more than zero."""


class AmountOverflow(DanbaoError, reason="AMOUNT_OVERFLOW"):
    """The amount would take a balance past what 64 bits hold."""


class AppealWaived(DanbaoError, reason="APPEAL_WAIVED"):
    """This side has waived its appeal."""


class ApprovalExpired(DanbaoError, reason="APPROVAL_EXPIRED"):
    """The approval is no longer good; ask for a new challenge."""


class ApprovalMismatch(DanbaoError, reason="APPROVAL_MISMATCH"):
    """The approval is for something else, or for another amount."""


class ApprovalNotFound(DanbaoError, reason="APPROVAL_NOT_FOUND"):
    """There is no such approval for this caller; it belongs to the session that asked for it."""


class ApprovalRequired(DanbaoError, reason="APPROVAL_REQUIRED"):
    """This needs more proof of the person: approve it with one of the factors, and call again with the approval."""


class ApprovalUsed(DanbaoError, reason="APPROVAL_USED"):
    """The approval was used before; ask for a new challenge."""


class AwardExceedsDisputed(DanbaoError, reason="AWARD_EXCEEDS_DISPUTED"):
    """No more can be offered or awarded than is disputed, compensation included."""


class BalanceNotZero(DanbaoError, reason="BALANCE_NOT_ZERO"):
    """The account still holds or owes money."""


class BankMissing(DanbaoError, reason="BANK_MISSING"):
    """No bank channel is set up: in live mode money comes in and goes out through a bank only."""


class BankUnavailable(DanbaoError, reason="BANK_UNAVAILABLE"):
    """The bank does not answer; send it again with the same request_id after a pause."""


class CallsTooFrequent(DanbaoError, reason="CALLS_TOO_FREQUENT"):
    """You call this more often than is allowed."""


class CaptureExceedsAuthorization(DanbaoError, reason="CAPTURE_EXCEEDS_AUTHORIZATION"):
    """No more can be captured than was authorized."""


class CardDeclined(DanbaoError, reason="CARD_DECLINED"):
    """The bank does not take this card."""


class CardNumberInText(FieldInvalid, reason="CARD_NUMBER_IN_TEXT"):
    """The text holds a card number, which must not be stored; send it without."""


class CardNumberInvalid(DanbaoError, reason="CARD_NUMBER_INVALID"):
    """This is no card number: its last digit does not check."""


class ChallengeNotFound(DanbaoError, reason="CHALLENGE_NOT_FOUND"):
    """There is no such challenge for this caller."""


class ChangedTooRecently(DanbaoError, reason="CHANGED_TOO_RECENTLY"):
    """A factor, the phone or a password was changed; this rests for 24 hours after it."""


class ChannelRequired(DanbaoError, reason="CHANNEL_REQUIRED"):
    """What protects the account is always told by short message and in the inbox."""


class ChannelUnavailable(DanbaoError, reason="CHANNEL_UNAVAILABLE"):
    """Who confirms identities cannot be reached now."""


class ClockOutOfRange(DanbaoError, reason="CLOCK_OUT_OF_RANGE"):
    """The sandbox clock does not go past the year 9000."""


class CodeExpired(DanbaoError, reason="CODE_EXPIRED"):
    """The challenge can no longer be answered; ask for a new one."""


class CodeWrong(DanbaoError, reason="CODE_WRONG"):
    """The code is wrong, or was used before."""


class CompensationNotPossible(DanbaoError, reason="COMPENSATION_NOT_POSSIBLE"):
    """The platform compensates nobody but whose money was taken without their authorization."""


class ConfirmedByOthers(DanbaoError, reason="CONFIRMED_BY_OTHERS"):
    """Who met the person confirms this, and not the person: call it with a service key that is bound to no account."""


class CurrencyMismatch(DanbaoError, reason="CURRENCY_MISMATCH"):
    """The amount must be in the payment's own currency."""


class CurrencyUnknown(DanbaoError, reason="CURRENCY_UNKNOWN"):
    """The currency is not an ISO 4217 code with minor units."""


class CursorExpired(DanbaoError, reason="CURSOR_EXPIRED"):
    """What followed this cursor is no longer kept; read what was missed by lists, and begin with an empty cursor."""


class CursorInvalid(DanbaoError, reason="CURSOR_INVALID"):
    """The cursor is not one of ours; begin with an empty one, or with `beginning`."""


class DatabaseUnavailable(DanbaoError, reason="DATABASE_UNAVAILABLE"):
    """The database does not answer; send it again with the same request_id after a pause."""


class DayNotOver(DanbaoError, reason="DAY_NOT_OVER"):
    """The day is not over, so the bank has no statement of it yet."""


class DeadlinePassed(DanbaoError, reason="DEADLINE_PASSED"):
    """The deadline passed while the request waited; nothing was done."""


class DeliveryNotFound(DanbaoError, reason="DELIVERY_NOT_FOUND"):
    """There is no such delivery for this caller; they are kept for 90 days."""


class DifferenceExplained(DanbaoError, reason="DIFFERENCE_EXPLAINED"):
    """The difference is explained already."""


class DifferenceNotFound(DanbaoError, reason="DIFFERENCE_NOT_FOUND"):
    """There is no such difference."""


class DisputeExceedsRemaining(DanbaoError, reason="DISPUTE_EXCEEDS_REMAINING"):
    """No more can be disputed than was paid and neither goes back by refunds nor went back by awards."""


class DisputeNotFound(DanbaoError, reason="DISPUTE_NOT_FOUND"):
    """There is no such dispute for this caller."""


class DisputeOpen(DanbaoError, reason="DISPUTE_OPEN"):
    """The payment is disputed; nothing else happens to it until the dispute ends."""


class DisputeWindowClosed(DanbaoError, reason="DISPUTE_WINDOW_CLOSED"):
    """The time in which the payment can be disputed is over."""


class DisputesOpen(DanbaoError, reason="DISPUTES_OPEN"):
    """The account still has disputes under way."""


class EffectiveTimePast(DanbaoError, reason="EFFECTIVE_TIME_PAST"):
    """The time lies in the past; a plan begins now or later."""


class EndpointChanged(DanbaoError, reason="ENDPOINT_CHANGED"):
    """Somebody else changed the webhook endpoint at the same moment."""


class EndpointDisabled(DanbaoError, reason="ENDPOINT_DISABLED"):
    """The webhook endpoint is disabled; enable it first."""


class EvidenceClosed(DanbaoError, reason="EVIDENCE_CLOSED"):
    """The time in which evidence can be submitted is over."""


class EvidenceHashMismatch(DanbaoError, reason="EVIDENCE_HASH_MISMATCH"):
    """The file is not the one whose SHA-256 was given."""


class EvidenceMissing(FieldInvalid, reason="EVIDENCE_MISSING"):
    """Evidence is a text, a file, or both."""


class EvidenceNotFound(DanbaoError, reason="EVIDENCE_NOT_FOUND"):
    """There is no such evidence for this caller."""


class EvidenceTooLarge(FieldInvalid, reason="EVIDENCE_TOO_LARGE"):
    """The text or the file is larger than evidence can be."""


class EvidenceTypeUnknown(FieldInvalid, reason="EVIDENCE_TYPE_UNKNOWN"):
    """Files of this media type are not taken as evidence."""


class ExportsBusy(DanbaoError, reason="EXPORTS_BUSY"):
    """The caller has as many files under way as it may have at once; read those first, or send it again after a pause."""


class ExternalIdTaken(DanbaoError, reason="EXTERNAL_ID_TAKEN"):
    """There is an account with this external id."""


class FactorLocked(DanbaoError, reason="FACTOR_LOCKED"):
    """Codes were wrong too often; wait until the factor is unlocked."""


class FactorMissing(DanbaoError, reason="FACTOR_MISSING"):
    """There is no active factor of this kind; enrol one, or use another."""


class FactorNotFound(DanbaoError, reason="FACTOR_NOT_FOUND"):
    """There is no such factor for this caller."""


class FactorNotPending(DanbaoError, reason="FACTOR_NOT_PENDING"):
    """The factor was confirmed or removed before."""


class FeesExceeded(DanbaoError, reason="FEES_EXCEEDED"):
    """That is more than the platform has of fees, less what refunds under way give back of them."""


class FundingAtBank(DanbaoError, reason="FUNDING_AT_BANK"):
    """The card's own bank is asked for this funding; nobody answers in its place."""


class FundingNotFound(DanbaoError, reason="FUNDING_NOT_FOUND"):
    """There is no such funding for this caller."""


class FundingNotPending(DanbaoError, reason="FUNDING_NOT_PENDING"):
    """The funding is settled; no bank can answer it any more."""


class FundingsOpen(DanbaoError, reason="FUNDINGS_OPEN"):
    """The account still has fundings that no bank has answered."""


class IdentityMismatch(DanbaoError, reason="IDENTITY_MISMATCH"):
    """The name or the number is not the one that was verified."""


class IdentityNotConfirmed(DanbaoError, reason="IDENTITY_NOT_CONFIRMED"):
    """The channel does not confirm that this is who somebody says they are."""


class IdentityNumberInvalid(DanbaoError, reason="IDENTITY_NUMBER_INVALID"):
    """The document cannot have this number; a resident identity card's ends with a check character."""


class IdentityProviderMissing(DanbaoError, reason="IDENTITY_PROVIDER_MISSING"):
    """Nobody is set up who confirms identities for this core."""


class InboxMessageNotFound(DanbaoError, reason="INBOX_MESSAGE_NOT_FOUND"):
    """There is no such message in the inbox of this account."""


class InstrumentBound(DanbaoError, reason="INSTRUMENT_BOUND"):
    """The card is bound to this account already."""


class InstrumentNotFound(DanbaoError, reason="INSTRUMENT_NOT_FOUND"):
    """There is no such card for this caller."""


class InsufficientFunds(DanbaoError, reason="INSUFFICIENT_FUNDS"):
    """The wallet does not hold enough."""


class InternalFault(DanbaoError, reason="INTERNAL_FAULT"):
    """Something went wrong on our side; tell the operators this id."""


class InvalidTransition(DanbaoError, reason="INVALID_TRANSITION"):
    """The payment's state does not allow this step."""


class KeyOfAnotherOperator(DanbaoError, reason="KEY_OF_ANOTHER_OPERATOR"):
    """Only an operator of the key's own first key gets a new token for it; you can revoke it, and make another."""


class KeyRevoked(DanbaoError, reason="KEY_REVOKED"):
    """The service key was revoked; ask an operator for another."""


class LimitExceeded(DanbaoError, reason="LIMIT_EXCEEDED"):
    """The payment would exceed a limit of the payer."""


class MessageMalformed(DanbaoError, reason="MESSAGE_MALFORMED"):
    """The bytes of the request are no message of this method; is the caller's contract another version?"""


class MessagesMissing(DanbaoError, reason="MESSAGES_MISSING"):
    """This core has no channel for messages of this kind."""


class NotAMerchant(DanbaoError, reason="NOT_A_MERCHANT"):
    """Only merchants have a plan; a person is paid free of fees."""


class NotYourAccount(DanbaoError, reason="NOT_YOUR_ACCOUNT"):
    """The service key or session is for another account."""


class OpenItemNotFound(DanbaoError, reason="OPEN_ITEM_NOT_FOUND"):
    """There is no such open item."""


class OpenItemSettled(DanbaoError, reason="OPEN_ITEM_SETTLED"):
    """The open item was settled before."""


class OrderNoOfPayee(DanbaoError, reason="ORDER_NO_OF_PAYEE"):
    """Order numbers are the payee's own: leave it out, or let the payee create the payment."""


class OrderNoTaken(DanbaoError, reason="ORDER_NO_TAKEN"):
    """The payee has a payment with this order number."""


class PageTokenInvalid(DanbaoError, reason="PAGE_TOKEN_INVALID"):
    """The page token is not one of ours, of another caller, method or filter, or older than 3 days; begin at the first page."""


class PartyMissing(DanbaoError, reason="PARTY_MISSING"):
    """A service that acts for both sides has to say for which one it does this."""


class PasswordAlreadySet(DanbaoError, reason="PASSWORD_ALREADY_SET"):
    """There is a payment password; change it."""


class PasswordLocked(DanbaoError, reason="PASSWORD_LOCKED"):
    """The password was wrong too often; wait until it is unlocked, or set it anew."""


class PasswordMissing(DanbaoError, reason="PASSWORD_MISSING"):
    """This needs the payment password, and none is set; set one."""


class PasswordTooCommon(DanbaoError, reason="PASSWORD_TOO_COMMON"):
    """The password is among those that are tried first; choose another."""


class PasswordWrong(DanbaoError, reason="PASSWORD_WRONG"):
    """The password is wrong."""


class PasswordsBusy(DanbaoError, reason="PASSWORDS_BUSY"):
    """Too many passwords are being checked at once."""


class PayerIsPayee(DanbaoError, reason="PAYER_IS_PAYEE"):
    """The payer and the payee must be two accounts."""


class PaymentNotFound(DanbaoError, reason="PAYMENT_NOT_FOUND"):
    """There is no such payment for this caller."""


class PaymentsOpen(DanbaoError, reason="PAYMENTS_OPEN"):
    """The account still has payments under way."""


class PayoutNotFound(DanbaoError, reason="PAYOUT_NOT_FOUND"):
    """There is no such payout."""


class PayoutScheduleNotFound(DanbaoError, reason="PAYOUT_SCHEDULE_NOT_FOUND"):
    """There is no such payout schedule."""


class PayoutsForMerchants(DanbaoError, reason="PAYOUTS_FOR_MERCHANTS"):
    """Only merchants' accounts are paid out so; a person withdraws, and shows a payment password for it."""


class PersonNeeded(DanbaoError, reason="PERSON_NEEDED"):
    """Only a person does this, in a session of their own."""


class PersonNotFound(DanbaoError, reason="PERSON_NOT_FOUND"):
    """Nobody has registered this account as theirs."""


class PhoneInvalid(DanbaoError, reason="PHONE_INVALID"):
    """The number is no phone number that can be dialled; give it in E.164, such as +8613800138000."""


class PhoneTaken(DanbaoError, reason="PHONE_TAKEN"):
    """The phone number belongs to another account."""


class ProposalNotFound(DanbaoError, reason="PROPOSAL_NOT_FOUND"):
    """There is no such proposal."""


class ProposalNotPending(DanbaoError, reason="PROPOSAL_NOT_PENDING"):
    """The proposal was approved or rejected before, or has expired; make another."""


class ProposalWaits(DanbaoError, reason="PROPOSAL_WAITS"):
    """Whom the proposal is about has time to object first; approve it later."""


class QueueFull(DanbaoError, reason="QUEUE_FULL"):
    """More requests are waiting than the core takes on; send it again after a pause."""


class RefreshTokenReused(DanbaoError, reason="REFRESH_TOKEN_REUSED"):
    """The refresh token was spent before, so the session is ended; log in again."""


class RefundExceedsRemaining(DanbaoError, reason="REFUND_EXCEEDS_REMAINING"):
    """No more can be given back than was paid and no other refund gives back."""


class RefundInProgress(DanbaoError, reason="REFUND_IN_PROGRESS"):
    """Everything that is held goes back by refunds, so there is nothing left to ship or to confirm."""


class RefundNotFound(DanbaoError, reason="REFUND_NOT_FOUND"):
    """There is no such refund for this caller."""


class RefundWindowClosed(DanbaoError, reason="REFUND_WINDOW_CLOSED"):
    """The time in which refunds are possible is over."""


class RefundsOpen(DanbaoError, reason="REFUNDS_OPEN"):
    """The account still has refunds under way."""


class RefundsWaiting(DanbaoError, reason="REFUNDS_WAITING"):
    """The wallet lacks money for refunds that it owes; it pays nothing, to nobody, until they are made."""


class RequestIdReused(DanbaoError, reason="REQUEST_ID_REUSED"):
    """The request_id was used for a request with other content; a new request needs a new one."""


class RetriesExhausted(DanbaoError, reason="RETRIES_EXHAUSTED"):
    """Other requests kept getting in the way; send it again."""


class ScopeMissing(DanbaoError, reason="SCOPE_MISSING"):
    """The service key or session lacks the scope that this needs."""


class ScopeNeedsGrant(DanbaoError, reason="SCOPE_NEEDS_GRANT"):
    """This scope takes two operators: make the key without it, then propose to grant it."""


class ScopeNotBindable(DanbaoError, reason="SCOPE_NOT_BINDABLE"):
    """This scope reaches over all accounts, so no key that is bound to one can hold it."""


class ScopeNotGranted(DanbaoError, reason="SCOPE_NOT_GRANTED"):
    """This scope is not granted by a proposal: whoever makes a key gives it."""


class ScopeUnknown(DanbaoError, reason="SCOPE_UNKNOWN"):
    """There is no such scope; ask for scopes that RPCs declare."""


class SecondOperatorNeeded(DanbaoError, reason="SECOND_OPERATOR_NEEDED"):
    """This takes another operator than the one who proposed it, with a key that does not descend from the same first key."""


class SecretAlreadyShown(DanbaoError, reason="SECRET_ALREADY_SHOWN"):
    """The request was carried out before and its secret is shown once only; ask for another with a new request."""


class ServiceKeyNotFound(DanbaoError, reason="SERVICE_KEY_NOT_FOUND"):
    """There is no such service key."""


class ServiceNeeded(DanbaoError, reason="SERVICE_NEEDED"):
    """This is for services; a person makes one payment at a time."""


class SessionEnded(DanbaoError, reason="SESSION_ENDED"):
    """The session was ended or ran out; log in again."""


class SessionNotFound(DanbaoError, reason="SESSION_NOT_FOUND"):
    """There is no such session for this caller."""


class ShuttingDown(DanbaoError, reason="SHUTTING_DOWN"):
    """This server is stopping; send it again, another one will take it."""


class SidesAreOne(DanbaoError, reason="SIDES_ARE_ONE"):
    """The money would go where it comes from; name two sides."""


class StatementTooLong(DanbaoError, reason="STATEMENT_TOO_LONG"):
    """A PDF would have too many lines: ask for CSV, or for fewer days."""


class StreamIdle(DanbaoError, reason="STREAM_IDLE"):
    """Nothing came for too long, or no answer was read, so the stream was closed; open another."""


class TakingsTooRecent(DanbaoError, reason="TAKINGS_TOO_RECENT"):
    """Money of payments reached the account so lately that claims may follow; it can close later."""


class TokenExpired(DanbaoError, reason="TOKEN_EXPIRED"):
    """The access token is no longer good; refresh the session."""


class TokenInvalid(DanbaoError, reason="TOKEN_INVALID"):
    """This is no key or token of ours, or its secret is wrong or no longer in use."""


class TokenMissing(DanbaoError, reason="TOKEN_MISSING"):
    """Send the metadata `authorization: Bearer ...` with a service key (dbk_...) or a session's access token."""


class TooManyAccounts(DanbaoError, reason="TOO_MANY_ACCOUNTS"):
    """The document has verified as many accounts as one person may have."""


class TooManyCodes(DanbaoError, reason="TOO_MANY_CODES"):
    """Codes were sent too often; the next one is possible later."""


class TooManyEndpoints(DanbaoError, reason="TOO_MANY_ENDPOINTS"):
    """There are as many webhook endpoints of the same owner as there may be; delete one first."""


class TooManyRefunds(DanbaoError, reason="TOO_MANY_REFUNDS"):
    """The payment has as many refunds as a payment can have."""


class TooManyWallets(DanbaoError, reason="TOO_MANY_WALLETS"):
    """An account has at most 16 wallets."""


class TooMuchEvidence(DanbaoError, reason="TOO_MUCH_EVIDENCE"):
    """This side has submitted as much evidence as it can."""


class TopicUnknown(DanbaoError, reason="TOPIC_UNKNOWN"):
    """There is no such topic to subscribe to."""


class UpdateIncomplete(FieldInvalid, reason="UPDATE_INCOMPLETE"):
    """Url and topics must be given where update_mask names them."""


class UpdateMaskInvalid(FieldInvalid, reason="UPDATE_MASK_INVALID"):
    """Must name one or more of url, topics, description and unordered."""


class WalletMissing(DanbaoError, reason="WALLET_MISSING"):
    """The account has no wallet in this currency; open one first."""


class WatchTooSlow(DanbaoError, reason="WATCH_TOO_SLOW"):
    """You do not read what you watch as fast as it happens; watch on from the last cursor that you got."""


class WatchesBusy(DanbaoError, reason="WATCHES_BUSY"):
    """You have as many watches open as you may have at once; end one first, or let one serve several."""


class WebhookEndpointNotFound(DanbaoError, reason="WEBHOOK_ENDPOINT_NOT_FOUND"):
    """There is no such webhook endpoint for this caller."""


class WebhookUrlRefused(DanbaoError, reason="WEBHOOK_URL_REFUSED"):
    """No events are sent to this URL; name an https URL of a host that everybody can reach, without user and fragment."""
