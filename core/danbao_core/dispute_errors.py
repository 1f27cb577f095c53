"""Why something is refused because of disputes; see `errors.py`."""

from danbao_core.errors import Kind, Refusal

# --- What a dispute keeps from happening ------------------------------------------------------------------------------------


class DisputeOpen(Refusal):
    """The payment is disputed; nothing else happens to it until the dispute ends."""

    kind = Kind.PRECONDITION


class DisputesOpen(Refusal):
    """The account still has disputes under way."""

    kind = Kind.PRECONDITION


# --- Opening one ------------------------------------------------------------------------------------------------------------


class AlreadyDisputed(Refusal):
    """The payment was disputed before; it can be once, and once more because nobody authorized it."""

    kind = Kind.PRECONDITION


class DisputeWindowClosed(Refusal):
    """The time in which the payment can be disputed is over."""

    kind = Kind.PRECONDITION


class DisputeExceedsRemaining(Refusal):
    """No more can be disputed than was paid and neither goes back by refunds nor went back by awards."""

    kind = Kind.PRECONDITION


# --- Steps of one -----------------------------------------------------------------------------------------------------------


class DisputeNotFound(Refusal):
    """There is no such dispute for this caller."""

    kind = Kind.NOT_FOUND


class PartyMissing(Refusal):
    """A service that acts for both sides has to say for which one it does this."""

    kind = Kind.INVALID


class AwardExceedsDisputed(Refusal):
    """No more can be offered or awarded than is disputed, compensation included."""

    kind = Kind.PRECONDITION


class CompensationNotPossible(Refusal):
    """The platform compensates nobody but whose money was taken without their authorization."""

    kind = Kind.PRECONDITION


class AlreadyDecidedByYou(Refusal):
    """Somebody else has to decide after the appeal than decided before it."""

    kind = Kind.PRECONDITION


class AppealWaived(Refusal):
    """This side has waived its appeal."""

    kind = Kind.PRECONDITION


# --- Evidence ---------------------------------------------------------------------------------------------------------------


class EvidenceMissing(Refusal):
    """Evidence is a text, a file, or both."""

    kind = Kind.INVALID


class EvidenceTooLarge(Refusal):
    """The text or the file is larger than evidence can be."""

    kind = Kind.INVALID


class EvidenceTypeUnknown(Refusal):
    """Files of this media type are not taken as evidence."""

    kind = Kind.INVALID


class EvidenceHashMismatch(Refusal):
    """The file is not the one whose SHA-256 was given."""

    kind = Kind.INVALID


class EvidenceClosed(Refusal):
    """The time in which evidence can be submitted is over."""

    kind = Kind.PRECONDITION


class TooMuchEvidence(Refusal):
    """This side has submitted as much evidence as it can."""

    kind = Kind.PRECONDITION


class EvidenceNotFound(Refusal):
    """There is no such evidence for this caller."""

    kind = Kind.NOT_FOUND
