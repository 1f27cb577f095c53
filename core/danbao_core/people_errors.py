"""Why a request that has to do with people is refused; as `errors.py`, which has the rules of these classes."""

from danbao_core.errors import FieldInvalid, Kind, Refusal

# --- The request is wrong ---------------------------------------------------------------------------------------------------


class PhoneInvalid(Refusal):
    """The number is no phone number that can be dialled; give it in E.164, such as +8613800138000."""

    kind = Kind.INVALID


class PasswordTooCommon(Refusal):
    """The password is among those that are tried first; choose another."""

    kind = Kind.INVALID


class IdentityNumberInvalid(Refusal):
    """The document cannot have this number; a resident identity card's ends with a check character."""

    kind = Kind.INVALID


class CardNumberInvalid(Refusal):
    """This is no card number: its last digit does not check."""

    kind = Kind.INVALID


class CardNumberInText(FieldInvalid):
    """The text holds a card number, which must not be stored; send it without."""


# --- Who calls --------------------------------------------------------------------------------------------------------------


class TokenExpired(Refusal):
    """The access token is no longer good; refresh the session."""

    kind = Kind.UNAUTHENTICATED


class SessionEnded(Refusal):
    """The session was ended or ran out; log in again."""

    kind = Kind.UNAUTHENTICATED


class RefreshTokenReused(Refusal):
    """The refresh token was spent before, so the session is ended; log in again."""

    kind = Kind.UNAUTHENTICATED


class ServiceNeeded(Refusal):
    """This is for services; a person makes one payment at a time."""

    kind = Kind.DENIED


class OrderNoOfPayee(Refusal):
    """Order numbers are the payee's own: leave it out, or let the payee create the payment."""

    kind = Kind.DENIED


class PersonNeeded(Refusal):
    """Only a person does this, in a session of their own."""

    kind = Kind.DENIED


class ConfirmedByOthers(Refusal):
    """Who met the person confirms this, and not the person: call it with a service key that is bound to no account."""

    kind = Kind.DENIED


# --- What there is ----------------------------------------------------------------------------------------------------------


class PersonNotFound(Refusal):
    """Nobody has registered this account as theirs."""

    kind = Kind.NOT_FOUND


class SessionNotFound(Refusal):
    """There is no such session for this caller."""

    kind = Kind.NOT_FOUND


class FactorNotFound(Refusal):
    """There is no such factor for this caller."""

    kind = Kind.NOT_FOUND


class ChallengeNotFound(Refusal):
    """There is no such challenge for this caller."""

    kind = Kind.NOT_FOUND


class ApprovalNotFound(Refusal):
    """There is no such approval for this caller; it belongs to the session that asked for it."""

    kind = Kind.NOT_FOUND


class InstrumentNotFound(Refusal):
    """There is no such card for this caller."""

    kind = Kind.NOT_FOUND


class PhoneTaken(Refusal):
    """The phone number belongs to another account."""

    kind = Kind.EXISTS


class InstrumentBound(Refusal):
    """The card is bound to this account already."""

    kind = Kind.EXISTS


# --- What the state allows --------------------------------------------------------------------------------------------------


class PasswordWrong(Refusal):
    """The password is wrong."""

    kind = Kind.PRECONDITION


class PasswordLocked(Refusal):
    """The password was wrong too often; wait until it is unlocked, or set it anew."""

    kind = Kind.PRECONDITION


class PasswordMissing(Refusal):
    """This needs the payment password, and none is set; set one."""

    kind = Kind.PRECONDITION


class PasswordAlreadySet(Refusal):
    """There is a payment password; change it."""

    kind = Kind.PRECONDITION


class CodeWrong(Refusal):
    """The code is wrong, or was used before."""

    kind = Kind.PRECONDITION


class CodeExpired(Refusal):
    """The challenge can no longer be answered; ask for a new one."""

    kind = Kind.PRECONDITION


class FactorLocked(Refusal):
    """Codes were wrong too often; wait until the factor is unlocked."""

    kind = Kind.PRECONDITION


class FactorMissing(Refusal):
    """There is no active factor of this kind; enrol one, or use another."""

    kind = Kind.PRECONDITION


class FactorNotPending(Refusal):
    """The factor was confirmed or removed before."""

    kind = Kind.PRECONDITION


class TooManyCodes(Refusal):
    """Codes were sent too often; the next one is possible later."""

    kind = Kind.PRECONDITION


class ApprovalRequired(Refusal):
    """This needs more proof of the person: approve it with one of the factors, and call again with the approval."""

    kind = Kind.PRECONDITION


class ApprovalMismatch(Refusal):
    """The approval is for something else, or for another amount."""

    kind = Kind.PRECONDITION


class ApprovalExpired(Refusal):
    """The approval is no longer good; ask for a new challenge."""

    kind = Kind.PRECONDITION


class ApprovalUsed(Refusal):
    """The approval was used before; ask for a new challenge."""

    kind = Kind.PRECONDITION


class LimitExceeded(Refusal):
    """The payment would exceed a limit of the payer."""

    kind = Kind.PRECONDITION


class ChangedTooRecently(Refusal):
    """A factor, the phone or a password was changed; this rests for 24 hours after it."""

    kind = Kind.PRECONDITION


class IdentityMismatch(Refusal):
    """The name or the number is not the one that was verified."""

    kind = Kind.PRECONDITION


class IdentityNotConfirmed(Refusal):
    """The channel does not confirm that this is who somebody says they are."""

    kind = Kind.PRECONDITION


class CardDeclined(Refusal):
    """The bank does not take this card."""

    kind = Kind.PRECONDITION


class IdentityProviderMissing(Refusal):
    """Nobody is set up who confirms identities for this core."""

    kind = Kind.PRECONDITION


class TooManyAccounts(Refusal):
    """The document has verified as many accounts as one person may have."""

    kind = Kind.PRECONDITION


class AccountNotClosed(Refusal):
    """The account is not closed; close it first."""

    kind = Kind.PRECONDITION


class MessagesMissing(Refusal):
    """This core has no channel for messages to phones."""

    kind = Kind.PRECONDITION


# --- Wait, and send it again ------------------------------------------------------------------------------------------------


class PasswordsBusy(Refusal):
    """Too many passwords are being checked at once."""

    kind = Kind.EXHAUSTED
    retry_after_seconds = 1.0


class CallsTooFrequent(Refusal):
    """You call this more often than is allowed."""

    kind = Kind.EXHAUSTED
    retry_after_seconds = 1.0


class ChannelUnavailable(Refusal):
    """Who confirms identities cannot be reached now."""

    kind = Kind.UNAVAILABLE
    retry_after_seconds = 5.0
